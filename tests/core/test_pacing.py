"""The pace: how many creates pass, when the others are retried, and what a 429 changes."""

import heapq
from collections import Counter
from collections.abc import Sequence
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.core.provider.pacing import BURST_S, CLIMB_S, LEAST_PART, LONGEST_WAIT_S, LOWERED_S, Pace, pace_of

#: Ten a second with a burst of 60.
NORMAL = 600.0


def take(pace: Pace, now: float, times: int, *, waited: bool = False) -> tuple[Pace, list[float]]:
    """Ask for so many creates at one moment, and return the wait of each."""
    waits = []
    for _ in range(times):
        pace, wait_s = pace.asked(now, waited=waited)
        waits.append(wait_s)
    return pace, waits


def test_a_burst_goes_at_once() -> None:
    """A tenth of a minute's creates; the next one has to wait for its token."""
    _, waits = take(pace_of(NORMAL, 0), 0, 61)
    assert waits == [0.0] * 60 + [pytest.approx(0.1)]
    _, waits = take(pace_of(NORMAL, 0), 10_000, 61)  # however long nobody came
    assert waits.count(0.0) == 60


def test_waiting_creates_are_retried_one_after_the_other() -> None:
    """Each has a slot of its own, as far from the next as two tokens are."""
    pace, _ = take(pace_of(NORMAL, 0), 0, 60)
    _, waits = take(pace, 0, 100)
    assert waits == [pytest.approx(0.1 * (number + 1)) for number in range(100)]


def test_a_retry_at_its_time_passes() -> None:
    """At its slot there is a token for it."""
    pace, waits = take(pace_of(NORMAL, 0), 0, 160)
    for wait_s in waits[60:]:
        pace, again_s = pace.asked(wait_s, waited=True)
        assert again_s == 0


def test_a_newcomer_goes_behind_those_who_wait() -> None:
    """The tokens of somebody's slot are not for him: he gets the slot after the last."""
    pace, _ = take(pace_of(NORMAL, 0), 0, 160)
    _, wait_s = pace.asked(5, waited=False)
    assert wait_s == pytest.approx(10.1 - 5)
    _, wait_s = pace.asked(5, waited=True)
    assert wait_s == 0


def test_what_those_who_wait_do_not_use_a_newcomer_may() -> None:
    """They went to another instance, or were canceled: a full burst shows it, and nothing is wasted."""
    pace, _ = take(pace_of(NORMAL, 0), 0, 260)  # the last slot is at 20 s
    _, wait_s = pace.asked(BURST_S + 1, waited=False)
    assert wait_s == 0
    pace, _ = pace.asked(BURST_S - 1, waited=False)
    assert pace.asked(BURST_S - 1, waited=False)[1] > 0


def test_with_a_burst_of_one_a_newcomer_never_overtakes() -> None:
    """At 6 a minute each token is somebody's."""
    pace, _ = take(pace_of(6, 0), 0, 3)  # the slots are at 10 s and 20 s
    _, wait_s = pace.asked(10, waited=False)
    assert wait_s == pytest.approx(20)
    _, wait_s = pace.asked(10, waited=True)
    assert wait_s == 0


def test_no_wait_is_longer_than_the_bound() -> None:
    """The limit may be raised meanwhile."""
    pace, waits = take(pace_of(6, 0), 0, 1000)
    assert max(waits) == LONGEST_WAIT_S
    assert pace.asked(LONGEST_WAIT_S + 60, waited=False)[1] == 0


def test_a_429_lets_nobody_go_while_it_says_so() -> None:
    """Neither first requests nor retries pass; they get slots after the pause."""
    pace = pace_of(NORMAL, 0).throttled(0, 0, 30)
    pace, waits = take(pace, 1, 3, waited=True)
    assert waits == [pytest.approx(29 + wait_s) for wait_s in (0.2, 0.4, 0.6)]  # at half the pace
    assert pace.asked(31, waited=True)[1] == 0


def test_a_429_that_names_a_number_is_obeyed() -> None:
    """6 a minute with a burst of 1, from the end of the hint on."""
    pace = pace_of(NORMAL, 0).throttled(0, 0, 10, per_minute=6)
    gone = []
    for now in range(10, 10 + int(LOWERED_S)):
        after, wait_s = pace.asked(now, waited=True)
        if wait_s == 0:
            pace = after
            gone.append(now)
    assert gone == [20, 30, 40, 50, 60]


