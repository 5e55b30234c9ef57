"""The app's settings in the templates are those that the app reads, and the other way round."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from shared.settings import HOST_NAMES, NAMES, Settings
from tests.infra.bicep import INFRA, Call, Expr, Resource, params, sources, templates

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

#: What an expression of the templates comes to, as far as its form matters.
EXAMPLES = {
    "blobUrl": "https://example.blob.core.windows.net/",
    "tableUrl": "https://example.table.core.windows.net/",
    "serviceBusNamespace": "example.servicebus.windows.net",
    "vaultUrl": "https://example.vault.azure.net/",
    "safetyEndpoint": "https://example.cognitiveservices.azure.com/",
    "identityClientId": "00000000-0000-0000-0000-000000000000",
    "publicUrl": "",
    "webhookAllowedCidrs": "",
}


def tuned() -> dict[str, str]:
    """infra/settings.json."""
    values: dict[str, str] = json.loads((INFRA / "settings.json").read_text(encoding="utf-8"))
    return values


def derived() -> dict[str, Any]:
    """What app.bicep adds to it."""
    settings = resource("app.bicep", "settings").at("properties")
    assert isinstance(settings, Call)
    assert settings.args[0] == Call("loadJsonContent", ("../settings.json",))
    values: dict[str, Any] = settings.args[1]
    return values


def resource(file: str, symbol: str) -> Resource:
    """One resource of the templates."""
    found = [
        one
        for template in templates(sources())
        for one in template.resources()
        if one.file.endswith(file) and one.symbol == symbol
    ]
    assert len(found) == 1
    return found[0]


def test_every_setting_in_the_templates_is_known() -> None:
    """Each is read by the app, by its host, or by the platform; and none is set twice."""
    known = {name.env for name in NAMES} | set(HOST_NAMES) | PLATFORM
    assert set(tuned()) | set(derived()) <= known
    assert not set(tuned()) & set(derived())


def test_every_setting_of_the_app_is_in_the_templates() -> None:
    """Nothing that production needs is left to its default unseen; what is a laptop's way in is not there."""
    wanted = {name.env for name in NAMES} | set(HOST_NAMES)
    assert set(tuned()) | set(derived()) - PLATFORM == wanted - LAPTOP_ONLY


def test_the_app_can_read_them() -> None:
    """Settings takes what the templates set, on a host name that the platform adds."""
    values = {name: value for name, value in derived().items() if name not in PLATFORM}
    env = {name: EXAMPLES[value.text] if isinstance(value, Expr) else value for name, value in values.items()}
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
    config = resource("app.bicep", "site").at("properties.functionAppConfig")
    assert field in config
    assert config["runtime"] == {"name": "python", "version": "3.13"}


def test_one_minute_of_creates_is_in_flight_at_most() -> None:
    """The arithmetic beside the site: instances times calls is Replicate's 600 creates a minute, at most 10 % over."""
    host = json.loads((ROOT / "host.json").read_text(encoding="utf-8"))
    calls = host["extensions"]["serviceBus"]["maxConcurrentCalls"]
    main = next(template for template in templates(sources()) if template.name == "main.bicep")
    instances = params(main)["maximumInstanceCount"].default
    assert 600 <= calls * instances <= 660


def test_the_lock_is_as_long_as_an_invocation() -> None:
    """A message stays locked without a single renewal for as long as the app may work on it."""
    queue = resource("messaging.bicep", "inbound")
    minutes = int(re.fullmatch(r"PT(\d+)M", queue.at("properties.lockDuration"))[1])  # type: ignore[index]  # else it fails
    assert minutes * 60 >= int(tuned()["INVOCATION_TIMEOUT_S"])


def test_messages_outlive_the_patience_of_the_app() -> None:
    """A request that is put off for as long as the app does that has not expired meanwhile."""
    queue = resource("messaging.bicep", "inbound")
    days = int(re.fullmatch(r"P(\d+)D", queue.at("properties.defaultMessageTimeToLive"))[1])  # type: ignore[index]  # as above
    assert days * 86400 >= 4 * int(tuned()["PATIENCE_S"])


