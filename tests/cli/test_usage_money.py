"""usage --by-day and usage reconcile: what models cost and brought, and a provider's bill."""

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest

from shared.core.keys import Key
from shared.core.lifecycle.generation import Generation
from tests.cli.counter import Called, Counter

DAY_S = 86_400
CENT = 10_000


@pytest.fixture
async def busy(counter: Counter) -> Counter:
    """Ada has one image of yesterday and one of another model of today; bob was refused."""
    await counter.ask(Key("ada", "old"))
    await counter.make()
    counter.pass_time(DAY_S)
    await counter.ask(Key("ada", "two"), model="flux-dev", num_outputs=2)
    await counter.make()
    await counter.ask(Key("bob", "none"))
    return counter


@pytest.fixture
def sold(busy: Counter) -> Counter:
    """The same where a credit is sold for a cent."""
    busy.operations.deps = replace(busy.deps, catalog=replace(busy.deps.catalog, credit_usd_micros=CENT))
    return busy


def prediction(counter: Counter, generation_id: str) -> str:
    """The prediction of a generation of ada's."""
    made = counter.records.saved_generations[Key("ada", generation_id)]
    assert isinstance(made, Generation)
    return made.attempt.prediction_id or ""


def test_each_day_has_the_cost_of_one(busy: Counter) -> None:
    """Without a price of a credit nothing is said about what was sold."""
    called = busy.call("usage", "--by-day")
    assert (called.code, called.err) == (0, "3 generations were opened.\n")
    lines = [re.split(r" {2,}", line.strip()) for line in called.out.splitlines()]
    assert [line[1:] for line in lines] == [
        ["MODEL", "GENERATIONS", "SUCCEEDED", "CREDITS", "COST USD", "COST EACH"],
        ["flux-schnell", "1", "1", "1", "0.003000", "0.003000"],
        ["flux-dev", "1", "1", "2", "0.025000", "0.025000"],
    ]


def test_a_price_of_a_credit_shows_what_was_sold(sold: Counter) -> None:
    """And which model lost money; as JSON with micros."""
    out = sold.call("usage", "--by-day").out
    assert re.search(r"flux-schnell .* 0\.010000 +0\.010000 +70$", out, re.MULTILINE)
    assert re.search(r"flux-dev .* 0\.020000 +0\.020000 +-25 +loses money$", out, re.MULTILINE)
    printed = json.loads(sold.call("usage", "--by-day", "--json", "--model", "flux-dev").out)
    assert printed["credit_usd_micros"] == CENT
    (line,) = printed["by_day"]
    assert (line["cost_each_usd_micros"], line["sold_each_usd_micros"], line["loses"]) == (25_000, 20_000, True)


def reconcile(counter: Counter, path: Path, text: str | bytes, *argv: str) -> Called:
    """The command for a bill with this content."""
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return counter.call("usage", "reconcile", "--csv", str(path), "--column", "usd=Amount", *argv)


BY_MODEL = ("--column", "model=Model", "--from", "2026-01-01")


def test_a_bill_is_compared_by_model(busy: Counter, tmp_path: Path) -> None:
    """Either name of a model counts. A spreadsheet's mark of UTF-8 is no part of the first column."""
    text = "\ufeffAmount,Model\r\n0.0500,black-forest-labs/flux-dev\r\n0.003,flux-schnell\r\n"
    called = reconcile(busy, tmp_path / "bill.csv", text, *BY_MODEL)
    assert called.code == 0
    assert [re.split(r" {2,}", line.strip()) for line in called.out.splitlines()] == [
        ["MODEL", "LINES", "BILLED USD", "GENERATIONS", "RECKONED USD", "OFF USD", "OFF %"],
        ["flux-dev", "1", "0.050000", "1", "0.025000", "-0.025000", "-50.0"],
        ["flux-schnell", "1", "0.003000", "1", "0.003000", "0.000000", "0.0"],
    ]
    assert reconcile(busy, tmp_path / "bill.csv", text, *BY_MODEL, "--within", "49").code == 1
    assert reconcile(busy, tmp_path / "bill.csv", text, *BY_MODEL, "--within", "50").code == 0


def test_days_narrow_it(busy: Counter, tmp_path: Path) -> None:
    """A generation of after the last day, or of before the first, is not compared."""
    days = sorted({found.opened_at.date().isoformat() for found in busy.records.saved_generations.values()})
    bill, model = tmp_path / "bill.csv", ("--json", "--column", "model=Model")
    for first, last, names in ((days[0], days[0], ["flux-schnell"]), (days[1], days[1], ["flux-dev"])):
        called = reconcile(busy, bill, "Amount,Model\n", *model, "--from", first, "--to", last)
        assert [each["model"] for each in json.loads(called.out)["by_model"]] == names


