"""Reads Replicate's refusals: the detail, the fields and the waits that an answer names.

Rules of this file:
1. The body is read leniently. A malformed part counts as absent.
2. A text for a user names fields, never values.
"""

import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import httpx

from shared.adapters.replicate.reading import text
from shared.core.requests.lenient_json import parsed

#: The bounds of a wait after a 429: Replicate counts every try while it throttles, for seconds and not for hours.
_SHORTEST_THROTTLE_S, _LONGEST_THROTTLE_S = 1.0, 600.0

#: Only these fixed sentences of a description are read, because any other may quote what the user wrote.
_NAMED = re.compile(r"^\W*(?:Additional property )?([A-Za-z]\w{0,39}) (?:is required|is not allowed)\W*$")
_FIELD = re.compile(r"[A-Za-z]\w{0,39}")


def is_replicates(body: object) -> bool:
    """Whether the body of a refusal is Replicate's own: all of these have a ``detail``."""
    return isinstance(body, dict) and isinstance(body.get("detail"), str)


def detail_of(body: object) -> str:
    """The ``detail`` of a refusal, or an empty text. Search it for Replicate's fixed sentences only."""
    detail = body.get("detail") if isinstance(body, dict) else None
    return detail if isinstance(detail, str) else ""


def decoded(response: httpx.Response) -> object:
    """The body as decoded JSON, or None: a 5xx often has a proxy's HTML."""
    return parsed(response.content)


def throttle_s(response: httpx.Response, now: datetime) -> float:
    """The longest wait that a 429 names: in the header (seconds or a date), the body's number, or its text ("~30s")."""
    body = decoded(response)
    fields: Mapping[str, Any] = body if isinstance(body, dict) else {}
    in_text = re.search(r"~\s*(\d{1,6})\s*s", detail_of(fields))
    hints = [
        retry_after_s(response, now) or 0.0,
        _seconds(fields.get("retry_after")),
        float(in_text[1]) if in_text else 0.0,
    ]
    return min(max(*hints, _SHORTEST_THROTTLE_S), _LONGEST_THROTTLE_S)


def lowered_to(response: httpx.Response) -> float | None:
    """The limit that a 429 names, in creates a minute: "reduced to 6 requests per minute" while credit is low."""
    named = re.search(r"reduced to (\d{1,6}) requests? per minute", detail_of(decoded(response)))
    return max(1.0, float(named[1])) if named else None


def retry_after_s(response: httpx.Response, now: datetime) -> float | None:
    """The Retry-After header in seconds from now, from either of its forms. None if there is none."""
    value = response.headers.get("Retry-After", "").strip()
    if not value:
        return None
    if seconds := _seconds(value):
        return seconds
    try:
        moment = parsedate_to_datetime(value)
    except ValueError:
        return None
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return max(0.0, (aware - now).total_seconds())


def _seconds(value: object) -> float:
    """A positive number of seconds, or 0."""
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return 0.0
    try:
        seconds = float(value)
    except (ValueError, OverflowError):
        return 0.0
    return seconds if math.isfinite(seconds) and seconds > 0 else 0.0


def refused_fields(body: object) -> list[str]:
    """The names in a 422's ``invalid_fields``, such as ``output_format``, without repeats and at most ten."""
    return list(broken_rules(body))


def broken_rules(body: object) -> dict[str, str]:
    """The names in a 422's ``invalid_fields``, at most ten, each with the rule that it breaks, such as ``enum``."""
    return {name: rule if _FIELD.fullmatch(rule) else "invalid" for name, (rule, _) in _invalid_fields(body).items()}


def field_sentences(body: object) -> dict[str, str]:
    """The same names, each with Replicate's sentence about it. A sentence may quote an input: redact it."""
    return {name: sentence for name, (_, sentence) in _invalid_fields(body).items() if sentence}


def _invalid_fields(body: object) -> dict[str, tuple[str, str]]:
    """The names in a 422's ``invalid_fields``, at most ten, each with its rule and its sentence as they came."""
    entries = body.get("invalid_fields") if isinstance(body, dict) else None
    found: dict[str, tuple[str, str]] = {}
    for entry in entries if isinstance(entries, list) else []:
        if not isinstance(entry, dict) or len(found) == 10:
            continue
        # "input.output_format", or "input" with the field in the description
        path = text(entry.get("field")).removeprefix("input").removeprefix(".")
        sentence = text(entry.get("description"))
        described = _NAMED.match(sentence)
        name = path or (described[1] if described else "")
        if _FIELD.fullmatch(name):
            found.setdefault(name, (text(entry.get("type")), sentence))
    return found
