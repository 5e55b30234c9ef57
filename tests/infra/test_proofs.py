"""What is signed cannot be unsigned: the container of proofs has a policy, and only production locks it."""

import re

import pytest

from tests.infra.snapshots import ENVIRONMENTS, INFRA, one, resources, snapshots
from tests.infra.test_settings import tuned

POLICY = "Microsoft.Storage/storageAccounts/blobServices/containers/immutabilityPolicies"


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_the_proofs_are_kept_in_every_environment(environment: str) -> None:
    """For years, whole, and nothing else is: a policy on outputs would keep what users delete."""
    (policy,) = resources({environment: snapshots()[environment]}, POLICY)
    assert f"/containers/{tuned()['PROOFS_CONTAINER']}/" in policy.id
    assert policy.at("properties.immutabilityPeriodSinceCreationInDays") == 2557
    assert policy.at("properties.allowProtectedAppendWrites") is False


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_only_production_asks_for_the_lock(environment: str) -> None:
    """A lock cannot be undone, so the account of a trial could never be deleted."""
    wanted = "true" if environment == "prod" else "false"
    assert snapshots()[environment]["outputs"]["LOCK_PROOFS"] == wanted


def test_a_locked_policy_is_not_written_again() -> None:
    """Azure refuses that, even with the same days: where it is locked, the template leaves it out."""
    main = (INFRA / "main.bicep").read_text(encoding="utf-8")
    storage = (INFRA / "modules" / "storage.bicep").read_text(encoding="utf-8")
    assert "proofDays: proofsLocked ? 0 : proofDays" in main
    assert re.search(r"immutabilityPolicies@[\d-]+' = if \(proofDays > 0\)", storage)


@pytest.mark.parametrize("container", ["PROOFS_CONTAINER", "INPUTS_CONTAINER"])
def test_no_rule_deletes_what_only_the_app_can_judge(container: str) -> None:
    """Not a proof, and no input: a rule does not know what waits. The lifecycle of the account names others only."""
    rules = one("prod", "Microsoft.Storage/storageAccounts/managementPolicies").at("properties.policy.rules")
    prefixes = {prefix for rule in rules for prefix in rule["definition"]["filters"]["prefixMatch"]}
    assert prefixes
    assert not any(prefix.startswith(f"{tuned()[container]}/") for prefix in prefixes)
