"""The preflight, on an `az` and an `azd` that answer as Azure does: each trouble is named before anything is made."""

import json
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.infra.test_hooks import load

preflight = load("preflight")

pytestmark = pytest.mark.process  # az, azd and their like are programs

#: Answers from a file by the first words of the call; writes down each azd command. It is started 200 times, and what
#: it imports would be most of its cost.
PROGRAM = """#!{python} -IS
import os, sys, time
folder, words = os.environ["FAKE_FOLDER"], " ".join(sys.argv[1:])
if os.path.basename(sys.argv[0]) == "azd":
    with open(os.path.join(folder, "azd_calls"), "w") as calls:
        calls.write(words)
    sys.exit(0)
with open(os.path.join(folder, "answers")) as answers:
    for start, refusal, answer in eval(answers.read()):
        if start in words:
            if refusal:
                time.sleep(float(answer[5:])) if answer.startswith("sleep") else sys.exit(answer)
            print(answer)
            sys.exit(0)
sys.exit("no answer to " + words)
"""

OWNER = {"value": [{"actions": ["*"], "notActions": []}]}
CONTRIBUTOR = {"value": [{"actions": ["*"], "notActions": ["Microsoft.Authorization/*/Write"]}]}
ASSIGNER = {"actions": ["*/read", "Microsoft.Authorization/*"], "notActions": []}
NO_BUDGET = "(ResourceGroupNotFound) Resource group 'rg-shop' could not be found."


def usage(used: int) -> dict[str, Any]:
    """The cores of a region, as Azure reports them."""
    name = {"value": "Cores", "localizedValue": "Cores usage in Sweden Central"}
    return {"name": name, "unit": "Count", "currentValue": used, "limit": 250}


@dataclass
class CommandContext:
    """An operator's machine and what Azure answers there."""

    folder: Path
    env: dict[str, str]
    answers: dict[str, Any] = field(
        default_factory=lambda: {
            "account show": {"name": "mine"},
            "Microsoft.Authorization/permissions": OWNER,
            "provider list": [
                {"namespace": name, "registrationState": "Registered"}
                for name in (*preflight.PROVIDERS, "Microsoft.App")
            ],
            "Microsoft.Web/locations/": {"value": [usage(12)]},
            "list-flexconsumption-locations": [{"name": "swedencentral"}, {"name": "eastus"}],
            "account list-skus": [{"name": "S0"}, {"name": "F0"}],
            "keyvault list-deleted": [],
            "account list-deleted": [],
            "account list ": [],
            "budgets/darkroom": NO_BUDGET,
        }
    )

    def run(self, *arguments: str) -> int:
        """Run the hook."""
        answers = [
            (start, True, answer) if isinstance(answer, str) else (start, False, json.dumps(answer))
            for start, answer in self.answers.items()
        ]
        (self.folder / "answers").write_text(repr(answers))
        code: int = preflight.main(list(arguments), self.env)
        return code


@pytest.fixture
def command_context(tmp_path: Path) -> CommandContext:
    """A first deployment by an owner, with nothing in its way."""
    for name in ("az", "azd"):
        program = tmp_path / name
        program.write_text(PROGRAM.format(python=sys.executable))
        program.chmod(0o755)
    env = {
        "PATH": str(tmp_path),
        "FAKE_FOLDER": str(tmp_path),
        "AZURE_ENV_NAME": "shop",
        "AZURE_LOCATION": "swedencentral",
        "AZURE_SUBSCRIPTION_ID": "11111111-1111-1111-1111-111111111111",
        "ALERT_EMAIL": "you@example.com",
    }
    return CommandContext(tmp_path, env)


def test_nothing_stands_in_the_way(command_context: CommandContext, capsys: pytest.CaptureFixture[str]) -> None:
    """An owner's first deployment: it says so, and no azd command runs."""
    assert command_context.run() == 0
    said = capsys.readouterr()
    assert said.out == "Nothing stands in the way.\n"
    assert said.err == ""
    assert not (command_context.folder / "azd_calls").exists()


DELETED_VAULT = {"name": "kv-abc", "properties": {"vaultId": "/subscriptions/1/resourceGroups/rg-shop/providers/v"}}
DELETED_SAFETY = {"name": "safety-abc", "id": "/subscriptions/1/locations/x/resourceGroups/rg-shop/deletedAccounts/s"}
FREE = {"name": "other", "kind": "ContentSafety", "sku": {"name": "F0"}, "resourceGroup": "rg-other"}


