"""What the whole app uses, as sums: their windows, their age, and how a base is rebuilt."""

import random
from datetime import UTC, datetime, timedelta

import pytest

from shared.core.money.tally import EMPTY, Tally, of_accounts, rebuilt, slot_of, tallied
from shared.core.money.windows import UNUSED, Span, Usage

NOW = datetime(2026, 11, 18, 12, 34, 56, tzinfo=UTC)  # a Wednesday
QUARTER = timedelta(minutes=15)


@pytest.mark.parametrize("seed", range(20))
def test_its_windows_are_those_of_an_account_in_utc(seed: int) -> None:
    """Any holds and releases of a month, aged each day: the same numbers in every window."""
    chance = random.Random(seed)
    tally, usage, at = EMPTY, UNUSED, datetime(2026, 11, 1, tzinfo=UTC)
    while at < NOW:
        at += timedelta(minutes=chance.randint(1, 2000))
        cost, back = chance.randint(0, 9), chance.randint(0, 3)
        tally, usage = tally + tallied(at, cost, 10 * cost), usage.plus(at, cost, 10 * cost, "UTC")
        if back and cost > back:
            tally, usage = tally + tallied(at, -back, -back), usage.changed(at, -back, -back)
        if chance.random() < 0.5:
            tally = tally.aged(at)
    for later in (at, at + QUARTER, at + timedelta(hours=20)):
        assert tally.aged(later).usage(later).used(later) == _used(usage, later)


def _used(usage: Usage, at: datetime) -> dict[Span, tuple[int, int]]:
    return usage.used(at)


def test_what_is_given_back_after_a_day_is_subtracted_from_its_day() -> None:
    """Its slot is a part of its day already."""
    held = NOW - timedelta(hours=30)
    tally = (tallied(held, 9, 90).aged(NOW) + tallied(held, -4, -40)).aged(NOW)
    assert tally == Tally({}, {slot_of(held) // 96: (5, 50)})
    assert tally.usage(NOW).used(NOW)[Span.WEEK] == (5, 50)
    assert tally.usage(NOW).used(NOW)[Span.ROLLING_24H] == (0, 0)
    assert (tally + tallied(held, -5, -50)).aged(NOW) == EMPTY


def test_it_is_bounded() -> None:
    """At most 97 slots and the days of a month before them, however long it grows."""
    tally = EMPTY
    for quarters in range(96 * 40):
        at = NOW + quarters * QUARTER
        tally = (tally + tallied(at, 1, 1)).aged(at)
    assert (len(tally.slots), len(tally.days)) == (97, 31)


def settled(_: int) -> bool:
    """Nobody has moved in any slot."""
    return True


def moving(_: int) -> bool:
    """Somebody may have moved in every slot."""
    return False


def test_a_base_explains_what_the_tallies_do_not() -> None:
    """Exactly, if nobody moved while the accounts were read."""
    used = of_accounts([(slot_of(NOW), 5, 50), (slot_of(NOW), 2, 20), (slot_of(NOW) - 1, 1, 0)])
    written = tallied(NOW, 4, 40)
    base = rebuilt(tallied(NOW, 9, 9), used, written, written, NOW, settled)
    assert base + written == used
    assert rebuilt(base, used, written, written, NOW, settled) == base


def test_a_base_is_not_changed_by_those_who_move_meanwhile() -> None:
    """Whether an account was read before or after its move: the base of before explains both."""
    base, before, after = tallied(NOW, 3, 0), tallied(NOW, 4, 0), tallied(NOW, 6, 0)
    for seen in (4, 5, 6):
        assert rebuilt(base, tallied(NOW, 3 + seen, 0), before, after, NOW, moving) == base


def test_a_base_is_not_lowered_where_somebody_may_have_moved() -> None:
    """A hold of 4 came after its account was read, and 4 were given back before theirs: the rows show neither."""
    base, rows = tallied(NOW, 3, 30), tallied(NOW, 6, 60)
    assert rebuilt(base, tallied(NOW, 5, 50), rows, rows, NOW, moving) == base
    assert rebuilt(base, tallied(NOW, 5, 50), rows, rows, NOW, settled) == tallied(NOW, -1, -10)


def test_what_no_move_explains_is_corrected_even_while_others_move() -> None:
    """By at least what is certain: of 10 that nobody has written, two may be moves of the meantime."""
    before, after = tallied(NOW, 4, 0), tallied(NOW, 6, 0)
    assert rebuilt(EMPTY, tallied(NOW, 16, 0), before, after, NOW, moving) == tallied(NOW, 10, 0)
    assert rebuilt(EMPTY, tallied(NOW, 14, 0), before, after, NOW, moving) == tallied(NOW, 8, 0)


def test_the_first_base_is_the_higher_one() -> None:
    """4 were given back and written while the accounts were read: the account that gave them shows 4, or 8."""
    before, after = EMPTY, tallied(NOW, -4, -40)
    for seen in (4, 8):
        base = rebuilt(None, tallied(NOW, seen, 10 * seen), before, after, NOW, moving)
        assert base + after == tallied(NOW, seen, 10 * seen)


def test_days_are_left_as_they_are() -> None:
    """No account remembers them."""
    base = Tally({}, {slot_of(NOW) // 96 - 2: (7, 70)})
    assert rebuilt(base, EMPTY, EMPTY, EMPTY, NOW, settled) == base
