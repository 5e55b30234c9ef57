"""The settings: one error lists all problems and no value. A laptop and a managed identity have their own settings."""

import json
from dataclasses import fields
from pathlib import Path

import pytest

from shared.config.settings import HOST_NAMES, NAMES, Settings, SettingsError

EXAMPLE = Path(__file__).parents[1] / "local.settings.json.example"

#: Settings with keys and connection strings, as on a laptop.
LAPTOP = {
    "ServiceBus": "Endpoint=sb://127.0.0.1;SharedAccessKeyName=n;SharedAccessKey=bus-key",
    "STORAGE_CONNECTION_STRING": "AccountName=a;AccountKey=storage-key",
    "REPLICATE_API_TOKEN": "r8_token",
    "REPLICATE_WEBHOOK_SECRET": "whsec_" + "c2VjcmV0" * 4,
    "CONTENT_SAFETY_ENDPOINT": "http://127.0.0.1:5001/",
    "CONTENT_SAFETY_KEY": "safety-key",
    "PUBLIC_URL": "https://tunnel.example/",
}

#: Settings with a managed identity, as in Azure. None is a secret.
AZURE = {
    "ServiceBus__fullyQualifiedNamespace": "bus.servicebus.windows.net",
    "STORAGE_BLOB_URL": "https://acct.blob.core.windows.net",
    "STORAGE_TABLE_URL": "https://acct.table.core.windows.net",
    "KEY_VAULT_URL": "https://vault.vault.azure.net",
    "CONTENT_SAFETY_ENDPOINT": "https://safety.cognitiveservices.azure.com",
    "AZURE_CLIENT_ID": "11111111-2222-3333-4444-555555555555",
    "WEBSITE_HOSTNAME": "darkroom.azurewebsites.net",
}


def problems_of(env: dict[str, str]) -> str:
    """The text of the SettingsError, which has no cause that could contain a value."""
    with pytest.raises(SettingsError) as caught:
        Settings.from_env(env)
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None
    return str(caught.value)


def example() -> dict[str, str]:
    """The values of local.settings.json.example."""
    content = json.loads(EXAMPLE.read_text(encoding="utf-8"))
    assert content["IsEncrypted"] is False
    values: dict[str, str] = content["Values"]
    return values


def test_the_example_holds_exactly_the_settings_there_are() -> None:
    """The host's settings are first, then the app's in their order. Every value is a text."""
    values = example()
    assert list(values) == [*HOST_NAMES, *(name.env for name in NAMES)]
    assert all(isinstance(value, str) for value in values.values())


def test_the_example_lacks_only_what_a_person_must_fill_in() -> None:
    """These are Replicate's token, the endpoint of Content Safety and the public address."""
    text = problems_of(example())
    assert text.startswith("3 setting(s)")
    for name in ("REPLICATE_API_TOKEN", "CONTENT_SAFETY_ENDPOINT", "PUBLIC_URL"):
        assert name in text
    Settings.from_env(example() | {name: LAPTOP[name] for name in LAPTOP if name != "STORAGE_CONNECTION_STRING"})


def test_the_example_shows_the_defaults() -> None:
    """Leaving a line out gives the value that the line has."""
    values = example()
    for name in NAMES:
        if name.default:
            assert values[name.env] == name.default, name.env


def test_every_field_has_one_name() -> None:
    """Each setting is read exactly once."""
    assert sorted(name.field for name in NAMES) == sorted(field.name for field in fields(Settings))
    assert len({name.env for name in NAMES}) == len(NAMES)


def test_an_empty_environment_names_all_that_is_missing_at_once() -> None:
    """Each is listed with what it should look like, and with its alternative."""
    text = problems_of({})
    assert text.startswith("7 setting(s) cannot be used:")
    for shape in (
        "ServiceBus (a connection string) or ServiceBus__fullyQualifiedNamespace (<name>.servicebus.windows.net)",
        "STORAGE_TABLE_URL (https://<name>.table.core.windows.net)",
        "STORAGE_BLOB_URL (https://<account>.blob.core.windows.net)",
        "KEY_VAULT_URL (https://<vault>.vault.azure.net) or REPLICATE_API_TOKEN (r8_...",
        "KEY_VAULT_URL (https://<vault>.vault.azure.net) or KEYS_FOLDER (a folder",
        "CONTENT_SAFETY_ENDPOINT (https://",
        "PUBLIC_URL (https://<host>",
    ):
        assert shape in text


