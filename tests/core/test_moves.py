"""The moves of credits: what each posts, what it refuses, and who is named for it."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from shared.core.keys import Key
from shared.core.money import moves
from shared.core.money.account import Account, Hold, User, moved
from shared.core.money.buckets import MOST_BUCKETS, Terms
from shared.core.money.credits import Sums
from shared.core.money.entries import LedgerEntry, Move, operator
from shared.core.money.limits import Cost, Effect, Limit, Scope, Unit
from shared.core.money.moves import Moved, Posting
from shared.core.money.sealing import digest_again, sealed
from shared.core.money.windows import Span

NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
NEW, ONE = Account(account_id="ada"), Key("ada", "one")
OPS = Posting(at=NOW, by=operator("eve"), why="a gift")


def rich(amount: int = 10) -> Account:
    """An account with one grant."""
    return moves.grant(NEW, amount, grant_id="g1", posting=OPS).account


def held(account: Account, amount: int, *, key: Key = ONE, at: datetime = NOW, usd: int = 0) -> tuple[Account, Hold]:
    """The account after a hold, and the hold."""
    hold, after = moves.hold(account, None, Cost(amount, usd), key=key, posting=Posting(at=at))
    return after.account, hold


def resolved(account: Account, hold: Hold, captured: int, *, at: datetime = NOW, usd: int = 0) -> Moved:
    """The account after the end of a hold."""
    return moves.resolve(account, None, hold, captured, cost_usd_micros=usd, key=ONE, posting=Posting(at=at))


def sums(account: Account) -> tuple[int, ...]:
    """Granted, available, held, captured, expired, revoked."""
    return tuple(getattr(account, name) for name in ("granted", "available", "held", "captured", "expired", "revoked"))


def test_a_grant_makes_a_bucket_and_says_who_and_why() -> None:
    """An account exists from its first grant, and the entry is its first."""
    after = moves.grant(NEW, 7, grant_id="g1", posting=OPS, expires_at=NOW + HOUR, priority=3)
    (entry,) = after.entries
    assert (entry.seq, entry.move, entry.entry_id, entry.by, entry.why) == (
        1,
        Move.GRANT,
        "g1",
        "operator:eve",
        "a gift",
    )
    assert entry.asked == "7 credits, priority 3, until 2026-11-28T13:00:00+00:00"
    assert sums(after.account) == (7, 7, 0, 0, 0, 0)
    assert after.account.buckets[0].terms == Terms("grant:g1", NOW, NOW + HOUR, 3)


@pytest.mark.parametrize("amount", [0, -1, True, 1.0, 2**63, 1_000_000_001])
def test_senseless_amounts_are_refused_by_name(amount: int) -> None:
    """Before any credit moves, through every move that takes an amount."""
    account, hold = held(rich(), 5)
    account = resolved(account, hold, 5).account
    acts: tuple[Callable[[], Moved], ...] = (
        lambda: moves.grant(account, amount, grant_id="g", posting=OPS),
        lambda: moves.revoke(account, amount, revoke_id="r", posting=OPS),
        lambda: moves.refund(account, hold, 5, amount, refund_id="r", key=ONE, posting=OPS),
    )
    for act in acts:
        with pytest.raises(ValueError, match="amount must be a whole number from 1 to 1000000000"):
            act()


def test_a_grant_that_has_expired_already_is_refused() -> None:
    """Its credits could never be spent: it is a mistake of whoever grants."""
    with pytest.raises(ValueError, match="expires_at must be in the future"):
        moves.grant(NEW, 7, grant_id="g1", posting=OPS, expires_at=NOW)


def test_a_grant_beyond_100_live_buckets_is_refused_and_a_refund_is_not() -> None:
    """A bucket that is spent makes room, and what is given back makes the 101st."""
    account = NEW
    for number in range(MOST_BUCKETS):
        account = moves.grant(account, 1, grant_id=f"g{number}", posting=OPS).account
    with pytest.raises(ValueError, match="at most 100 buckets"):
        moves.grant(account, 1, grant_id="more", posting=OPS)
    account, hold = held(account, 1)
    account = resolved(account, hold, 1).account
    account = moves.grant(account, 1, grant_id="more", posting=OPS).account
    after = moves.refund(account, hold, 1, 1, refund_id="r", key=ONE, posting=OPS).account
    assert len(after.buckets) == MOST_BUCKETS + 1


def test_a_hold_names_its_buckets_and_its_end_uses_them_in_that_order() -> None:
    """Of 12 held credits 11 are captured: all of the bucket that expires, one of the other."""
    account = moves.grant(rich(10), 10, grant_id="soon", posting=OPS, expires_at=NOW + HOUR).account
    account, hold = held(account, 12)
    assert [(part.terms.bucket_id, part.credits) for part in hold.parts] == [("grant:soon", 10), ("grant:g1", 2)]
    assert sums(account) == (20, 8, 12, 0, 0, 0)
    after = resolved(account, hold, 11)
    assert sums(after.account) == (20, 9, 0, 11, 0, 0)
    assert [(bucket.terms.bucket_id, bucket.available) for bucket in after.account.buckets] == [("grant:g1", 9)]
    assert [(entry.move, entry.by) for entry in after.entries] == [(Move.RESOLVE, "system")]


def test_a_hold_beyond_what_is_available_cannot_be_made() -> None:
    """A balance below zero cannot even be constructed."""
    with pytest.raises(ValueError, match="not available"):
        held(rich(), 11)


@pytest.mark.parametrize("captured", [-1, 7])
def test_no_more_is_captured_than_is_held(captured: int) -> None:
    """A capture is neither negative nor more than the hold."""
    account, hold = held(rich(), 6)
    with pytest.raises(ValueError, match="cannot capture"):
        resolved(account, hold, captured)


def test_a_release_after_the_expiry_expires_in_the_same_transaction() -> None:
    """Two entries: 4 are released, and the 4 expire. What was available had expired before, in a third."""
    account = moves.grant(NEW, 10, grant_id="soon", posting=OPS, expires_at=NOW + HOUR).account
    account, hold = held(account, 6)
    after = resolved(account, hold, 2, at=NOW + HOUR)
    assert [(entry.move, entry.available, entry.expired) for entry in after.entries] == [
        (Move.EXPIRE, -4, 4),
        (Move.RESOLVE, 4, 0),
        (Move.EXPIRE, -4, 4),
    ]
    assert [entry.seq for entry in after.entries] == [3, 4, 5]
    assert sums(after.account) == (10, 0, 0, 2, 8, 0)
    assert after.account.buckets == ()


def test_all_refunds_together_are_at_most_what_was_captured() -> None:
    """They go back to the buckets, change no window, and say of which generation they are."""
    account, hold = held(rich(), 6)
    account = resolved(account, hold, 5).account
    before = account.usage
    after = moves.refund(account, hold, 5, 2, refund_id="r1", key=ONE, posting=OPS)
    assert sums(after.account) == (10, 7, 0, 3, 0, 0)
    assert after.account.usage == before
    (entry,) = after.entries
    assert (entry.move, entry.generation_id, entry.asked) == (Move.REFUND, "one", "2 credits of ada;one")
    with pytest.raises(ValueError, match="cannot refund 4 credits: 3 of"):
        moves.refund(after.account, hold, 3, 4, refund_id="r2", key=ONE, posting=OPS)


def test_a_refund_to_a_bucket_that_has_expired_expires() -> None:
    """In the same transaction: the sums say so, and no expired credit is available again."""
    account = moves.grant(NEW, 5, grant_id="soon", posting=OPS, expires_at=NOW + HOUR).account
    account, hold = held(account, 5)
    account = resolved(account, hold, 5).account
    late = Posting(at=NOW + 2 * HOUR)
    after = moves.refund(account, hold, 5, 5, refund_id="r", key=ONE, posting=late)
    assert [entry.move for entry in after.entries] == [Move.REFUND, Move.EXPIRE]
    assert sums(after.account) == (5, 0, 0, 0, 5, 0)


def test_a_revoke_takes_only_what_is_available_of_all_or_of_one_grant() -> None:
    """What is held stays held. The entry says what was asked and what was taken."""
    account = moves.grant(rich(), 10, grant_id="g2", posting=OPS).account
    account, _ = held(account, 3)
    one = moves.revoke(account, 99, revoke_id="r1", posting=OPS, grant_id="g2")
    assert (one.entries[0].revoked, one.entries[0].asked) == (10, "99 credits of grant g2")
    every = moves.revoke(account, 99, revoke_id="r2", posting=OPS)
    assert sums(every.account) == (20, 0, 3, 0, 0, 17)
    assert sums(moves.revoke(every.account, 1, revoke_id="r3", posting=OPS).account) == sums(every.account)


def test_a_correction_changes_each_sum_as_asked() -> None:
    """What is added is a bucket of its own; what is taken is taken in the order of spending."""
    account, _ = held(rich(), 4)
    more = moves.correct(account, Sums(available=5, captured=1), correction_id="c", posting=OPS)
    assert sums(more.account) == (16, 11, 4, 1, 0, 0)
    assert [bucket.terms.bucket_id for bucket in more.account.buckets] == ["correction:c", "grant:g1"]
    named = moves.correct(account, Sums(available=5), correction_id="c", posting=OPS, bucket_id="grant:g1")
    assert [(bucket.available, bucket.held) for bucket in named.account.buckets] == [(11, 4)]
    less = moves.correct(account, Sums(available=-2, held=-4), correction_id="c", posting=OPS)
    assert sums(less.account) == (4, 4, 0, 0, 0, 0)
    for wrong in (Sums(available=-7), Sums(held=-5), Sums(captured=-1)):
        with pytest.raises(ValueError, match="negative"):
            moves.correct(account, wrong, correction_id="c", posting=OPS)


def test_a_correction_of_the_ledger_only_leaves_the_account() -> None:
    """The account's sums and buckets were right: only the entry is made."""
    account = rich()
    after = moves.correct(account, Sums(available=-3), correction_id="c", posting=OPS, ledger_only=True)
    assert sums(after.account) == sums(account)
    assert after.account.buckets == account.buckets
    assert (after.account.seq, after.entries[0].available, after.entries[0].granted) == (2, -3, -3)


