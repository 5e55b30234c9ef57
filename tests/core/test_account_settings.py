"""The settings of accounts: set and taken away without a credit, in any order of commands."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import permutations
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.core.money import moves, settings
from shared.core.money.account import Account, Stamp, Standing, User
from shared.core.money.allowance import Becomes
from shared.core.money.app_limits import NO_LIMITS, limit_removed, limit_set
from shared.core.money.credits import SUMS
from shared.core.money.entries import LedgerEntry, Move
from shared.core.money.limits import MOST_LIMITS, Effect, Limit, Scope
from shared.core.money.moves import Moved, Posting
from shared.core.money.settings import Order, Settings
from shared.core.money.windows import Span

NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)
NEW = Account(account_id="acme")
OPS = Posting(at=NOW, by="operator:eve", why="asked for")
DAILY = Limit(limit_id="daily", window=Span.DAY, amount=10)
BOB = User(account_id="acme", user_id="bob")


def order(number: int) -> Order:
    """The order of the command of this number."""
    return Order(NOW + timedelta(seconds=number), f"c{number}")


def test_everything_can_be_set_without_a_grant_and_taken_away_again() -> None:
    """An account exists from its first command, and afterwards is as it was, but for its stamps and entries."""
    account = NEW
    entries: list[LedgerEntry] = []
    full = Settings(name="Acme", zone="Europe/Berlin", approvers=("bob", "eve"))
    first: tuple[Callable[[Account], Moved], ...] = (
        lambda was: settings.set_account(was, full, order=order(1), posting=OPS),
        lambda was: settings.set_plan(was, "premium", Becomes.KEPT, None, order=order(2), posting=OPS),
        lambda was: settings.set_limit(was, None, DAILY, order=order(3), posting=OPS),
        lambda was: settings.suspend(was, "unpaid", order=order(4), posting=OPS),
    )
    for step in first:
        after = step(account)
        account, entries = after.account, [*entries, *after.entries]
    assert (account.name, account.zone, account.approvers, account.plan) == (
        "Acme",
        "Europe/Berlin",
        ("bob", "eve"),
        "premium",
    )
    assert (account.limits, account.standing, account.suspended_for) == ((DAILY,), Standing.SUSPENDED, "unpaid")
    empty = Settings(name="", zone="UTC", approvers=())
    second: tuple[Callable[[Account], Moved], ...] = (
        lambda was: settings.set_account(was, empty, order=order(5), posting=OPS),
        lambda was: settings.set_plan(was, "free", Becomes.ENDED, None, order=order(6), posting=OPS),
        lambda was: settings.remove_limit(was, None, Scope.ACCOUNT, "daily", order=order(7), posting=OPS),
        lambda was: settings.reactivate(was, order=order(8), posting=OPS),
    )
    for step in second:
        after = step(account)
        account, entries = after.account, [*entries, *after.entries]
    assert replace(account, stamps=(), seq=0, moved_at=NEW.moved_at, plan="") == NEW
    assert [entry.seq for entry in entries] == list(range(1, 9))
    assert all(getattr(entry, name) == 0 for entry in entries for name in SUMS)
    assert {(entry.by, entry.why) for entry in entries} == {("operator:eve", "asked for")}
    assert [entry.asked for entry in entries[:4]] == [
        "name Acme; zone Europe/Berlin; approvers bob, eve",
        "plan premium, allowance kept",
        "limit daily: block at 10 credits per day for the account",
        "suspended: unpaid",
    ]


def test_a_user_has_limits_of_its_own() -> None:
    """The user's row changes, the account gets the entry, and the limit is taken away again."""
    mine = replace(DAILY, scope=Scope.USER)
    after = settings.set_limit(NEW, BOB, mine, order=order(1), posting=OPS)
    assert after.user is not None
    assert after.user.limits == (mine,)
    assert after.account.limits == ()
    assert [(entry.move, entry.user_id) for entry in after.entries] == [(Move.SET_LIMIT, "bob")]
    gone = settings.remove_limit(after.account, after.user, Scope.USER, "daily", order=order(2), posting=OPS)
    assert gone.user is not None
    assert gone.user.limits == ()
    with pytest.raises(ValueError, match="scope user"):
        settings.set_limit(NEW, BOB, DAILY, order=order(1), posting=OPS)
    with pytest.raises(ValueError, match="whole app"):
        settings.set_limit(NEW, None, replace(DAILY, scope=Scope.APP), order=order(1), posting=OPS)


