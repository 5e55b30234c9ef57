#!/usr/bin/env python3
"""Before anything is made: finds what would stop the deployment, and prints the command that fixes each problem.

Rules of this file:
1. The standard library alone: it runs before anything of the project is installed.
2. It changes nothing in Azure. In azd's environment it writes one value, BUDGET_START of a budget that is there.
3. All questions are asked at once, each bounded: the whole takes at most ``ANSWER_S`` seconds and a little.
4. A check that Azure does not answer is reported and stops nothing: the deployment itself will show the problem.

Run by azd before each provisioning (azure.yaml), and by hand: ``azd hooks run preprovision``.
"""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

#: Seconds: the longest that one call of az may take.
ANSWER_S = 15

#: Two rights that the templates need: a Contributor lacks the second, a User Access Administrator lacks the first.
RIGHTS = ("Microsoft.Authorization/roleAssignments/write", "Microsoft.Web/sites/write")

#: Azure registers what a template uses by itself; of this one only a subnet's delegation speaks, so it does not.
NETWORK_PROVIDER = "Microsoft.App"

PROVIDERS = (
    "Microsoft.CognitiveServices",
    "Microsoft.Insights",
    "Microsoft.KeyVault",
    "Microsoft.ManagedIdentity",
    "Microsoft.OperationalInsights",
    "Microsoft.ServiceBus",
    "Microsoft.Storage",
    "Microsoft.Web",
)


class Unanswered(Exception):  # noqa: N818  # it says what came of a question
    """Azure did not answer, or nobody is signed in. The text is az's last line."""


@dataclass(frozen=True)
class Azure:
    """The Azure CLI, asked for JSON."""

    env: Mapping[str, str]

    def ask(self, *words: str) -> Any:
        """Returns the JSON that ``az WORDS`` prints. Raises Unanswered."""
        az = shutil.which("az", path=self.env.get("PATH"))
        if az is None:
            raise Unanswered("az is not on PATH: learn.microsoft.com/cli/azure/install-azure-cli")
        command = [az, *words, "--only-show-errors", "--output", "json"]
        try:
            done = subprocess.run(  # noqa: S603  # words of our own
                command, env=dict(self.env), check=False, capture_output=True, text=True, timeout=ANSWER_S
            )
        except subprocess.TimeoutExpired:
            raise Unanswered(f"no answer within {ANSWER_S} s") from None
        if done.returncode:
            lines = done.stderr.strip().splitlines() or ["az failed without a word"]
            raise Unanswered(lines[-1])
        try:
            return json.loads(done.stdout or "null")
        except ValueError:
            raise Unanswered("az answered with something that is not JSON") from None


@dataclass(frozen=True)
class Plan:
    """What is to be deployed, as azd's environment says."""

    environment: str
    location: str
    subscription: str
    closed: bool
    free_safety: bool
    recovers: bool
    email: str
    budget: bool
    budget_start: str

    @property
    def group(self) -> str:
        """The resource group, as main.bicep names it."""
        return f"rg-{self.environment}"

    @staticmethod
    def of(env: Mapping[str, str]) -> "Plan":
        """From the environment that azd gives to its hooks."""
        return Plan(
            environment=env.get("AZURE_ENV_NAME", ""),
            location=env.get("AZURE_LOCATION", ""),
            subscription=env.get("AZURE_SUBSCRIPTION_ID", ""),
            closed=env.get("VNET_ENABLED", "").lower() == "true",
            free_safety=env.get("SAFETY_SKU", "") == "F0",
            recovers=env.get("RECOVER_VAULT", "").lower() == "true",
            email=env.get("ALERT_EMAIL", "").strip(),
            budget=env.get("MONTHLY_BUDGET", "") != "0",
            budget_start=env.get("BUDGET_START", "").strip(),
        )


Check = Callable[[Azure, Plan], list[str]]


