"""Reads Replicate's JSON leniently: a malformed field counts as absent, because real answers omit "required" fields."""

import logging
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, TypeVar

T = TypeVar("T")

_log = logging.getLogger("darkroom.replicate")


def fields(raw: object) -> Mapping[str, Any]:
    """An object's fields; empty if it is not an object."""
    return raw if isinstance(raw, dict) else {}


def text(value: object) -> str:
    """The value if it is a text, else an empty one."""
    return value if isinstance(value, str) else ""


def whole(value: object) -> int:
    """The value if it is a whole number, else 0."""
    return value if isinstance(value, int) and not isinstance(value, bool) else 0


def moment(value: object) -> datetime | None:
    """A time in RFC 3339 with any number of fraction digits (we saw 2 to 9), as aware UTC. None if it is malformed."""
    try:
        read = datetime.fromisoformat(text(value))
        return read.astimezone(UTC) if read.tzinfo else read.replace(tzinfo=UTC)
    except (ValueError, OverflowError):  # OverflowError: the first or the last possible day, in another zone
        return None


def several(value: object, read: Callable[[object], T | None]) -> tuple[T, ...]:
    """The entries of a list that can be read."""
    rows = (entry(read, raw) for raw in (value if isinstance(value, list) else []))
    return tuple(row for row in rows if row is not None)


def entry(read: Callable[[object], T | None], raw: object) -> T | None:
    """One entry of a list. None if it cannot be read, so that the other entries are still read.

    We know of no reader that raises. But other programs' entries are in the list too, and every lost create is searched
    for in it.
    """
    try:
        return read(raw)
    except Exception as error:  # noqa: BLE001  # it is about this entry alone
        _log.warning("an entry of a list of replicate's could not be read: %s", type(error).__name__)
        return None
