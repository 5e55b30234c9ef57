"""The allowance of a plan: granted once per period, what becomes of the unused, and what a plan change does."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from shared.core.keys import Key
from shared.core.money import moves, settings
from shared.core.money.account import Account, Hold
from shared.core.money.allowance import Allowance, Becomes, Period
from shared.core.money.credits import SUMS
from shared.core.money.entries import Move
from shared.core.money.limits import Cost
from shared.core.money.moves import Moved, Posting
from shared.core.money.settings import Order

MONTHLY = Allowance(credits=100, period=Period.MONTHLY)
ROLLING = replace(MONTHLY, rollover_credits=150)
WEEKLY = Allowance(credits=70, period=Period.WEEKLY)
FIRST = datetime(2026, 11, 10, 12, tzinfo=UTC)
DECEMBER, JANUARY = datetime(2026, 12, 1, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC)
NEW = Account(account_id="ada")


def brought(account: Account, at: datetime, allowance: Allowance | None = MONTHLY) -> Moved:
    """The account with what is due."""
    return moves.brought(account, Posting(at=at, allowance=allowance))


def spent(account: Account, amount: int, at: datetime, name: str = "one") -> tuple[Account, Hold]:
    """The account after a hold of ``amount`` credits, and the hold."""
    key = Key("ada", name)
    hold, after = moves.hold(account, None, Cost(amount), key=key, posting=Posting(at=at, allowance=MONTHLY))
    return after.account, hold


def captured(account: Account, amount: int, at: datetime) -> Account:
    """The account after a generation that captured ``amount`` credits."""
    held, hold = spent(account, amount, at)
    key = Key("ada", "one")
    return moves.resolve(held, None, hold, amount, cost_usd_micros=0, key=key, posting=Posting(at=at)).account


def planned(account: Account, becomes: Becomes, at: datetime, *, old: Allowance | None, new: Allowance | None) -> Moved:
    """The account after a plan change."""
    order = Order(at, f"change-{at:%d%H%M}")
    posting = Posting(at=at, by="operator:eve", why="asked for", allowance=old)
    return settings.set_plan(account, "premium", becomes, new, order=order, posting=posting)


def test_the_first_move_of_a_period_posts_its_allowance() -> None:
    """The whole month's, by the id of the month's start, in a bucket that ends with the month."""
    after = brought(NEW, FIRST)
    (entry,) = after.entries
    assert (entry.move, entry.entry_id, entry.by, entry.granted) == (Move.ALLOWANCE, "2026-11-01T00:00Z", "plan", 100)
    (bucket,) = after.account.buckets
    assert (bucket.available, bucket.terms.expires_at) == (100, DECEMBER)


def test_a_period_is_granted_exactly_once() -> None:
    """Every later moment of it finds nothing due, up to the last microsecond."""
    account = brought(NEW, FIRST).account
    for at in (FIRST, FIRST + timedelta(days=3), DECEMBER - timedelta(microseconds=1)):
        assert brought(account, at) == Moved(account)


def test_showing_reckons_it_in_and_changes_nothing() -> None:
    """The account that was read stays as it is: nothing is saved by who shows it."""
    account = brought(NEW, FIRST).account
    shown = brought(account, DECEMBER + timedelta(days=1)).account
    assert (shown.available, shown.expired) == (100, 100)
    assert (account.available, account.expired) == (100, 0)


def test_unused_allowance_expires_with_its_period() -> None:
    """In the entry that grants the next one."""
    account = captured(brought(NEW, FIRST).account, 30, FIRST)
    after = brought(account, DECEMBER)
    (entry,) = after.entries
    assert (entry.granted, entry.expired, entry.available) == (100, 70, 30)
    assert [bucket.available for bucket in after.account.buckets] == [100]


def test_unused_allowance_rolls_over_up_to_its_bound() -> None:
    """Of 100 unused credits 100 go on; of the 200 of the next month 150."""
    account = brought(NEW, FIRST, ROLLING).account
    december = brought(account, DECEMBER, ROLLING)
    assert [(entry.granted, entry.expired) for entry in december.entries] == [(100, 0)]
    assert december.account.available == 200
    january = brought(december.account, JANUARY, ROLLING)
    assert [(entry.granted, entry.expired) for entry in january.entries] == [(100, 50)]
    assert january.account.available == 250
    assert len(january.account.buckets) == 1


@pytest.mark.parametrize(("rollover", "left"), [(0, 100), (150, 250), (10_000, 600)])
def test_several_missed_periods_are_one_entry_of_what_they_would_have_left(rollover: int, left: int) -> None:
    """Five months later: the account is as if somebody had looked every month, and the ledger has one entry more."""
    allowance = replace(MONTHLY, rollover_credits=rollover)
    account = brought(NEW, FIRST, allowance).account
    late = brought(account, datetime(2027, 4, 3, tzinfo=UTC), allowance)
    assert [entry.move for entry in late.entries] == [Move.ALLOWANCE]
    assert late.account.available == left
    each_month = account
    for year, month in ((2026, 12), (2027, 1), (2027, 2), (2027, 3), (2027, 4)):
        each_month = brought(each_month, datetime(year, month, 3, tzinfo=UTC), allowance).account
    assert each_month.available == left
    assert each_month.buckets == late.account.buckets
    assert each_month.running == late.account.running


def test_what_is_held_at_the_end_of_a_period_expires_when_it_is_released() -> None:
    """The end of the month does not touch it, it does not roll over, and its release makes it expire."""
    account, hold = spent(brought(NEW, FIRST).account, 40, FIRST)
    december = brought(account, DECEMBER, ROLLING).account
    assert (december.available, december.held) == (160, 40)
    posting, key = Posting(at=DECEMBER, allowance=ROLLING), Key("ada", "one")
    after = moves.resolve(december, None, hold, 10, cost_usd_micros=0, key=key, posting=posting)
    assert [(entry.move, entry.available, entry.expired) for entry in after.entries] == [
        (Move.RESOLVE, 30, 0),
        (Move.EXPIRE, -30, 30),
    ]
    assert (after.account.available, after.account.held, after.account.captured) == (160, 0, 10)


def test_a_period_is_one_of_the_calendar_of_the_account() -> None:
    """A week begins on Monday, and a month of Berlin an hour before that of UTC."""
    assert brought(NEW, FIRST, WEEKLY).entries[0].entry_id == "2026-11-09T00:00Z"
    assert brought(replace(NEW, zone="Europe/Berlin"), FIRST).entries[0].entry_id == "2026-10-31T23:00Z"


def test_another_zone_is_for_the_next_period_and_makes_no_second_allowance() -> None:
    """West of UTC the old month still runs for 8 hours: for them there is a share, not a month's allowance."""
    account = replace(brought(NEW, FIRST).account, zone="America/Los_Angeles")
    assert brought(account, DECEMBER - timedelta(hours=1)).entries == ()
    rest = brought(account, DECEMBER + timedelta(hours=1))
    assert [(entry.entry_id, entry.granted) for entry in rest.entries] == [("2026-12-01T00:00Z", 2)]
    december = brought(rest.account, DECEMBER + timedelta(hours=9))
    assert [(entry.entry_id, entry.granted) for entry in december.entries] == [("2026-12-01T08:00Z", 100)]


