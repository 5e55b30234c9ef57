"""The statement of an account for one month: opening balance, every move, closing balance; as text, CSV and JSON.

Rules of this file:
1. A month is that of the account's time zone. A move belongs to the month in which it was made.
2. The lines explain the balance: opening balance plus all changes is the closing balance, for each of the six sums.
3. A text in a CSV file may come from a user, and a spreadsheet runs what begins like a formula. Such a cell gets an
   apostrophe before it. Numbers stay numbers.
"""

import csv
import io
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from typing import Any, Protocol

from shared.core.money.chain import SUMS

#: How a cell begins that a spreadsheet takes for a formula; also in the wide forms of East Asian keyboards.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")

_MONTH = re.compile(r"(20[0-9]{2})-(0[1-9]|1[0-2])")

#: The columns of a line, as CSV and JSON name them.
COLUMNS = ("seq", "at", "move", "user_id", "generation_id", "model", "outputs", *SUMS, "balance", "by", "why")


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


def as_json(said: Statement) -> dict[str, Any]:
    """The statement as a JSON object."""
    return {
        "account_id": said.account_id,
        "month": said.month.name,
        "zone": str(said.month.zone),
        "opening": dict(zip(SUMS, said.opening, strict=True)),
        "moves": [dict(zip(COLUMNS, _cells(line), strict=True)) for line in said.lines],
        "closing": dict(zip(SUMS, said.closing, strict=True)),
    }


def as_csv(said: Statement) -> str:
    """The statement as CSV (RFC 4180): a head, the opening balance, a line for each move, the closing balance."""
    file = io.StringIO()
    writer = csv.writer(file)
    writer.writerow(COLUMNS)
    for name, sums in (("opening", said.opening), ("closing", said.closing)):
        if name == "closing":
            writer.writerows([_guarded(cell) for cell in _cells(line)] for line in said.lines)
        blank = dict.fromkeys(COLUMNS, "")
        row = blank | {"move": name, **dict(zip(SUMS, sums, strict=True)), "balance": sums[SUMS.index("available")]}
        writer.writerow(row.values())
    return file.getvalue()


def as_text(said: Statement) -> str:
    """The statement for reading. What cannot be printed is shown as its escape."""
    heads = ("NO.", "TIME", "MOVE", "GENERATION", "MODEL", "OUTPUTS", "CREDITS", "HELD", "AVAILABLE", "BY", "WHY")
    rows = [_words(line) for line in said.lines]
    widths = [max(len(row[index]) for row in (heads, *rows)) for index in range(len(heads))]
    table = [_joined(row, widths) for row in (heads, *rows)] if rows else ["no moves"]
    opening, closing = (_balance(sums) for sums in (said.opening, said.closing))
    title = f"Account {said.account_id}, {said.month.name} ({said.month.zone})"
    return "\n".join((title, "", f"opening: {opening}", "", *table, "", f"closing: {closing}", ""))


def as_json_text(said: Statement) -> str:
    """The JSON of ``as_json``, for a file."""
    return json.dumps(as_json(said), indent=2, ensure_ascii=False) + "\n"


def _cells(line: Line) -> list[Any]:
    entry, made = line.entry, line.made
    return [
        entry.seq,
        line.at.isoformat(),
        str(entry.move),
        entry.user_id,
        entry.generation_id,
        made.model if made else "",
        made.outputs if made else "",
        *line.changes,
        line.balance,
        entry.by,
        entry.why,
    ]


def _guarded(cell: Any) -> Any:
    """A cell of a CSV file (rule 3)."""
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(_FORMULA) else cell


def _words(line: Line) -> tuple[str, ...]:
    entry, made = line.entry, line.made
    available, held = (line.changes[SUMS.index(name)] for name in ("available", "held"))
    return tuple(
        _printable(word)
        for word in (
            str(entry.seq),
            f"{line.at:%Y-%m-%d %H:%M:%S}",
            str(entry.move),
            entry.generation_id,
            made.model if made else "",
            str(made.outputs) if made else "",
            f"{available:+d}" if available else "",
            f"{held:+d}" if held else "",
            str(line.balance),
            entry.by,
            entry.why,
        )
    )


def _printable(word: str) -> str:
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape", "backslashreplace").decode() for char in word
    )


def _joined(row: Sequence[str], widths: Sequence[int]) -> str:
    return "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()


def _balance(sums: tuple[int, ...]) -> str:
    return ", ".join(f"{value} {name}" for name, value in zip(SUMS, sums, strict=True))