def test_an_end_that_never_opened_is_an_entry_of_zero_credits() -> None:
    """The feed has no gaps, and what was due is posted before it."""
    account = moves.grant(NEW, 3, grant_id="soon", posting=OPS, expires_at=NOW + HOUR).account
    after = moves.ended_unopened(account, key=ONE, posting=Posting(at=NOW + HOUR))
    assert [entry.move for entry in after.entries] == [Move.EXPIRE, Move.ENDED_UNOPENED]
    last = after.entries[-1]
    assert (last.entry_id, last.user_id, last.generation_id, last.granted) == ("ada;one", "ada", "one", 0)


def test_the_windows_count_what_is_captured_and_what_is_still_held() -> None:
    """USD counts the worst case until the measured cost replaces it."""
    account, hold = held(rich(), 6, usd=900)
    assert account.usage.used(NOW)[Span.DAY] == (6, 900)
    after = resolved(account, hold, 4, at=NOW + HOUR, usd=123).account
    assert after.usage.used(NOW + HOUR)[Span.DAY] == (4, 123)


def test_a_user_of_another_account_has_windows_of_its_own() -> None:
    """Both tally, in one transaction; the account counts all of its users."""
    team = moves.grant(Account(account_id="acme"), 50, grant_id="g", posting=OPS).account
    bob, eve = Key("bob", "one", "acme"), Key("eve", "two", "acme")
    hold, first = moves.hold(team, None, Cost(6), key=bob, posting=Posting(at=NOW))
    _, second = moves.hold(first.account, None, Cost(7), key=eve, posting=Posting(at=NOW))
    assert first.user is not None
    assert second.user is not None
    assert (first.user.user_id, first.user.usage.used(NOW)[Span.HOUR]) == ("bob", (6, 0))
    assert second.user.usage.used(NOW)[Span.HOUR] == (7, 0)
    assert second.account.usage.used(NOW)[Span.HOUR] == (13, 0)
    end = moves.resolve(second.account, first.user, hold, 1, cost_usd_micros=0, key=bob, posting=Posting(at=NOW + HOUR))
    assert end.user is not None
    assert end.user.usage.used(NOW)[Span.DAY] == (1, 0)
    assert end.account.usage.used(NOW)[Span.DAY] == (8, 0)
    assert [entry.user_id for entry in end.entries] == ["bob"]


