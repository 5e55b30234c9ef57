"""A provider's bill against what was reckoned: how far off it is, by model.

Rules of this file:
1. No form of a bill is assumed. The caller says which column is the amount in USD, and which the model or the
   prediction. A column that is named and missing, or there twice, is refused.
2. A bill is a stranger's. Lines, columns, fields, names and amounts have bounds, and what is beyond one refuses the
   bill with the number of its line. Nothing is skipped, because a sum without a line is wrong.
3. An amount is a plain decimal number: no NaN, no infinity, no grouping of thousands, no comma. It may be negative: a
   provider gives money back too.
4. A name may not begin with a character that makes a formula of it in a spreadsheet, nor hold a control character.
5. Amounts are added as integers of a trillionth of a USD, and become USD micros at the end.
6. With predictions, a line belongs to the generation whose last attempt was this prediction. Else lines and generations
   are compared by model, and it is the caller who makes both of the same days.
"""

import csv
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from decimal import ROUND_HALF_EVEN, Decimal

from shared.core.money.usage import Used
from shared.core.reasons import counted

#: The bounds of rule 2. The longest line is in characters.
MOST_LINES, MOST_COLUMNS, MOST_MODELS, MOST_NAME, MOST_LINE = 500_000, 200, 2_000, 200, 65_536

_AMOUNT = re.compile(r"(-?)\$?(\d{1,9}(?:\.\d{1,30})?(?:[eE][-+]?\d{1,2})?)", re.ASCII)
_TRILLION, _PER_MICRO = 10**12, 10**6
_MOST_USD = 10**9
_FORMULA = "=+-@\t\r"

#: What a bill has and no generation, and a generation and no bill.
NO_GENERATION, NOT_BILLED = "(no generation)", "(not on the bill)"


class BillError(ValueError):
    """The bill cannot be used. The text says where and why, and never repeats an amount or a whole line."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Columns:
    """The names of the columns that count. At least one of ``model`` and ``prediction`` is given."""

    usd: str
    model: str = ""
    prediction: str = ""


@dataclass(slots=True)
class Billed:
    """The lines of one model or prediction, and their amount in trillionths of a USD."""

    lines: int = 0
    trillionths: int = 0

    def add(self, trillionths: int) -> None:
        """Count one line."""
        self.lines += 1
        self.trillionths += trillionths


def read_bill(lines: Iterable[str], columns: Columns, delimiter: str = ",") -> dict[str, Billed]:
    """The sums of a bill by prediction, or else by model. Raises BillError."""
    rows = csv.reader(_bounded(lines), delimiter=delimiter, strict=True)
    try:
        heads = next(rows, [])
        usd, name = (_place(heads, each) for each in (columns.usd, columns.prediction or columns.model))
        sums: dict[str, Billed] = {}
        for row in rows:
            if not row:
                continue
            if len(row) != len(heads):
                raise BillError(f"line {rows.line_num} has {counted(len(row), 'field')}, and the head has {len(heads)}")
            key = _name(row[name], rows.line_num)
            if key not in sums and not columns.prediction and len(sums) >= MOST_MODELS:
                raise BillError(f"line {rows.line_num}: there are more than {MOST_MODELS} models: is the column right?")
            sums.setdefault(key, Billed()).add(_trillionths(row[usd], rows.line_num))
    except csv.Error as error:
        raise BillError(f"line {rows.line_num} is no CSV: {error}") from None
    return sums


def _bounded(lines: Iterable[str]) -> Iterator[str]:
    for number, line in enumerate(lines, 1):
        if number > MOST_LINES:
            raise BillError(f"there are more than {MOST_LINES} lines: give a bill of fewer days")
        if len(line) > MOST_LINE:
            raise BillError(f"line {number} is longer than {MOST_LINE} characters")
        yield line


def _place(heads: list[str], column: str) -> int:
    if len(heads) > MOST_COLUMNS:
        raise BillError(f"the head has more than {MOST_COLUMNS} columns: is the delimiter right?")
    if heads.count(column) == 1:
        return heads.index(column)
    if column in heads:
        raise BillError(f"the column {column!r} is there {heads.count(column)} times")
    known = ", ".join(repr(each[:40]) for each in heads[:20])
    raise BillError(f"there is no column {column!r}; the first line has {known or 'nothing'}")


def _name(text: str, line: int) -> str:
    name = text.strip()
    if not name or len(name) > MOST_NAME or not name.isprintable():
        raise BillError(f"line {line}: a name must be 1 to {MOST_NAME} printable characters")
    if name[0] in _FORMULA:
        raise BillError(f"line {line}: a name begins with {name[0]!r}, as a formula does")
    return name


def _trillionths(text: str, line: int) -> int:
    found = _AMOUNT.fullmatch(text.strip())
    amount = Decimal(found[2]) if found else Decimal("NaN")
    if not found or amount > _MOST_USD:
        raise BillError(f"line {line}: an amount must be USD such as 0.025, at most {_MOST_USD}")
    whole = int((amount * _TRILLION).to_integral_value(ROUND_HALF_EVEN))
    return -whole if found[1] else whole


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """One model: the provider's lines and what was reckoned for its generations."""

    model: str
    lines: int
    billed_usd_micros: int
    generations: int
    reckoned_usd_micros: int

    @property
    def off_usd_micros(self) -> int:
        """How much more was reckoned than billed. Negative: less."""
        return self.reckoned_usd_micros - self.billed_usd_micros

    @property
    def off_percent(self) -> float | None:
        """The same in per cent of what was billed. None: nothing was billed."""
        return self.off_usd_micros * 100 / self.billed_usd_micros if self.billed_usd_micros else None

    def within(self, percent: float) -> bool:
        """Whether it is off by at most this."""
        return abs(self.off_usd_micros) * 100 <= percent * abs(self.billed_usd_micros)