def rights(azure: Azure, plan: Plan) -> list[str]:
    """The deploying identity may make resources and assign roles."""
    url = f"/subscriptions/{plan.subscription}/providers/Microsoft.Authorization/permissions?api-version=2022-04-01"
    granted = azure.ask("rest", "--method", "get", "--url", url).get("value", [])
    missing = [right for right in RIGHTS if not any(_allows(each, right) for each in granted)]
    return [
        f"You may not do {right} in this subscription: be Owner, or Contributor and User Access Administrator."
        for right in missing
    ]


def _allows(permission: Mapping[str, Any], right: str) -> bool:
    def named(kind: str) -> bool:
        return any(fnmatchcase(right.lower(), str(each).lower()) for each in permission.get(kind) or [])

    return named("actions") and not named("notActions")


def providers(azure: Azure, plan: Plan) -> list[str]:
    """The resource providers are registered, or Azure will do it."""
    states = {each["namespace"]: each["registrationState"] for each in azure.ask("provider", "list")}
    if plan.closed and states.get(NETWORK_PROVIDER) != "Registered":
        return [f"{NETWORK_PROVIDER} is not registered: az provider register --namespace {NETWORK_PROVIDER} --wait"]
    late = [name for name in PROVIDERS if states.get(name) != "Registered"]
    if late:
        _say(f"Azure will register {', '.join(late)} with the deployment; that takes some minutes more.")
    return []


def region(azure: Azure, plan: Plan) -> list[str]:
    """The region has Flex Consumption."""
    names = [each["name"] for each in azure.ask("functionapp", "list-flexconsumption-locations")]
    known = {name.replace(" ", "").lower() for name in names}
    if plan.location.replace(" ", "").lower() in known:
        return []
    return [f"{plan.location or 'The region'} has no Flex Consumption: azd env set AZURE_LOCATION swedencentral"]


def safety(azure: Azure, plan: Plan) -> list[str]:
    """The region has Content Safety in the wanted tier, and the one free account is not already used."""
    words = ("cognitiveservices", "account", "list-skus", "--kind", "ContentSafety", "--location", plan.location)
    tier = "F0" if plan.free_safety else "S0"
    if tier not in {each["name"] for each in azure.ask(*words)}:
        return [f"{plan.location} has no Content Safety of tier {tier}: choose another region, or SAFETY_SKU."]
    if not plan.free_safety:
        return []
    taken = [
        each["name"]
        for each in azure.ask("cognitiveservices", "account", "list")
        if (each["kind"], each["sku"]["name"]) == ("ContentSafety", "F0") and each["resourceGroup"] != plan.group
    ]
    return [f"The one free Content Safety of this subscription is {name}: azd env set SAFETY_SKU S0" for name in taken]


def quota(azure: Azure, plan: Plan) -> list[str]:
    """The subscription has cores left in the region.

    learn.microsoft.com/rest/api/appservice/get-usages-in-location/list
    """
    place = f"/subscriptions/{plan.subscription}/providers/Microsoft.Web/locations/{plan.location}"
    usages = azure.ask("rest", "--method", "get", "--url", f"{place}/usages?api-version=2024-11-01").get("value", [])
    return [
        f"{each['name']['localizedValue']}: {each['currentValue']} of {each['limit']} are in use. "
        "Ask for more in the portal (Quotas), or choose another region."
        for each in usages
        if 0 < each["limit"] <= each["currentValue"]
    ]


def vault_name(azure: Azure, plan: Plan) -> list[str]:
    """No deleted vault blocks the name of this environment's vault, unless it is to be recovered."""
    kept = azure.ask("keyvault", "list-deleted", "--resource-type", "vault")
    held = [each["name"] for each in kept if f"/{plan.group}/".lower() in each["properties"]["vaultId"].lower()]
    if not held and plan.recovers:
        return ["There is no deleted vault to recover: azd env set RECOVER_VAULT false"]
    if held and not plan.recovers:
        return [f"The name of the deleted vault {held[0]} is held for 90 days: azd env set RECOVER_VAULT true"]
    return []


