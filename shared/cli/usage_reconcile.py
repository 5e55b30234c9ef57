"""``usage reconcile``: a provider's bill against what was reckoned.

Rules of this file:
1. The command only reads. It knows no provider's form of a bill: the options say what its columns are.
2. The file is a stranger's (core/money/reconciling.py). It has a bound, and is read line by line.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Annotated, Any

import typer

from shared.cli.context import CommandContext, Operations, RefusedError, command_context_of
from shared.cli.printing import Amount
from shared.core.money.reconciling import Billed, BillError, Columns, Compared, Comparison, read_bill
from shared.core.money.usage import usd

#: The largest file that is read.
MOST_BYTES = 64 * 1024 * 1024

_Column = Annotated[
    list[str],
    typer.Option(
        "--column", help="What a column is: usd=NAME, and model=NAME or prediction=NAME.", metavar="WHAT=NAME"
    ),
]
_From = Annotated[str | None, typer.Option("--from", help="The first day (UTC).", metavar="DAY")]
_To = Annotated[str | None, typer.Option("--to", help="The last day (UTC); default: today.", metavar="DAY")]


def reconcile(  # noqa: PLR0913, PLR0917  # each is an option of the command
    context: typer.Context,
    csv: Annotated[Path, typer.Option("--csv", help="The provider's lines: CSV in UTF-8.", metavar="FILE")],
    column: _Column,
    first: _From = None,
    last: _To = None,
    delimiter: Annotated[str, typer.Option(help="What separates the columns.", metavar="CHARACTER")] = ",",
    within: Annotated[
        float | None, typer.Option(help="Exit with 1 if a model is further off.", metavar="PERCENT", min=0, max=1000)
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Compare a provider's lines with what was reckoned, and say how far off that is, by model.

    You say what the columns are, as no form of a bill is known here. With a column of predictions each line is compared
    with its generation. Without one, lines and generations of the same days are compared by model: say which with
    --from and --to.
    """
    columns = _columns(column)
    if len(delimiter) != 1 or delimiter in '"\r\n':
        raise typer.BadParameter("--delimiter must be one character, such as ; and no quote")
    days = _day("--from", first), _day("--to", last)
    if not columns.prediction and days[0] is None:
        raise typer.BadParameter("without a column of predictions --from must say the first day of the bill")
    if days[0] is not None and days[1] is not None and days[0] > days[1]:
        raise typer.BadParameter("--from must not be after --to: no day would be compared")
    command_context = command_context_of(context)

    async def command(operations: Operations) -> int:
        bill = _read(csv, columns, delimiter)
        found = await _compare(operations, bill, columns, days)
        _show(command_context, found, as_json=as_json)
        return int(within is not None and not all(each.within(within) for each in found))

    command_context.do(command)


def _columns(given: Sequence[str]) -> Columns:
    pairs = [each.partition("=") for each in given]
    named = {what: name for what, _, name in pairs}
    wrong = len(named) != len(pairs) or not named.keys() <= {"usd", "model", "prediction"} or not all(named.values())
    if wrong or "usd" not in named or len(named) < 2:
        raise typer.BadParameter("--column must be given once as usd=NAME, and as model=NAME or prediction=NAME")
    return Columns(**named)


def _day(option: str, text: str | None) -> date | None:
    try:
        return None if text is None else date.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter(f"{option} must be a day such as 2026-11-01") from None


def _read(path: Path, columns: Columns, delimiter: str) -> dict[str, Billed]:
    with _refusing(path):
        if not path.is_file():
            raise RefusedError(f"{path} is no file.")
        if path.stat().st_size > MOST_BYTES:
            raise RefusedError(f"{path} has more than {MOST_BYTES} bytes: give a bill of fewer days.")
        with path.open(encoding="utf-8-sig", newline="") as lines:
            return read_bill(_lines(lines), columns, delimiter)


def _lines(file: Any) -> Iterator[str]:
    """The lines of a file. One without an end is cut, and is too long already."""
    while line := file.readline(1 << 20):
        yield line


@contextmanager
def _refusing(path: Path) -> Iterator[None]:
    try:
        yield
    except BillError as error:
        raise RefusedError(f"{path}: {error}.") from None
    except UnicodeDecodeError:
        raise RefusedError(f"{path} is not text in UTF-8: save it as CSV in UTF-8.") from None
    except OSError as error:
        raise RefusedError(f"{path} cannot be read: {error.strerror}.") from None


async def _compare(
    operations: Operations, bill: dict[str, Billed], columns: Columns, days: tuple[date | None, date | None]
) -> list[Compared]:
    catalog = operations.deps.catalog

    def our_name(name: str) -> str:
        known = catalog.find(name)
        return known.name if known else name

    comparison = Comparison(bill, by_prediction=bool(columns.prediction), our_name=our_name)
    since = datetime.combine(days[0], time(), UTC) if days[0] else None
    until = datetime.combine(days[1], time(), UTC) + timedelta(days=1) if days[1] else None
    async for used in operations.store.used(since=since):
        if until is None or used.opened_at < until:
            comparison.add(used)
    return comparison.by_model()


def _show(context: CommandContext, found: Sequence[Compared], *, as_json: bool) -> None:
    if as_json:
        context.screen.json({"by_model": [_as_json(each) for each in found]})
        return
    context.screen.table(
        ("MODEL", "LINES", "BILLED USD", "GENERATIONS", "RECKONED USD", "OFF USD", "OFF %"),
        [
            (
                each.model,
                each.lines,
                Amount(usd(each.billed_usd_micros)),
                each.generations,
                Amount(usd(each.reckoned_usd_micros)),
                Amount(usd(each.off_usd_micros)),
                Amount("-" if each.off_percent is None else f"{each.off_percent:.1f}"),
            )
            for each in found
        ],
    )
    context.screen.complain("Both sides are what they say: the bill as you named its columns, ours as an estimate.")


def _as_json(each: Compared) -> dict[str, Any]:
    return {
        "model": each.model,
        "lines": each.lines,
        "billed_usd_micros": each.billed_usd_micros,
        "generations": each.generations,
        "reckoned_usd_micros": each.reckoned_usd_micros,
        "off_usd_micros": each.off_usd_micros,
        "off_percent": None if each.off_percent is None else round(each.off_percent, 3),
    }
