"""The statement of an account for one month: opening balance, every move, closing balance.

Rules of this file:
1. A month is that of the account's time zone. A move belongs to the month in which it was made.
2. The lines explain the balance: opening balance plus all changes is the closing balance, for each of the six sums.
3. A statement is known up to its opening balance; its lines come in pages, because no memory holds all of a large
   customer's. Its closing balance is what its last line leaves.
4. views/statement.py writes it as text, CSV and JSON.
"""

import re
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from typing import Protocol

from shared.core.money.chain import SUMS

_AVAILABLE = SUMS.index("available")

_MONTH = re.compile(r"(20[0-9]{2})-(0[1-9]|1[0-2])")


class Entry(Protocol):
    """What a statement reads of a ledger entry."""

    @property
    def seq(self) -> int:
        """Its number."""

    @property
    def at(self) -> datetime:
        """When it was made, aware."""

    @property
    def move(self) -> str:
        """Its kind."""

    @property
    def user_id(self) -> str:
        """The user; empty if it is nobody's."""

    @property
    def generation_id(self) -> str:
        """The generation; empty if it belongs to none."""

    @property
    def by(self) -> str:
        """Who did it."""

    @property
    def why(self) -> str:
        """The reason that was given."""


@dataclass(frozen=True, slots=True)
class Month:
    """One month of a time zone: ``start`` is in it, ``end`` is not."""

    name: str
    zone: tzinfo
    start: datetime
    end: datetime


@dataclass(frozen=True, slots=True)
class Made:
    """What a generation made: its model, and how many outputs were delivered. None: nobody can read it."""

    model: str
    outputs: int | None


#: What stands in the lines of a generation whose row cannot be read. The parentheses keep it apart from a name.
UNREADABLE = Made("(unreadable)", None)


@dataclass(frozen=True, slots=True)
class Line:
    """One move. ``changes`` are of the six sums, ``sums`` are what they are after it, in the order of SUMS."""

    entry: Entry
    at: datetime
    made: Made | None
    changes: tuple[int, ...]
    sums: tuple[int, ...]

    @property
    def balance(self) -> int:
        """What is available after it."""
        return self.sums[_AVAILABLE]


@dataclass(frozen=True, slots=True)
class Statement:
    """The statement of one month. ``opening`` are the six sums before it; no page of its lines is empty."""

    account_id: str
    month: Month
    opening: tuple[int, ...]
    pages: AsyncIterator[Sequence[Line]]


def month_of(text: str, zone: tzinfo) -> Month:
    """The month of a text such as ``2026-11``. Raises ValueError for any other text."""
    found = _MONTH.fullmatch(text)
    if found is None:
        raise ValueError("a month is written as 2026-11")
    year, month = int(found[1]), int(found[2])
    start = datetime(year, month, 1, tzinfo=zone).astimezone(UTC)
    end = datetime(year + month // 12, month % 12 + 1, 1, tzinfo=zone).astimezone(UTC)
    return Month(text, zone, start, end)


def changes_of(entry: Entry) -> tuple[int, ...]:
    """The changes of the six sums, in the order of SUMS."""
    return tuple(int(getattr(entry, name)) for name in SUMS)


def added(sums: tuple[int, ...], changes: tuple[int, ...]) -> tuple[int, ...]:
    """The six sums after a move."""
    return tuple(one + other for one, other in zip(sums, changes, strict=True))


def lines(
    month: Month, entries: Iterable[Entry], made: Mapping[tuple[str, str], Made], before: tuple[int, ...]
) -> list[Line]:
    """The lines of a month's entries, in their order. ``before`` are the sums before the first of them.

    ``made`` is by user and generation.
    """
    found, sums = [], before
    for entry in entries:
        changes = changes_of(entry)
        sums = added(sums, changes)
        by = made.get((entry.user_id, entry.generation_id)) if entry.generation_id else None
        found.append(Line(entry, entry.at.astimezone(month.zone), by, changes, sums))
    return found