def test_the_user_with_the_accounts_id_has_limits_of_its_own() -> None:
    """They are in the account's row, beside those for each user, and each has its own stamp."""
    mine, ada = replace(DAILY, scope=Scope.USER), User(account_id="acme", user_id="acme")
    each = settings.set_limit(NEW, None, replace(mine, amount=3), order=order(1), posting=OPS).account
    after = settings.set_limit(each, ada, mine, order=order(0), posting=OPS)
    assert (after.user, after.account.own_limits, after.account.limits) == (None, (mine,), each.limits)
    assert [(entry.user_id, entry.superseded) for entry in after.entries] == [("acme", False)]
    gone = settings.remove_limit(after.account, ada, Scope.USER, "daily", order=order(2), posting=OPS).account
    assert (gone.own_limits, gone.limits) == ((), each.limits)
    late = settings.set_limit(gone, ada, mine, order=order(1), posting=OPS)
    assert (late.entries[0].superseded, late.account.own_limits) == (True, ())
    with pytest.raises(ValueError, match="scope user"):
        settings.set_limit(NEW, ada, DAILY, order=order(1), posting=OPS)


COMMANDS: dict[str, Any] = {
    "name A": lambda was, user, when: settings.set_account(was, Settings(name="A"), order=when, posting=OPS),
    "name B, zone": lambda was, user, when: settings.set_account(
        was, Settings(name="B", zone="Europe/Berlin"), order=when, posting=OPS
    ),
    "no approvers": lambda was, user, when: settings.set_account(was, Settings(approvers=()), order=when, posting=OPS),
    "approvers": lambda was, user, when: settings.set_account(
        was, Settings(approvers=("bob",)), order=when, posting=OPS
    ),
    "basic": lambda was, user, when: settings.set_plan(was, "basic", Becomes.KEPT, None, order=when, posting=OPS),
    "premium": lambda was, user, when: settings.set_plan(was, "premium", Becomes.ENDED, None, order=when, posting=OPS),
    "suspend": lambda was, user, when: settings.suspend(was, "unpaid", order=when, posting=OPS),
    "reactivate": lambda was, user, when: settings.reactivate(was, order=when, posting=OPS),
    "limit": lambda was, user, when: settings.set_limit(was, None, DAILY, order=when, posting=OPS),
    "other limit": lambda was, user, when: settings.set_limit(
        was, None, replace(DAILY, amount=3, effect=Effect.WARN), order=when, posting=OPS
    ),
    "no limit": lambda was, user, when: settings.remove_limit(
        was, None, Scope.ACCOUNT, "daily", order=when, posting=OPS
    ),
    "user's limit": lambda was, user, when: settings.set_limit(
        was, user, replace(DAILY, scope=Scope.USER), order=when, posting=OPS
    ),
    "no user's limit": lambda was, user, when: settings.remove_limit(
        was, user, Scope.USER, "daily", order=when, posting=OPS
    ),
}


@given(st.lists(st.tuples(st.sampled_from(sorted(COMMANDS)), st.integers(0, 2)), min_size=2, max_size=4))
def test_commands_leave_the_same_settings_in_any_order(given_: list[tuple[str, int]]) -> None:
    """Whatever order the queue makes of them, also at equal times: then the greater id wins."""
    commands = [(name, Order(NOW + timedelta(seconds=second), f"c{n}")) for n, (name, second) in enumerate(given_)]
    results = set()
    for ordered in permutations(commands):
        account, user = NEW, BOB
        for name, when in ordered:
            after: Moved = COMMANDS[name](account, user, when)
            account, user = after.account, after.user or user
        results.add((replace(account, seq=0, moved_at=NOW), user))
    assert len(results) == 1


def test_an_older_command_is_recorded_as_superseded_and_changes_nothing() -> None:
    """The ledger has it, by whom and why, and the setting stays."""
    account = settings.suspend(NEW, "unpaid", order=order(2), posting=OPS).account
    after = settings.reactivate(account, order=order(1), posting=OPS)
    (entry,) = after.entries
    assert (entry.superseded, entry.move, entry.by) == (True, Move.REACTIVATE, "operator:eve")
    assert replace(after.account, seq=1, moved_at=account.moved_at) == account


def test_a_limit_that_was_removed_is_not_brought_back_by_an_older_command() -> None:
    """Its stamp stays."""
    account = settings.remove_limit(NEW, None, Scope.ACCOUNT, "daily", order=order(2), posting=OPS).account
    after = settings.set_limit(account, None, DAILY, order=order(1), posting=OPS)
    assert after.entries[0].superseded
    assert after.account.limits == ()


def test_a_time_later_than_that_of_the_queue_counts_as_that() -> None:
    """A wrong clock does not win for ever."""
    assert Order.of(NOW + timedelta(days=900), "c", NOW) == Order(NOW, "c")
    assert Order.of(NOW - timedelta(days=1), "c", NOW) == Order(NOW - timedelta(days=1), "c")


