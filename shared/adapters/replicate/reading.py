"""Reading Replicate's JSON leniently: what is malformed counts as absent, for real answers omit "required" fields."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, TypeVar

T = TypeVar("T")


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
    except ValueError:
        return None
    return read.astimezone(UTC) if read.tzinfo else read.replace(tzinfo=UTC)


def several(value: object, read: Callable[[object], T | None]) -> tuple[T, ...]:
    """The rows of a list that can be read."""
    rows = map(read, value if isinstance(value, list) else [])
    return tuple(row for row in rows if row is not None)
