"""Dependencies and the reasons for deferring: each dependency has exactly one."""

import pytest

from shared.core.dependency import Dependency, dependency_of
from shared.core.provider.guarantees import PROVIDERS, REPLICATE, ProviderName
from shared.core.provider.prediction import DeferReason


@pytest.mark.parametrize("dependency", Dependency)
def test_a_create_can_wait_for_every_dependency(dependency: Dependency) -> None:
    """A new dependency without a reason of its own would raise when it is down."""
    assert DeferReason.unavailable(dependency) == f"{dependency} unavailable"


def test_a_provider_is_a_dependency_that_runs_models() -> None:
    """This holds for every provider that exists, and for a new one."""
    names = [*PROVIDERS, ProviderName("another")]
    assert all(dependency_of(name).runs_models for name in names)
    assert dependency_of(REPLICATE) is Dependency.REPLICATE
    assert not Dependency.TABLES.runs_models