@pytest.mark.parametrize(
    ("env", "answers", "said"),
    [
        ({}, {"Microsoft.Authorization/permissions": CONTRIBUTOR}, "roleAssignments/write in this subscription"),
        (
            {},
            {"Microsoft.Authorization/permissions": {"value": [ASSIGNER]}},
            "not do Microsoft.Web/sites/write",
        ),
        ({"VNET_ENABLED": "true"}, {"provider list": []}, "az provider register --namespace Microsoft.App --wait"),
        ({"AZURE_LOCATION": "nowhere"}, {}, "nowhere has no Flex Consumption"),
        ({}, {"Microsoft.Web/locations/": {"value": [usage(250)]}}, "Sweden Central: 250 of 250 are in use."),
        ({}, {"account list-skus": []}, "swedencentral has no Content Safety of tier S0"),
        ({"SAFETY_SKU": "F0"}, {"account list ": [FREE]}, "is other: azd env set SAFETY_SKU S0"),
        ({}, {"keyvault list-deleted": [DELETED_VAULT]}, "kv-abc is held for 90 days: azd env set RECOVER_VAULT true"),
        ({"RECOVER_VAULT": "true"}, {}, "no deleted vault to recover"),
        ({}, {"account list-deleted": [DELETED_SAFETY]}, "az cognitiveservices account purge --name safety-abc"),
        ({"ALERT_EMAIL": ""}, {}, "azd env set ALERT_EMAIL you@example.com"),
    ],
)
def test_what_would_stop_the_deployment_is_named(
    command_context: CommandContext,
    capsys: pytest.CaptureFixture[str],
    env: dict[str, str],
    answers: dict[str, Any],
    said: str,
) -> None:
    """In one line, with the command that mends it; nothing else is complained of."""
    command_context.env |= env
    command_context.answers |= answers
    assert command_context.run() == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert said in line


def test_two_roles_together_are_enough(command_context: CommandContext) -> None:
    """Contributor and User Access Administrator, as a pipeline has them."""
    command_context.answers["Microsoft.Authorization/permissions"] = {"value": [*CONTRIBUTOR["value"], ASSIGNER]}
    assert command_context.run() == 0


def test_a_vault_that_is_to_be_recovered_is_no_trouble(command_context: CommandContext) -> None:
    """RECOVER_VAULT says so."""
    command_context.env["RECOVER_VAULT"] = "true"
    command_context.answers["keyvault list-deleted"] = [DELETED_VAULT]
    assert command_context.run() == 0


def test_a_budget_that_azd_does_not_know_is_remembered(
    command_context: CommandContext, capsys: pytest.CaptureFixture[str]
) -> None:
    """A fresh runner: azd gets the month, and the command is to be run again; then it is no trouble."""
    command_context.answers["budgets/darkroom"] = {"properties": {"timePeriod": {"startDate": "2026-05-01T00:00:00Z"}}}
    assert command_context.run() == 1
    assert "Run the same command again" in capsys.readouterr().err
    assert (command_context.folder / "azd_calls").read_text() == "env set BUDGET_START 2026-05-01"
    command_context.env["BUDGET_START"] = "2026-05-01"
    assert command_context.run() == 0


def test_a_runner_gets_the_budgets_month(command_context: CommandContext, capsys: pytest.CaptureFixture[str]) -> None:
    """The month, or nothing where there is no budget; where it cannot be asked, one sentence and exit code 1."""
    assert command_context.run("--budget") == 0
    command_context.answers["budgets/darkroom"] = {"properties": {"timePeriod": {"startDate": "2026-05-01T00:00:00Z"}}}
    assert command_context.run("--budget") == 0
    assert capsys.readouterr().out == "\n2026-05-01\n"
    command_context.answers["budgets/darkroom"] = "(AuthorizationFailed) no"
    assert command_context.run("--budget") == 1
    assert capsys.readouterr().err.count("\n") == 1
    assert not (command_context.folder / "azd_calls").exists()


def test_nobody_signed_in_is_said(command_context: CommandContext, capsys: pytest.CaptureFixture[str]) -> None:
    """Before anything else is asked."""
    command_context.answers["account show"] = "Please run 'az login' to setup account."
    assert command_context.run() == 1
    assert capsys.readouterr().err.startswith("Nobody is signed in to Azure: az login")


def test_az_must_be_there(command_context: CommandContext, capsys: pytest.CaptureFixture[str]) -> None:
    """Its absence is named."""
    command_context.env["PATH"] = "/nowhere"
    assert command_context.run() == 1
    assert "az is not on PATH" in capsys.readouterr().err


@pytest.mark.parametrize("answer", ["(Throttled) later", {"unknown": "shape"}, [1], None])
def test_what_azure_does_not_say_stops_nothing(
    command_context: CommandContext, capsys: pytest.CaptureFixture[str], answer: Any
) -> None:
    """A refusal or a strange answer is said, and the deployment may begin."""
    command_context.answers["provider list"] = answer
    assert command_context.run() == 0
    assert "Not looked at: providers" in capsys.readouterr().out


def test_it_is_over_in_twenty_seconds(command_context: CommandContext, monkeypatch: pytest.MonkeyPatch) -> None:
    """Questions are asked side by side, and none is waited for beyond its bound."""
    assert preflight.ANSWER_S <= 15
    monkeypatch.setattr(preflight, "ANSWER_S", 2)
    for name in command_context.answers:
        if name != "account show":
            command_context.answers[name] = "sleep60"
    started = time.monotonic()
    assert command_context.run() == 0
    assert time.monotonic() - started < 20
