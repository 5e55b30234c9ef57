"""Kill switches, the pure part: which command counts, what a pause stops, how long it was, and when it is forgotten."""

from datetime import UTC, datetime, timedelta
from itertools import permutations

import pytest

from shared.core.keys import Key
from shared.core.switches import (
    MOST_ENDED,
    MOST_PAUSED,
    MOST_SPANS,
    Order,
    PauseScope,
    Span,
    Switch,
    Switches,
    Target,
    latest_until,
    length,
    moved,
    ordered,
    pause_of,
    paused_for,
)

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
WEEK = timedelta(days=7)
APP = Target(PauseScope.APP)
KEY = Key("ada", "one", "acme")


def at(minutes: float) -> datetime:
    """So many minutes after noon."""
    return NOON + timedelta(minutes=minutes)


def order(minute: float, until: float | None, name: str = "c", target: Target = APP) -> Order:
    """A command issued at a minute: a pause until a minute, or a resume."""
    return Order(
        target=target, issued_at=at(minute), command_id=name, until=None if until is None else at(until), by="kim"
    )


def after(*orders: tuple[Order, float]) -> Switches:
    """The switches after commands, each applied at a minute. What is superseded changes nothing."""
    switches: Switches = ()
    for each, minute in orders:
        changed = ordered(switches, each, at(minute), WEEK)
        switches = switches if changed is None else changed
    return switches


@pytest.mark.parametrize(
    ("target", "stopped"),
    [
        (APP, True),
        (Target(PauseScope.MODEL, model="flux-dev"), True),
        (Target(PauseScope.MODEL, model="flux-schnell"), False),
        (Target(PauseScope.ACCOUNT, "acme"), True),
        (Target(PauseScope.ACCOUNT, "ada"), False),
        (Target(PauseScope.USER, "acme", "ada"), True),
        (Target(PauseScope.USER, "acme", "bo"), False),
        (Target(PauseScope.USER, "other", "ada"), False),
    ],
)
def test_a_pause_stops_what_it_is_about_and_nothing_else(target: Target, stopped: bool) -> None:
    """The app, a model, an account, one user of one account."""
    switches = after((order(0, 60, target=target), 0))
    found = pause_of(switches, {"flux-dev"}, KEY, at(1))
    assert (found is not None) is stopped
    assert (paused_for(switches, {"flux-dev"}, KEY, at(0), at(10)) == timedelta(minutes=10)) is stopped


def test_a_pause_ends_at_its_time_and_not_a_moment_before() -> None:
    """No command is needed for its end."""
    switches = after((order(0, 60), 0))
    assert pause_of(switches, (), KEY, at(60) - timedelta(microseconds=1)) is not None
    assert pause_of(switches, (), KEY, at(60)) is None


def test_a_pause_without_a_time_or_with_a_late_one_ends_at_the_latest_then() -> None:
    """It counts from the command, not from when it came."""
    assert latest_until(NOON, None, WEEK) == NOON + WEEK
    assert latest_until(NOON, NOON + 2 * WEEK, WEEK) == NOON + WEEK
    assert latest_until(NOON, at(5), WEEK) == at(5)


def test_of_several_pauses_the_one_that_ends_last_is_named() -> None:
    """Whoever waits learns when it goes on."""
    account = Target(PauseScope.ACCOUNT, "acme")
    switches = after((order(0, 60, "a"), 0), (order(0, 90, "b", account), 0))
    found = pause_of(switches, (), KEY, at(1))
    assert found is not None
    assert found.order.command_id == "b"


def test_in_any_order_the_command_issued_last_counts() -> None:
    """A pause, its renewal, a resume and another pause, some with the same time: all orders leave the same pause."""
    commands = [order(0, 60, "a"), order(1, 120, "b"), order(2, None, "c"), order(3, 90, "d"), order(3, 80, "c")]
    left = {
        (switch.order, running.until if running else None)
        for commanded in permutations(commands)
        for switch in after(*((each, 4 + place) for place, each in enumerate(commanded)))
        for running in [switch.running(at(20))]
    }
    assert left == {(commands[3], at(90))}


def test_a_pause_that_comes_after_its_own_end_ends_the_older_one() -> None:
    """It is the setting, late as it is."""
    switches = after((order(0, 60, "a"), 0), (order(1, 5, "b"), 10))
    assert switches[0].spans == (Span(at(0), at(10)),)
    assert pause_of(switches, (), KEY, at(11)) is None


def test_the_same_command_again_changes_nothing() -> None:
    """A redelivery neither moves its start nor counts as older."""
    once = after((order(0, 60), 1))
    assert ordered(once, order(0, 60), at(30), WEEK) is once


def test_overlapping_pauses_count_once() -> None:
    """Nested, touching, apart, and beyond the span that is asked for."""
    spans = [Span(at(0), at(10)), Span(at(2), at(4)), Span(at(5), at(20)), Span(at(20), at(21)), Span(at(30), at(99))]
    assert length(spans, at(1), at(40)) == timedelta(minutes=30)
    assert length(spans, at(22), at(29)) == timedelta()


def test_an_ended_pause_counts_until_nothing_can_wait_that_waited_in_it() -> None:
    """The first command after the longest wait and a day forgets it. Time that was paused does not count."""
    model = Target(PauseScope.MODEL, model="flux-dev")
    day = 24 * 60
    first = after((order(0, 60, "a", model), 0))
    kept = ordered(first, order(8 * day, 9 * day, "b"), at(8 * day), WEEK)
    assert kept is not None
    assert len(kept) == 2
    paused = (
        Switch(order(0, 60, "a", model), first[0].spans),
        Switch(order(1, None, "x"), (Span(at(60), at(5 * day)),)),
    )
    renewed = ordered(paused, order(12 * day, None, "y"), at(12 * day), WEEK)
    assert renewed is not None
    assert len(renewed) == 2, "five days of these twelve were paused"
    forgotten = ordered(first, order(9 * day, 10 * day, "b"), at(9 * day), WEEK)
    assert forgotten is not None
    assert [each.order.command_id for each in forgotten] == ["b"]


