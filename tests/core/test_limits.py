"""Limits: what blocks, what asks, what warns, and what each says."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from shared.core.money import limits
from shared.core.money.limits import Approval, Cost, Effect, Ground, Limit, Scope, Unit
from shared.core.money.windows import UNUSED, Span, Usage

NOW = datetime(2026, 11, 28, 12, 34, 56, tzinfo=UTC)
DAILY = Limit(limit_id="daily", window=Span.DAY, amount=10)


def ground(usage: Usage = UNUSED, at: datetime = NOW) -> Ground:
    """What limits are checked against, in UTC and with no warning given."""
    return Ground(usage, (), "UTC", at)


def test_a_limit_is_reached_and_not_exceeded() -> None:
    """Exactly the amount passes, and one credit more does not."""
    used = ground(UNUSED.plus(NOW, 7, 0, "UTC"))
    assert limits.check((DAILY,), used, Cost(3)) == limits.Checked()
    blocked = limits.check((DAILY,), used, Cost(4)).blocked
    assert blocked is not None
    assert (blocked.limit, blocked.used, blocked.cost) == (DAILY, 7, 4)
    assert blocked.free_at == datetime(2026, 11, 29, tzinfo=UTC)


def test_a_new_window_is_free() -> None:
    """What was used yesterday does not count today, and a month's limit still counts it."""
    monthly = replace(DAILY, limit_id="monthly", window=Span.MONTH)
    used = ground(UNUSED.plus(NOW, 9, 0, "UTC"), NOW + timedelta(days=1))
    assert limits.check((DAILY,), used, Cost(10)).blocked is None
    assert limits.check((monthly,), used, Cost(2)).blocked is not None


@pytest.mark.parametrize("effect", [Effect.BLOCK, Effect.APPROVE])
def test_what_costs_nothing_exceeds_nothing(effect: Effect) -> None:
    """A limit that was lowered below what is used, or that is zero, lets through what costs nothing in its unit."""
    lowered = replace(DAILY, amount=0, effect=effect)
    used = ground(UNUSED.plus(NOW, 9, 9, "UTC"))
    assert limits.check((lowered,), used, Cost(0, 5)) == limits.Checked()
    assert limits.check((replace(lowered, unit=Unit.USD),), used, Cost(5, 0)) == limits.Checked()


def test_a_limit_in_usd_counts_usd() -> None:
    """Credits do not count in it."""
    usd = replace(DAILY, unit=Unit.USD, amount=1000)
    used = ground(UNUSED.plus(NOW, 5000, 900, "UTC"))
    assert limits.check((usd,), used, Cost(5000, 100)) == limits.Checked()
    assert limits.check((usd,), used, Cost(1, 101)).blocked is not None


def test_of_several_limits_the_one_that_is_free_last_is_named() -> None:
    """Waiting for the hour would be in vain while the month is full; and what never fits comes before both."""
    hourly = replace(DAILY, limit_id="hourly", window=Span.HOUR)
    monthly = replace(DAILY, limit_id="monthly", window=Span.MONTH)
    small = replace(DAILY, limit_id="small", amount=2)
    used = ground(UNUSED.plus(NOW, 9, 0, "UTC"))
    for given in ((hourly, monthly, DAILY), (DAILY, monthly, hourly), (monthly, hourly, DAILY)):
        blocked = limits.check(given, used, Cost(4)).blocked
        assert blocked is not None
        assert blocked.limit is monthly
    blocked = limits.check((monthly, small, hourly), used, Cost(4)).blocked
    assert blocked is not None
    assert (blocked.limit, blocked.free_at) == (small, None)


def test_the_sentence_says_which_how_much_what_and_when() -> None:
    """The user can act on it without asking anybody."""
    used = ground(UNUSED.plus(NOW, 7, 0, "UTC"))
    blocked = limits.check((DAILY,), used, Cost(4)).blocked
    assert blocked is not None
    assert limits.sentence(blocked) == (
        "This needs up to 4 credits. Used or held: 7 of 10 of the account's limit 'daily' per day. "
        "Send it again with a new id after 2026-11-29 00:00 UTC, ask for less, or have the limit raised."
    )
    never = limits.check((DAILY,), used, Cost(11)).blocked
    assert never is not None
    assert limits.sentence(never).endswith("per day. Ask for less, or have the limit raised.")


def test_a_sentence_about_usd_quotes_no_price() -> None:
    """It speaks of shares, rounded up."""
    usd = replace(DAILY, unit=Unit.USD, amount=1000, window=Span.ROLLING_24H, scope=Scope.USER, limit_id="team")
    blocked = limits.check((usd,), ground(UNUSED.plus(NOW, 5, 981, "UTC")), Cost(3, 25)).blocked
    assert blocked is not None
    assert limits.sentence(blocked) == (
        "This needs up to 3 %. Used or held: 99 % of the user's limit 'team' in 24 hours. "
        "Send it again with a new id after 2026-11-29 12:45 UTC, ask for less, or have the limit raised."
    )
    none = limits.check((replace(usd, amount=0),), ground(), Cost(1, 1)).blocked
    assert none is not None
    assert "more than 100 %" in limits.sentence(none)


