"""The services that Darkroom depends on, one name each: for errors, waits, logs, metrics and the health page."""

from enum import StrEnum

from shared.core.provider.guarantees import REPLICATE, ProviderName


class Dependency(StrEnum):
    """A service that may be down, throttle, or send an unreadable answer."""

    TABLES = "tables"
    BLOBS = "blobs"
    SERVICE_BUS = "service bus"
    CONTENT_SAFETY = "content safety"
    KEY_VAULT = "key vault"
    SECRETS = "secrets"  # the source of a secret, whichever it is
    REPLICATE = "replicate"
    PROVIDER = "provider"  # any provider but Replicate
    IMAGES = "images"  # the process that decodes images
    INPUTS = "inputs"  # the addresses that users name
    SWITCHES = "kill switches"  # what an operator has paused
    PLANS = "plans"  # the plans file, if it lacks the plan of an account

    @property
    def runs_models(self) -> bool:
        """Whether this is a provider: predictions are created and read there."""
        return self in (Dependency.REPLICATE, Dependency.PROVIDER)


def dependency_of(provider: ProviderName) -> Dependency:
    """The dependency that stands for a provider."""
    return Dependency.REPLICATE if provider == REPLICATE else Dependency.PROVIDER