def test_limits_of_plan_account_and_user_are_checked_against_their_own_use() -> None:
    """The plan's limit for each user counts the user's use; an account's limit of the same id replaces the plan's."""
    each = Limit(limit_id="each", window=Span.DAY, amount=5, scope=Scope.USER)
    whole = Limit(limit_id="all", window=Span.DAY, amount=8)
    team = replace(Account(account_id="acme"), limits=(replace(whole, amount=12),))
    team = moves.grant(team, 50, grant_id="g", posting=OPS).account
    _, first = moves.hold(team, None, Cost(5), key=Key("bob", "one", "acme"), posting=Posting(at=NOW))
    team, bob, eve = first.account, first.user, User(account_id="acme", user_id="eve")
    _, of_bob = moves.checked(team, bob, (each, whole), Cost(1), NOW)
    assert of_bob.blocked is not None
    assert of_bob.blocked.limit == each
    of_team, of_eve = moves.checked(team, eve, (each, whole), Cost(5), NOW)
    assert (of_team.blocked, of_eve.blocked) == (None, None)
    of_team, _ = moves.checked(team, eve, (each, whole), Cost(8), NOW)
    assert of_team.blocked is not None
    assert of_team.blocked.limit.amount == 12
    own = replace(eve, limits=(replace(each, amount=1),))
    assert moves.checked(team, own, (each, whole), Cost(2), NOW)[1].blocked is not None


