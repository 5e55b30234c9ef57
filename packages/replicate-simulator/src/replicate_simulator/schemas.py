"""Checks a request to create a prediction as the API does: its body, the model's input, `Cancel-After`.

Rules: an unknown key of the body is 422, and so is an unknown input. The API drops some of those without a word; here
the caller learns of it. One answer names everything that is wrong. `null` is a value, not "left out". An input that is
a file is an address; whether there is a file is seen when the model reads it (fetching.py).
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any, Final
from urllib.parse import urlsplit

from replicate_simulator.models import Input, Model
from replicate_simulator.problems import InvalidField, invalid

#: The webhook events, in the order in which they can come.
EVENTS: Final = ("start", "logs", "output", "completed")
#: What is sent when a webhook is asked for without a filter.
DEFAULT_EVENTS: Final = ("output", "completed")

_BODY_KEYS: Final = frozenset({"input", "webhook", "webhook_events_filter", "stream"})
_DURATION: Final = re.compile(r"(?=\d)(?:(\d{1,6})h)?(?:(\d{1,6})m)?(?:(\d{1,6})s)?")
# The documented bounds of Cancel-After.
_SHORTEST_S: Final = 5
_LONGEST_S: Final = 24 * 3600


@dataclass(frozen=True, slots=True)
class Target:
    """What runs: the model, and the version and deployment that the prediction will name."""

    model: Model
    version: str
    deployment: str | None = None


@dataclass(frozen=True, slots=True)
class Order:
    """A checked request to create a prediction; `events` is what to send, `events_filter` what was asked for.

    `destination` is the model that gets a training's version, owner/name; a prediction has none.
    """

    target: Target
    input: Mapping[str, Any]
    webhook: str | None
    events_filter: tuple[str, ...] | None
    cancel_after_s: int | None
    destination: str | None = None

    @property
    def events(self) -> tuple[str, ...]:
        """The webhook events to send: none without a webhook."""
        if self.webhook is None:
            return ()
        return DEFAULT_EVENTS if self.events_filter is None else self.events_filter


def order_of(target: Target, body: Mapping[str, Any], cancel_after: str | None, *, takes_version: bool) -> Order:
    """Checks a body and its `Cancel-After` header.

    Raises:
        ProblemError: 422, with all that is wrong.
    """
    faults = list(body_faults(body, takes_version=takes_version))
    given = body.get("input")
    if isinstance(given, dict):
        faults += input_faults(target.model, given)
    cancel_after_s = None if cancel_after is None else duration_s(cancel_after)
    if cancel_after is not None and cancel_after_s is None:
        faults.append(
            InvalidField("format", "Cancel-After", "Must be a duration of at least 5 seconds and at most 24 hours")
        )
    if faults or not isinstance(given, dict):
        raise invalid(faults)
    events_filter = body.get("webhook_events_filter")
    return Order(
        target=target,
        input=given,
        webhook=body.get("webhook"),
        events_filter=None if events_filter is None else tuple(events_filter),
        cancel_after_s=cancel_after_s,
    )


def duration_s(text: str) -> int | None:
    """Reads `30`, `30s`, `5m`, `2h`, `1h30m45s`; None for anything else, under 5 s or over 24 h."""
    match = _DURATION.fullmatch(f"{text}s" if text.isascii() and text.isdecimal() else text)
    if match is None:
        return None
    hours, minutes, seconds = (int(part or 0) for part in match.groups())
    total_s = hours * 3600 + minutes * 60 + seconds
    return total_s if _SHORTEST_S <= total_s <= _LONGEST_S else None


def body_faults(body: Mapping[str, Any], *, takes_version: bool) -> Iterator[InvalidField]:
    """Returns what is wrong with a body, its version and its input's own fields aside."""
    if "input" not in body:
        yield InvalidField("required", "", "input is required")
    elif not isinstance(body["input"], dict):
        yield _wrong_type("input", "object", body["input"])
    allowed = _BODY_KEYS | ({"version"} if takes_version else set())
    for key in body:
        if key not in allowed:
            yield InvalidField("additional_property_not_allowed", "", f"Additional property {key} is not allowed")
    if "stream" in body and not isinstance(body["stream"], bool):
        yield _wrong_type("stream", "boolean", body["stream"])
    yield from webhook_faults(body)


