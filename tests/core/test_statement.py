"""The statement of a month: it explains the balance, in the account's zone, and no cell of it is a formula."""

import asyncio
import csv
import io
import json
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.core.money.chain import SUMS
from shared.core.money.statement import UNREADABLE, Line, Made, Statement, lines, month_of
from shared.views import statement as statements
from shared.views.statement import COLUMNS

NEW_YORK = ZoneInfo("America/New_York")
NOVEMBER = month_of("2026-11", NEW_YORK)


@dataclass(frozen=True)
class Said:
    """A ledger entry, as far as a statement reads it."""

    seq: int
    at: datetime
    move: str = "grant"
    granted: int = 0
    available: int = 0
    held: int = 0
    captured: int = 0
    expired: int = 0
    revoked: int = 0
    user_id: str = ""
    generation_id: str = ""
    by: str = "system"
    why: str = ""
    extra: dict[str, Any] = field(default_factory=dict)


#: The second before November in New York, its first, and its last.
BEFORE = datetime(2026, 11, 1, 3, 59, 59, tzinfo=UTC)
FIRST = BEFORE + timedelta(seconds=1)
LAST = datetime(2026, 12, 1, 4, 59, 59, 999999, tzinfo=UTC)

ENTRIES = (
    Said(1, BEFORE, granted=100, available=100, by="operator:eve", why="welcome"),
    Said(2, FIRST, "hold", available=-3, held=3, user_id="ada", generation_id="7f3c", by="user"),
    Said(3, LAST, "resolve", available=1, held=-3, captured=2, user_id="ada", generation_id="7f3c"),
    Said(4, LAST + timedelta(microseconds=1), "revoke", available=-50, revoked=50, why="after"),
)
MADE = {("ada", "7f3c"): Made("flux-dev", 2), ("bob", "7f3c"): Made("wrong", 9)}


#: The sums before November.
OPENING = (100, 100, 0, 0, 0, 0)


def november() -> list[Line]:
    """Its lines."""
    return lines(NOVEMBER, ENTRIES[1:3], MADE, OPENING)


def written(
    write: Callable[[Statement], AsyncIterator[str]], *pages: Sequence[Line], opening: tuple[int, ...] = OPENING
) -> str:
    """The statement of November with these pages, in a form."""

    async def whole() -> str:
        async def read() -> AsyncIterator[Sequence[Line]]:
            for page in pages:
                await asyncio.sleep(0)
                yield page

        return "".join([part async for part in write(Statement("acme", NOVEMBER, opening, read()))])

    return asyncio.run(whole())


def of(entry: Said, made: dict[tuple[str, str], Made] | None = None) -> list[Line]:
    """A page of one line."""
    return lines(NOVEMBER, [entry], made or {}, OPENING)


def test_a_month_is_that_of_the_zone() -> None:
    """It begins and ends at midnight there, over the change of the clocks too; December ends in January."""
    assert (NOVEMBER.start, NOVEMBER.end) == (FIRST, LAST + timedelta(microseconds=1))
    december = month_of("2026-12", UTC)
    assert (december.start, december.end) == (datetime(2026, 12, 1, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC))


@pytest.mark.parametrize(
    "text", ["", "2026", "2026-13", "2026-00", "26-11", "2026-1", "2026-11-01", "20\u0662\u0666-11", "1999-11"]
)
def test_any_other_text_is_no_month(text: str) -> None:
    """It is refused with the form."""
    with pytest.raises(ValueError, match="written as 2026-11"):
        month_of(text, UTC)


def test_a_statement_explains_its_balance() -> None:
    """Each line says what it left, and what its own user's generation made."""
    said = november()
    assert [line.entry.seq for line in said] == [2, 3]
    assert [line.balance for line in said] == [97, 98]
    assert said[-1].sums == (100, 98, 0, 2, 0, 0)
    assert [line.made for line in said] == [Made("flux-dev", 2)] * 2


def test_a_month_without_moves_has_both_balances() -> None:
    """The same ones."""
    assert "\nno moves\n\nclosing: 100 granted, 100 available," in written(statements.as_text)
    rows = list(csv.DictReader(io.StringIO(written(statements.as_csv))))
    assert [(row["move"], row["balance"]) for row in rows] == [("opening", "100"), ("closing", "100")]
    said = json.loads(written(statements.as_json))
    assert (said["moves"], said["closing"]) == ([], said["opening"])


@pytest.mark.parametrize("write", [statements.as_csv, statements.as_json])
def test_pages_change_nothing(write: Callable[[Statement], AsyncIterator[str]]) -> None:
    """One page of two lines, or two of one."""
    first, second = november()
    assert written(write, [first], [second]) == written(write, [first, second])


def test_a_wider_line_of_a_later_page_has_room() -> None:
    """Its columns are wider from there on."""
    first, second = november()
    (long,) = of(replace(ENTRIES[1], generation_id="g" * 20), {("ada", "g" * 20): Made("flux-dev", 1)})
    _, *rows = written(statements.as_text, [first], [long], [second]).split("\n\n")[2].splitlines()
    narrow, *wide = [row.index("flux-dev") for row in rows]
    assert wide[0] == narrow + 20 - len("GENERATION")
    assert wide[1] == wide[0] + len("resolve") - len("hold")