EACH = Limit(limit_id="each", window=Span.DAY, amount=5, scope=Scope.USER)


def test_a_user_of_the_same_id_as_the_account_is_checked_against_its_own_use() -> None:
    """It has no row. All of the account's use is its own until another user holds something."""
    account, _ = held(rich(), 5)
    assert account.own is None
    assert moves.checked(account, None, (EACH,), Cost(1), NOW)[1].blocked is not None
    account = moves.hold(account, None, Cost(3), key=Key("bob", "b", "ada"), posting=Posting(at=NOW))[1].account
    of_account, of_user = moves.checked(account, None, (EACH,), Cost(1), NOW)
    assert of_account.blocked is None
    assert of_user.blocked is not None
    assert of_user.blocked.used == 5


def test_what_others_use_is_not_the_use_of_the_accounts_namesake() -> None:
    """Bob's holds and their ends leave it alone, and its own are counted in both."""
    bob = Key("bob", "b", "ada")
    bobs, first = moves.hold(rich(), None, Cost(5), key=bob, posting=Posting(at=NOW))
    assert moves.checked(first.account, None, (EACH,), Cost(5), NOW)[1].blocked is None
    mine, second = moves.hold(first.account, None, Cost(4), key=Key("ada", "a"), posting=Posting(at=NOW))
    assert moves.checked(second.account, None, (EACH,), Cost(2), NOW)[1].blocked is not None
    ended = moves.resolve(
        second.account, first.user, bobs, 0, cost_usd_micros=0, key=bob, posting=Posting(at=NOW)
    ).account
    assert moves.checked(ended, None, (EACH,), Cost(2), NOW)[1].blocked is not None
    ended = moves.resolve(ended, None, mine, 1, cost_usd_micros=0, key=Key("ada", "a"), posting=Posting(at=NOW)).account
    assert moves.checked(ended, None, (EACH,), Cost(4), NOW)[1].blocked is None
    assert (ended.own, ended.usage.used(NOW)[Span.DAY]) == (ended.usage, (1, 0))


