"""One process of the crowd: it opens generations and ends each a second later, and measures its moves.

Rules of this file:
1. What is saved is what the message handler saves: a generation that opens with its hold, that is RUNNING, and that
   succeeds. There is no message, no screening and no provider.
2. Each process first warms up on an account of its own. First runs take twice as long, in a process as in Azurite,
   and they are not what is measured.
3. Generations begin at their times, however long others take. A move that finds the tables unavailable is retried.
"""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from multiprocessing.connection import Connection
from multiprocessing.sharedctypes import SynchronizedArray
from typing import TypeAlias

from dev.crowd.figures import LIFE_S, Load, Report
from dev.crowd.wire import Partition, Wire
from dev.fakes.world import World
from shared import worker
from shared.adapters.azure_storage.access import StorageAccount
from shared.adapters.azure_storage.tables import TableService, TableStore
from shared.core.catalog.choosing import quote
from shared.core.keys import Key
from shared.core.lifecycle import opening, transitions
from shared.core.lifecycle.generation import AnyGeneration, Generation, Transition, ended
from shared.core.lifecycle.state import State
from shared.core.metric import Metric
from shared.core.money.payer import Payer
from shared.core.requests.messages import GenerationRequest
from shared.ports import Dependencies, Loaded, Unavailable
from shared.worker.saving import advance, payer_of, save

ACCOUNT = "crowd"

Since: TypeAlias = Callable[[], float]
Sleep: TypeAlias = Callable[[float], Awaitable[None]]

#: The number of warm-up generations.
_FIRST = 15

#: A move that is deferred is retried after so many seconds.
_AGAIN_S = 1.0


@dataclass(frozen=True, slots=True)
class Place:
    """Which process of the crowd it is, and where it writes. ``began_s`` is when all begin, by the monotonic clock."""

    number: int
    load: Load
    connection_string: str
    table: str
    began_s: float


@dataclass(slots=True)
class Tally:
    """What a process notes. ``late_s`` is the most by which a generation began late."""

    moves_s: list[float] = field(default_factory=list)
    late_s: float = 0.0
    deferred: int = 0


def begin(place: Place, seconds: "SynchronizedArray[int]", answer: Connection) -> None:
    """Run one process, and send its report to ``answer``."""
    answer.send(asyncio.run(_run(place, Wire(Partition(seconds, place.began_s)))))


def dependencies(store: TableStore) -> Dependencies:
    """The dependencies of a process: of a world whose store is the real one, with a clock and chance of its own."""
    world = World()
    chance = random.Random().random
    return replace(world.deps, store=store, now=_now, sleep=asyncio.sleep, chance=chance)


def _now() -> datetime:
    return datetime.now(UTC)


async def _warm_up(place: Place) -> None:
    """Some generations of an account of its own, not counted."""
    service = TableService(StorageAccount.by_string(place.connection_string, "table"))
    deps, account = dependencies(TableStore(service, place.table)), f"{ACCOUNT}{place.number}"
    await worker.grant(deps, account, _FIRST, grant_id="first")
    await worker.set_plan(deps, account, "premium", worker.Command(command_id="first"))
    async with asyncio.TaskGroup() as group:
        for number in range(_FIRST):
            group.create_task(_begin(deps, Key(account, f"f{number}", account), time.monotonic(), Tally()))
    await service.close()


async def _run(place: Place, wire: Wire) -> Report:
    await _warm_up(place)
    service = TableService(StorageAccount.by_string(place.connection_string, "table"), middlewares=(wire,))
    deps, tally = dependencies(TableStore(service, place.table)), Tally()
    await asyncio.sleep(max(0.0, place.began_s - time.monotonic()))
    cpu_s = time.process_time()
    async with asyncio.TaskGroup() as group:
        for key, at_s in times(place.load, place.number):
            group.create_task(_begin(deps, key, place.began_s + at_s, tally))
    cpu_s = time.process_time() - cpu_s
    await service.close()
    return Report(
        moves_s=tuple(tally.moves_s),
        late_s=tally.late_s,
        cpu_s=cpu_s,
        requests=wire.requests,
        transactions=wire.transactions,
        refused=wire.refused,
        conflicts=int(deps.telemetry.total(Metric.CONFLICTS)),  # type: ignore[attr-defined]  # the world's telemetry
        deferred=tally.deferred,
    )


def times(load: Load, number: int) -> list[tuple[Key, float]]:
    """The generations of one process, and when each begins."""
    mine = range(number, load.generations, load.processes)
    users = [f"user{each}" for each in range(load.users)] or [ACCOUNT]
    return [
        (Key(users[each % len(users)], f"g{each}", ACCOUNT), 0.0 if load.at_once else each / load.rate) for each in mine
    ]


async def _begin(deps: Dependencies, key: Key, at_s: float, tally: Tally) -> None:
    await asyncio.sleep(at_s - time.monotonic())
    await live(deps, key, lambda: time.monotonic() - at_s, tally, asyncio.sleep)


async def live(deps: Dependencies, key: Key, since_s: Since, tally: Tally, sleep: Sleep) -> None:
    """One generation: it opens, runs and succeeds. ``since_s`` is how long ago it was to begin."""
    tally.late_s = max(tally.late_s, since_s())
    await _timed(lambda: _open(deps, key), since_s, tally, sleep)
    await sleep(LIFE_S)
    await _timed(lambda: _end(deps, key), since_s, tally, sleep)


async def _timed(move: Callable[[], Awaitable[None]], since_s: Since, tally: Tally, sleep: Sleep) -> None:
    began_s = since_s()
    while True:
        try:
            await move()
        except Unavailable:
            tally.deferred += 1
            await sleep(_AGAIN_S)
        else:
            break
    tally.moves_s.append(since_s() - began_s)


async def _open(deps: Dependencies, key: Key) -> None:
    request = GenerationRequest(key=key, prompt="A lighthouse at night, with a storm coming up", model="flux-schnell")
    quoted = quote(deps.catalog, request, deps.plans["premium"])  # once, as before a request's screening

    def decide(loaded: Loaded) -> Transition[AnyGeneration] | None:
        if loaded.generation is not None:
            return None
        payer = payer_of(deps, loaded)
        return opening.opened(request, payer, deps.catalog, quoted, seed=7, now=deps.now())

    await save(deps, key, decide, await deps.store.load(key))


async def _end(deps: Dependencies, key: Key) -> None:
    def runs(found: Generation, _: Payer | None) -> Transition[Generation] | None:
        return transitions.adopted(found, found.attempt.number, f"p-{key.generation_id}")

    def succeeds(found: Generation, payer: Payer | None) -> Transition[Generation] | None:
        if found.state is not State.RUNNING:
            return None
        return ended(found, payer, State.SUCCEEDED, None, deps.now(), captured=found.held_credits)

    loaded = await deps.store.load(key)
    running = await advance(deps, key, runs, loaded)
    await advance(deps, key, succeeds, running.loaded)
