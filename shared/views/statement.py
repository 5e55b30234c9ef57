"""The statement of an account, written as text, CSV and JSON.

Rules of this file:
1. A text in a CSV file may come from a user, and a spreadsheet runs what begins like a formula. Such a cell gets an
   apostrophe before it, also where white space comes first, which a spreadsheet may leave out. Numbers stay numbers.
2. What cannot be printed is shown as its escape, so that a line stays a line.
3. It is written as its pages come, and no more than a page is held. So the columns of a text are as wide as the lines
   up to there need.
"""

import csv
import io
import json
import re
from collections.abc import AsyncIterator, Iterable, Sequence
from typing import Any

from shared.core.money.chain import SUMS
from shared.core.money.statement import Line, Made, Statement

#: How a cell begins that a spreadsheet takes for a formula; also in the wide forms of East Asian keyboards.
_FORMULA = re.compile(r"\s*[=+\-@\t\r\n\uff1d\uff0b\uff0d\uff20]")

#: The columns of a line, as CSV and JSON name them.
COLUMNS = ("seq", "at", "move", "user_id", "generation_id", "model", "outputs", *SUMS, "balance", "by", "why")

_encode = json.JSONEncoder(ensure_ascii=False).encode

#: The columns of the text.
_HEADS = ("NO.", "TIME", "MOVE", "GENERATION", "MODEL", "OUTPUTS", "CREDITS", "HELD", "AVAILABLE", "BY", "WHY")


async def as_json(said: Statement) -> AsyncIterator[str]:
    """The statement as a JSON object."""
    head = {
        "account_id": said.account_id,
        "month": said.month.name,
        "zone": str(said.month.zone),
        "opening": _by_name(said.opening),
    }
    yield _indented(head).removesuffix("\n}") + ',\n  "moves": ['
    closing, before = said.opening, ""
    async for page in said.pages:
        yield before + ",".join(map(_move, page))
        closing, before = page[-1].sums, ","
    end = "\n  ]" if before else "]"
    yield f"{end},\n" + _indented({"closing": _by_name(closing)}).removeprefix("{\n") + "\n"


async def as_csv(said: Statement) -> AsyncIterator[str]:
    """The statement as CSV (RFC 4180): a head, the opening balance, a line for each move, the closing balance."""
    yield _rows([COLUMNS, _balance_row("opening", said.opening)])
    closing = said.opening
    async for page in said.pages:
        yield _rows([_guarded(cell) for cell in _cells(line)] for line in page)
        closing = page[-1].sums
    yield _rows([_balance_row("closing", closing)])


async def as_text(said: Statement) -> AsyncIterator[str]:
    """The statement for reading. What cannot be printed is shown as its escape."""
    yield f"Account {said.account_id}, {said.month.name} ({said.month.zone})\n\nopening: {_balance(said.opening)}\n\n"
    closing, widths = said.opening, [0] * len(_HEADS)
    async for page in said.pages:
        rows = [_words(line) for line in page]
        if not any(widths):
            rows = [_HEADS, *rows]
        widths = [max(width, *map(len, column)) for width, column in zip(widths, zip(*rows, strict=True), strict=True)]
        yield "".join(f"{_joined(row, widths)}\n" for row in rows)
        closing = page[-1].sums
    if not any(widths):
        yield "no moves\n"
    yield f"\nclosing: {_balance(closing)}\n"


def _by_name(sums: tuple[int, ...]) -> dict[str, int]:
    return dict(zip(SUMS, sums, strict=True))


def _indented(value: dict[str, Any]) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False)


def _move(line: Line) -> str:
    """A line of the JSON. ``json`` would leave the collector kilobytes of each, where it has to indent."""
    facts = (f'\n      "{name}": {_encode(value)}' for name, value in zip(COLUMNS, _cells(line), strict=True))
    return f"\n    {{{','.join(facts)}\n    }}"


def _rows(rows: Iterable[Iterable[Any]]) -> str:
    file = io.StringIO()
    csv.writer(file).writerows(rows)
    return file.getvalue()


def _balance_row(name: str, sums: tuple[int, ...]) -> Iterable[Any]:
    balance = {"move": name, **_by_name(sums), "balance": sums[SUMS.index("available")]}
    return (dict.fromkeys(COLUMNS, "") | balance).values()


def _cells(line: Line) -> list[Any]:
    entry, made = line.entry, line.made
    return [
        entry.seq,
        line.at.isoformat(),
        str(entry.move),
        entry.user_id,
        entry.generation_id,
        made.model if made else "",
        _outputs(made),
        *line.changes,
        line.balance,
        entry.by,
        entry.why,
    ]


def _outputs(made: Made | None) -> int | str:
    return "" if made is None or made.outputs is None else made.outputs


def _guarded(cell: Any) -> Any:
    """A cell of a CSV file (rule 1)."""
    return f"'{cell}" if isinstance(cell, str) and _FORMULA.match(cell) else cell


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
            str(_outputs(made)),
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
