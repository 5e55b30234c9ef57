"""quote: what a request would cost and take, and nothing else happens."""

import json
import re
from dataclasses import replace

import pytest

from dev.fakes.catalogs import REAL, REAL_PLANS
from shared.core.catalog.margin import sold
from shared.core.keys import Key
from tests.cli.counter import Counter


@pytest.fixture
def shop(counter: Counter) -> Counter:
    """The app's own catalogue and plans; ada has the premium plan."""
    counter.operations.deps = replace(counter.deps, catalog=REAL, plans=REAL_PLANS)
    return counter


def test_a_quote_changes_nothing(shop: Counter) -> None:
    """No message, no row and no credit: only an answer, on the plan of the account."""
    before = shop.balances()
    called = shop.call("quote", "A lighthouse", "--user", "ada")
    assert called.code == 0
    assert [re.split(r" {2,}", line.strip()) for line in called.out.splitlines()] == [
        ["model", "flux-1.1-pro, by plan"],
        ["plan", "premium"],
        ["outputs", "1"],
        ["may be served by", "flux-dev, flux-schnell"],
        [""],
        ["AT LEAST", "LIKELY", "AT MOST"],
        ["credits", "1", "5", "5"],
        ["USD", "0.003000", "0.040000", "0.040000"],
        ["seconds", "unknown", "unknown", "unknown"],
    ]
    assert called.err == "likely USD: what the prices charge; measured: 0 generations\n"
    assert (shop.balances(), shop.messenger.sent, shop.records.saved_generations) == (before, [], {})


def test_seconds_are_those_of_rows_that_ended(shop: Counter) -> None:
    """Of all accounts, within the span. 0m reads nothing."""
    shop.request(Key("ada", "one"), model="flux-schnell")
    shop.pass_time(4)
    shop.generate(Key("ada", "two"), model="flux-schnell")
    argv = ("quote", "A lighthouse", "--plan", "free", "--json")
    found = json.loads(shop.call(*argv).out)
    assert (found["seconds"], found["measured_generations"]) == ({"least": 0, "likely": 0, "most": 4}, 2)
    assert found["basis"] == "measured"
    shop.pass_time(8 * 86_400)
    for since, number in (("7d", 0), ("9d", 2), ("0m", 0)):
        found = json.loads(shop.call(*argv, "--since", since).out)
        assert found["measured_generations"] == number
    assert found["seconds"] == {"least": None, "likely": None, "most": None}


def test_a_training_is_quoted_by_its_steps(shop: Counter) -> None:
    """At its credits, with the middle of what the catalogue says."""
    argv = ("--destination", "ada/lora", "--training-steps", "2000", "--input-file", "ada/ada/a.zip")
    called = shop.call("quote", "--user", "ada", *argv)
    assert re.search(r"^credits +700 +700 +700$", called.out, re.MULTILINE)
    assert re.search(r"^USD +3\.660000 +4\.575000 +21\.960000$", called.out, re.MULTILINE)
    assert "the middle of what the catalogue says" in called.err


@pytest.mark.parametrize(
    ("argv", "code", "said"),
    [
        (("A lighthouse", "--model", "gen-5"), 1, "UNKNOWN_MODEL: This model is not offered."),
        (("A lighthouse", "--model", "flux-pro", "--plan", "free"), 1, "PLAN_TOO_LOW: "),
        (("A lighthouse", "--plan", "gold"), 1, "No plan is named 'gold'; plans are free, basic, premium\n"),
        (("A lighthouse", "--width", "-1"), 2, "width must be"),
        (("A lighthouse", "--since", "ever"), 2, "--since must be a number followed by"),
    ],
)
def test_what_would_be_refused_is_refused_here(shop: Counter, argv: tuple[str, ...], code: int, said: str) -> None:
    """With the sentence that the user would get."""
    called = shop.call("quote", *argv)
    assert (called.code, called.out) == (code, "")
    assert said in called.err
    assert "not available" not in called.err


@pytest.mark.parametrize(
    ("before", "argv", "said"),
    [
        ((), ("--user", "nobody"), "NO_CREDITS: This needs up to 1 credit, and this account was never given any."),
        (("account", "revoke", "ada", "8"), (), "NO_CREDITS: This needs up to 5 credits; available: 2."),
        (("account", "suspend", "ada", "unpaid"), (), "ACCOUNT_SUSPENDED: This account is suspended: unpaid"),
        (("account", "limit", "ada", "day", "4"), (), "OVER_LIMIT: "),
        (
            ("account", "limit", "ada", "day", "4", "--user", "bob"),
            ("--user", "bob", "--account", "ada"),
            "OVER_LIMIT: ",
        ),
        (("account", "suspend", "ada", "unpaid"), ("--user", "ada", "--plan", "free"), "ACCOUNT_SUSPENDED: "),
    ],
)
def test_a_request_that_the_account_cannot_pay_is_refused(
    shop: Counter, before: tuple[str, ...], argv: tuple[str, ...], said: str
) -> None:
    """What it would cost is said all the same. Nothing is changed."""
    if before:
        assert shop.call(*before).code == 0
    rows = shop.balances(), list(shop.records.entries)
    called = shop.call("quote", "A lighthouse", *(argv or ("--user", "ada")))
    assert called.code == 1
    assert said in called.err
    assert "AT MOST" in called.out
    assert (shop.balances(), shop.records.entries) == rows
    found = json.loads(shop.call("quote", "A lighthouse", *(argv or ("--user", "ada")), "--json").out)
    assert said.startswith(found["refusal"]["reason"])


def test_a_request_that_may_open_has_no_refusal(shop: Counter) -> None:
    """A quote for nobody asks no account."""
    assert json.loads(shop.call("quote", "A lighthouse", "--user", "ada", "--json").out)["refusal"] is None
    assert json.loads(shop.call("quote", "A lighthouse", "--json").out)["refusal"] is None


def test_a_default_below_its_margin_is_named(shop: Counter) -> None:
    """The quote is of the model that would serve."""
    catalog = sold(REAL, REAL_PLANS, 10_000)
    shop.operations.deps = replace(shop.operations.deps, catalog=catalog)
    out = shop.call("quote", "A lighthouse", "--plan", "basic").out
    assert "passed over  flux-dev (BELOW_MARGIN)" in out
    assert not re.search(r"^model +flux-dev,", out, re.MULTILINE)
