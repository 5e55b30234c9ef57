"""Reading Replicate's JSON leniently: what is malformed counts as absent, for real answers omit "required" fields."""

import logging
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, TypeVar

T = TypeVar("T")

_log = logging.getLogger("darkroom.replicate")


def fields(raw: object) -> Mapping[str, Any]:
    """An object's fields; none where there is no object."""
    return raw if isinstance(raw, dict) else {}


def text(value: object) -> str:
    """A text, or an empty one."""
    return value if isinstance(value, str) else ""


def whole(value: object) -> int:
    """A whole number, or 0."""
    return value if isinstance(value, int) and not isinstance(value, bool) else 0


def moment(value: object) -> datetime | None:
    """RFC 3339 with any number of fraction digits (2 to 9 were seen), as aware UTC."""
    try:
        read = datetime.fromisoformat(text(value))
        return read.astimezone(UTC) if read.tzinfo else read.replace(tzinfo=UTC)
    except (ValueError, OverflowError):  # OverflowError: the first or the last day there is, in another zone
        return None


def several(value: object, read: Callable[[object], T | None]) -> tuple[T, ...]:
    """The rows of a list that can be read."""
    rows = (entry(read, raw) for raw in (value if isinstance(value, list) else []))
    return tuple(row for row in rows if row is not None)


def entry(read: Callable[[object], T | None], raw: object) -> T | None:
    """One entry of a list, or None where it cannot be read: it must not keep anybody from the others.

    No reader raises that we know of. But what is in the list is anybody's, and what hangs on it is every lost create.
    """
    try:
        return read(raw)
    except Exception as error:  # noqa: BLE001  # whatever it is, it is about this entry
        _log.warning("an entry of a list of replicate's could not be read: %s", type(error).__name__)
        return None