def test_a_higher_number_than_the_own_raises_nothing() -> None:
    """The setting is the most there is."""
    assert pace_of(60, 0).throttled(0, 0, 1, per_minute=6000).per_s(1) == 1


def test_a_429_without_a_number_halves_the_pace() -> None:
    """Each further one again, down to a hundredth; but those that were under way together count as one."""
    pace = pace_of(NORMAL, 0).throttled(0, 1, 1)
    assert pace.per_s(2) == 5
    assert pace.throttled(0.5, 1.1, 1).per_s(2) == 5  # it began before the first was answered
    assert pace.throttled(1.5, 2, 1).per_s(3) == 2.5
    for now in range(3, 30):
        pace = pace.throttled(now, now, 1)
    assert pace.per_s(30) == 10 * LEAST_PART


def test_it_finds_back_by_itself() -> None:
    """Without another 429: kept for a minute, then up in a straight line, and normal again after five."""
    pace = pace_of(NORMAL, 0).throttled(0, 0, 10, per_minute=6)
    assert pace.per_s(10 + LOWERED_S) == 0.1
    assert pace.per_s(10 + LOWERED_S + CLIMB_S / 2) == pytest.approx(5.1)
    assert pace.per_s(10 + LOWERED_S + CLIMB_S) == 10


def test_after_an_outage_there_is_no_burst() -> None:
    """What was saved up meanwhile is gone; the pace is even from the first second on."""
    pace = pace_of(NORMAL, 0).emptied(100)
    assert pace.asked(100, waited=True)[1] == pytest.approx(0.1)
    assert pace.asked(100.1, waited=True)[1] == 0


def test_a_pace_of_nothing_is_a_mistake() -> None:
    """Nothing would ever go."""
    with pytest.raises(ValueError, match="nothing"):
        pace_of(0, 0)


@given(
    st.floats(1, 6000),
    st.lists(st.tuples(st.floats(0, 20), st.booleans(), st.integers(0, 9)), max_size=200),
)
def test_no_more_than_the_limit_and_a_burst(per_minute: float, history: Sequence[tuple[float, bool, int]]) -> None:
    """Whoever asks, and whatever 429 says: in any stretch of time no more goes than the limit and one burst allow."""
    pace, now, gone = pace_of(per_minute, 0), 0.0, []
    for passes_s, waited, kind in history:
        now += passes_s
        if kind == 9:
            pace = pace.throttled(now, now, passes_s, per_minute / 7 if waited else None)
            continue
        pace, wait_s = pace.asked(now, waited=waited)
        assert 0 <= wait_s <= LONGEST_WAIT_S
        if wait_s == 0:
            gone.append(now)
    burst = max(1.0, per_minute / 60 * BURST_S)
    for first, started in enumerate(gone):
        for last in range(first, len(gone)):
            assert last - first + 1 <= burst + (gone[last] - started) * per_minute / 60 + 1e-6


def test_a_backlog_is_worked_off_at_the_pace_and_nobody_is_left_behind() -> None:
    """2,000 at once and half the limit on top, on two instances that each return meets by chance: all that can go goes.

    The jitter is the message handler's: a wait is longer by up to a quarter, and a second for the broker's clock.
    """
    random = Random(1)
    paces = [pace_of(NORMAL / 2, 0) for _ in range(2)]
    moments = [(0.0, 0)] * 2000 + [(number / 5, 0) for number in range(3000)]
    heapq.heapify(moments)
    gone: list[float] = []
    asked: Counter[int] = Counter()
    while moments:
        now, tries = heapq.heappop(moments)
        number = random.randrange(2)
        paces[number], wait_s = paces[number].asked(now, waited=tries > 0)
        if wait_s == 0:
            gone.append(now)
            asked[tries] += 1
        else:
            heapq.heappush(moments, (now + wait_s * (1 + random.random() / 4) + 1, tries + 1))
    # 5,000 at 10 a second, less the burst, are 494 s; they end by 600 s, when the last has come.
    assert max(gone) < 640
    assert len([at for at in gone if at < 400]) > 0.95 * 4000
    assert max(asked) <= 6
    assert sum(tries * number for tries, number in asked.items()) / 5000 < 1.5