def test_a_plan_without_allowance_has_none() -> None:
    """What an earlier plan gave still expires."""
    assert brought(NEW, FIRST, None).entries == ()
    later = brought(brought(NEW, FIRST).account, DECEMBER, None)
    assert [(entry.move, entry.expired) for entry in later.entries] == [(Move.EXPIRE, 100)]


def test_a_plan_change_may_keep_the_running_allowance() -> None:
    """It stays to its end, and the new plan's begins with the next period."""
    account, bigger = brought(NEW, FIRST).account, replace(MONTHLY, credits=1000)
    after = planned(account, Becomes.KEPT, FIRST + timedelta(days=5), old=MONTHLY, new=bigger)
    assert [(entry.move, entry.granted, entry.expired) for entry in after.entries] == [(Move.SET_PLAN, 0, 0)]
    assert (after.entries[0].by, after.entries[0].why) == ("operator:eve", "asked for")
    assert after.entries[0].asked == "plan premium, allowance kept"
    assert after.account.plan == "premium"
    assert after.account.available == 100
    assert brought(after.account, DECEMBER, bigger).account.available == 1000


def test_a_plan_change_may_end_the_running_allowance() -> None:
    """All that is available of it expires, bought credits do not, and the new plan's begins with the next period."""
    account = moves.grant(brought(NEW, FIRST).account, 7, grant_id="g", posting=Posting(at=FIRST)).account
    after = planned(account, Becomes.ENDED, FIRST + timedelta(days=5), old=MONTHLY, new=replace(MONTHLY, credits=1000))
    assert [(entry.move, entry.granted, entry.expired) for entry in after.entries] == [(Move.SET_PLAN, 0, 100)]
    assert after.account.available == 7