MALFORMED = {
    "PUBLIC_URL": "http://wrong.example",
    "STORAGE_BLOB_URL": "wrong.blob.core.windows.net",
    "KEY_VAULT_URL": "ftp://wrong",
    "REPLICATE_API_URL": "https://",
    "REPLICATE_DELIVERY_URL": "http://127.0.0.1.wrong.example",
    "REPLICATE_STATUS_URL": "http://www.replicatestatus.com",
    "CONTENT_SAFETY_ENDPOINT": "http://localhost.wrong.example",
    "STATE_TABLE": "wrong-table",
    "OPEN_TABLE": "1wrong",
    "MOVED_TABLE": "wrong table",
    "TURNS_TABLE": "wrong-table",
    "REFUSE_HATE_FROM": "0",
    "REFUSE_SEXUAL_FROM": "9",
    "REFUSE_VIOLENCE_FROM": "wrong",
    "WEBHOOK_ALLOWED_CIDRS": "203.0.113.0/24, wrong",
    "OUTPUT_LIMIT_BYTES": "50 wrong",
    "INVOCATION_TIMEOUT_S": "241",
    "CHECK_AFTER_S": "-1",
    "LOG_LEVEL": "wrong",
    "GENERATION_QUEUE": "wrong\tqueue",
}


def test_all_malformed_settings_are_listed_at_once_without_a_value() -> None:
    """The error has name and shape of each, and lists missing ones too."""
    env = {**LAPTOP, **MALFORMED}
    del env["ServiceBus"]
    text = problems_of(env)
    assert text.startswith(f"{len(MALFORMED) + 1} setting(s)")
    shapes = {name.env: name.shape for name in NAMES}
    for name in MALFORMED:
        assert f"{name} is malformed: it should be {shapes[name]}" in text
    assert "wrong" not in text
    assert "ServiceBus (a connection string)" in text


@pytest.mark.parametrize(
    "name", ["REPLICATE_API_TOKEN", "ServiceBus", "STORAGE_CONNECTION_STRING", "CONTENT_SAFETY_KEY"]
)
def test_an_unresolved_key_vault_reference_is_refused(name: str) -> None:
    """The platform passes on the reference's text if it cannot resolve it. The text is neither used nor repeated."""
    text = problems_of({**LAPTOP, name: "@Microsoft.KeyVault(SecretUri=https://vault.example/secrets/s3cr3t)"})
    assert text.startswith("1 setting(s)")
    assert f"{name} is malformed: it should be" in text
    assert "s3cr3t" not in text


def test_a_laptops_settings_are_read() -> None:
    """An address on loopback may be http, and a slash at the end is removed."""
    settings = Settings.from_env(LAPTOP)
    assert settings.content_safety_endpoint == "http://127.0.0.1:5001"
    assert settings.public_url == "https://tunnel.example"
    assert settings.storage == LAPTOP["STORAGE_CONNECTION_STRING"]
    assert settings.webhook_allowed_cidrs == ()


def test_a_managed_identitys_settings_are_read() -> None:
    """They are addresses instead of keys. The public address is the platform's host name."""
    settings = Settings.from_env(AZURE)
    assert settings.service_bus_namespace == "bus.servicebus.windows.net"
    assert (settings.service_bus, settings.storage, settings.content_safety_key) == ("", "", "")
    assert settings.key_vault_url == "https://vault.vault.azure.net"
    assert settings.public_url == "https://darkroom.azurewebsites.net"
    assert settings.azure_client_id == AZURE["AZURE_CLIENT_ID"]


def test_a_public_url_takes_precedence_over_the_platforms_host_name() -> None:
    """The two differ behind a gateway."""
    assert Settings.from_env({**AZURE, "PUBLIC_URL": "https://www.example"}).public_url == "https://www.example"


def test_a_missing_blob_address_is_reported() -> None:
    """With an address of the tables, only that of the blobs is missing."""
    text = problems_of({name: value for name, value in AZURE.items() if name != "STORAGE_BLOB_URL"})
    assert text.startswith("1 setting(s)")
    assert "STORAGE_BLOB_URL" in text


def test_empty_means_not_set() -> None:
    """An empty or blank value means the default, because the platform may leave it so."""
    settings = Settings.from_env({**LAPTOP, "LOG_LEVEL": "", "CHECK_AFTER_S": "  "})
    assert (settings.log_level, settings.check_after_s) == ("INFO", 30)


