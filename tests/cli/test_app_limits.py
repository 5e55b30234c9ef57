"""app-limits: the limits of the whole app from the command line."""

import asyncio
from typing import get_args

from dev.fakes.world import KEY
from shared.cli.app_limits import Counted, Window
from shared.core.money.limits import Unit
from shared.core.money.windows import Span
from tests.cli.counter import Counter


def test_a_limit_is_set_shown_and_removed(counter: Counter) -> None:
    """What was used before counts; the list says how much."""
    asyncio.run(counter.open_account())
    counter.request(KEY)
    called = counter.call("app-limits", "set", "daily", "5", "--id", "t1")
    assert called.code == 0, called.err
    assert called.out == "changed the app's limits, command t1. Every instance knows within 5 s.\n"
    (row,) = [line.split() for line in counter.call("app-limits", "show").out.splitlines()[1:]]
    assert row == ["daily", "day", "credits", "1", "5", "block"]
    counter.pass_time(1)
    assert counter.call("app-limits", "remove", "daily").code == 0
    assert counter.call("app-limits", "show").out == "the app has no limits\n"


def test_a_limit_that_is_not_there_is_not_removed(counter: Counter) -> None:
    """It names those that are there."""
    called = counter.call("app-limits", "remove", "daily")
    assert (called.code, called.out) == (1, "")
    assert "Nothing was changed: the app has no limit 'daily'; it has none" in called.err
    assert counter.call("app-limits", "set", "daily", "5").code == 0
    assert "it has daily" in counter.call("app-limits", "remove", "dayly").err
    assert [each.limit_id for each in counter.switches.limits.limits] == ["daily"]


def test_what_is_no_limit_is_refused_with_its_rule(counter: Counter) -> None:
    """A negative amount, an id with a slash; nothing is set."""
    assert "credits must be" in counter.call("app-limits", "set", "daily", "--", "-5").err
    assert "credits must be" in counter.call("app-limits", "set", "daily", "-1").err
    assert "No such option: --pre" in counter.call("app-limits", "set", "daily", "1", "--pre", "day").err
    assert "limit_id must be" in counter.call("app-limits", "set", "a/b", "5").err
    assert list(counter.switches.limits.limits) == []
    called = counter.call(
        "app-limits", "set", "spend", "5", "--unit", "usd_micros", "--per", "month", "--effect", "warn"
    )
    assert called.code == 0, called.err
    (limit,) = counter.switches.limits.limits
    assert (limit.unit, limit.window, limit.effect, limit.scope) == ("usd_micros", "month", "warn", "app")


def test_a_limit_in_flight_is_not_offered() -> None:
    """It would be refused whatever was given: the app's is a setting."""
    assert {*get_args(Window)} == {each.value for each in Span if each is not Span.IN_FLIGHT}
    assert {*get_args(Counted)} == {each.value for each in Unit if each is not Unit.GENERATIONS}
