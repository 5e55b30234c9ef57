"""Turns that are taken and given at once, on fakes: no account exceeds its concurrency in whatever order steps come."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from dev.fakes.messenger import EVENTS
from dev.fakes.world import KEY, World
from dev.simulation.turn_invariants import Count, too_many_in_flight
from shared import worker
from shared.core.dependency import Dependency
from shared.core.keys import Key
from shared.core.lifecycle.generation import Received
from shared.core.lifecycle.state import State
from shared.core.money.limits import Scope
from shared.core.reasons import Reason
from shared.core.requests.messages import Look
from shared.core.turns.shares import Turn
from shared.ports import Envelope, OpenRow, Unavailable
from tests.worker.test_turns import ask, finish, in_flight, keys, limit, looks, parked, plans

#: Two others of the account, whose turns are in hand.
RIVALS = (Key("ada", "r1"), Key("ada", "r2"))


@pytest.fixture
async def world() -> World:
    """Ada has credits; of an account two generations may be in flight."""
    made = World(credits=100, plans=plans(concurrency=2))
    await made.open_account()
    return made


async def look(world: World) -> None:
    """One look."""
    await worker.handle(world.deps, Look(world.now()), Envelope("look"), EVENTS)


def shuffled(act: Callable[..., Awaitable[Any]], chance: random.Random) -> Callable[..., Awaitable[Any]]:
    """The same call, which others overtake now and then."""

    async def overtaken(*given: Any, **named: Any) -> Any:
        for _ in range(chance.randrange(4)):
            await asyncio.sleep(0)
        result = await act(*given, **named)
        for _ in range(chance.randrange(4)):
            await asyncio.sleep(0)
        return result

    return overtaken


def rivals(world: World, *, later: bool = False) -> None:
    """The two others have turns."""
    since = world.now() + timedelta(seconds=1 if later else -1)
    for key in RIVALS:
        turn = Turn(key=key, weight=1, since=since, begun=True)
        far = world.now() + timedelta(hours=1)
        world.index.rows[key] = OpenRow(key=key, due_at=far, expires_at=far, written_at=far, turn=turn)


@pytest.mark.parametrize("seed", range(12))
async def test_of_ten_at_once_never_more_than_two_are_in_flight(world: World, seed: int) -> None:
    """Whatever overtakes what; and some of them open, and all in the end."""
    chance, most, commit = random.Random(seed), 0, world.store.commit
    for port, method in ((world.index, "put"), (world.index, "turns"), (world.store, "load"), (world.waiting, "wait")):
        setattr(port, method, shuffled(getattr(port, method), chance))

    async def counted(*given: Any) -> Any:
        nonlocal most
        saved = await commit(*given)
        most = max(most, len(in_flight(world)))
        return saved

    world.store.commit = counted  # type: ignore[method-assign,assignment]
    await asyncio.gather(*(world.ask(key) for key in keys(10)))
    done = 0
    while parked(world) or in_flight(world):
        assert most <= 2
        created = len(world.replicate.ids())
        await finish(world, *range(done, created))
        done = created
        await looks(world, 1)
    assert (most, done) == (2, 10)
    await looks(world)
    world.at_rest()


async def bound(world: World, kind: str, most: int) -> None:
    """Of Ann, or of all, so many may be in flight: by a limit of this kind."""
    if kind == "the app":
        world.deps = replace(world.deps, limits=replace(world.deps.limits, in_flight_most=most))
    elif kind == "the plan":
        world.deps = replace(world.deps, plans=plans(concurrency=most))
    else:
        scope = Scope.ACCOUNT if kind == "account" else Scope.USER
        await limit(world, most, user_id="ann" if kind == "one user" else "", scope=scope)


#: Whose limit in flight, and who is named if it is exceeded.
KINDS = {
    "the plan": "account ada",
    "account": "account ada",
    "each user": "user ann of ada",
    "one user": "user ann of ada",
    "the app": "the app",
}


@pytest.mark.parametrize("kind", KINDS)
async def test_what_exceeds_a_limit_in_flight_is_found(kind: str) -> None:
    """Two are in flight, and only one may be: the invariant says whose limit that is. One is not too many."""
    world = World(credits=100, plans=plans())
    await world.open_account()
    await ask(world, *keys(2, user_id="ann"))
    assert too_many_in_flight(world) is None
    await bound(world, kind, 1)
    assert too_many_in_flight(world) == Count(KINDS[kind], 2, 1)
    await finish(world, 0)
    assert too_many_in_flight(world) is None


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", range(2))
async def test_no_limit_in_flight_is_exceeded(kind: str, seed: int) -> None:
    """Of any kind, by requests at once and by what looks give; and all is served in the end."""
    world, chance, most = World(credits=100, plans=plans()), random.Random(seed), 0
    await world.open_account()
    await bound(world, kind, 2)
    commit = world.store.commit
    for port, method in ((world.index, "put"), (world.index, "turns"), (world.store, "load"), (world.waiting, "wait")):
        setattr(port, method, shuffled(getattr(port, method), chance))

    async def counted(*given: Any) -> Any:
        nonlocal most
        saved = await commit(*given)
        assert too_many_in_flight(world) is None
        most = max(most, sum(name.startswith("g") for name in in_flight(world)))
        return saved

    world.store.commit = counted  # type: ignore[method-assign,assignment]
    await asyncio.gather(*(world.ask(key) for key in (*keys(5, user_id="ann"), Key("zed", "first", "ada"))))
    done = 0
    while parked(world) or in_flight(world):
        created = len(world.replicate.ids())
        await finish(world, *range(done, created))
        done = created
        await looks(world, 1)
    assert (most, done) == (2, 6)


async def test_a_turn_that_was_given_is_counted_again(world: World) -> None:
    """The plan allows less by then: it waits again, with its place in the line."""
    await ask(world, *keys(3))
    await finish(world, 0)
    world.pass_time(1)
    await look(world)
    world.deps = replace(world.deps, plans=plans(concurrency=1))
    await world.pump()
    assert (in_flight(world), parked(world)) == (["g1"], ["g2"])
    assert world.index.rows[Key("ada", "g2")].turn is None


async def test_what_was_parked_meanwhile_is_left_parked(world: World) -> None:
    """Another delivery of the same request found no turn, and its row has none any more."""
    screened = world.screener.text

    async def slow(*given: Any) -> Any:
        world.screener.text = screened  # type: ignore[method-assign]
        rivals(world)
        await world.ask()
        return await screened(*given)

    world.screener.text = slow  # type: ignore[method-assign,assignment]
    await world.ask()
    assert isinstance(world.saved(), Received)
    assert (world.account().held, world.index.rows[KEY].turn) == (0, None)


async def test_what_was_opened_meanwhile_has_its_turn(world: World) -> None:
    """The delivery that would park it writes the turn back into the row that it has taken it from."""

    async def sleep(seconds: float) -> None:
        world.pass_time(seconds)
        if not world.replicate.ids():
            for key in RIVALS:
                del world.index.rows[key]
            await world.ask()
            rivals(world, later=True)

    rivals(world, later=True)
    world.deps = replace(world.deps, sleep=sleep)
    await world.ask()
    assert world.generation().state is State.RUNNING
    assert world.index.rows[KEY].turn is not None


async def test_a_given_turn_that_a_dependency_stops_is_given_back(world: World) -> None:
    """It is another's while screening is down."""
    await ask(world, *keys(3))
    await finish(world, 0)
    world.pass_time(1)
    await look(world)
    world.screener.down = True
    await world.pump()
    row = Key("ada", "g2")
    assert (world.saved(row).reason, world.index.rows[row].turn) == (Reason.SAFETY_UNAVAILABLE, None)