@dataclass(slots=True)
class _Group:
    lines: int = 0
    trillionths: int = 0
    generations: int = 0
    reckoned_usd_micros: int = 0


@dataclass(slots=True)
class Comparison:
    """A bill, to which generations are added. ``our_name`` gives our name of a model for the provider's."""

    bill: dict[str, Billed]
    by_prediction: bool
    our_name: Callable[[str], str]
    _groups: dict[str, _Group] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.by_prediction:
            for name, billed in self.bill.items():
                self._count(self.our_name(name), billed)

    def add(self, used: Used) -> None:
        """Count a generation. One that called no model is on no bill."""
        if not used.model:
            return
        name = used.model
        if self.by_prediction:
            billed = self.bill.pop(used.prediction_id, None)
            if billed is not None:
                self._count(name, billed)
            elif used.cost_usd_micros:
                name = NOT_BILLED
            else:
                return
        group = self._groups.setdefault(name, _Group())
        group.generations += 1
        group.reckoned_usd_micros += used.cost_usd_micros

    def _count(self, name: str, billed: Billed) -> None:
        group = self._groups.setdefault(name, _Group())
        group.lines += billed.lines
        group.trillionths += billed.trillionths

    def by_model(self) -> list[Compared]:
        """One line for each model, by name; what has no counterpart comes last. Call it once, at the end."""
        if self.by_prediction:
            for billed in self.bill.values():
                self._count(NO_GENERATION, billed)
            self.bill.clear()
        return [
            Compared(
                model=name,
                lines=group.lines,
                billed_usd_micros=_micros(group.trillionths),
                generations=group.generations,
                reckoned_usd_micros=group.reckoned_usd_micros,
            )
            for name, group in sorted(self._groups.items(), key=lambda item: (item[0].startswith("("), item[0]))
        ]


def _micros(trillionths: int) -> int:
    """Rounded half away from zero."""
    micros = (abs(trillionths) + _PER_MICRO // 2) // _PER_MICRO
    return -micros if trillionths < 0 else micros