def test_a_generation_that_cannot_be_read_says_so() -> None:
    """In the column of the model; nothing is said of outputs."""
    page = of(ENTRIES[1], {("ada", "7f3c"): UNREADABLE})
    (move,) = json.loads(written(statements.as_json, page))["moves"]
    assert (move["model"], move["outputs"], move["held"]) == ("(unreadable)", "", 3)
    assert ",7f3c,(unreadable),,0," in written(statements.as_csv, page)
    assert "  (unreadable)           -3" in written(statements.as_text, page)


@pytest.mark.parametrize("text", ["plain", 'a "quoted"\nline', "\u2028\u2029\x85\x0b\x0c", "\U0001f600"])
def test_as_json_it_is_written_as_a_whole_would_be(text: str) -> None:
    """With two spaces for each level, and no character escaped that need not be."""
    page = [*of(replace(ENTRIES[1], why=text)), *of(ENTRIES[2])]
    said = written(statements.as_json, page)
    assert said == json.dumps(json.loads(said), indent=2, ensure_ascii=False) + "\n"
    assert json.loads(said)["moves"][0]["why"] == text


def test_as_json_every_move_has_every_column() -> None:
    """With its changes of all six sums, and times in the zone."""
    said = json.loads(written(statements.as_json, november()))
    assert [tuple(move) for move in said["moves"]] == [COLUMNS] * 2
    assert said["moves"][0] == dict.fromkeys(SUMS, 0) | {
        "seq": 2,
        "at": "2026-11-01T00:00:00-04:00",
        "move": "hold",
        "user_id": "ada",
        "generation_id": "7f3c",
        "model": "flux-dev",
        "outputs": 2,
        "available": -3,
        "held": 3,
        "balance": 97,
        "by": "user",
        "why": "",
    }
    assert said["moves"][1]["at"] == "2026-11-30T23:59:59.999999-05:00"
    assert (said["zone"], said["opening"]["granted"], said["closing"]["captured"]) == ("America/New_York", 100, 2)


def test_as_csv_it_adds_up() -> None:
    """Head, opening, moves, closing; the numbers are numbers, negative ones too."""
    rows = list(csv.DictReader(io.StringIO(written(statements.as_csv, november()))))
    assert [row["move"] for row in rows] == ["opening", "hold", "resolve", "closing"]
    for name in SUMS:
        opening, *moves, closing = (int(row[name]) for row in rows)
        assert opening + sum(moves) == closing, name
    assert rows[1]["available"] == "-3"
    assert rows[3]["balance"] == "98"


@pytest.mark.parametrize("before", ["", " ", "  ", "\xa0", "\v", "\f", "\u3000", " \xa0\f"])
@pytest.mark.parametrize("begins", ["=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20"])
def test_no_cell_is_a_formula(begins: str, before: str) -> None:
    """Whichever column a stranger's text is in, and whatever white space is before it: a spreadsheet runs nothing."""
    begins = before + begins
    text = f'{begins}HYPERLINK("https://evil.example","x"),1'
    entry = Said(1, FIRST, text, user_id=text, generation_id=text, by=text, why=text)
    said = written(statements.as_csv, of(entry, {(text, text): Made(text, 1)}))
    row = list(csv.DictReader(io.StringIO(said, newline="")))[1]
    assert [row[name] for name in ("move", "user_id", "generation_id", "model", "by", "why")] == [f"'{text}"] * 6


@given(st.text(max_size=20))
def test_any_text_is_one_cell_and_one_printable_line(text: str) -> None:
    """Quotes, line ends and controls do not break the table: CSV quotes them, text escapes them."""
    page = of(Said(1, FIRST, why=text))
    assert len(list(csv.reader(io.StringIO(written(statements.as_csv, page), newline="")))) == 4
    said = written(statements.as_text, page).split("\n")
    assert len(said) == 9
    assert all(line.isprintable() for line in said)


def test_as_text_it_is_a_table() -> None:
    """With title, balances, and a line for each move."""
    assert written(statements.as_text, november()) == (
        "Account acme, 2026-11 (America/New_York)\n"
        "\n"
        "opening: 100 granted, 100 available, 0 held, 0 captured, 0 expired, 0 revoked\n"
        "\n"
        "NO.  TIME                 MOVE     GENERATION  MODEL     OUTPUTS  CREDITS  HELD  AVAILABLE  BY      WHY\n"
        "2    2026-11-01 00:00:00  hold     7f3c        flux-dev  2        -3       +3    97         user\n"
        "3    2026-11-30 23:59:59  resolve  7f3c        flux-dev  2        +1       -3    98         system\n"
        "\n"
        "closing: 100 granted, 98 available, 0 held, 2 captured, 0 expired, 0 revoked\n"
    )