def test_a_bill_is_compared_by_prediction(busy: Counter, tmp_path: Path) -> None:
    """Each line with its generation, with another delimiter."""
    text = f"ID;Amount\n{prediction(busy, 'two')};0.02\nnobody;0.01\n"
    called = reconcile(busy, tmp_path / "b.csv", text, "--column", "prediction=ID", "--delimiter", ";", "--json")
    assert [
        (each["model"], each["billed_usd_micros"], each["reckoned_usd_micros"], each["off_percent"])
        for each in json.loads(called.out)["by_model"]
    ] == [
        ("flux-dev", 20_000, 25_000, 25),
        ("(no generation)", 10_000, 0, -100),
        ("(not on the bill)", 0, 3_000, None),
    ]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("Amount,Model\n0.1,flux\n".encode("utf-16"), "is not text in UTF-8"),
        (b"Amount,Model\n0.1,fl\xfcx\n", "is not text in UTF-8"),
        (b"\x89PNG\r\n\x1a\n\x00\x00", "is not text in UTF-8"),
        (b"", "there is no column 'Amount'"),
        (b"Cost,Model\n", "there is no column 'Amount'; the first line has 'Cost', 'Model'"),
        (b"\x1b[2J,Model\n", r"the first line has '\x1b[2J', 'Model'"),
        (b"Amount,Model\nNaN,flux\n", "line 2: an amount must be USD"),
        (b"Amount,Model\n1,=HYPERLINK(0)\n", "line 2: a name begins with '='"),
        (b"Amount,Model\n1," + b"a" * (2 << 20), "is longer than 65536 characters"),
    ],
)
def test_a_hostile_bill_is_refused(busy: Counter, tmp_path: Path, content: bytes, said: str) -> None:
    """With a sentence, exit code 1, and nothing on stdout."""
    called = reconcile(busy, tmp_path / "bill.csv", content, *BY_MODEL)
    assert (called.code, called.out) == (1, "")
    assert said in called.err
    assert "Traceback" not in called.err


def test_a_huge_bill_is_refused_unread(busy: Counter, tmp_path: Path) -> None:
    """By its size alone. A folder, or nothing at all, is no file."""
    huge = tmp_path / "huge.csv"
    with huge.open("wb") as file:
        file.truncate(2**40)
    argv = ("--column", "usd=Amount", *BY_MODEL)
    for path, said in (
        (huge, "has more than 67108864 bytes"),
        (tmp_path, "is no file"),
        (tmp_path / "\udcff", "is no file"),
    ):
        called = busy.call("usage", "reconcile", "--csv", str(path), *argv)
        assert (called.code, called.out) == (1, "")
        assert said in called.err


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (("--column", "usd=A"), "--column must be given once as usd=NAME"),
        (("--column", "model=A"), "--column must be given once as usd=NAME"),
        (("--column", "usd=A", "--column", "usd=B", "--column", "model=C"), "--column must be given once"),
        (("--column", "usd=A", "--column", "cost=B"), "--column must be given once"),
        (("--column", "usd=", "--column", "model=B"), "--column must be given once"),
        (("--column", "usd=A", "--column", "model=B"), "--from must say the first day"),
        (("--column", "usd=A", "--column", "model=B", "--from", "yesterday"), "--from must be a day such as"),
        (
            ("--column", "usd=A", "--column", "model=B", "--from", "2026-11-30", "--to", "2026-11-01"),
            "--from must not be after --to",
        ),
        (("--column", "usd=A", "--column", "prediction=B", "--delimiter", ",,"), "--delimiter must be one character"),
    ],
)
def test_a_wrong_command_line_says_what_to_write(busy: Counter, argv: tuple[str, ...], said: str) -> None:
    """Before any file is opened."""
    called = busy.call("usage", "reconcile", "--csv", "none.csv", *argv)
    assert called.code == 2
    assert said in called.err


def test_options_of_the_report_do_not_go_with_a_bill(busy: Counter) -> None:
    """They would be ignored in silence."""
    argv = ("usage", "--user", "ada", "reconcile", "--csv", "none.csv", "--column", "usd=A")
    called = busy.call(*argv)
    assert called.code == 2
    assert "options of usage do not go with reconcile" in called.err
