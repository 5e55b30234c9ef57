"""What all tests share."""

from hypothesis import HealthCheck, settings

# Time on a busy machine says nothing about the code: neither a slow example nor slow data is a failure.
settings.register_profile("darkroom", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("darkroom")
