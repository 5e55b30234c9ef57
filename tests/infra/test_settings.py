"""The app's settings in the templates are those that the app reads, and the other way round."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from dev.entities import QUEUES
from shared.config.settings import HOST_NAMES, NAMES, Settings
from tests.infra.snapshots import ENVIRONMENTS, INFRA, app_settings, one, resources, snapshots

ROOT = INFRA.parent

#: A laptop's way in, by key or with the secret itself; in Azure it is the identity and the vault.
LAPTOP_ONLY = {
    "CONTENT_SAFETY_KEY",
    "REPLICATE_API_TOKEN",
    "REPLICATE_WEBHOOK_SECRET",
    "STORAGE_CONNECTION_STRING",
    "ServiceBus",
    # A secret of the operator's own making: docs/safety.md says how it gets into the vault. Without it, no digests.
    "TEXT_HASH_KEY",
    # In Azure the ledger's keys are in the vault.
    "KEYS_FOLDER",
    # Flex Consumption knows the language by functionAppConfig, and the storage by the settings below.
    "AzureWebJobsStorage",
    "FUNCTIONS_WORKER_RUNTIME",
}

#: The platform's own: learn.microsoft.com/azure/azure-functions/functions-app-settings,
#: .../functions-reference (connections by identity), .../opentelemetry-howto
PLATFORM = {
    "APPLICATIONINSIGHTS_AUTHENTICATION_STRING",
    "APPLICATIONINSIGHTS_CONNECTION_STRING",
    "AzureWebJobsStorage__blobServiceUri",
    "AzureWebJobsStorage__clientId",
    "AzureWebJobsStorage__credential",
    "AzureWebJobsStorage__tableServiceUri",
    "PYTHON_APPLICATIONINSIGHTS_ENABLE_TELEMETRY",
    "ServiceBus__clientId",
    "ServiceBus__credential",
}

#: What only Azure knows, as far as its form matters.
ANSWERS = {
    "AZURE_CLIENT_ID": "00000000-0000-0000-0000-000000000000",
    "CONTENT_SAFETY_ENDPOINT": "https://example.cognitiveservices.azure.com/",
    "KEY_VAULT_URL": "https://example.vault.azure.net/",
    "STORAGE_BLOB_URL": "https://example.blob.core.windows.net/",
    "STORAGE_TABLE_URL": "https://example.table.core.windows.net/",
}


def tuned() -> dict[str, str]:
    """The settings of infra/settings.json."""
    values: dict[str, str] = json.loads((INFRA / "settings.json").read_text(encoding="utf-8"))
    return values


def derived(environment: str = "prod") -> dict[str, str]:
    """What follows from the deployment."""
    return {name: value for name, value in app_settings(environment).items() if name not in tuned()}


def test_every_setting_in_the_templates_is_known() -> None:
    """Each is read by the app, by its host, or by the platform; and none is set twice."""
    known = {name.env for name in NAMES} | set(HOST_NAMES) | PLATFORM
    assert set(tuned()) | set(derived()) <= known
    assert {name: app_settings("prod")[name] for name in tuned()} == tuned()


def test_every_setting_of_the_app_is_in_the_templates() -> None:
    """Nothing that production needs is left to its default unseen; what is a laptop's way in is not there."""
    wanted = {name.env for name in NAMES} | set(HOST_NAMES)
    assert set(tuned()) | set(derived()) - PLATFORM == wanted - LAPTOP_ONLY


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_the_app_can_read_them(environment: str) -> None:
    """Settings takes what the templates set, on a host name that the platform adds."""
    values = {name: value for name, value in derived(environment).items() if name not in PLATFORM}
    env = {name: ANSWERS[name] if value.startswith("[") else value for name, value in values.items()}
    settings = Settings.from_env(tuned() | env | {"WEBSITE_HOSTNAME": "func-example.azurewebsites.net"})
    assert settings.public_url == "https://func-example.azurewebsites.net"
    assert not settings.service_bus
    assert not settings.replicate_api_token


def test_what_is_tuned_is_what_the_app_would_do_by_itself() -> None:
    """settings.json shows the defaults; whoever changes one there does it on purpose, and changes this test's list."""
    defaults = {name.env: name.default for name in NAMES}
    changed = {name: value for name, value in tuned().items() if name in defaults and value != defaults[name]}
    assert changed == {}


@pytest.mark.parametrize("field", ["deployment", "runtime", "scaleAndConcurrency"])
def test_flex_consumption_is_configured(field: str) -> None:
    """Where the package is, which Python, how far to scale."""
    config = one("prod", "Microsoft.Web/sites").at("properties.functionAppConfig")
    assert field in config
    assert config["runtime"] == {"name": "python", "version": "3.13"}


def test_one_minute_of_creates_is_in_flight_at_most() -> None:
    """The arithmetic beside the site: instances times calls is Replicate's 600 creates a minute, at most 10 % over."""
    host = json.loads((ROOT / "host.json").read_text(encoding="utf-8"))
    calls = host["extensions"]["serviceBus"]["maxConcurrentCalls"]
    scale = one("prod", "Microsoft.Web/sites").at("properties.functionAppConfig.scaleAndConcurrency")
    instances = scale["maximumInstanceCount"]
    assert 600 <= calls * instances <= 660


