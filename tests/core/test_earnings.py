"""What each model cost and brought by day."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta, timezone

from shared.core.money.earnings import Earned, Earnings
from shared.core.money.usage import Used

CENT = 10_000
USED = Used(
    account_id="ada",
    user_id="ada",
    model="flux-dev",
    succeeded=True,
    outputs=1,
    captured_credits=2,
    cost_usd_micros=25_000,
    opened_at=datetime(2026, 11, 21, 12, tzinfo=UTC),
)
FAILED = replace(USED, succeeded=False, captured_credits=0, cost_usd_micros=1_001)


def by_day(*used: Used) -> dict[tuple[date, str], Earned]:
    """The sums, whatever the order of adding."""
    forth, back = Earnings(), Earnings()
    for each in used:
        forth.add(each)
    for each in reversed(used):
        back.add(each)
    assert list(forth.by_day()) == list(back.by_day())
    return {(day, model): earned for day, model, earned in forth.by_day()}


def test_what_failed_is_paid_by_what_succeeded() -> None:
    """The cost of one is rounded up, and its price down."""
    (earned,) = by_day(USED, USED, FAILED).values()
    assert earned == Earned(generations=3, succeeded=2, credits=4, cost_usd_micros=51_001)
    assert (earned.cost_each_usd_micros, earned.sold_each_usd_micros(CENT)) == (25_501, 20_000)
    (alone,) = by_day(FAILED).values()
    assert (alone.cost_each_usd_micros, alone.sold_each_usd_micros(CENT), alone.loses(CENT)) == (None, None, True)


def test_a_model_loses_from_the_first_micro() -> None:
    """25,000 micros for two credits: 12,500 a credit are even."""
    (earned,) = by_day(USED).values()
    assert [earned.loses(credit) for credit in (12_499, 12_500)] == [True, False]


def test_refunded_credits_brought_nothing() -> None:
    """What was given back is not sold."""
    (earned,) = by_day(replace(USED, refunded_credits=2)).values()
    assert (earned.credits, earned.loses(CENT)) == (0, True)


def test_a_day_is_one_of_utc() -> None:
    """Whatever zone a time is in. What called no model is on no day."""
    late = datetime(2026, 11, 21, 23, tzinfo=timezone(-timedelta(hours=5)))
    found = by_day(replace(USED, opened_at=late), replace(USED, model=""), USED)
    assert list(found) == [(date(2026, 11, 21), "flux-dev"), (date(2026, 11, 22), "flux-dev")]
