"""The credits: every move keeps the account balanced."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.core.keys import Key
from shared.core.money import ledger
from shared.core.money.ledger import Account, Move
from shared.core.reasons import Reason

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
ONE = Key("ada", "one")
RICH = Account(account_id="ada", granted=10, available=10)


def test_grant_adds_to_granted_and_available() -> None:
    """A grant gives credits that can be held."""
    after, entry = ledger.grant(Account(account_id="ada"), 7, grant_id="g1", at=NOW)
    assert (after.granted, after.available, after.held, after.captured) == (7, 7, 0, 0)
    assert (entry.move, entry.granted, entry.available) == (Move.GRANT, 7, 7)


@pytest.mark.parametrize("amount", [0, -1])
def test_grant_of_nothing_is_refused(amount: int) -> None:
    """A grant of no credits is an error of its caller."""
    with pytest.raises(ValueError, match="amount must be a whole number from 1"):
        ledger.grant(RICH, amount, grant_id="g1", at=NOW)


def test_hold_then_resolve_captures_part_and_releases_the_rest() -> None:
    """Of 6 held credits 4 are captured and 2 are available again."""
    held, hold_entry = ledger.hold(RICH, 6, key=ONE, at=NOW)
    assert (held.available, held.held, held.captured) == (4, 6, 0)
    after, entry = ledger.resolve(held, 6, 4, key=ONE, at=NOW)
    assert (after.granted, after.available, after.held, after.captured) == (10, 6, 0, 4)
    assert hold_entry.held + entry.held == 0


def test_hold_beyond_available_cannot_be_written() -> None:
    """A negative balance cannot even be constructed."""
    with pytest.raises(ValueError, match="negative"):
        ledger.hold(RICH, 11, key=ONE, at=NOW)


@pytest.mark.parametrize("captured", [-1, 7])
def test_resolve_captures_no_more_than_was_held(captured: int) -> None:
    """A capture is neither negative nor more than the hold."""
    held, _ = ledger.hold(RICH, 6, key=ONE, at=NOW)
    with pytest.raises(ValueError, match="cannot capture"):
        ledger.resolve(held, 6, captured, key=ONE, at=NOW)


def test_an_account_that_does_not_add_up_cannot_be_constructed() -> None:
    """The type ensures that granted == available + held + captured."""
    with pytest.raises(ValueError, match="add up"):
        Account(account_id="ada", granted=10, available=9)


def test_daily_limit_counts_what_was_held_today() -> None:
    """A hold counts on its day, a release on the same day is subtracted, and a new day starts at zero."""
    account = replace(RICH, daily_limit_credits=5)
    held, _ = ledger.hold(account, 4, key=ONE, at=NOW)
    assert not ledger.within_daily_limit(held, 2, NOW.date())
    assert ledger.within_daily_limit(held, 1, NOW.date())
    assert ledger.within_daily_limit(held, 5, date(2026, 11, 22))
    released, _ = ledger.resolve(held, 4, 1, key=ONE, at=NOW)
    assert released.day_credits == 1


@given(st.lists(st.tuples(st.integers(1, 50), st.integers(0, 50)), max_size=30))
def test_any_history_of_moves_keeps_the_money_whole(moves: list[tuple[int, int]]) -> None:
    """After grants, holds and resolves in any order the account equals the replay of its ledger."""
    account, entries = Account(account_id="ada"), []
    account, first = ledger.grant(account, 500, grant_id="g", at=NOW)
    entries.append(first)
    for number, (amount, wish) in enumerate(moves):
        if not ledger.can_hold(account, amount):
            continue
        account, entry = ledger.hold(account, amount, key=Key("ada", str(number)), at=NOW)
        entries.append(entry)
        account, entry = ledger.resolve(account, amount, min(wish, amount), key=Key("ada", str(number)), at=NOW)
        entries.append(entry)
    replay = Account(account_id="ada")
    for entry in entries:
        replay = ledger.moved(replay, entry)
    assert replay == replace(account, day=None, day_credits=0)


def test_no_credits_says_how_many() -> None:
    """The refusal names the needed, the available and the held credits, and that the same id cannot be used again."""
    assert ledger.refusal(RICH, RICH.available, NOW) is None
    never = ledger.refusal(None, 5, NOW)
    assert never is not None
    assert (never.reason, never.text) == (
        Reason.NO_CREDITS,
        (
            "This needs up to 5 credits, and this account was never given any. "
            "Add credits and send it again with a new id."
        ),
    )
    held, _ = ledger.hold(RICH, 8, key=ONE, at=NOW)
    short = ledger.refusal(held, 5, NOW)
    assert short is not None
    assert short.text.startswith("This needs up to 5 credits; available: 2 (8 more held for what is still running).")
    poor = ledger.refusal(Account(account_id="ada"), 1, NOW)
    assert poor is not None
    assert poor.text.startswith("This needs up to 1 credit; available: 0. Add credits")


def test_a_daily_limit_says_which_how_much_and_until_when() -> None:
    """A limit that is too low cannot be met by waiting, and yesterday's use does not count today."""
    account, _ = ledger.hold(replace(RICH, daily_limit_credits=6), 4, key=ONE, at=NOW)
    over = ledger.refusal(account, 3, NOW)
    assert over is not None
    assert over.reason is Reason.OVER_LIMIT
    assert over.text.startswith("This needs up to 3 credits. Used or held today: 4 of the daily limit of 6. Send it")
    assert "with a new id after 2026-11-22 00:00 UTC, ask for less, or have the limit raised." in over.text
    assert ledger.refusal(account, 3, NOW + timedelta(days=1)) is None
    never = ledger.refusal(replace(RICH, daily_limit_credits=2), 3, NOW)
    assert never is not None
    assert never.text.endswith("held today: 0 of the daily limit of 2. Ask for less, or have the limit raised.")
