"""The statement of an account, written as text, CSV and JSON.

Rules of this file:
1. A text in a CSV file may come from a user, and a spreadsheet runs what begins like a formula. Such a cell gets an
   apostrophe before it. Numbers stay numbers.
2. What cannot be printed is shown as its escape, so that a line stays a line.
"""

import csv
import io
import json
from collections.abc import Sequence
from typing import Any

from shared.core.money.chain import SUMS
from shared.core.money.statement import Line, Statement

#: How a cell begins that a spreadsheet takes for a formula; also in the wide forms of East Asian keyboards.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")

#: The columns of a line, as CSV and JSON name them.
COLUMNS = ("seq", "at", "move", "user_id", "generation_id", "model", "outputs", *SUMS, "balance", "by", "why")


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
