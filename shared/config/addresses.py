"""Addresses in settings."""

from urllib.parse import urlsplit

#: The path of the webhook's route, below the app's public address.
WEBHOOK_PATH = "/api/webhooks/replicate"

URL_SHAPE = "an https:// address (http:// only on loopback) without login, query and fragment"
HOST_SHAPE = "https://<host> and nothing after it (http:// only on loopback)"


def url(raw: str) -> str:
    """An address without login, query and fragment, over TLS unless it is on loopback. Raises ValueError."""
    if not raw:
        return raw
    if not raw.isprintable() or any(char in raw for char in " ?#@\\"):
        raise ValueError(raw)  # a path appended to a query or a fragment would become a part of it
    parts = urlsplit(raw)
    on_loopback = parts.scheme == "http" and parts.hostname in {"127.0.0.1", "localhost"}
    if not parts.hostname or parts.port == 0 or not (on_loopback or parts.scheme == "https"):
        raise ValueError(raw)
    return raw.rstrip("/")


def url_or_off(raw: str) -> str:
    """An address, or empty for `off`. Raises ValueError."""
    return "" if raw == "off" else url(raw)


def host(raw: str) -> str:
    """An address without a path. The webhook's path is removed, because Replicate's pages show the address with it."""
    found = url(raw)
    for tail in (WEBHOOK_PATH, "/api"):
        found = found.removesuffix(tail)
    if found and urlsplit(found).path:
        raise ValueError(raw)
    return found