def test_a_plan_change_may_prorate_the_running_allowance() -> None:
    """In the middle of the month half of the old one expires, and half of the new one is granted."""
    middle = datetime(2026, 11, 16, tzinfo=UTC)
    after = planned(
        brought(NEW, FIRST).account, Becomes.PRORATED, middle, old=MONTHLY, new=replace(MONTHLY, credits=1000)
    )
    assert [(entry.granted, entry.expired) for entry in after.entries] == [(500, 50)]
    assert after.account.available == 550
    assert brought(after.account, DECEMBER, MONTHLY).account.available == 100


def test_what_is_spent_already_is_taken_off_the_new_share() -> None:
    """Who has spent all of the old allowance by the middle of the month gets 50 less of the new one."""
    middle, account = datetime(2026, 11, 16, tzinfo=UTC), captured(brought(NEW, FIRST).account, 100, FIRST)
    after = planned(account, Becomes.PRORATED, middle, old=MONTHLY, new=replace(MONTHLY, credits=1000))
    assert (after.account.available, after.account.expired) == (450, 0)


@pytest.mark.parametrize("becomes", list(Becomes))
def test_changing_plans_to_and_fro_makes_no_credits(becomes: Becomes) -> None:
    """Whoever spends all at once and changes the plan every hour never has more than the bigger plan gives."""
    plans = (MONTHLY, replace(MONTHLY, credits=40))
    account, old = brought(NEW, FIRST).account, plans[0]
    for hour in range(1, 60):
        at = FIRST + timedelta(hours=hour)
        if account.available:
            account = captured(account, account.available, at)
        new = plans[hour % 2]
        account = planned(account, becomes, at, old=old, new=new).account
        old = new
    assert account.granted - account.expired <= 100


def test_a_change_from_a_plan_without_allowance_grants_that_of_this_period() -> None:
    """The whole of it, unless it is prorated: then the share of what is left."""
    middle = datetime(2026, 11, 16, tzinfo=UTC)
    for becomes, granted in ((Becomes.KEPT, 100), (Becomes.ENDED, 100), (Becomes.PRORATED, 50)):
        after = planned(NEW, becomes, middle, old=None, new=MONTHLY)
        assert after.account.available == granted
        assert brought(after.account, middle + timedelta(days=1)).entries == ()


