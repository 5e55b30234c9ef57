"""Turns: who has one at once, who waits, and who is next when one is free."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given as drawn
from hypothesis import strategies as st

from shared.core.keys import Key
from shared.core.turns.giving import LOOK_S, free_times, given, new_place, next_place, next_user, served
from shared.core.turns.shares import TURN, Asking, Capacity, Place, Tally, Turn, able, may_take, surely_free, tally

NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)

#: Ten creates a second: 28 turns count for the pace.
PACED = Capacity(per_s=10.0)


def ago(seconds: float) -> datetime:
    """So long before now."""
    return NOW - timedelta(seconds=seconds)


def turns(account_id: str, count: int, since_s: float = 0.1, *, begun: bool = True, weight: int = 1) -> list[Turn]:
    """So many turns in hand of one account."""
    return [
        Turn(key=Key("u", f"{number}-{since_s}-{begun}", account_id), weight=weight, since=ago(since_s), begun=begun)
        for number in range(count)
    ]


def place(account_id: str, **changes: object) -> Place:
    """An account of which something waits."""
    return Place(**{"account_id": account_id, "asked_at": NOW} | changes)  # type: ignore[arg-type]  # the test's own


def takes(account_id: str, held: list[Turn], *places: Place, capacity: Capacity = PACED, **plan: int) -> bool:
    """Whether a new request of this account has a turn at once."""
    asking = Asking(account_id=account_id, weight=plan.get("weight", 1), concurrency=plan.get("concurrency"))
    return may_take(asking, tally(held, capacity, NOW), places, capacity)


def test_an_account_that_is_alone_has_all_of_it() -> None:
    """28 of ten a second: 95 % of three seconds; the next one waits."""
    assert takes("a", turns("a", 27))
    assert not takes("a", turns("a", 28))
    assert takes("a", turns("a", 9), capacity=Capacity(in_flight=10))
    assert not takes("a", turns("a", 10), capacity=Capacity(in_flight=10))
    assert takes("a", turns("a", 9999), capacity=Capacity())


def test_a_turn_counts_for_the_pace_until_its_window_has_passed() -> None:
    """One that was given and has not begun counts as long as it is on its way."""
    assert takes("a", turns("a", 28, since_s=3.0))
    assert not takes("a", turns("a", 28, since_s=2.9))
    assert not takes("a", turns("a", 28, since_s=100, begun=False))
    found = tally([*turns("a", 2, 1), *turns("a", 3, 60), *turns("b", 1, 60, begun=False)], PACED, NOW)
    assert (found.in_flight, found.paced) == ({"a": 5, "b": 1}, {"a": 2, "b": 1})
    assert found.free_at == (ago(1) + timedelta(seconds=PACED.window_s),) * 2


def test_a_slow_pace_has_one_turn_and_a_longer_window() -> None:
    """Six a minute: one in ten seconds and a half, not one in three."""
    slow = Capacity(per_s=0.1)
    assert slow.paced == 1
    assert slow.window_s == pytest.approx(10.53, abs=0.01)
    assert not takes("a", turns("a", 1, since_s=10), capacity=slow)
    assert takes("a", turns("a", 1, since_s=11), capacity=slow)
    with pytest.raises(ValueError, match="nothing a second"):
        Capacity(per_s=0)


def test_below_its_share_an_account_takes_its_turn_though_another_has_all() -> None:
    """Its half of the pace. It does not have to wait until the other one's turns end."""
    others = turns("big", 28)
    assert takes("small", others, place("big"))
    assert takes("small", [*others, *turns("small", 13)], place("big"))
    assert not takes("small", [*others, *turns("small", 14)], place("big"))


def test_a_share_is_weighted() -> None:
    """Three quarters of 28 against a quarter."""
    others = turns("big", 28)
    assert takes("heavy", [*others, *turns("heavy", 20, weight=3)], place("big"), weight=3)
    assert not takes("heavy", [*others, *turns("heavy", 21, weight=3)], place("big"), weight=3)
    assert not takes("light", [*turns("big", 28, weight=3), *turns("light", 7)], place("big", weight=3))


