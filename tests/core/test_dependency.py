"""Dependencies and reasons for deferring: each by one name, and none without the other."""

import pytest

from shared.core.dependency import Dependency, dependency_of
from shared.core.provider.guarantees import PROVIDERS, REPLICATE, ProviderName
from shared.core.provider.prediction import DeferReason


@pytest.mark.parametrize("dependency", Dependency)
def test_a_create_can_wait_for_every_dependency(dependency: Dependency) -> None:
    """Under a reason that names it: a new dependency without one would be an exception at 3 a.m."""
    assert DeferReason.unavailable(dependency) == f"{dependency} unavailable"


def test_a_provider_is_a_dependency_that_runs_models() -> None:
    """Every one that there is, and one that is to come."""
    names = [*PROVIDERS, ProviderName("another")]
    assert all(dependency_of(name).runs_models for name in names)
    assert dependency_of(REPLICATE) is Dependency.REPLICATE
    assert not Dependency.TABLES.runs_models