@pytest.mark.parametrize(
    ("text", "networks"),
    [
        ("203.0.113.0/24, 2001:db8::/32,", ["203.0.113.0/24", "2001:db8::/32"]),
        ("203.0.113.0/24;198.51.100.7\n192.0.2.1 ", ["203.0.113.0/24", "198.51.100.7/32", "192.0.2.1/32"]),
        ("203.0.113.7/24", ["203.0.113.0/24"]),
        ("2001:db8::7/32", ["2001:db8::/32"]),
        ("::ffff:203.0.113.7", ["203.0.113.7/32"]),
        ("::ffff:203.0.113.7/120", ["203.0.113.0/24"]),
        ("::/0", ["::/0"]),
    ],
)
def test_networks_are_read(text: str, networks: list[str]) -> None:
    """Any separators and both versions work. An address names its network, and IPv4 written as IPv6 is IPv4."""
    settings = Settings.from_env({**LAPTOP, "WEBHOOK_ALLOWED_CIDRS": text})
    assert [str(network) for network in settings.webhook_allowed_cidrs] == networks


@pytest.mark.parametrize(
    "text", ["203.0.113.0/33", "203.0.113", "203.0.113.0-203.0.113.9", "replicate.com", "10.0.0.0/8/8"]
)
def test_a_malformed_network_is_reported(text: str) -> None:
    """It is not skipped, because then more or fewer addresses than intended would be allowed."""
    assert "WEBHOOK_ALLOWED_CIDRS is malformed" in problems_of({**LAPTOP, "WEBHOOK_ALLOWED_CIDRS": text})


@pytest.mark.parametrize(
    "text",
    [
        "https://tunnel.example",
        "https://tunnel.example/",
        "\ufeffhttps://tunnel.example\u200b ",
        "https://tunnel.example/api/webhooks/replicate",
        "https://tunnel.example/api/webhooks/replicate/",
        "https://tunnel.example/api/",
    ],
)
def test_a_public_url_is_the_apps_address(text: str) -> None:
    """Invisible characters and the path of the webhook are removed."""
    assert Settings.from_env({**LAPTOP, "PUBLIC_URL": text}).public_url == "https://tunnel.example"


@pytest.mark.parametrize(
    "text",
    [
        "https://tunnel.example/darkroom",
        "https://tunnel.example?code=s3cr3t",
        "https://tunnel.example/#s3cr3t",
        "https://ada:s3cr3t@tunnel.example",
        "https://s3cr3t@tunnel.example",
        "https://",
        "http://",
        "https://[",
        "https://tunnel.example:port",
        "https://tunnel.example:99999",
        "https://tun nel.example",
        "https://tun\tnel.example",
        "https:\\\\tunnel.example",
        "http://tunnel.example",
        "tunnel.example",
        '"https://tunnel.example"',
    ],
)
@pytest.mark.parametrize("name", ["PUBLIC_URL", "KEY_VAULT_URL"])
def test_an_address_with_more_than_a_host_is_reported(name: str, text: str) -> None:
    """With a path, query, fragment or login, the webhook's address made from it would be wrong."""
    problems = problems_of({**LAPTOP, name: text})
    assert f"{name} is malformed: it should be https://<host> and nothing after it" in problems
    assert "s3cr3t" not in problems


@pytest.mark.parametrize("end", ["?sv=s3cr3t", "#s3cr3t"])
def test_an_address_has_no_query_and_no_fragment(end: str) -> None:
    """Paths are appended to it."""
    text = problems_of({**AZURE, "STORAGE_BLOB_URL": AZURE["STORAGE_BLOB_URL"] + end})
    assert "STORAGE_BLOB_URL is malformed" in text
    assert "s3cr3t" not in text


def test_a_pasted_secret_is_repaired_if_it_is_unambiguous() -> None:
    """It may be pasted as Replicate's pages show it. If it is another secret, the error says which kind, without it."""
    key = LAPTOP["REPLICATE_WEBHOOK_SECRET"]
    env = {**LAPTOP, "REPLICATE_WEBHOOK_SECRET": f'\ufeff"v1,{key}"\n', "REPLICATE_API_TOKEN": "Bearer r8_token\u200b"}
    settings = Settings.from_env(env)
    assert (settings.replicate_webhook_secret, settings.replicate_api_token) == (key, "r8_token")
    text = problems_of({**LAPTOP, "REPLICATE_WEBHOOK_SECRET": "r8_s3cr3t"})
    assert "REPLICATE_WEBHOOK_SECRET is malformed: it should be whsec_" in text
    assert "but it is an API token" in text
    assert "s3cr3t" not in text


def test_no_secret_is_in_the_repr() -> None:
    """A repr may end in a log or a traceback."""
    shown = repr(Settings.from_env(LAPTOP))
    for secret in ("bus-key", "storage-key", "r8_token", "c2VjcmV0", "safety-key"):
        assert secret not in shown
    assert "tunnel.example" in shown
