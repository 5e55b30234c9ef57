"""A provider's bill against what was reckoned; and bills that are refused."""

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import replace
from itertools import chain, repeat

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.core.money import reconciling
from shared.core.money.reconciling import Billed, BillError, Columns, Compared, Comparison, read_bill
from shared.core.money.usage import Used
from tests.core.test_earnings import USED

MODELS = Columns(usd="Amount", model="Model")
PREDICTIONS = Columns(usd="Amount", prediction="ID")


def sums(*lines: str, columns: Columns = MODELS) -> dict[str, tuple[int, int]]:
    """Lines and trillionths by name."""
    return {name: (each.lines, each.trillionths) for name, each in read_bill(lines, columns).items()}


def refused(lines: Iterable[str], columns: Columns = MODELS) -> str:
    """Why a bill is refused."""
    with pytest.raises(BillError) as error:
        read_bill(lines, columns)
    return str(error.value)


def test_lines_are_added_by_the_columns_that_were_named() -> None:
    """Quotes, blanks, blank lines, other columns, a sign, an exponent: and not a trillionth is lost."""
    found = sums(
        "Date,Amount,Model\n",
        '2026-11-01, 0.1 ,"a, b"\n',
        "\n",
        "x,$0.2,flux\n",
        "x,-0.05,flux\n",
        "x,1E-12,flux\n",
        "x,0.1,flux\n",
    )
    assert found == {"a, b": (1, 10**11), "flux": (4, 250_000_000_001)}


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ([], "there is no column 'Amount'; the first line has nothing"),
        (["Cost,Model\n"], "there is no column 'Amount'; the first line has 'Cost', 'Model'"),
        (["Amount,Model,Amount\n"], "the column 'Amount' is there 2 times"),
        (["Amount,Model\n", "1\n"], "line 2 has 1 field, and the head has 2"),
        (["Amount,Model\n", "1,a,b\n"], "line 2 has 3 fields"),
        (["Amount,Model\n", "1,a\n", '1,"b\n'], "is no CSV"),
        (["," * 200], "the head has more than 200 columns"),
        (["Amount,Model\n", "1," + "a" * 65_536], "line 2 is longer than 65536 characters"),
        (
            ["Amount,Model\n", '1,"' + "a\n", *repeat("a" * 60_000 + "\n", 9)],
            "is no CSV: field larger than field limit",
        ),
        (chain(["Amount,Model\n"], (f"1,m{n}\n" for n in range(9**9))), "line 2002: there are more than 2000 models"),
    ],
)
def test_a_bill_beyond_a_bound_is_refused(lines: Iterable[str], said: str) -> None:
    """With the line, and nothing is read after it."""
    assert said in refused(lines)


def test_a_bill_of_too_many_lines_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Half a million lines are read in seconds, so a smaller bound is tried here."""
    monkeypatch.setattr(reconciling, "MOST_LINES", 1000)
    assert "more than 1000 lines" in refused(chain(["Amount,Model\n"], repeat("1,a\n", 2000)))


@pytest.mark.parametrize(
    "amount",
    [
        "NaN",
        "nan",
        "sNaN",
        "inf",
        "-Infinity",
        "",
        "1,5",
        "1 000",
        "1_0",
        "0x10",
        "\u0661",
        "1e999",
        "1e99",
        "9" * 10,
        "--1",
    ],
)
def test_an_amount_that_is_no_number_is_refused(amount: str) -> None:
    """Whatever Python would make of it. The text does not repeat it."""
    said = refused(["Amount,Model\n", f'"{amount}",a\n'])
    assert said == "line 2: an amount must be USD such as 0.025, at most 1000000000"


@pytest.mark.parametrize(
    "name",
    ["=cmd|' /C calc'!A0", "+1", "-1", "@SUM(A1)", "", "  ", "a\x00b", "\x1b[2J", "a\u202eb", "x" * 201, "a\rb"],
)
def test_a_name_that_is_a_formula_or_steers_a_terminal_is_refused(name: str) -> None:
    """A table of these would be opened in a spreadsheet some day."""
    assert "line 2: a name" in refused(["Amount,Model\n", f'1,"{name}"\n'])


@given(st.lists(st.text(max_size=30), max_size=6))
def test_whatever_is_in_a_bill_only_its_own_refusal_is_raised(lines: list[str]) -> None:
    """Any text at all, behind a head that is right."""
    with suppress(BillError):
        assert all(billed.lines for billed in read_bill(["Amount,Model\n", *lines], MODELS).values())


def compared(bill: dict[str, Billed], *used: Used, by_prediction: bool = False) -> list[Compared]:
    """The comparison with these generations; the provider's name of a model is ours with its owner."""
    comparison = Comparison(bill, by_prediction=by_prediction, our_name=lambda name: name.removeprefix("maker/"))
    for each in used:
        comparison.add(each)
    return comparison.by_model()


def test_models_are_compared_by_name() -> None:
    """Ours for the provider's; what only one side has is compared with nothing."""
    bill = read_bill(["Amount,Model\n", "0.05,maker/flux-dev\n", "0.01,other\n"], MODELS)
    found = compared(bill, USED, USED, replace(USED, model="sdxl", cost_usd_micros=7), replace(USED, model=""))
    assert [(each.model, each.lines, each.generations, each.off_usd_micros, each.off_percent) for each in found] == [
        ("flux-dev", 1, 2, 0, 0),
        ("other", 1, 0, -10_000, -100),
        ("sdxl", 0, 1, 7, None),
    ]
    assert [each.within(99.9) for each in found] == [True, False, False]


def test_predictions_are_compared_one_by_one() -> None:
    """Several lines of one are added. What is on one side only has a line of its own, and comes last."""
    bill = read_bill(["ID,Amount\n", "p1,0.02\n", "p1,0.01\n", "p9,0.5\n"], PREDICTIONS)
    free = replace(USED, cost_usd_micros=0, prediction_id="p3")
    first, second = replace(USED, prediction_id="p1"), replace(USED, prediction_id="p2", model="sdxl")
    found = compared(bill, first, second, free, by_prediction=True)
    assert [(each.model, each.lines, each.billed_usd_micros, each.generations) for each in found] == [
        ("flux-dev", 2, 30_000, 1),
        ("(no generation)", 1, 500_000, 0),
        ("(not on the bill)", 0, 0, 1),
    ]
    assert found[0].off_percent == pytest.approx(-100 / 6)
