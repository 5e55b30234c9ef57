"""The statement of an account for one month: opening balance, every move, closing balance.

Rules of this file:
1. A month is that of the account's time zone. A move belongs to the month in which it was made.
2. The lines explain the balance: opening balance plus all changes is the closing balance, for each of the six sums.
3. views/statement.py writes it as text, CSV and JSON.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from typing import Protocol

from shared.core.money.chain import SUMS

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
    """What a generation made: its model, and how many outputs were delivered."""

    model: str
    outputs: int


@dataclass(frozen=True, slots=True)
class Line:
    """One move. ``changes`` are of the six sums; ``balance`` is what is available after it."""

    entry: Entry
    at: datetime
    made: Made | None
    changes: tuple[int, ...]
    balance: int


@dataclass(frozen=True, slots=True)
class Statement:
    """The statement of one month. ``opening`` and ``closing`` are the six sums, in the order of SUMS."""

    account_id: str
    month: Month
    opening: tuple[int, ...]
    lines: tuple[Line, ...]
    closing: tuple[int, ...]


def month_of(text: str, zone: tzinfo) -> Month:
    """The month of a text such as ``2026-11``. Raises ValueError for any other text."""
    found = _MONTH.fullmatch(text)
    if found is None:
        raise ValueError("a month is written as 2026-11")
    year, month = int(found[1]), int(found[2])
    start = datetime(year, month, 1, tzinfo=zone).astimezone(UTC)
    end = datetime(year + month // 12, month % 12 + 1, 1, tzinfo=zone).astimezone(UTC)
    return Month(text, zone, start, end)


def statement(
    account_id: str,
    month: Month,
    entries: Iterable[Entry],
    made: Mapping[tuple[str, str], Made],
    *,
    before: tuple[int, ...] = (0,) * len(SUMS),
) -> Statement:
    """The statement, from the entries in their order.

    ``before`` are the sums before the first of them, if they do not begin with the account's first entry. ``made`` is
    by user and generation; it needs only those that ended in the month.
    """
    opening, sums, lines = before, before, []
    for entry in entries:
        if entry.at >= month.end:
            break
        changes = tuple(int(getattr(entry, name)) for name in SUMS)
        sums = tuple(one + other for one, other in zip(sums, changes, strict=True))
        if entry.at < month.start:
            opening = sums
            continue
        found = made.get((entry.user_id, entry.generation_id)) if entry.generation_id else None
        lines.append(Line(entry, entry.at.astimezone(month.zone), found, changes, sums[SUMS.index("available")]))
    return Statement(account_id, month, opening, tuple(lines), sums)