def test_the_number_of_limits_is_bounded() -> None:
    """Removed ones count, because their stamps are kept. The id of an old one may be used again."""
    account = NEW
    for number in range(MOST_LIMITS):
        limit = replace(DAILY, limit_id=f"l{number}")
        account = settings.set_limit(account, None, limit, order=order(number), posting=OPS).account
    with pytest.raises(ValueError, match="at most 50 limits"):
        settings.set_limit(account, None, DAILY, order=order(99), posting=OPS)
    with pytest.raises(ValueError, match="at most 50 limits"):
        settings.remove_limit(account, None, Scope.ACCOUNT, "none", order=order(99), posting=OPS)
    mine, acme = replace(DAILY, scope=Scope.USER), User(account_id="acme", user_id="acme")
    with pytest.raises(ValueError, match="at most 50 limits"):
        settings.set_limit(account, acme, mine, order=order(99), posting=OPS)
    again = settings.set_limit(account, None, replace(DAILY, limit_id="l7", amount=1), order=order(99), posting=OPS)
    assert len(again.account.limits) == MOST_LIMITS
    gone = settings.remove_limit(account, None, Scope.ACCOUNT, "l7", order=order(99), posting=OPS)
    assert (len(gone.account.limits), len(gone.account.stamps)) == (MOST_LIMITS - 1, MOST_LIMITS)


def test_a_row_that_has_too_many_stamps_already_takes_its_own_ids() -> None:
    """An older version let a removal of any id leave one. Each id that is there can be used and removed."""
    stamps = tuple(Stamp(f"limit:account:l{number:03}", NOW, "c") for number in range(300))
    full = replace(NEW, stamps=stamps)
    with pytest.raises(ValueError, match="at most 50 limits"):
        settings.set_limit(full, None, DAILY, order=order(1), posting=OPS)
    used = settings.set_limit(full, None, replace(DAILY, limit_id="l007"), order=order(1), posting=OPS).account
    assert [each.limit_id for each in used.limits] == ["l007"]
    assert not settings.remove_limit(used, None, Scope.ACCOUNT, "l007", order=order(2), posting=OPS).account.limits


def test_the_number_of_the_apps_limits_is_bounded() -> None:
    """Of those that are set and of those that are removed alike, and each that is there can be removed."""
    found = NO_LIMITS
    for number in range(MOST_LIMITS):
        found = limit_removed(found, f"l{number}", order(number)) or found
    with pytest.raises(ValueError, match="at most 50 limits"):
        limit_removed(found, "none", order(99))
    with pytest.raises(ValueError, match="at most 50 limits"):
        limit_set(found, replace(DAILY, scope=Scope.APP), order(99))
    full = limit_set(found, replace(DAILY, limit_id="l7", scope=Scope.APP), order(99))
    assert full is not None
    assert limit_removed(full, "l7", order(100)) is not None


@pytest.mark.parametrize(
    ("given_", "rule"),
    [
        ({"name": "x" * 101}, "name must be at most 100"),
        ({"name": "a\nb"}, "name must be at most 100 printable"),
        ({"zone": "Mars"}, "zone must be"),
        ({"approvers": ("a/b",)}, "approvers must be ids"),
        ({"approvers": ("a",) * 21}, "at most 20 approvers"),
        ({}, "needs a name, a zone or approvers"),
    ],
)
def test_a_setting_that_makes_no_sense_is_refused_by_name(given_: dict[str, Any], rule: str) -> None:
    """Before anything is made."""
    with pytest.raises(ValueError, match=rule):
        Settings(**given_)


def test_a_suspension_says_why() -> None:
    """The users of the account read it."""
    for reason, rule in (("", "needs a reason"), ("  ", "needs a reason"), ("x" * 301, "at most 300")):
        with pytest.raises(ValueError, match=rule):
            settings.suspend(NEW, reason, order=order(1), posting=OPS)
    with pytest.raises(ValueError, match="name of a plan"):
        settings.set_plan(NEW, "a/b", Becomes.KEPT, None, order=order(1), posting=OPS)


def test_what_is_due_is_posted_before_a_setting() -> None:
    """A setting is a move as any other."""
    account = moves.grant(NEW, 3, grant_id="g", posting=OPS, expires_at=NOW + timedelta(hours=1)).account
    later = replace(OPS, at=NOW + timedelta(hours=2))
    after = settings.suspend(account, "unpaid", order=order(1), posting=later)
    assert [entry.move for entry in after.entries] == [Move.EXPIRE, Move.SUSPEND]