async def test_a_look_that_fails_has_asked_for_the_next(world: World) -> None:
    """Nobody else has to."""
    await ask(world, *keys(3))
    await finish(world, 0)
    world.messenger.scheduled.clear()
    world.deps.recent_turns.looks_until = None
    give = world.index.give

    async def fails(*_: object) -> bool:
        raise Unavailable(Dependency.TABLES, "down")

    world.index.give = fails  # type: ignore[method-assign, assignment]
    world.pass_time(3)
    await look(world)
    assert [type(sent.message) for sent in world.messenger.scheduled] == [Look, Look]
    world.index.give = give  # type: ignore[method-assign]
    await looks(world)
    assert in_flight(world) == ["g1", "g2"]


async def test_what_has_a_turn_or_ended_is_passed_over(world: World) -> None:
    """A crash has left its row in the waiting list: the turn is the next one's."""
    await ask(world, *keys(5))
    rows = set(world.waiting.rows)
    await finish(world, 0)
    await looks(world)
    world.waiting.rows |= {row for row in rows if row.key.generation_id == "g2"}
    await finish(world, 1)
    world.messenger.scheduled.clear()
    world.pass_time(1)
    await look(world)
    assert world.index.rows[Key("ada", "g3")].turn is not None
    await world.pump()
    assert (in_flight(world), parked(world)) == (["g2", "g3"], ["g4"])


async def test_two_looks_at_once_give_one_turn_once(world: World) -> None:
    """The place decides: the second one finds it changed."""
    await ask(world, *keys(5))
    await finish(world, 0)
    world.pass_time(1)
    places = world.waiting.places
    first_has_given = asyncio.Event()

    async def slow() -> Any:
        found = await places()
        turns = world.index.turns

        async def late(*given: Any) -> Any:
            seen = await turns(*given)
            world.index.turns = turns  # type: ignore[method-assign]
            await first_has_given.wait()
            return seen

        world.waiting.places = places  # type: ignore[method-assign]
        world.index.turns = late  # type: ignore[method-assign, assignment]
        return found

    world.waiting.places = slow  # type: ignore[method-assign]
    second = asyncio.create_task(look(world))
    await asyncio.sleep(0.01)
    await look(world)
    first_has_given.set()
    await second
    assert sum(row.turn is not None for row in world.index.rows.values()) == 2