def test_a_forgotten_switch_is_not_set_by_an_older_command() -> None:
    """An older pause has ended by itself: it counts from its own time."""
    late = Order(target=APP, issued_at=at(0), command_id="old", until=latest_until(at(0), None, WEEK))
    switches = ordered((), late, NOON + timedelta(days=9), WEEK)
    assert switches is not None
    assert pause_of(switches, (), KEY, NOON + timedelta(days=9)) is None


def test_too_many_spans_are_joined_where_the_time_between_them_is_shortest() -> None:
    """What waits is given up too late rather than too early."""
    commands = [(order(10 * n, 10 * n + (9 if n == 3 else 5), f"c{n:02}"), 10 * n) for n in range(MOST_SPANS + 1)]
    (switch,) = after(*commands)
    assert len(switch.spans) == MOST_SPANS
    assert Span(at(30), at(45)) in switch.spans


def of_account(name: str) -> Target:
    """A switch for an account."""
    return Target(PauseScope.ACCOUNT, name)


def full(until: float = 60) -> Switches:
    """As many accounts as may be paused, from noon until a minute."""
    return after(*((order(0, until, f"c{n}", of_account(f"a{n}")), 0) for n in range(MOST_PAUSED)))


def test_only_so_many_accounts_and_users_are_paused_at_once() -> None:
    """They are one row. One more is refused, and says what helps; one that is paused is renewed and ended."""
    with pytest.raises(
        ValueError, match="100 accounts and users are paused: resume one, or pause a model or the whole app"
    ):
        ordered(full(), order(1, 60, target=of_account("new")), at(1), WEEK)
    for until in (90, None):
        changed = ordered(full(), order(1, until, target=of_account("a3")), at(1), WEEK)
        assert changed is not None
        assert len(changed) == MOST_PAUSED
    assert ordered(full(), order(1, None, target=of_account("new")), at(1), WEEK) is not None


@pytest.mark.parametrize("target", [APP, Target(PauseScope.MODEL, model="flux-dev")])
def test_a_pause_of_the_app_or_of_a_model_is_never_refused(target: Target) -> None:
    """However many accounts are paused, or were: that is when it is needed."""
    for minute in (1, 61):
        switches = ordered(full(), order(minute, 90, target=target), at(minute), WEEK)
        assert switches is not None
        assert pause_of(switches, {"flux-dev"}, KEY, at(minute)) is not None


def test_an_ended_pause_keeps_no_other_account_from_being_paused() -> None:
    """It is remembered, and is not counted."""
    switches = ordered(full(), order(61, 90, target=of_account("new")), at(61), WEEK)
    assert switches is not None
    assert len(switches) == MOST_PAUSED + 1


def test_an_ended_pause_beyond_the_bound_counts_for_everybody() -> None:
    """The oldest ones are the app's from then on: no wait that was in one of them ends too early, and none starts."""
    switches = after(
        *((order(n, n + 1, f"c{n}", of_account(f"a{n}")), n) for n in range(MOST_ENDED)),
        (order(500, 501, "x", of_account("x")), 500),
        (order(502, None, "y", of_account("y")), 502),
    )
    assert len(switches) == MOST_ENDED + 1
    for who in ("a0", "a1", "a99", "x"):
        key = Key("ada", "one", who)
        assert pause_of(switches, (), key, at(502)) is None
        own = 1 if who in {"a99", "x"} else 0
        assert paused_for(switches, (), key, at(0), at(502)) == timedelta(minutes=2 + own)
    later = ordered(switches, order(3, 600, "app"), at(503), WEEK)
    assert later is not None
    assert pause_of(later, (), KEY, at(504)) is not None, "what was made of others is no command"


def test_an_ended_pause_beyond_the_bound_ends_no_pause_of_the_app() -> None:
    """The app is paused while old ones become its own."""
    paused = order(200, 900, "app")
    switches = after(
        (order(0, 300, "first", of_account("first")), 0),
        (paused, 200),
        *((order(400 + n, 400.5 + n, f"c{n}", of_account(f"a{n}")), 400 + n) for n in range(MOST_ENDED)),
        (order(600, None, "y", of_account("y")), 600),
    )
    found = pause_of(switches, (), KEY, at(600))
    assert found is not None
    assert (found.order, found.spans[-1]) == (paused, Span(at(0), at(900)))


def test_a_wait_ends_later_by_its_pauses() -> None:
    """Those before it and after it count nothing; where two overlap, it moves once."""
    spans = [(-20, 5), (10, 20), (15, 30), (42, 50), (70, 80)]
    switches = tuple(
        Switch(order(0, 1, f"c{number}"), (Span(at(since), at(until)),)) for number, (since, until) in enumerate(spans)
    )
    assert moved(switches, set(), KEY, at(0), at(30)) == at(63)
    assert moved(switches, set(), KEY, at(0), at(3)) == at(8)
    assert moved(switches, set(), KEY, at(31), at(41)) == at(41)
    other = (Switch(order(0, 1, target=Target(PauseScope.ACCOUNT, "ada")), (Span(at(0), at(9)),)),)
    assert moved(other, set(), KEY, at(0), at(3)) == at(3)