def test_a_warning_is_given_once_per_window_at_each_step() -> None:
    """At 50, 80 and 100 %; a release and a second rise give none again, and the next window does."""
    warn, usage, given = replace(DAILY, effect=Effect.WARN), UNUSED, []
    at, warned = NOW, limits.Checked().warned
    for change in (4, 1, 1, -2, 2, 3, 1, 5, -10, 9):
        if change > 0:
            answer = limits.check((warn,), Ground(usage, warned, "UTC", at), Cost(change))
            assert answer.blocked is None
            assert answer.to_approve == ()
            given += [notice.step for notice in answer.notices]
            warned, usage = answer.warned, usage.plus(at, change, 0, "UTC")
        else:
            usage = usage.changed(at, change, 0)
    assert given == [50, 80, 100]
    tomorrow = NOW + timedelta(days=1)
    answer = limits.check((warn,), Ground(usage, warned, "UTC", tomorrow), Cost(9))
    assert [(notice.step, notice.used) for notice in answer.notices] == [(80, 9)]
    assert len(answer.warned) == 1


def test_a_warning_of_the_rolling_window_is_given_once_in_24_hours() -> None:
    """It has no end of its own."""
    warn = replace(DAILY, effect=Effect.WARN, window=Span.ROLLING_24H)
    first = limits.check((warn,), ground(), Cost(5))
    assert [notice.step for notice in first.notices] == [50]
    usage = UNUSED.plus(NOW, 5, 0, "UTC")
    for hours, steps in ((1, []), (23, []), (24, [50])):
        at = NOW + timedelta(hours=hours)
        again = limits.check((warn,), Ground(usage, first.warned, "UTC", at), Cost(1))
        assert [notice.step for notice in again.notices] == steps


def test_an_approval_overrides_its_own_limit_only_and_up_to_its_credits() -> None:
    """A dearer generation asks again, and another limit asks for itself."""
    ask = replace(DAILY, effect=Effect.APPROVE)
    other = replace(ask, limit_id="other")
    used, approval = ground(UNUSED.plus(NOW, 9, 0, "UTC")), (Approval("daily", 5),)
    assert limits.check((ask,), used, Cost(5), approval).to_approve == ()
    assert [each.limit for each in limits.check((ask,), used, Cost(6), approval).to_approve] == [ask]
    assert [each.limit for each in limits.check((ask, other), used, Cost(5), approval).to_approve] == [other]
    assert limits.check((ask,), used, Cost(5)).blocked is None


def test_a_later_layer_replaces_the_limit_of_the_same_scope_and_id() -> None:
    """The plan's limit is replaced by the account's; the user's of the same id is another one."""
    plan = (DAILY, replace(DAILY, limit_id="weekly"))
    own = (replace(DAILY, amount=99), replace(DAILY, scope=Scope.USER, amount=1))
    laid = limits.laid_over(plan, own)
    assert [(each.scope, each.limit_id, each.amount) for each in laid] == [
        (Scope.ACCOUNT, "daily", 99),
        (Scope.ACCOUNT, "weekly", 10),
        (Scope.USER, "daily", 1),
    ]


@pytest.mark.parametrize("amount", [-1, True, 1.0, 2**63, 1_000_000_001])
def test_an_amount_that_makes_no_sense_is_refused_by_name(amount: int) -> None:
    """Bools, floats, negative and huge numbers never reach a row."""
    with pytest.raises(ValueError, match="amount must be a whole number from 0 to 1000000000"):
        Limit(limit_id="daily", window=Span.DAY, amount=amount)


def test_the_id_of_a_limit_is_an_id() -> None:
    """It stands in messages and keys."""
    with pytest.raises(ValueError, match="limit_id must be a valid id"):
        Limit(limit_id="a/b", window=Span.DAY, amount=1)


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"window": Span.DAY}, "has the window in_flight"),
        ({"unit": Unit.CREDITS}, "no other limit has it"),
        ({"amount": 0}, "amount"),
        ({"amount": limits.MOST_IN_FLIGHT + 1}, "amount"),
        ({"effect": limits.Effect.WARN}, "has no effect"),
        ({"scope": Scope.APP}, "the app's is a setting"),
    ],
)
def test_a_limit_in_flight_is_in_generations_and_waits(fields: dict[str, object], why: str) -> None:
    """It has one unit, one window, no effect, and lets one go on at least; the smallest of a scope counts."""
    each = limits.Limit(limit_id="open", window=Span.IN_FLIGHT, amount=3, unit=Unit.GENERATIONS)
    with pytest.raises(ValueError, match=why):
        replace(each, **fields)  # type: ignore[arg-type]  # as the case says
    user = replace(each, scope=Scope.USER, amount=2)
    assert limits.most_in_flight((each, user, replace(each, amount=9), DAILY), Scope.ACCOUNT) == 3
    assert limits.most_in_flight((DAILY,), Scope.ACCOUNT) is None
