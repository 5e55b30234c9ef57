"""usage: what generations used, by user and model."""

import json

import pytest

from dev.fakes.world import KEY
from shared.core.keys import Key
from tests.cli.counter import Counter

HOUR_S = 3600


@pytest.fixture
async def busy(counter: Counter) -> Counter:
    """Ada has one image of an hour ago, two of another model and one open; eve has one; bob has no credits."""
    await counter.ask(Key("ada", "old"))
    await counter.make()
    counter.pass_time(HOUR_S)
    await counter.open_account("eve", 5)
    await counter.ask(KEY, model="flux-dev", num_outputs=2)
    await counter.ask(Key("eve", "one"))
    await counter.make()
    await counter.ask(Key("bob", "one"))
    await counter.ask(Key("ada", "open"))
    return counter


def json_of(counter: Counter, *argv: str) -> dict[str, object]:
    """The answer of ``usage --json``."""
    called = counter.call("usage", "--json", *argv)
    assert (called.code, called.err) == (0, "")
    answer: dict[str, object] = json.loads(called.out)
    return answer


def line(generations: int, succeeded: int, outputs: int, captured: int, micros: int, **names: str | None) -> object:
    """One line of the sums."""
    return {
        **names,
        "generations": generations,
        "succeeded": succeeded,
        "outputs": outputs,
        "captured_credits": captured,
        "cost_usd_micros": micros,
    }


def test_everything_is_summed_by_user_and_model(busy: Counter) -> None:
    """A generation refused before a model was called has no model. An open one has captured nothing."""
    answer = json_of(busy)
    assert answer["since"] is None
    assert answer["by_user_and_model"] == [
        line(1, 1, 1, 2, 25_000, account_id="ada", user_id="ada", model="flux-dev"),
        line(2, 1, 1, 1, 3_000, account_id="ada", user_id="ada", model="flux-schnell"),
        line(1, 0, 0, 0, 0, account_id="bob", user_id="bob", model=None),
        line(1, 1, 1, 1, 3_000, account_id="eve", user_id="eve", model="flux-schnell"),
    ]
    assert answer["by_model"] == [
        line(1, 0, 0, 0, 0, model=None),
        line(1, 1, 1, 2, 25_000, model="flux-dev"),
        line(3, 2, 2, 2, 6_000, model="flux-schnell"),
    ]
    assert answer["by_user"] == [
        line(3, 2, 2, 3, 28_000, account_id="ada", user_id="ada"),
        line(1, 0, 0, 0, 0, account_id="bob", user_id="bob"),
        line(1, 1, 1, 1, 3_000, account_id="eve", user_id="eve"),
    ]
    assert answer["total"] == line(5, 3, 3, 4, 31_000)


@pytest.mark.parametrize(
    ("argv", "total"),
    [
        (("--user", "ada"), (3, 2, 2, 3, 28_000)),
        (("--user", "nobody"), (0, 0, 0, 0, 0)),
        (("--model", "flux-dev"), (1, 1, 1, 2, 25_000)),
        (("--model", "black-forest-labs/flux-dev"), (1, 1, 1, 2, 25_000)),
        (("--model", "long-gone"), (0, 0, 0, 0, 0)),
        (("--since", "59m"), (4, 2, 2, 3, 28_000)),
        (("--since", "60m"), (5, 3, 3, 4, 31_000)),
        (("--user", "ada", "--model", "flux-schnell", "--since", "30m"), (1, 0, 0, 0, 0)),
    ],
)
def test_the_report_can_be_narrowed(
    busy: Counter, argv: tuple[str, ...], total: tuple[int, int, int, int, int]
) -> None:
    """To a user, a model (by either name) and a span of time. The span includes its very beginning."""
    assert json_of(busy, *argv)["total"] == line(*total)


def test_the_tables_are_for_people(busy: Counter) -> None:
    """One line for each group, dollars aligned to the right, all totals, and the span on stderr."""
    called = busy.call("usage", "--since", "30m")
    assert called.code == 0
    assert called.out.splitlines() == [
        "USER  MODEL         GENERATIONS  SUCCEEDED  OUTPUTS  CREDITS  COST USD",
        "ada   flux-dev                1          1        1        2  0.025000",
        "ada   flux-schnell            1          0        0        0  0.000000",
        "bob   -                       1          0        0        0  0.000000",
        "eve   flux-schnell            1          1        1        1  0.003000",
        "",
        "MODEL         GENERATIONS  SUCCEEDED  OUTPUTS  CREDITS  COST USD",
        "-                       1          0        0        0  0.000000",
        "flux-dev                1          1        1        2  0.025000",
        "flux-schnell            2          1        1        1  0.003000",
        "",
        "USER   GENERATIONS  SUCCEEDED  OUTPUTS  CREDITS  COST USD",
        "ada              2          1        1        2  0.025000",
        "bob              1          0        0        0  0.000000",
        "eve              1          1        1        1  0.003000",
        "(all)            4          2        2        3  0.028000",
    ]
    assert called.err == "4 generations were opened since 2026-11-21 12:30:00Z.\n"


def test_an_empty_report(counter: Counter) -> None:
    """It has no table."""
    called = counter.call("usage")
    assert (called.code, called.out, called.err) == (0, "", "No generation was opened.\n")


def test_one_generation_is_in_the_singular(counter: Counter) -> None:
    """An unknown user or model is an error, because it may be a typing error."""
    counter.generate(Key("ada", "one"))
    assert counter.call("usage").err == "1 generation was opened.\n"
    assert counter.call("usage", "--model", "flux-dev").err == "No generation was opened.\n"
    nobody = counter.call("usage", "--user", "bob")
    assert (nobody.code, nobody.out) == (1, "")
    assert "There is no account 'bob'" in nobody.err
    typo = counter.call("usage", "--model", "flux-shnell")
    assert (typo.code, typo.out) == (1, "")
    assert "There is no model 'flux-shnell'" in typo.err
    assert "flux-schnell" in typo.err
    assert counter.call("usage", "--model", "").code == 1


def test_a_malformed_span_is_refused(counter: Counter) -> None:
    """It is a wrong command line."""
    called = counter.call("usage", "--since", "yesterday")
    assert called.code == 2
    assert "such as 7d" in called.err
