"""The settings, read from the environment in one place.

Rules of this file:
1. ``Settings.from_env`` is the only reader of the environment. It is called on first use, never at import, because the
   Functions host must be able to index the app with no setting at all.
2. One error lists all missing and malformed settings, with what each should look like, and never a value.
3. Each Azure dependency is reached by managed identity (a URL or namespace), or by connection string or key (a laptop).
"""

import ipaddress
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from shared.config import replicate_secrets
from shared.core.provider import pasted_secrets
from shared.core.safety.moderation import BLOCKLIST, CONTENT_SAFETY, LLAMA_GUARD

#: Llama Guard 3 as of April 2026. A community model is named with its version, because without one it may change.
LLAMA_GUARD_MODEL = "meta/llama-guard-3-8b:146d1220d447cdcc639bc17c5f6137416042abee6ae153a2615e6ef5749205c8"

#: The path of the webhook's route, below the app's public address.
WEBHOOK_PATH = "/api/webhooks/replicate"

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

#: The prefix of a file that is a blob of the app's own storage account: ``blob:container/name``.
BLOB = "blob:"


#: Characters that copying may add around a value: blanks and invisible ones (byte order mark, zero width).
_EDGES = " \t\r\n\u00a0\ufeff\u200b\u200c\u200d\u2060"


