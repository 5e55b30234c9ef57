"""Reads one row's columns by name and type, and writes JSON columns; ``rows`` uses it.

Rules of this file:
1. A required column that is missing, and any column of a wrong type, raises UnreadableRow.
2. A property holds 64 KiB of UTF-16 (the service's limit), so a long text is split into several columns: ``request``,
   ``request_2``, ``request_3`` and so on.
"""

import json
from collections.abc import Mapping
from dataclasses import fields
from datetime import UTC, datetime
from enum import Enum
from typing import Any, TypeVar

from shared.ports import UnreadableRow

Row = dict[str, Any]

#: Characters of one part. A character has at most 4 bytes in UTF-16, so 16,000 stay below 64 KiB (65,536 bytes).
PART_CHARACTERS = 16_000

#: One encoder for all: ``json.dumps`` with these options would make one for each value.
_written = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode

T = TypeVar("T")
E = TypeVar("E", bound=Enum)


def json_columns(name: str, value: object) -> Row:
    """A value as one or more JSON columns. The JSON is not escaped to ASCII, which would make six bytes of two.

    Half a surrogate pair, which a user's text may contain and no table accepts, becomes its JSON escape.
    """
    text = _written(value)
    try:
        text.encode()
    except UnicodeEncodeError:
        text = text.encode(errors="backslashreplace").decode()
    return text_columns(name, text)


def text_columns(name: str, text: str) -> Row:
    """A text as one or more columns."""
    starts = range(0, len(text), PART_CHARACTERS)
    return {_part(name, number): text[start : start + PART_CHARACTERS] for number, start in enumerate(starts, 1)}


def _part(name: str, number: int) -> str:
    return name if number == 1 else f"{name}_{number}"


class Columns:
    """Reads the columns of one row by name and type."""

    def __init__(self, row: Mapping[str, Any]) -> None:
        self._row = row

    def unreadable(self, what: str) -> UnreadableRow:
        """The error for a column of this row, to be raised by the caller."""
        account_id = self._row.get("PartitionKey")
        return UnreadableRow(f"row {account_id}/{self._row.get('RowKey')}: {what} cannot be read", str(account_id))

    def maybe(self, name: str, kind: type[T]) -> T | None:
        """An optional column; None if it is missing. A bool does not count as an int, though it is one in Python."""
        value = self._row.get(name)
        if isinstance(value, tuple):  # the SDK returns a 64-bit integer as a pair of value and type
            value = value[0]
        if value is None:
            return None
        if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
            raise self.unreadable(name)
        return value

    def get(self, name: str, kind: type[T]) -> T:
        """A required column."""
        value = self.maybe(name, kind)
        if value is None:
            raise self.unreadable(name)
        return value

    def maybe_time(self, name: str) -> datetime | None:
        """An optional time as an aware datetime. The SDK's own subclass is not passed on."""
        value = self.maybe(name, datetime)
        return None if value is None else datetime.combine(value.date(), value.time(), value.tzinfo or UTC)

    def time(self, name: str) -> datetime:
        """A required time, aware."""
        value = self.maybe_time(name)
        if value is None:
            raise self.unreadable(name)
        return value

    def maybe_one_of(self, name: str, choices: type[E]) -> E | None:
        """An optional enum member, stored by its value."""
        value = self.maybe(name, str)
        try:
            return None if value is None else choices(value)
        except ValueError:
            raise self.unreadable(name) from None

    def one_of(self, name: str, choices: type[E]) -> E:
        """A required enum member, stored by its value."""
        value = self.maybe_one_of(name, choices)
        if value is None:
            raise self.unreadable(name)
        return value

    def text(self, name: str) -> str:
        """A text, joined from its parts; empty if the column is missing."""
        parts: list[str] = []
        while (part := self.maybe(_part(name, len(parts) + 1), str)) is not None:
            parts.append(part)
        return "".join(parts)

    def json(self, name: str, kind: type[T]) -> T | None:
        """A JSON column, joined from its parts; None if it is missing."""
        text = self.text(name)
        if not text:
            return None
        try:
            value = json.loads(text)
        except ValueError:
            raise self.unreadable(name) from None
        if not isinstance(value, kind):
            raise self.unreadable(name)
        return value

    def texts(self, name: str) -> tuple[str, ...]:
        """A JSON list of texts; empty if the column is missing."""
        values = self.json(name, list) or []
        if not all(isinstance(value, str) for value in values):
            raise self.unreadable(name)
        return tuple(values)

    def built(self, name: str, kind: type[T], raw: object) -> T:
        """A dataclass from a JSON object. Unknown keys are ignored: a newer version may have written them."""
        if not isinstance(raw, Mapping):
            raise self.unreadable(name)
        known = {item.name for item in fields(kind)}  # type: ignore[arg-type]  # callers pass dataclasses only
        try:
            return kind(**{key: value for key, value in raw.items() if key in known})
        except TypeError:
            raise self.unreadable(name) from None
