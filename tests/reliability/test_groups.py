"""Groups of moves meet every fault: the calls of one process die together, or one is canceled, at any effect."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace
from functools import cache
from typing import TypeVar

import pytest

from dev.fakes.messenger import EVENTS, REQUESTS
from dev.fakes.world import FROM_THE_APP, World
from dev.simulation.effects import Crash, Fault, Mode, run, watched
from dev.simulation.invariants import Observer, after_step, at_rest
from dev.simulation.simulation import Simulation
from dev.simulation.snapshots import Snapshot
from shared import worker
from shared.core.keys import Key
from shared.core.money.entries import Move
from shared.core.requests.messages import GenerationRequest, Message
from shared.ports import Dependencies, PendingMoves

T = TypeVar("T")

#: A message and its queue, and what makes those that come at once.
Coming = tuple[Message, str]
Begin = Callable[[World], Awaitable[list[Coming]]]

KEYS = [Key("ada", f"g{number}") for number in range(3)]

#: Somebody else's request on the same account, in a process of its own.
RIVAL = Key("ada", "rival")

#: An effect at which a call is canceled, in place of a fault.
CANCELED = "canceled at"


class Slow(Fault):
    """A fault in one process whose calls run at the same time: before each effect, others come to theirs."""

    def __init__(self, at: int, mode: Mode | None) -> None:
        super().__init__(at if mode else 0, mode or Mode.CRASH_BEFORE)
        self.cancels_at = 0 if mode else at
        self.sizes: list[int] = []

    async def effect(self, name: str, act: Callable[[], Awaitable[T]]) -> T:
        """See ``Gate``. A canceled call ends in its effect, when that is on its way."""
        for _ in range(3):
            await asyncio.sleep(0)
        if len(self.names) + 1 == self.cancels_at:
            task = asyncio.current_task()
            assert task is not None
            self.names.append(name)
            result = await act()
            task.cancel()
            await asyncio.sleep(0)
            return result
        return await Fault.effect(self, name, act)


def ask(key: Key) -> GenerationRequest:
    """A request of one credit."""
    return GenerationRequest(key=key, prompt="A lighthouse", model="flux-schnell")


async def openings(world: World) -> list[Coming]:
    """Three requests at once."""
    return [(ask(key), REQUESTS) for key in KEYS]


async def ends(world: World) -> list[Coming]:
    """Three predictions end at once."""
    for key in KEYS:
        await deliver(world, ask(key), REQUESTS)
    made = dict(world.replicate.made_for)
    for prediction_id in made:
        world.replicate.succeed(prediction_id)
    return [(world.replicate.event(prediction_id), EVENTS) for prediction_id in made]


async def twins(world: World) -> list[Coming]:
    """Each of three requests comes twice, all at once."""
    return [(ask(key), REQUESTS) for key in KEYS for _ in range(2)]


FLOWS = (openings, ends, twins)


@cache
def begun(flow: Begin) -> Snapshot[tuple[World, list[Coming]]]:
    """An account, and what comes at once, before any of it has come."""

    async def begin() -> tuple[World, list[Coming]]:
        await (world := World()).open_account()
        return world, await flow(world)

    return Snapshot(run(begin()))


async def played(flow: Begin, fault: Slow) -> World:
    """What comes at once meets the fault; then what died is delivered again, and all goes on to rest."""
    world, messages = begun(flow).copy()
    watch = Observer(world)

    async def overtaken(_: Mode) -> None:
        await worker.handle(replace(world.deps, pending=PendingMoves()), ask(RIVAL), FROM_THE_APP, REQUESTS)

    fault.meanwhile = overtaken
    deps = watched(world.deps, fault, PendingMoves())
    tasks = [asyncio.create_task(_handled(deps, message, queue)) for message, queue in messages]
    async with asyncio.timeout(20):
        await asyncio.gather(*tasks, return_exceptions=True)
    unfinished = [each for each, task in zip(messages, tasks, strict=True) if task.cancelled() or task.result()]
    assert deps.pending.of("ada") is None
    after_step(watch, "ada")
    for message, queue in unfinished:
        await deliver(world, message, queue)
    await finished(world)
    at_rest(watch)
    return world


async def deliver(world: World, message: Message, queue: str) -> None:
    """One delivery."""
    await worker.handle(world.deps, message, FROM_THE_APP, queue)


async def _handled(deps: Dependencies, message: Message, queue: str) -> bool:
    """Whether the message has to come again."""
    try:
        await worker.handle(deps, message, FROM_THE_APP, queue)
    except Crash:
        return True
    return False


async def finished(world: World) -> None:
    """Predictions end, webhooks come, the timer repairs what is left."""
    await world.pump()
    for _ in range(3):
        for prediction_id, prediction in list(world.replicate.predictions.items()):
            if not prediction.status.finished:
                world.replicate.succeed(prediction_id)
            await world.webhook(prediction_id)
        await world.settle()


@pytest.fixture(scope="module")
def runner() -> Iterator[asyncio.Runner]:
    """One event loop for all that is played: to make one takes a twentieth of the time."""
    with asyncio.Runner() as runner:
        yield runner


@cache
def effects_of(flow: Begin) -> tuple[str, ...]:
    """The effects without a fault, in their order."""
    fault = Slow(0, Mode.CRASH_BEFORE)
    world = asyncio.run(played(flow, fault))
    assert world.store.groups, "no group was saved"
    return tuple(fault.names)


@pytest.mark.long
@pytest.mark.parametrize("flow", FLOWS, ids=lambda flow: flow.__name__)
@pytest.mark.parametrize("mode", [*Mode, None], ids=lambda mode: mode or CANCELED)
def test_whatever_becomes_of_a_group_every_promise_is_kept(
    flow: Begin, mode: Mode | None, runner: asyncio.Runner
) -> None:
    """Before, in and after the group's save: all is paid once, the chain is whole, nothing stays open."""
    names = effects_of(flow)
    assert "store.commit_group" in names
    for at in range(1, len(names) + 1):
        fault = Slow(at, mode)
        world = runner.run(played(flow, fault))
        keys = [key.generation_id for key in (*KEYS, RIVAL) if key in world.store.saved_generations]
        assert len(keys) >= len(KEYS)
        holds = [entry.generation_id for entry in world.store.entries if entry.move is Move.HOLD]
        assert sorted(holds) == sorted(keys), f"{mode or CANCELED} {at}, {fault.struck}"
        entries = world.store.entries
        assert [each.seq for each in entries] == list(range(1, len(entries) + 1))
        assert [each.previous for each in entries[1:]] == [each.digest for each in entries[:-1]]


@pytest.mark.long
@pytest.mark.timeout(400)
@pytest.mark.parametrize("seed", range(4))
def test_groups_in_a_faulty_history(seed: int) -> None:
    """Two processes, two accounts with 60 requests each within 45 s, crashes, outages: every promise is kept."""
    simulation = Simulation(seed, users=2, generations=60, acts_s=45)
    simulation.run()
    assert simulation.world.store.groups