@pytest.mark.parametrize(("becomes", "granted"), [(Becomes.KEPT, 100), (Becomes.ENDED, 100), (Becomes.PRORATED, 70)])
def test_an_account_whose_first_command_is_its_plan_begins_on_that_plan(becomes: Becomes, granted: int) -> None:
    """It never had the default plan, so nothing of that plan's allowance is posted, kept or taken off."""
    default = replace(MONTHLY, credits=20)
    first = planned(NEW, becomes, datetime(2026, 11, 10, tzinfo=UTC), old=default, new=MONTHLY)
    assert first.entries[0].move is Move.SET_PLAN
    assert (first.account.available, first.account.granted) == (granted, granted)
    assert planned(NEW, becomes, FIRST, old=default, new=None).account.granted == 0
    named = settings.suspend(NEW, "unpaid", order=Order(FIRST, "s"), posting=Posting(at=FIRST, allowance=default))
    later = planned(named.account, Becomes.KEPT, FIRST, old=default, new=MONTHLY)
    assert later.account.granted == 20


def test_a_change_to_a_plan_without_allowance() -> None:
    """Kept, half of it, or nothing of it."""
    middle = datetime(2026, 11, 16, tzinfo=UTC)
    for becomes, left in ((Becomes.KEPT, 100), (Becomes.PRORATED, 50), (Becomes.ENDED, 0)):
        after = planned(brought(NEW, FIRST).account, becomes, middle, old=MONTHLY, new=None).account
        assert after.available == left
        assert brought(after, DECEMBER, None).account.available == 0


MARCH = datetime(2027, 3, 22, tzinfo=UTC)
LATE = [FIRST + timedelta(days=2), datetime(2027, 1, 5, tzinfo=UTC), datetime(2027, 2, 5, tzinfo=UTC)]


@pytest.mark.parametrize("becomes", list(Becomes))
@pytest.mark.parametrize("moved", [False, True])
def test_months_of_a_plan_without_allowance_roll_nothing_over(becomes: Becomes, moved: bool) -> None:
    """Who takes the plan again after a winter gets the period that runs, whether or not the account moved meanwhile."""
    account = planned(brought(NEW, FIRST, ROLLING).account, Becomes.KEPT, LATE[0], old=ROLLING, new=None).account
    for at in LATE[1:] if moved else []:
        account = brought(account, at, None).account
    after = planned(account, becomes, MARCH, old=None, new=ROLLING).account
    march = 100 if becomes is not Becomes.PRORATED else 100 * 10 // 31
    assert after.available == march
    assert brought(after, datetime(2027, 5, 1, tzinfo=UTC), ROLLING).account.available == min(march + 100, 150) + 100


def test_months_in_which_a_plan_was_gone_roll_nothing_over() -> None:
    """The account moved while the file had no such plan: when the plan is back, only its period is granted."""
    account = brought(brought(NEW, FIRST, ROLLING).account, LATE[1], None).account
    assert brought(account, MARCH, ROLLING).account.available == 100
    unmoved = brought(brought(NEW, FIRST, ROLLING).account, LATE[0], None).account
    assert brought(unmoved, MARCH, ROLLING).account.available == 250


def test_a_change_between_weeks_and_months_never_repeats_an_id() -> None:
    """Whatever the order of plans, each period's ledger id is new."""
    ids, account, allowance = [], NEW, MONTHLY
    for day in range(90):
        at, new = FIRST + timedelta(days=day), (WEEKLY, MONTHLY)[day // 3 % 2]
        if day % 3 == 0:
            becomes = list(Becomes)[day % 7 % 3]
            after = planned(account, becomes, at, old=allowance, new=new)
            allowance = new
        else:
            after = brought(account, at, allowance)
        ids += [entry.entry_id for entry in after.entries if entry.move is Move.ALLOWANCE]
        account = after.account
    assert len(ids) == len(set(ids)) > 5
    assert sum(getattr(account, name) for name in SUMS[1:]) == account.granted


@pytest.mark.parametrize(("name", "value"), [("credits", 0), ("credits", True), ("rollover_credits", -1)])
def test_an_allowance_is_whole_and_bounded(name: str, value: int) -> None:
    """A plan with senseless numbers cannot be made."""
    with pytest.raises(ValueError, match=f"{name} must be a whole number"):
        Allowance(**{"credits": 5, "period": Period.WEEKLY, name: value})  # type: ignore[arg-type]