def test_the_app_has_roles_on_the_containers_of_its_settings_only() -> None:
    """A new *_CONTAINER setting needs a role; a container without a setting gets none."""
    text = sources()["modules/roles.bicep"]

    def listed(variable: str) -> set[str]:
        line = text.partition(f"var {variable} =")[2].partition("\n")[0]
        return set(re.findall(r"\w+_CONTAINER|'\w+'", line))

    written, read = listed("appContainers"), listed("appReadContainers")
    assert written | read == {name.env for name in NAMES if name.env.endswith("_CONTAINER")} | {"'config'"}
    # What others put there is theirs: the app cannot change it.
    assert read == {"UPLOADS_CONTAINER", "'config'"}


def test_every_container_and_table_of_the_settings_is_made() -> None:
    """Storage has what settings.json names."""
    text = sources()["modules/storage.bicep"]
    names = [name for name in tuned() if name.endswith(("_CONTAINER", "_TABLE"))]
    assert [name for name in names if f"  settings.{name} //" not in text] == []


def test_every_parameter_comes_from_azd() -> None:
    """main.parameters.json has every parameter of main.bicep and no other, with the same default."""
    file = json.loads((INFRA / "main.parameters.json").read_text(encoding="utf-8"))["parameters"]
    main = params(next(template for template in templates(sources()) if template.name == "main.bicep"))
    assert set(file) == set(main)
    for name, entry in file.items():
        _, default = _variable(entry["value"])
        wanted = main[name].default
        assert default == (
            "" if wanted is None else str(wanted).lower() if isinstance(wanted, bool) else str(wanted)
        ), name


#: What azd sets by itself.
OF_AZD = {"AZURE_ENV_NAME", "AZURE_LOCATION", "AZURE_PRINCIPAL_ID", "AZURE_PRINCIPAL_TYPE"}


@pytest.mark.parametrize("file", ["azure.yaml", ".github/workflows/deploy.yml", "docs/deployment.md"])
def test_every_parameter_reaches_the_pipeline(file: str) -> None:
    """A variable of main.parameters.json is handed on by azd and the workflow, and told of in the document."""
    entries = json.loads((INFRA / "main.parameters.json").read_text(encoding="utf-8"))["parameters"].values()
    variables = {_variable(entry["value"])[0] for entry in entries}
    text = (ROOT / file).read_text(encoding="utf-8")
    assert [name for name in sorted(variables - OF_AZD) if not re.search(rf"\b{name}\b", text)] == []


def _variable(value: str) -> tuple[str, str]:
    found = re.fullmatch(r"\$\{(\w+)(?:=(.*))?\}", value)
    assert found
    return found[1], found[2] or ""


def test_the_emulators_have_the_same_entities() -> None:
    """dev/emulators/config.json has the queues and the topic of the settings, as far as the emulator's limits allow."""
    config: dict[str, Any] = json.loads((ROOT / "dev" / "emulators" / "config.json").read_text(encoding="utf-8"))
    (namespace,) = config["UserConfig"]["Namespaces"]
    names = tuned()
    assert [queue["Name"] for queue in namespace["Queues"]] == [names["GENERATION_QUEUE"], names["PREDICTION_QUEUE"]]
    assert [topic["Name"] for topic in namespace["Topics"]] == [names["EVENTS_TOPIC"]]
    for queue in namespace["Queues"]:
        assert queue["Properties"]["MaxDeliveryCount"] == 10
        assert queue["Properties"]["RequiresDuplicateDetection"]
        assert queue["Properties"]["DeadLetteringOnMessageExpiration"]


def test_the_package_holds_the_app_and_nothing_else() -> None:
    """.funcignore leaves out every entry of the repository that is not part of the app; what is compiled goes along."""
    ignored = {line.rstrip("/") for line in (ROOT / ".funcignore").read_text(encoding="utf-8").splitlines()}
    app = {"function_app.py", "host.json", "requirements.txt", "shared"}
    left = {path.name for path in ROOT.iterdir() if not path.name.startswith(".") and path.name not in ignored}
    assert left - {"__pycache__"} == app
    assert "__pycache__" not in ignored
    assert "compileall -q --invalidation-mode checked-hash" in (ROOT / "azure.yaml").read_text(encoding="utf-8")
    assert ".*" in ignored
    assert not {Path(name) for name in ignored} & {Path(name) for name in app}
