"""The same crowd on virtual time: the real code that saves, and a store in memory that is a network away.

Rules of this file:
1. A request takes 15 ms, and what an unhurried service needs (5 ms, and 0.3 ms for each further row). It happens in the
   middle of that time.
2. A process needs 2.5 ms to decide a move and to write its rows, as much as one on a busy machine. So a large group is
   late where rivals are, as in real time.
3. The same seed gives the same figures, on any machine.
"""

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any, TypeVar

from dev.crowd.figures import MOST_SERVED, Figures, Load, Report
from dev.crowd.process import ACCOUNT, Tally, live, times
from dev.crowd.running import read_back
from dev.crowd.wire import DELAY_S
from dev.fakes.store import FakeStore, fit
from dev.fakes.telemetry import FakeTelemetry
from dev.fakes.world import START, World
from dev.simulation.clockwork import Call, Clockwork, Pause, Process
from dev.simulation.effects import run
from shared import worker
from shared.adapters.azure_storage.tables.rest_client import PAUSES_S
from shared.core.dependency import Dependency
from shared.core.keys import Key
from shared.core.lifecycle.generation import AnyGeneration, Transition
from shared.core.metric import Metric
from shared.core.money.account import Account, User
from shared.core.money.entries import LedgerEntry
from shared.ports import Dependencies, Loaded, Unavailable

T = TypeVar("T")
Group = Sequence[tuple[Loaded, Transition[AnyGeneration]]]

#: What the service needs for a request, and for each further row.
_SERVICE_S, _ROW_S = 0.005, 0.0003

#: What a process needs to decide a move and to write its rows.
_MOVE_S = 0.0025


class DistantStore(FakeStore):
    """A store in memory that is a network away, with the bound of a partition."""

    def __init__(self, world: World) -> None:
        super().__init__()
        self._world = world
        self._posted: set[tuple[object, ...]] = set()
        self.served: Counter[int] = Counter()
        self.requests = self.transactions = self.refused = 0

    async def load(self, key: Key, version: str = "") -> Loaded:
        """Two reads, and one each for another user and a version."""
        reads = 2 + (key.user_id != key.account_id) + bool(version)
        return await self._request([1] * reads, lambda: FakeStore.load(self, key, version))

    async def load_payers(
        self, account_id: str, user_ids: Sequence[str]
    ) -> tuple[tuple[Account | None, str], list[tuple[User | None, str]]]:
        """A read for each."""
        return await self._request([1] * (1 + len(user_ids)), lambda: FakeStore.load_payers(self, account_id, user_ids))

    async def commit(self, loaded: Loaded, transition: Transition[AnyGeneration]) -> Loaded:
        """One transaction, or one write."""
        await Pause(_MOVE_S)
        rows = 1 + (transition.account is not None) + (transition.user is not None) + 2 * len(transition.entries)
        return await self._request([rows], lambda: FakeStore.commit(self, loaded, transition))

    async def commit_group(self, group: Group) -> list[Loaded]:
        """One transaction."""
        await Pause(_MOVE_S * len(group))
        group = group[: fit(group, self.most_rows)]
        users = {made.user.user_id for _, made in group if made.user is not None}
        rows = 1 + len(users) + sum(1 + 2 * len(made.entries) for _, made in group)
        return await self._request([rows], lambda: FakeStore.commit_group(self, group))

    def _put(self, account: Account | None, user: User | None, entries: Sequence[LedgerEntry]) -> None:
        super()._put(account, user, entries)
        for entry in entries:
            self._posted |= set(_names(entry))

    def _is_posted(self, entry: LedgerEntry) -> bool:
        return not self._posted.isdisjoint(_names(entry))

    async def _request(self, rows: Sequence[int], act: Callable[[], Awaitable[T]]) -> T:
        """Concurrent requests of so many rows each. Repeated after a 503 as the transport does."""
        for pause_s in (*PAUSES_S, None):
            self.requests += len(rows)
            self.transactions += max(rows) > 1
            half_s = (DELAY_S + _SERVICE_S + _ROW_S * max(rows)) / 2
            await Pause(half_s)
            if self._serves(sum(rows)):
                try:
                    return await act()
                finally:
                    await Pause(half_s)
            self.refused += 1
            await Pause(half_s + (pause_s or 0))
        raise Unavailable(Dependency.TABLES, "busy")

    def _serves(self, entities: int) -> bool:
        second = int((self._world.time - START).total_seconds())
        if self.served[second] + entities > MOST_SERVED:
            return False
        self.served[second] += entities
        return True


def _names(entry: LedgerEntry) -> tuple[tuple[object, ...], ...]:
    return (entry.account_id, entry.seq), (entry.account_id, entry.move, entry.entry_id)


def simulated(load: Load, seed: int = 1) -> Figures:
    """Run a crowd on virtual time."""
    world, chance = World(), random.Random(seed)
    run(_given(world, load))
    world.time = START
    store = DistantStore(world)
    for name in ("saved_accounts", "entries", "_etags"):
        setattr(store, name, getattr(world.store, name))
    clock, tallies, left = Clockwork(world, load.processes), [], Counter[str]()
    for process in clock.processes:
        telemetry = FakeTelemetry()
        deps = _of_process(world, store, process, telemetry, chance)
        tally = Tally()
        tallies.append((tally, telemetry))
        for key, at_s in times(load, process.number):
            left["lives"] += 1
            _plan(clock, process, key, at_s, live(deps, key, lambda at_s=at_s: _since(world, at_s), tally, Pause), left)  # type: ignore[misc]  # the default binds
    while left["lives"]:
        clock.next()
    return _figures(load, world, store, tallies)


async def _given(world: World, load: Load) -> None:
    await worker.grant(world.deps, ACCOUNT, load.generations, grant_id="crowd")
    await worker.set_plan(world.deps, ACCOUNT, "premium", worker.Command(command_id="crowd"))


def _since(world: World, at_s: float) -> float:
    return (world.time - START).total_seconds() - at_s


def _of_process(
    world: World, store: DistantStore, process: Process, telemetry: FakeTelemetry, chance: random.Random
) -> Dependencies:
    return replace(
        world.deps, store=store, pending=process.pending, telemetry=telemetry, sleep=Pause, chance=chance.random
    )


def _plan(
    clock: Clockwork, process: Process, key: Key, at_s: float, life: Coroutine[Any, Any, None], left: Counter[str]
) -> None:
    def done(error: BaseException | None) -> None:
        left["lives"] -= 1
        if error is not None:
            raise error

    clock.plan(at_s, lambda: clock.start(process, Call(life, str(key), done)))


def _figures(load: Load, world: World, store: DistantStore, tallies: Sequence[tuple[Tally, FakeTelemetry]]) -> Figures:
    reports = [
        Report(
            moves_s=tuple(tally.moves_s),
            late_s=0.0,
            cpu_s=0.0,
            requests=store.requests if number == 0 else 0,
            transactions=store.transactions if number == 0 else 0,
            refused=store.refused if number == 0 else 0,
            conflicts=int(telemetry.total(Metric.CONFLICTS)),
            deferred=tally.deferred,
        )
        for number, (tally, telemetry) in enumerate(tallies)
    ]
    took_s = (world.time - START) / timedelta(seconds=1)
    figures = Figures(
        load=load,
        took_s=took_s,
        reports=tuple(reports),
        entities=tuple(store.served[second] for second in range(int(took_s) + 1)),
        azurite_cpu_s=0.0,
    )
    return asyncio.run(read_back(replace(world.deps, store=store), figures))