def test_a_limit_of_the_accounts_namesake_is_no_others() -> None:
    """It replaces the one for each user of the same id for that user alone, and warns it alone."""
    team = replace(rich(), limits=(EACH,), own_limits=(replace(EACH, amount=9),))
    assert moves.checked(team, None, (), Cost(9), NOW)[1].blocked is None
    assert moves.checked(team, None, (), Cost(10), NOW)[1].blocked is not None
    bob = User(account_id="ada", user_id="bob")
    assert moves.checked(team, bob, (), Cost(6), NOW)[1].blocked is not None
    daily = Limit(limit_id="daily", window=Span.DAY, amount=10, effect=Effect.WARN)
    warns = replace(team, limits=(daily,), own_limits=(replace(EACH, effect=Effect.WARN),))
    _, after = moves.hold(warns, None, Cost(5), key=Key("ada", "a"), posting=Posting(at=NOW))
    assert [(each.limit.limit_id, each.step) for each in after.notices] == [("daily", 50), ("each", 100)]
    assert [(each.limit_id, each.scope) for each in after.account.warned] == [
        ("daily", Scope.ACCOUNT),
        ("each", Scope.USER),
    ]
    assert moves.hold(after.account, None, Cost(1), key=Key("ada", "b"), posting=Posting(at=NOW))[1].notices == ()


def test_a_warning_is_given_with_the_hold_that_reaches_it() -> None:
    """Once: the account remembers it."""
    warn = Limit(limit_id="usd", window=Span.DAY, amount=1000, unit=Unit.USD, effect=Effect.WARN)
    _, first = moves.hold(rich(), None, Cost(1, 800), key=ONE, posting=Posting(at=NOW), limits=(warn,))
    assert [notice.step for notice in first.notices] == [80]
    _, again = moves.hold(
        first.account, None, Cost(1, 10), key=Key("ada", "two"), posting=Posting(at=NOW), limits=(warn,)
    )
    assert again.notices == ()


def test_times_of_entries_never_go_back() -> None:
    """A worker whose clock is behind posts at the time of the move before, so windows and expiry stay in order."""
    account, hold = held(rich(), 5, at=NOW + HOUR)
    assert hold.at == NOW + HOUR
    late, second = held(account, 1, key=Key("ada", "two"), at=NOW)
    assert second.at == NOW + HOUR
    assert late.moved_at == NOW + HOUR
    assert resolved(late, hold, 5, at=NOW).entries[-1].at == NOW + HOUR


def test_sealed_entries_are_a_chain() -> None:
    """Each has the digest of the one before, and the account has the last as its head."""
    account = moves.grant(NEW, 3, grant_id="soon", posting=OPS, expires_at=NOW + HOUR).account
    after = moves.ended_unopened(account, key=ONE, posting=Posting(at=NOW + HOUR))
    linked, (first, second) = sealed(after.account, after.entries, "b" * 64, b"names")
    assert (first.previous, second.previous, linked.head) == ("b" * 64, first.digest, second.digest)
    assert first.digest == digest_again(replace(first, digest=""))
    assert digest_again(replace(second, usd_micros=1)) != second.digest
    assert linked == replace(after.account, head=second.digest)


def test_entries_and_accounts_that_do_not_add_up_cannot_be_constructed() -> None:
    """Neither sums, nor buckets, nor credits below zero."""
    account = rich()
    for changes in ({"granted": 11}, {"buckets": ()}, {"available": -1, "granted": -1}):
        with pytest.raises(ValueError, match=r"add up|negative|buckets"):
            replace(account, **changes)
    with pytest.raises(ValueError, match="add up"):
        LedgerEntry(account_id="ada", seq=1, move=Move.GRANT, entry_id="g", at=NOW, granted=1, available=1)


def test_a_replay_of_the_entries_is_the_account() -> None:
    """Sums, buckets and windows come from the entries alone."""
    steps = [moves.grant(NEW, 10, grant_id="g", posting=OPS, expires_at=NOW + HOUR)]
    hold, held_ = moves.hold(steps[-1].account, None, Cost(6, 50), key=ONE, posting=Posting(at=NOW))
    steps.append(held_)
    steps.append(resolved(steps[-1].account, hold, 2, at=NOW + HOUR, usd=9))
    replay = NEW
    for entry in (entry for step in steps for entry in step.entries):
        replay = moved(replay, entry)
    assert replay == steps[-1].account