class SettingsError(Exception):
    """Settings are missing or malformed. The text lists all of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """All settings. An empty text means "not set". The unit of a number is in its name."""

    generation_queue: str
    prediction_queue: str
    command_queue: str
    events_topic: str
    service_bus: str = field(repr=False)
    service_bus_namespace: str
    storage: str = field(repr=False)
    blob_url: str
    table_url: str
    state_table: str
    open_table: str
    moved_table: str
    turns_table: str
    outputs_container: str
    dead_letters_container: str
    key_vault_url: str
    replicate_api_token: str = field(repr=False)
    replicate_webhook_secret: str = field(repr=False)
    replicate_api_url: str
    replicate_delivery_url: str
    replicate_status_url: str
    replicate_creates_per_minute: int
    instances: int
    replicate_connections: int
    replicate_connect_timeout_s: int
    replicate_timeout_s: int
    public_url: str
    content_safety_endpoint: str
    content_safety_key: str = field(repr=False)
    content_safety_blocklists: tuple[str, ...]
    screeners: tuple[str, ...]
    llama_guard_model: str
    moderation_file: str
    blocklist_file: str
    refuse_hate_from: int | None
    refuse_self_harm_from: int | None
    refuse_sexual_from: int | None
    refuse_violence_from: int | None
    text_hash_key: str = field(repr=False)
    inputs_container: str
    quarantine_container: str
    uploads_container: str
    proofs_container: str
    keys_folder: str
    quarantine_days: int
    hand_files_over: bool
    catalog_file: str
    plans_file: str
    webhook_allowed_cidrs: tuple[Network, ...]
    output_limit_bytes: int
    invocation_timeout_s: int
    check_after_s: int
    list_grace_s: int
    cancel_grace_s: int
    give_up_after_s: int
    patience_s: int
    approve_within_s: int
    longest_pause_s: int
    in_flight_most: int
    azure_client_id: str
    log_level: str
    telemetry: str

    @classmethod
    def from_env(cls, env: Mapping[str, str]) -> "Settings":
        """Read all settings. Raises one SettingsError that lists everything that is wrong."""
        values: dict[str, Any] = {}
        problems: list[str] = []
        for name in NAMES:
            raw = env.get(name.env, "").strip(_EDGES)
            try:
                values[name.field] = name.read(raw or name.default)
            except pasted_secrets.NoSecretError as error:
                problems.append(f"{name.env} is malformed: it should be {name.shape}, but {error}")
            except ValueError:
                problems.append(f"{name.env} is malformed: it should be {name.shape}")
        if not env.get("PUBLIC_URL", "").strip() and env.get("WEBSITE_HOSTNAME"):
            values["public_url"] = f"https://{env['WEBSITE_HOSTNAME']}"  # set by the platform
        problems += _missing(values)
        if problems:
            listed = "\n".join(f"  - {problem}" for problem in problems)
            raise SettingsError(f"{len(problems)} setting(s) cannot be used:\n{listed}")
        return cls(**values)


#: Groups of settings of which one must be set. The text says what each should look like.
_NEEDED: tuple[tuple[tuple[str, ...], str], ...] = (
    (
        ("service_bus", "service_bus_namespace"),
        "ServiceBus (a connection string) or ServiceBus__fullyQualifiedNamespace (<name>.servicebus.windows.net)",
    ),
    (
        ("storage", "table_url"),
        "STORAGE_CONNECTION_STRING (a connection string) or STORAGE_TABLE_URL (https://<name>.table.core.windows.net)",
    ),
    (
        ("storage", "blob_url"),
        "STORAGE_CONNECTION_STRING (a connection string) or STORAGE_BLOB_URL (https://<account>.blob.core.windows.net)",
    ),
    (
        ("replicate_api_token", "key_vault_url"),
        "KEY_VAULT_URL (https://<vault>.vault.azure.net) or REPLICATE_API_TOKEN (r8_..., from replicate.com)",
    ),
    (
        ("key_vault_url", "keys_folder", "storage"),  # a laptop has a connection string, and a folder by default
        "KEY_VAULT_URL (https://<vault>.vault.azure.net) or KEYS_FOLDER (a folder that all instances share)",
    ),
    (("content_safety_endpoint",), "CONTENT_SAFETY_ENDPOINT (https://<name>.cognitiveservices.azure.com)"),
    (("public_url",), "PUBLIC_URL (https://<host>, where Replicate's webhooks reach this app)"),
)


def _missing(values: Mapping[str, Any]) -> list[str]:
    return [
        f"{text} is missing"
        for names, text in _NEEDED
        # malformed settings are in the list already
        if all(name in values and not values[name] for name in names)
    ]


@dataclass(frozen=True, slots=True)
class Name:
    """One environment variable: its name, field, default, reader, and what a good value looks like."""

    env: str
    field: str
    default: str
    read: Callable[[str], Any]
    shape: str


def _text(raw: str) -> str:
    if any(char in raw for char in "\r\n\t"):
        raise ValueError(raw)
    return raw


def _secret(raw: str) -> str:
    if raw.startswith("@Microsoft.KeyVault("):
        raise ValueError("unresolved")  # the platform could not resolve the reference, and passes on its text
    return raw


def _bus(raw: str) -> str:
    if raw and "Endpoint=sb://" not in raw:
        raise ValueError("no connection string")
    return _secret(raw)


def _account(raw: str) -> str:
    if raw and "AccountName=" not in raw and raw != "UseDevelopmentStorage=true":
        raise ValueError("no connection string")
    return _secret(raw)


def _url(raw: str) -> str:
    if not raw:
        return raw
    if not raw.isprintable() or any(char in raw for char in " ?#@\\"):
        raise ValueError(raw)  # a path appended to a query or a fragment would become a part of it
    parts = urlsplit(raw)
    on_loopback = parts.scheme == "http" and parts.hostname in {"127.0.0.1", "localhost"}
    if not parts.hostname or parts.port == 0 or not (on_loopback or parts.scheme == "https"):
        raise ValueError(raw)
    return raw.rstrip("/")


def _host(raw: str) -> str:
    """An address without a path. The webhook's path is removed, because Replicate's pages show the address with it."""
    found = _url(raw)
    for tail in (WEBHOOK_PATH, "/api"):
        found = found.removesuffix(tail)
    if found and urlsplit(found).path:
        raise ValueError(raw)
    return found


def _whole(low: int, high: int) -> Callable[[str], int]:
    def read(raw: str) -> int:
        value = int(raw)
        if not low <= value <= high:
            raise ValueError(raw)
        return value

    return read


def _table(raw: str) -> str:
    if not (raw.isascii() and raw.isalnum() and raw[0].isalpha() and 3 <= len(raw) <= 63):
        raise ValueError(raw)
    return raw


def _cidrs(raw: str) -> tuple[Network, ...]:
    return tuple(_network(part) for part in re.split(r"[\s,;]+", raw) if part)


def _network(text: str) -> Network:
    """The network of a text. Any address within a network names it, and IPv4 written as IPv6 becomes IPv4."""
    found = ipaddress.ip_network(text, strict=False)
    if isinstance(found, ipaddress.IPv6Network) and found.prefixlen >= 96:
        mapped = found.network_address.ipv4_mapped
        if mapped is not None:
            return ipaddress.ip_network((mapped, found.prefixlen - 96))
    return found


def _file(raw: str) -> str:
    # A container's name has 3 to 63 small letters, digits and single hyphens.
    if raw.startswith(BLOB) and not re.fullmatch(r"[a-z0-9](-?[a-z0-9]){2,62}/.{1,1024}", raw.removeprefix(BLOB)):
        raise ValueError(raw)
    return _text(raw)


def _listed(raw: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in raw.split(",") if part.strip())


def _screeners(raw: str) -> tuple[str, ...]:
    names = _listed(raw)
    if (
        CONTENT_SAFETY not in names
        or len(set(names)) < len(names)
        or not {BLOCKLIST, CONTENT_SAFETY, LLAMA_GUARD} >= {*names}
    ):
        raise ValueError(raw)  # only Content Safety assesses every category: without it nothing would ever pass
    return names


def _severity(raw: str) -> int | None:
    return _whole(1, 8)(raw) if raw else None


def _flag(raw: str) -> bool:
    return _one_of("true", "false")(raw.lower()) == "true"


def _one_of(*choices: str) -> Callable[[str], str]:
    def read(raw: str) -> str:
        if raw not in choices:
            raise ValueError(raw)
        return raw

    return read


_TEXT_SHAPE = "a text without line breaks"
_URL_SHAPE = "an https:// address (http:// only on loopback) without login, query and fragment"
_HOST_SHAPE = "https://<host> and nothing after it (http:// only on loopback)"
_SECRET_SHAPE = "the secret itself, not an unresolved Key Vault reference (for a vault use KEY_VAULT_URL)"  # noqa: S105  # a shape
_BUS_SHAPE = (
    "a connection string: Endpoint=sb://<name>.servicebus.windows.net/;SharedAccessKeyName=...;SharedAccessKey=..."
)
_ACCOUNT_SHAPE = "a connection string: ...AccountName=...;AccountKey=..., or UseDevelopmentStorage=true"
_SEVERITY_SHAPE = "a whole number from 1 (refuse the slightest) to 7, or 8 to refuse nothing of this category"
_SCREENERS_SHAPE = (
    "content_safety, optionally with blocklist and llama_guard, separated by commas, in the order of the calls"
)
_FILE_SHAPE = "a path, or blob:container/name for a blob of the app's own storage account"
_SECONDS_SHAPE = "a whole number of seconds"


def _name(env: str, default: str, read: Callable[[str], Any], shape: str, field_name: str = "") -> Name:
    return Name(env, field_name or env.lower(), default, read, shape)


def _seconds(env: str, default: int, low: int, high: int) -> Name:
    return _name(env, str(default), _whole(low, high), f"{_SECONDS_SHAPE} from {low} to {high}")


_STATUS_URL = "https://www.replicatestatus.com/api/v2/status.json"

#: Every setting of the app, in the order of local.settings.json.example.
NAMES: tuple[Name, ...] = (
    _name("GENERATION_QUEUE", "generation-requests", _text, _TEXT_SHAPE),
    _name("PREDICTION_QUEUE", "prediction-events", _text, _TEXT_SHAPE),
    _name("COMMAND_QUEUE", "account-commands", _text, _TEXT_SHAPE),
    _name("EVENTS_TOPIC", "generation-events", _text, _TEXT_SHAPE),
    _name("ServiceBus", "", _bus, _BUS_SHAPE, "service_bus"),
    _name("ServiceBus__fullyQualifiedNamespace", "", _text, _TEXT_SHAPE, "service_bus_namespace"),
    _name("STORAGE_CONNECTION_STRING", "", _account, _ACCOUNT_SHAPE, "storage"),
    _name("STORAGE_BLOB_URL", "", _url, _URL_SHAPE, "blob_url"),
    _name("STORAGE_TABLE_URL", "", _url, _URL_SHAPE, "table_url"),
    _name("STATE_TABLE", "state", _table, "3 to 63 letters and digits, a letter first"),
    _name("OPEN_TABLE", "open", _table, "3 to 63 letters and digits, a letter first"),
    # A row for each account that moved on a day: what the audit and the app's limits look at.
    _name("MOVED_TABLE", "moved", _table, "3 to 63 letters and digits, a letter first"),
    _name("TURNS_TABLE", "turns", _table, "3 to 63 letters and digits, a letter first"),
    _name("OUTPUTS_CONTAINER", "outputs", _text, _TEXT_SHAPE),
    _name("DEAD_LETTERS_CONTAINER", "dead-letters", _text, _TEXT_SHAPE),
    _name("KEY_VAULT_URL", "", _host, _HOST_SHAPE),
    _name("REPLICATE_API_TOKEN", "", replicate_secrets.api_token, _SECRET_SHAPE),
    _name("REPLICATE_WEBHOOK_SECRET", "", replicate_secrets.signing_secret, "whsec_ and the key in base64"),
    _name("REPLICATE_API_URL", "https://api.replicate.com/v1", _url, _URL_SHAPE),
    _name("REPLICATE_DELIVERY_URL", "https://replicate.delivery", _url, _URL_SHAPE),
    _name("REPLICATE_STATUS_URL", _STATUS_URL, lambda raw: "" if raw == "off" else _url(raw), f"{_URL_SHAPE}, or off"),
    # The account's limit. It is 600 unless Replicate has agreed to another (its docs: topics/predictions/rate-limits).
    _name("REPLICATE_CREATES_PER_MINUTE", "600", _whole(1, 10**6), "a whole number from 1 to 1000000"),
    # The limit is divided by this number: each instance keeps its own pace.
    _name("INSTANCES", "1", _whole(1, 1000), "a whole number of instances from 1 to 1000"),
    _name("REPLICATE_CONNECTIONS", "100", _whole(1, 10**4), "a whole number of connections from 1 to 10000"),
    _seconds("REPLICATE_CONNECT_TIMEOUT_S", 10, 1, 60),
    _seconds("REPLICATE_TIMEOUT_S", 60, 5, 200),
    _name("PUBLIC_URL", "", _host, _HOST_SHAPE),
    _name("CONTENT_SAFETY_ENDPOINT", "", _url, _URL_SHAPE),
    _name("CONTENT_SAFETY_KEY", "", _secret, _SECRET_SHAPE),
    _name("CONTENT_SAFETY_BLOCKLISTS", "", _listed, "names of the resource's block lists, separated by commas"),
    _name("SCREENERS", "blocklist,content_safety", _screeners, _SCREENERS_SHAPE),
    _name("LLAMA_GUARD_MODEL", LLAMA_GUARD_MODEL, _text, "owner/name, or owner/name:version, of a model at Replicate"),
    _name("MODERATION_FILE", "", _file, f"a policy in TOML in place of the app's own: {_FILE_SHAPE}"),
    _name("BLOCKLIST_FILE", "", _file, f"a blocklist in TOML in place of the app's own: {_FILE_SHAPE}"),
    # Each takes precedence over the policy's threshold of its category.
    _name("REFUSE_HATE_FROM", "", _severity, _SEVERITY_SHAPE),
    _name("REFUSE_SELF_HARM_FROM", "", _severity, _SEVERITY_SHAPE),
    _name("REFUSE_SEXUAL_FROM", "", _severity, _SEVERITY_SHAPE),
    _name("REFUSE_VIOLENCE_FROM", "", _severity, _SEVERITY_SHAPE),
    _name("TEXT_HASH_KEY", "", _secret, _SECRET_SHAPE),
    _name("INPUTS_CONTAINER", "inputs", _text, _TEXT_SHAPE),
    _name("QUARANTINE_CONTAINER", "quarantine", _text, _TEXT_SHAPE),
    # Files that your app uploads for models to read: sounds, and archives of trainings.
    _name("UPLOADS_CONTAINER", "uploads", _text, _TEXT_SHAPE),
    # Signed heads of ledgers and public keys: written once, never changed.
    _name("PROOFS_CONTAINER", "proofs", _text, _TEXT_SHAPE),
    # Without a vault: the folder of the files with the ledger's keys. They are made there if they are missing.
    _name("KEYS_FOLDER", "", _text, "a folder; .local/keys on a laptop"),
    _name("QUARANTINE_DAYS", "0", _whole(0, 365), "a whole number of days from 0 (deleted at once) to 365"),
    # If the storage account has no public address, Replicate cannot read a file from its address there.
    _name("HAND_FILES_OVER", "false", _flag, "true or false"),
    _name("CATALOG_FILE", "", _file, f"a catalogue in TOML, laid over the app's own: {_FILE_SHAPE}"),
    _name("PLANS_FILE", "", _file, f"plans in TOML, laid over the app's own: {_FILE_SHAPE}"),
    _name("WEBHOOK_ALLOWED_CIDRS", "", _cidrs, "networks such as 203.0.113.0/24, separated by commas"),
    _name("OUTPUT_LIMIT_BYTES", "52428800", _whole(1024, 2**31), "a whole number of bytes from 1024"),
    _seconds("INVOCATION_TIMEOUT_S", 120, 5, 240),
    _seconds("CHECK_AFTER_S", 30, 1, 3600),
    _seconds("LIST_GRACE_S", 30, 1, 3600),
    _seconds("CANCEL_GRACE_S", 60, 1, 3600),
    _seconds("GIVE_UP_AFTER_S", 21600, 60, 604800),
    _seconds("PATIENCE_S", 21600, 60, 604800),
    _seconds("APPROVE_WITHIN_S", 259200, 60, 604800),
    _seconds("LONGEST_PAUSE_S", 604800, 60, 2592000),
    _name("IN_FLIGHT_MOST", "0", _whole(0, 10**6), "a whole number from 0 to 1000000; 0: no bound"),
    _name("AZURE_CLIENT_ID", "", _text, "the client id of the managed identity"),
    _name("LOG_LEVEL", "INFO", _one_of("DEBUG", "INFO", "WARNING", "ERROR"), "DEBUG, INFO, WARNING or ERROR"),
    _name("TELEMETRY", "logs", _one_of("logs", "opentelemetry"), "logs or opentelemetry"),
)

#: Settings of the Functions host itself. The app does not read them.
HOST_NAMES: tuple[str, ...] = (
    "AzureWebJobsStorage",
    "FUNCTIONS_WORKER_RUNTIME",
    "RECONCILE_SCHEDULE",
    "AUDIT_SCHEDULE",
    "FUNCTIONS_REQUEST_BODY_SIZE_LIMIT",
)