def version_faults(body: Mapping[str, Any]) -> Iterator[InvalidField]:
    """Returns what is wrong with a `version` that is no text."""
    if "version" not in body:
        yield InvalidField("required", "", "version is required")
    else:
        yield _wrong_type("version", "string", body["version"])


def _filter_faults(body: Mapping[str, Any]) -> Iterator[InvalidField]:
    events = body.get("webhook_events_filter", [])
    if not isinstance(events, list):
        yield _wrong_type("webhook_events_filter", "array", events)
        return
    for index, event in enumerate(events):
        if event not in EVENTS:
            yield _not_in_enum(f"webhook_events_filter.{index}", EVENTS)


def input_faults(model: Model, given: Mapping[str, Any]) -> Iterator[InvalidField]:
    """Returns what is wrong with a model's input."""
    return faults_of("input", model.inputs, given)


def faults_of(place: str, rules: Mapping[str, Input], given: Mapping[str, Any]) -> Iterator[InvalidField]:
    """Returns what is wrong with an object at a place of the body ("": the body itself)."""
    for name, each in rules.items():
        if each.required and name not in given:
            yield InvalidField("required", place, f"{name} is required")
    for name, value in given.items():
        if name not in rules:
            yield InvalidField("additional_property_not_allowed", place, f"Additional property {name} is not allowed")
        else:
            yield from _value_faults(f"{place}.{name}" if place else name, rules[name], value)


def webhook_faults(body: Mapping[str, Any]) -> Iterator[InvalidField]:
    """Returns what is wrong with `webhook` and `webhook_events_filter`."""
    if "webhook" in body and not (isinstance(body["webhook"], str) and _is_webhook_url(body["webhook"])):
        yield InvalidField("format", "webhook", "Must be an HTTPS URL")
    yield from _filter_faults(body)


def _value_faults(field: str, rule: Input, value: object) -> Iterator[InvalidField]:
    if not _has_kind(value, rule.kind):
        yield _wrong_type(field, rule.kind, value)
    elif isinstance(value, list):
        for index, each in enumerate(value):
            yield from _value_faults(f"{field}.{index}", Input("string", holds=rule.holds), each)
    elif rule.holds and not _is_address(str(value)):
        yield InvalidField("format", field, "Does not match format 'uri'")
    elif rule.enum and value not in rule.enum:
        yield _not_in_enum(field, rule.enum)
    elif isinstance(value, int | float):
        if rule.minimum is not None and value < rule.minimum:
            yield InvalidField("number_gte", field, f"Must be greater than or equal to {rule.minimum:g}")
        if rule.maximum is not None and value > rule.maximum:
            yield InvalidField("number_lte", field, f"Must be less than or equal to {rule.maximum:g}")


def _has_kind(value: object, kind: str) -> bool:
    if isinstance(value, bool):
        return kind == "boolean"
    if isinstance(value, int | float):
        return kind == "number" or (kind == "integer" and (isinstance(value, int) or value.is_integer()))
    return type(value) is {"object": dict, "array": list, "string": str}.get(kind)


def _not_in_enum(field: str, allowed: tuple[Any, ...]) -> InvalidField:
    listed = ", ".join(json.dumps(each) for each in allowed)
    return InvalidField("enum", field, f"{field} must be one of the following: {listed}")


def _wrong_type(field: str, expected: str, value: object) -> InvalidField:
    names: dict[type, str] = {
        bool: "boolean",
        int: "integer",
        float: "number",
        str: "string",
        list: "array",
        dict: "object",
        type(None): "null",
    }
    return InvalidField("invalid_type", field, f"Invalid type. Expected: {expected}, given: {names[type(value)]}")


def _is_address(text: str) -> bool:
    """Returns whether it has a scheme; that is all the API looks at (the format `uri` of gojsonschema)."""
    try:
        return bool(urlsplit(text).scheme)
    except ValueError:
        return False


def _is_webhook_url(url: str) -> bool:
    """Returns whether Replicate would call it (https), or the simulator does for a laptop's sake (http to loopback)."""
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
    except ValueError:
        return False
    if parts.scheme == "https":
        return bool(host)
    return parts.scheme == "http" and is_loopback(host)


def is_loopback(host: str) -> bool:
    """Returns whether a host's name or address is this machine's own."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