def test_what_the_others_do_not_use_may_be_used_while_nobody_waits() -> None:
    """Beyond its share, up to the sum of all."""
    held = [*turns("a", 20), *turns("b", 5)]
    assert takes("a", held)
    assert not takes("a", held, place("b"))
    assert takes("a", held, place("full", concurrency=0))  # it waits for nothing that another one could give
    assert not takes("a", [*turns("a", 20), *turns("b", 8)])


def test_a_limit_in_flight_is_not_exceeded_by_whoever_is_below_the_share() -> None:
    """Unlike the pace it is a bound: the next turn that is freed is given to that account."""
    capacity = Capacity(in_flight=10)
    assert not takes("small", turns("big", 10), place("big"), capacity=capacity)
    assert takes("small", turns("big", 9), place("big"), capacity=capacity)
    found = tally(turns("big", 9, 60), capacity, NOW)
    assert next_place([place("big", asked_at=ago(9)), place("small")], found, capacity) == place("small")


def test_the_concurrency_of_a_plan_bounds_its_account_alone() -> None:
    """Whatever is free, and only by its own turns."""
    assert takes("a", turns("a", 1), concurrency=2)
    assert not takes("a", turns("a", 2, 60), concurrency=2)
    assert takes("a", turns("b", 20), concurrency=1)
    assert able([place("a", concurrency=2), place("b")], tally(turns("a", 2), PACED, NOW)) == (place("b"),)


def test_older_requests_of_the_account_come_first() -> None:
    """Of an account of which something waits, nothing new has a turn at once."""
    assert not takes("a", [], place("a"))
    assert takes("a", [], place("b"))


@pytest.mark.parametrize(
    ("free", "held_credits", "spare_tokens", "places", "capacity"),
    [
        (True, 2, 0.0, [], PACED),
        (False, 3, 0.0, [], PACED),
        (False, 0, -0.1, [], PACED),
        (True, 2, -1.0, [], Capacity()),
        (False, 0, 30.0, [], Capacity(in_flight=1000, per_s=10)),
        (False, 0, 30.0, [place("a")], PACED),
        (True, 1, 0.0, [place("b", weight=13)], PACED),
        (False, 2, 0.0, [place("b", weight=13)], PACED),
        (True, 2, 14.0, [place("b", weight=13)], PACED),
    ],
)
def test_below_every_share_nothing_has_to_be_read(
    free: bool, held_credits: int, spare_tokens: float, places: list[Place], capacity: Capacity
) -> None:
    """By what is known anyway: the held credits, the instance's own tokens, and the places."""
    asking = Asking(account_id="a", concurrency=3)
    assert surely_free(asking, places, capacity, held_credits=held_credits, spare_tokens=spare_tokens) == free


def test_an_account_that_nobody_waits_beside_may_have_any_number_in_flight() -> None:
    """Long generations do not make it read, as long as there are tokens."""
    assert surely_free(Asking(account_id="a"), [], PACED, held_credits=9999, spare_tokens=0.0)


def test_a_look_gives_what_is_free_and_what_will_be_before_the_next() -> None:
    """Each turn has the time at which another one stops to count."""
    found = tally([*turns("a", 20, 0.5), *turns("a", 3, 2.5)], PACED, NOW)
    later = ago(2.5) + timedelta(seconds=PACED.window_s)
    assert free_times(found, PACED, NOW) == (NOW,) * 5 + (later,) * 3
    assert later < NOW + timedelta(seconds=LOOK_S)


def test_what_is_over_the_sum_is_not_given_on() -> None:
    """Somebody below the share took turns though all were in hand: the first that are freed fill that up."""
    found = tally([*turns("a", 3, 2.5), *turns("a", 25, 0.5), *turns("b", 2, 0.1)], PACED, NOW)
    assert len(free_times(found, PACED, NOW)) == 1
    assert free_times(tally(turns("a", 11), Capacity(in_flight=10), NOW), Capacity(in_flight=10), NOW) == ()


def test_a_look_does_not_give_all_at_once() -> None:
    """After a pause turns come at the pace again, and are not in bunches for ever."""
    assert len(free_times(tally([], PACED, NOW), PACED, NOW)) == 15
    both = Capacity(per_s=10, in_flight=4)
    assert len(free_times(tally([], both, NOW), both, NOW)) == 4


