"""The breaker: which calls may pass, when, and how each result changes that."""

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from shared.core.provider.breaker import JITTER, Breaker, BreakerRule

RULE = BreakerRule(failures=3, pause_s=10, longest_pause_s=35, probe_s=60)


def failed(times: int, at: float = 0, breaker: Breaker | None = None) -> Breaker:
    """A breaker after so many failures in a row at one moment, without jitter."""
    breaker = breaker or Breaker(rule=RULE)
    for _ in range(times):
        breaker = breaker.asked(at).failed_at(at, at, 0)
    return breaker


def test_it_opens_after_failures_in_a_row() -> None:
    """Two failures leave it closed, the third opens it; then no call passes for a pause."""
    assert (failed(2).state(0), failed(2).wait_s(0)) == ("closed", 0)
    breaker = failed(3)
    assert (breaker.state(0), breaker.wait_s(0), breaker.wait_s(4)) == ("open", 10, 6)


def test_one_success_begins_the_count_anew() -> None:
    """Only failures in a row count."""
    breaker = failed(2)
    for _ in range(5):
        breaker = failed(2, breaker=breaker.succeeded(0, 0))
    assert breaker.state(0) == "closed"


def test_one_probe_at_a_time() -> None:
    """After the pause one call may pass; a second one is refused with a wait until the first has ended."""
    breaker = failed(3)
    assert (breaker.state(10), breaker.wait_s(10)) == ("half-open", 0)
    breaker = breaker.asked(10)
    assert breaker.wait_s(11) == RULE.pause_s
    assert breaker.wait_s(10 + RULE.probe_s) == 0  # it is dead: another may ask


def test_a_probe_that_fails_opens_it_for_twice_as_long() -> None:
    """The pauses are 10 and 20 seconds, and from then on 35, the longest."""
    breaker, now, waits = failed(3), 0.0, []
    for _ in range(5):
        waits.append(breaker.wait_s(now))
        now += breaker.wait_s(now)
        breaker = breaker.asked(now).failed_at(now, now, 0)
    assert waits == [10, 20, 35, 35, 35]


def test_a_pause_is_longer_by_chance_and_by_a_hint() -> None:
    """Jitter adds up to a quarter, so that instances do not probe in step; the dependency's hint is the lower bound."""
    breaker = failed(2)
    assert breaker.failed_at(0, 0, 1).wait_s(0) == 10 * (1 + JITTER)
    assert breaker.failed_at(0, 0, 0, hint_s=100).wait_s(0) == 100


def test_a_probe_that_is_answered_closes_it() -> None:
    """It closes at once, for all calls."""
    breaker = failed(3).asked(10).succeeded(10, 11)
    assert (breaker.state(11), breaker.wait_s(11)) == ("closed", 0)


def test_it_is_closed_on_probation() -> None:
    """One failure right after the probe opens it for the next longer pause; a success resets the pauses."""
    closed = failed(3).asked(10).succeeded(10, 11)
    assert failed(1, 12, closed).wait_s(12) == 20
    forgiven = closed.succeeded(12, 12)
    assert failed(2, 13, forgiven).state(13) == "closed"
    assert failed(3, 13, forgiven).wait_s(13) == 10


def test_what_began_before_it_opened_says_nothing() -> None:
    """Calls that were under way when it opened neither prolong the pause nor end it."""
    breaker = failed(3, at=5)
    assert breaker.failed_at(4, 8, 0) == breaker
    assert breaker.succeeded(4, 8) == breaker


def test_what_began_before_it_closed_says_nothing() -> None:
    """A call that was hanging since the outage does not open it again."""
    closed = failed(3).asked(10).succeeded(10, 11)
    assert closed.failed_at(9, 12, 0) == closed


def test_a_probe_that_is_given_up_leaves_its_place() -> None:
    """After a canceled probe the next call may probe; the end of any other call frees nothing."""
    breaker = failed(3).asked(10)
    assert breaker.given_up(9).wait_s(10) > 0
    assert breaker.given_up(10).wait_s(10) == 0


@given(st.lists(st.tuples(st.booleans(), st.floats(0, 30), st.floats(0, 1)), max_size=60))
def test_there_is_always_a_next_time(history: Sequence[tuple[bool, float, float]]) -> None:
    """No caller has to wait longer than the longest pause, and after it one call may pass."""
    breaker, now = Breaker(rule=RULE), 0.0
    for good, passes_s, chance in history:
        now += passes_s
        wait_s = breaker.wait_s(now)
        assert 0 <= wait_s <= RULE.longest_pause_s * (1 + JITTER)
        if wait_s == 0:
            breaker = breaker.asked(now)
            breaker = breaker.succeeded(now, now) if good else breaker.failed_at(now, now, chance)
    assert breaker.wait_s(now + RULE.longest_pause_s * (1 + JITTER)) == 0