def test_the_lock_is_as_long_as_an_invocation() -> None:
    """A message stays locked without a single renewal for as long as the app may work on it."""
    queue = one("prod", "Microsoft.ServiceBus/namespaces/queues", tuned()["GENERATION_QUEUE"])
    minutes = int(re.fullmatch(r"PT(\d+)M", queue.at("properties.lockDuration"))[1])  # type: ignore[index]  # else it fails
    assert minutes * 60 >= int(tuned()["INVOCATION_TIMEOUT_S"])


def test_messages_outlive_the_patience_of_the_app() -> None:
    """A request that is deferred for as long as the app defers one does not expire meanwhile."""
    queue = one("prod", "Microsoft.ServiceBus/namespaces/queues", tuned()["GENERATION_QUEUE"])
    days = int(re.fullmatch(r"P(\d+)D", queue.at("properties.defaultMessageTimeToLive"))[1])  # type: ignore[index]  # as above
    assert days * 86400 >= 4 * int(tuned()["PATIENCE_S"])


#: Role ids: learn.microsoft.com/azure/role-based-access-control/built-in-roles
WRITES, READS = "ba92f5b4-2d11-453d-a403-e96b0029c9fe", "2a2b9908-6ea1-4ae2-8e65-a410df84e7d1"


def test_the_app_has_roles_on_the_containers_of_its_settings_only() -> None:
    """A new *_CONTAINER setting needs a role; a container without a setting gets none."""
    given: dict[str, set[str]] = {WRITES: set(), READS: set()}
    for role in resources({"prod": snapshots()["prod"]}, "Microsoft.Authorization/roleAssignments"):
        of_app = "userAssignedIdentities/id-" in role.at("properties.principalId")
        container = re.search(r"/containers/([\w-]+)/", role.id)
        if of_app and container:
            given[role.at("properties.roleDefinitionId").rpartition("/")[2]].add(container[1])
    named = {tuned()[name.env] for name in NAMES if name.env.endswith("_CONTAINER")}
    assert given[WRITES] | given[READS] == named | {"config"}
    # What others put there is theirs: the app cannot change it.
    assert given[READS] == {tuned()["UPLOADS_CONTAINER"], "config"}


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_every_container_and_table_of_the_settings_is_made(environment: str) -> None:
    """Storage has what settings.json names."""
    kinds = {"_CONTAINER": "blobServices/containers", "_TABLE": "tableServices/tables"}
    for suffix, kind in kinds.items():
        full = f"Microsoft.Storage/storageAccounts/{kind}"
        made = {each.name for each in resources({environment: snapshots()[environment]}, full)}
        assert {value for name, value in tuned().items() if name.endswith(suffix)} <= made


#: What azd sets by itself.
OF_AZD = {"AZURE_ENV_NAME", "AZURE_LOCATION", "AZURE_PRINCIPAL_ID", "AZURE_PRINCIPAL_TYPE"}


#: Secrets are no variables of a pipeline.
SECRET = {"REPLICATE_API_TOKEN", "REPLICATE_WEBHOOK_SECRET"}


@pytest.mark.parametrize("file", ["azure.yaml", ".github/workflows/azure-dev.yml", "docs/deployment.md"])
def test_every_parameter_reaches_the_pipeline(file: str) -> None:
    """A variable of main.bicepparam is handed on by azd and the workflow, and documented."""
    read = re.findall(r"readEnvironmentVariable\('(\w+)'", (INFRA / "main.bicepparam").read_text(encoding="utf-8"))
    text = (ROOT / file).read_text(encoding="utf-8")
    wanted = set(read) - OF_AZD - (SECRET if file == "azure.yaml" else set())
    assert [name for name in sorted(wanted) if not re.search(rf"\b{name}\b", text)] == []


def test_the_emulators_have_the_same_entities() -> None:
    """dev/emulators/config.json has the queues and the topic of the settings, as far as the emulator's limits allow."""
    config: dict[str, Any] = json.loads((ROOT / "dev" / "emulators" / "config.json").read_text(encoding="utf-8"))
    (namespace,) = config["UserConfig"]["Namespaces"]
    names = tuned()
    assert [queue["Name"] for queue in namespace["Queues"]] == [names[queue] for queue in QUEUES]
    assert [topic["Name"] for topic in namespace["Topics"]] == [names["EVENTS_TOPIC"]]
    for queue in namespace["Queues"]:
        assert queue["Properties"]["MaxDeliveryCount"] == 10
        assert queue["Properties"]["RequiresDuplicateDetection"]
        assert queue["Properties"]["DeadLetteringOnMessageExpiration"]


def test_the_package_holds_the_app_and_nothing_else() -> None:
    """.funcignore leaves out every entry of the repository that is not part of the app; the packages go along."""
    lines = (ROOT / ".funcignore").read_text(encoding="utf-8").splitlines()
    ignored = {line.rstrip("/") for line in lines}
    app = {"function_app.py", "host.json", "requirements.txt", "shared"}
    left = {path.name for path in ROOT.iterdir() if not path.name.startswith(".") and path.name not in ignored}
    assert left - {"__pycache__"} == app
    assert lines.index("!.python_packages") > lines.index(".*")
    assert not {Path(name) for name in ignored} & {Path(name) for name in app}
