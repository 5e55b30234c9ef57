"""host.json and local.settings.json, as far as the local host supports them."""

import json
import logging
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

#: Azure's defaults (docs: functions-host-json, functions-bindings-service-bus; Flex Consumption for the time-out).
DEFAULT_TIMEOUT_S = 30 * 60.0
DEFAULT_LOCK_RENEWAL_S = 5 * 60.0
DEFAULT_CALLS_PER_CORE = 16
DEFAULT_BODY_LIMIT_BYTES = 104_857_600  # HttpRequestBodySizeMiddleware.cs

LEVELS = {
    "Trace": logging.DEBUG,
    "Debug": logging.DEBUG,
    "Information": logging.INFO,
    "Warning": logging.WARNING,
    "Error": logging.ERROR,
    "Critical": logging.CRITICAL,
    "None": logging.CRITICAL + 10,
}


class HostError(Exception):
    """The app cannot run. The text lists everything that is wrong with it."""


@dataclass(frozen=True, slots=True)
class HostSettings:
    """The content of the two files. `values` are the app's settings."""

    values: Mapping[str, str]
    function_timeout_s: float | None
    route_prefix: str
    max_concurrent_calls: int
    lock_renewal_s: float
    log_level: int
    port: int
    body_limit_bytes: int


def read(host_json: Path, local_settings: Path) -> HostSettings:
    """Read both files. Raises HostError when they cannot be read, or need what is not supported here."""
    host, local = _object(host_json), _object(local_settings)
    if local.get("IsEncrypted"):
        raise HostError(f"{local_settings.name}: encrypted settings are not supported; set IsEncrypted to false.")
    extensions = host.get("extensions", {})
    service_bus = extensions.get("serviceBus", {})
    if service_bus.get("prefetchCount", 0) or not service_bus.get("autoCompleteMessages", True):
        raise HostError(f"{host_json.name}: only prefetchCount 0 and autoCompleteMessages true are supported.")
    levels = host.get("logging", {}).get("logLevel", {})
    values = {name: str(value) for name, value in local.get("Values", {}).items()}
    return HostSettings(
        values=values,
        function_timeout_s=_timeout_s(host.get("functionTimeout")),
        route_prefix=extensions.get("http", {}).get("routePrefix", "api").strip("/"),
        max_concurrent_calls=service_bus.get("maxConcurrentCalls", DEFAULT_CALLS_PER_CORE * (os.cpu_count() or 1)),
        lock_renewal_s=_seconds(service_bus.get("maxAutoLockRenewalDuration"), DEFAULT_LOCK_RENEWAL_S),
        log_level=LEVELS[levels.get("Function", levels.get("default", "Information"))],
        port=local.get("Host", {}).get("LocalHttpPort", 0),
        body_limit_bytes=_whole(values, "FUNCTIONS_REQUEST_BODY_SIZE_LIMIT", DEFAULT_BODY_LIMIT_BYTES),
    )


def _object(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise HostError(f"{path} cannot be read: {error}") from error
    if not isinstance(content, dict):
        raise HostError(f"{path} does not hold a JSON object.")
    return content


def _whole(values: Mapping[str, str], name: str, default: int) -> int:
    """A whole number as the host reads it: anything else counts as missing."""
    text = values.get(name, "").strip()
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else default


def _timeout_s(text: str | None) -> float | None:
    return None if text == "-1" else _seconds(text, DEFAULT_TIMEOUT_S)


def _seconds(text: str | None, default_s: float) -> float:
    """A .NET TimeSpan such as 00:05:00, 1.12:00:00 or 00:00:00.80 in seconds."""
    if text is None:
        return default_s
    match = re.fullmatch(r"(?:(\d+)\.)?(\d+):(\d+):(\d+(?:\.\d+)?)", text)
    if match is None:
        raise HostError(f"host.json: {text!r} is no time span; write hh:mm:ss.")
    days, hours, minutes, seconds = (float(part or 0) for part in match.groups())
    return timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds).total_seconds()
