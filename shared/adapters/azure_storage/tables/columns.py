"""One row's columns, read by name and type and written: what ``rows`` makes our types of.

Rules of this file:
1. What is needed and missing, or of another type, is an UnreadableRow.
2. A property holds 64 KiB of UTF-16 (a limit of the service), so a long text is cut into several: ``request``,
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

#: The four balances of an account and of an entry.
BALANCES = ("granted", "available", "held", "captured")

#: A character is at most 4 bytes of UTF-16: 16,000 of them stay below 64 KiB (65,536 bytes).
PART_CHARACTERS = 16_000

T = TypeVar("T")
E = TypeVar("E", bound=Enum)


def json_columns(name: str, value: object) -> Row:
    """A JSON column, cut into parts where it is long. Not escaped to ASCII: that would make six bytes of two.

    Half a surrogate pair, which a stranger's text may hold and no table takes, becomes the escape that JSON has for it.
    """
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    try:
        text.encode()
    except UnicodeEncodeError:
        text = text.encode(errors="backslashreplace").decode()
    starts = range(0, len(text), PART_CHARACTERS)
    return {_part(name, number): text[start : start + PART_CHARACTERS] for number, start in enumerate(starts, 1)}


def _part(name: str, number: int) -> str:
    return name if number == 1 else f"{name}_{number}"


class Columns:
    """Reads the columns of one row by name and type."""

    def __init__(self, row: Mapping[str, Any]) -> None:
        self._row = row

    def unreadable(self, what: str) -> UnreadableRow:
        """The error that names this row and a column of it."""
        account_id = self._row.get("PartitionKey")
        return UnreadableRow(f"row {account_id}/{self._row.get('RowKey')}: {what} cannot be read", str(account_id))

    def maybe(self, name: str, kind: type[T]) -> T | None:
        """A column that may be missing. A truth value is no number, though Python thinks so."""
        value = self._row.get(name)
        if isinstance(value, tuple):  # the SDK gives a 64-bit number as value and type
            value = value[0]
        if value is None:
            return None
        if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
            raise self.unreadable(name)
        return value

    def get(self, name: str, kind: type[T]) -> T:
        """A column that is needed."""
        value = self.maybe(name, kind)
        if value is None:
            raise self.unreadable(name)
        return value

    def maybe_time(self, name: str) -> datetime | None:
        """A time, as a plain datetime: the SDK's own kind carries along how it was written."""
        value = self.maybe(name, datetime)
        return None if value is None else datetime.combine(value.date(), value.time(), value.tzinfo or UTC)

    def time(self, name: str) -> datetime:
        """A time that is needed."""
        value = self.maybe_time(name)
        if value is None:
            raise self.unreadable(name)
        return value

    def maybe_one_of(self, name: str, choices: type[E]) -> E | None:
        """A word of a fixed list."""
        value = self.maybe(name, str)
        try:
            return None if value is None else choices(value)
        except ValueError:
            raise self.unreadable(name) from None

    def one_of(self, name: str, choices: type[E]) -> E:
        """A word of a fixed list that is needed."""
        value = self.maybe_one_of(name, choices)
        if value is None:
            raise self.unreadable(name)
        return value

    def balances(self) -> dict[str, int]:
        """The four balances."""
        return {name: self.get(name, int) for name in BALANCES}

    def json(self, name: str, kind: type[T]) -> T | None:
        """A JSON column, put together from its parts."""
        parts: list[str] = []
        while (part := self.maybe(_part(name, len(parts) + 1), str)) is not None:
            parts.append(part)
        if not parts:
            return None
        try:
            value = json.loads("".join(parts))
        except ValueError:
            raise self.unreadable(name) from None
        if not isinstance(value, kind):
            raise self.unreadable(name)
        return value

    def texts(self, name: str) -> tuple[str, ...]:
        """A JSON list of texts; empty where there is none."""
        values = self.json(name, list) or []
        if not all(isinstance(value, str) for value in values):
            raise self.unreadable(name)
        return tuple(values)

    def built(self, name: str, kind: type[T], raw: object) -> T:
        """A dataclass from a JSON object, without the keys that it does not know."""
        if not isinstance(raw, Mapping):
            raise self.unreadable(name)
        known = {item.name for item in fields(kind)}  # type: ignore[arg-type]  # callers pass dataclasses only
        try:
            return kind(**{key: value for key, value in raw.items() if key in known})
        except TypeError:
            raise self.unreadable(name) from None
