"""account: the limits of an account and of its users, what they count, and when they are free again."""

import json
import re
from dataclasses import replace
from typing import Any

import pytest

from dev.fakes.catalogs import REAL_PLANS
from shared.core.keys import Key
from shared.core.money.limits import Limit, Scope
from shared.core.money.plans import Plans
from shared.core.money.windows import Span
from tests.cli.counter import Counter

DAILY = Limit(limit_id="plan-day-credits-block", window=Span.DAY, amount=5)
EACH = Limit(limit_id="plan-month-credits-block", window=Span.MONTH, amount=4, scope=Scope.USER)
TOMORROW = r"2026-11-22 00:00:00Z"


@pytest.fixture
def planned(counter: Counter) -> Counter:
    """A counter whose premium plan has limits, for the account and for each user."""
    premium = replace(REAL_PLANS["premium"], limits=(DAILY, EACH))
    counter.deps = replace(counter.deps, plans=Plans("t", {**REAL_PLANS, "premium": premium}, "free"))
    counter.operations.deps = counter.deps
    return counter


def limits(counter: Counter, *argv: str) -> list[dict[str, Any]]:
    """The limits as JSON."""
    found: list[dict[str, Any]] = json.loads(counter.call("account", "ada", "--json", *argv).out)["limits"]
    return found


def rows(counter: Counter, *argv: str) -> list[str]:
    """The rows of the table of limits, each with single spaces."""
    shown = counter.call("account", "ada", *argv).out
    table = shown.partition("\nlimits\n")[2].partition("\n\n")[0]
    return [re.sub(" +", " ", line).strip() for line in table.splitlines()[1:]]


def test_the_limits_of_the_plan_are_shown_with_what_is_used_and_when_they_are_free_again(planned: Counter) -> None:
    """Of an account that nobody else uses, the limits for each user are those of its namesake."""
    assert rows(planned) == [
        "plan-day-credits-block account day credits 0 5 block",
        "plan-month-credits-block user ada month credits 0 4 block",
    ]
    planned.request(Key("ada", "one"), num_outputs=3)
    assert rows(planned) == [
        "plan-day-credits-block account day credits 3 5 block 2026-11-22 00:00:00Z",
        "plan-month-credits-block user ada month credits 3 4 block 2026-12-01 00:00:00Z",
    ]
    assert [(each["used"], each["free_at"], each["user_id"]) for each in limits(planned)] == [
        (3, "2026-11-22T00:00:00+00:00", None),
        (3, "2026-12-01T00:00:00+00:00", "ada"),
    ]


def test_a_limit_that_replaces_the_plans_is_shown_in_its_place(planned: Counter) -> None:
    """In both outputs, once: the other one does not hold."""
    assert planned.call("account", "limit", "ada", DAILY.limit_id, "50").code == 0
    assert [(each["limit_id"], each["amount"]) for each in limits(planned)] == [
        (DAILY.limit_id, 50),
        (EACH.limit_id, 4),
    ]
    assert rows(planned)[0] == "plan-day-credits-block account day credits 0 50 block"


def test_a_users_own_limits_and_use_are_shown_by_name(planned: Counter) -> None:
    """With the account's and the plan's for each user. Without a name they are nobody's: what is used is not said."""
    planned.request(Key("kim", "one", "ada"), num_outputs=2)
    assert planned.call("account", "limit", "ada", "own", "0", "--user", "kim").code == 0
    assert planned.call("account", "limit", "ada", EACH.limit_id, "9", "--user", "ada", "--per", "month").code == 0
    assert rows(planned)[1:] == ["plan-month-credits-block each user month credits 4 block"]
    assert rows(planned, "--user", "kim")[1:] == [
        "plan-month-credits-block user kim month credits 2 4 block 2026-12-01 00:00:00Z",
        "own user kim day credits 2 0 block never",
    ]
    assert rows(planned, "--user", "ada")[1:] == ["plan-month-credits-block user ada month credits 0 9 block"]
    assert [each["limit_id"] for each in limits(planned, "--user", "eve")] == [DAILY.limit_id, EACH.limit_id]
    assert planned.call("account", "ada", "--user", "a/b").code == 2


def test_a_limit_of_24_hours_is_free_again_when_enough_is_out(counter: Counter) -> None:
    """The oldest use of it; of one that is used up, so much that there is room for one credit."""
    assert counter.call("account", "limit", "ada", "day", "4", "--per", "rolling_24h").code == 0
    counter.request(Key("ada", "one"), num_outputs=2)
    counter.pass_time(3600)
    counter.request(Key("ada", "two"), num_outputs=2)
    assert rows(counter) == ["day account rolling_24h credits 4 4 block 2026-11-22 12:15:00Z"]
    assert counter.call("account", "limit", "ada", "day", "2", "--per", "rolling_24h", "--id", "z").code == 0
    assert rows(counter) == ["day account rolling_24h credits 4 2 block 2026-11-22 13:15:00Z"]