def safety_name(azure: Azure, plan: Plan) -> list[str]:
    """No deleted Content Safety account blocks the name of this environment's account."""
    kept = azure.ask("cognitiveservices", "account", "list-deleted")
    return [
        f"The name of the deleted Content Safety {each['name']} is held for 48 hours: "
        f"az cognitiveservices account purge --name {each['name']} "
        f"--resource-group {plan.group} --location {plan.location}"
        for each in kept
        if f"/{plan.group}/".lower() in each["id"].lower()
    ]


def budget_month(azure: Azure, plan: Plan) -> list[str]:
    """If a budget exists, azd knows its first month: Azure refuses every later change of it."""
    if not plan.budget or plan.budget_start:
        return []
    began = _began(azure, plan)
    if not began:
        return []
    if _remember(azure.env, began):
        return [f"The budget began on {began}, and azd did not know: it does now. Run the same command again."]
    return [f"The budget began on {began}, and azd does not know: azd env set BUDGET_START {began}"]


def _began(azure: Azure, plan: Plan) -> str:
    """Returns the first day of the existing budget, yyyy-MM-01; empty if there is no budget."""
    url = (
        f"/subscriptions/{plan.subscription}/resourceGroups/{plan.group}/providers/Microsoft.Consumption/budgets/darkroom"
        "?api-version=2024-08-01"
    )
    try:
        found = azure.ask("rest", "--method", "get", "--url", url)
    except Unanswered as unanswered:
        if "NotFound" in str(unanswered):  # the budget, or its group
            return ""
        raise
    return str(found["properties"]["timePeriod"]["startDate"])[:10]


def _remember(env: Mapping[str, str], began: str) -> bool:
    azd = shutil.which("azd", path=env.get("PATH"))
    command = [azd or "azd", "env", "set", "BUDGET_START", began]
    return azd is not None and subprocess.run(command, env=dict(env), check=False).returncode == 0  # noqa: S603  # ours


def email(_azure: Azure, plan: Plan) -> list[str]:
    """Alerts have an address to go to."""
    return [] if plan.email else ["No alert would be mailed to anybody: azd env set ALERT_EMAIL you@example.com"]


CHECKS: tuple[Check, ...] = (rights, providers, region, quota, safety, vault_name, safety_name, budget_month, email)


def findings(azure: Azure, plan: Plan) -> list[str]:
    """Returns what stops the deployment, in the order of the checks. Prints each check that Azure did not answer."""

    def one(check: Check) -> list[str]:
        try:
            return check(azure, plan)
        except (Unanswered, KeyError, TypeError, AttributeError) as trouble:
            why = trouble if isinstance(trouble, Unanswered) else "an answer of an unknown shape"
            _say(f"Not looked at: {check.__name__.replace('_', ' ')} ({why})")
            return []

    with ThreadPoolExecutor(len(CHECKS)) as pool:
        return [finding for found in pool.map(one, CHECKS) for finding in found]


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def say_budget_month(azure: Azure, plan: Plan) -> int:
    """Prints the month in which the budget began, or nothing if there is none. A runner keeps no azd environment."""
    try:
        began = plan.budget_start or _began(azure, plan)
    except (Unanswered, KeyError, TypeError) as trouble:
        sys.stderr.write(
            f"Azure did not say whether there is a budget and when it began ({trouble}): set BUDGET_START.\n"
        )
        return 1
    _say(began)
    return 0


def main(argv: list[str], env: Mapping[str, str]) -> int:
    """Returns 0 if nothing stops the deployment, else 1 after printing each finding. ``--budget`` prints the month."""
    if argv not in ([], ["--budget"]):
        sys.stderr.write("usage: preflight.py [--budget]\n")
        return 2
    azure, plan = Azure(env), Plan.of(env)
    if argv:
        return say_budget_month(azure, plan)
    try:
        azure.ask("account", "show")
    except Unanswered as unanswered:
        sys.stderr.write(f"Nobody is signed in to Azure: az login ({unanswered})\n")
        return 1
    found = findings(azure, plan)
    for finding in found:
        sys.stderr.write(f"{finding}\n")
    if not found:
        _say("Nothing stands in the way.")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], os.environ))
