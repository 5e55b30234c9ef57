"""The pytest plugin of `python3 -m dev test --quick`: fewer random examples.

Rules of this file:
1. Every property test runs. Only the number of its random examples is smaller; what is written with ``@example`` is
   tried in full. A test that wants more examples than the others says so as a multiple of ``settings().max_examples``.
2. `python3 -m dev test` and CI do not load this plugin, so there every example is tried.
"""

import pytest
from hypothesis import settings

#: A quarter of the CPU time of the quick tests was spent on random examples: 39 s at Hypothesis's own 100 a test.
EXAMPLES = 20


@pytest.hookimpl(trylast=True)
def pytest_configure() -> None:
    """Change the profile that the conftest has loaded, before any test module is imported."""
    settings.register_profile("quick", settings.get_profile(settings.get_current_profile_name()), max_examples=EXAMPLES)
    settings.load_profile("quick")