def served_in_order(places: list[Place], capacity: Capacity, count: int) -> list[str]:
    """The accounts that get the next turns, if no turn stays in hand."""
    found, order = tally([], capacity, NOW), []
    for _ in range(count):
        chosen = next_place(places, found, capacity)
        assert chosen is not None
        order.append(chosen.account_id)
        places = [served(each, "u", places) if each == chosen else each for each in places]
    return order


def test_accounts_are_served_by_their_weights() -> None:
    """Four of seven turns, two, and one: in any seven."""
    order = served_in_order([place("a"), place("b", weight=2), place("c", weight=4)], PACED, 70)
    assert [order.count(account_id) for account_id in "abc"] == [10, 20, 40]
    assert all("a" in order[start : start + 9] for start in range(60))


def test_a_new_place_is_level_with_the_next_one() -> None:
    """It is served soon, and not for the time in which it asked for nothing."""
    old = [place("a", served=41 * TURN), place("b", served=41 * TURN + TURN // 2)]
    new = new_place(Asking(account_id="c", weight=2, concurrency=5), old, NOW)
    assert new == place("c", served=41 * TURN, weight=2, concurrency=5)
    assert new_place(Asking(account_id="c"), [], NOW).served == 0
    assert served_in_order([*old, new], PACED, 3).count("c") == 1


def test_what_a_full_account_missed_is_not_made_up_for() -> None:
    """When it may have turns again, it takes its share with the others, not all of the next ones."""
    late = place("full", served=3 * TURN, asked_at=ago(999))
    order = served_in_order([late, place("a", served=500 * TURN), place("b", served=500 * TURN)], PACED, 12)
    assert [order.count(account_id) for account_id in ("full", "a", "b")] == [5, 4, 3]


def test_nobody_is_next_where_nobody_may_have_one() -> None:
    """No place, or full accounts only."""
    assert next_place([], tally([], PACED, NOW), PACED) is None
    assert next_place([place("a", concurrency=1)], tally(turns("a", 1, 60), PACED, NOW), PACED) is None


def test_users_take_turns_in_a_ring() -> None:
    """However much one of them has asked for, and though the last one has gone."""
    users = ["ada", "bob", "eve"]
    assert [next_user(users, after) for after in ("", "ada", "bob", "eve", "carl", "zoe")] == [
        "ada",
        "bob",
        "eve",
        "ada",
        "eve",
        "ada",
    ]


def test_a_given_turn_counts() -> None:
    """In the tally from which the next one is chosen."""
    after = given(Tally({}, {}, (), {}), place("a", weight=3))
    assert (after.in_flight, after.paced, after.weights) == ({"a": 1}, {"a": 1}, {"a": 3})


COUNTS = st.dictionaries(st.sampled_from("abcde"), st.integers(0, 12), min_size=1)


@drawn(COUNTS, st.integers(1, 30), st.sets(st.sampled_from("abcdef")), st.sampled_from("abcdef"))
def test_no_limit_in_flight_is_exceeded_by_what_is_taken_or_given(
    counts: dict[str, int], most: int, waiting: set[str], account_id: str
) -> None:
    """Whatever is in hand, and whoever waits."""
    capacity = Capacity(in_flight=most, per_s=1000)
    held = [turn for each, count in counts.items() for turn in turns(each, count, 60)]
    if takes(account_id, held, *(place(each) for each in sorted(waiting)), capacity=capacity):
        assert len(held) + 1 <= most
    assert len(free_times(tally(held, capacity, NOW), capacity, NOW)) <= max(0, most - len(held))


@drawn(COUNTS, st.sets(st.sampled_from("abcdef"), min_size=1))
def test_two_that_look_at_once_choose_the_same(counts: dict[str, int], waiting: set[str]) -> None:
    """In whatever order they read the rows: so one of their writes fails, and no turn is given twice."""
    held = [turn for each, count in counts.items() for turn in turns(each, count)]
    places = [place(each) for each in sorted(waiting)]
    one = next_place(places, tally(held, PACED, NOW), PACED)
    assert one is not None
    assert one == next_place(places[::-1], tally(held[::-1], PACED, NOW), PACED)
