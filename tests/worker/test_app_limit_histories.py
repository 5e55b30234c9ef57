"""The app's limit over random histories: three instances, writes that fail, kills, and rebuilds at any time.

Rules of this file:
1. The rows may count too much for a while, and never too little but for what a killed instance had not written, and
   for what a living one could not write yet.
2. So nothing opens past the limit, but by these two and by what was opened within 5 s.
3. When nothing moves any more, one rebuild makes the rows exact.
"""

import asyncio
import itertools
import random
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from dev.fakes.world import World
from shared.core.dependency import Dependency
from shared.core.keys import Key
from shared.core.lifecycle.generation import Generation
from shared.core.lifecycle.state import State
from shared.ports import Dependencies, Unavailable
from shared.ports.app_windows import AppRows, AppUse, TallyRow
from shared.ports.switches import RecentSwitches
from shared.worker.app_limits import FRESH, count
from shared.worker.app_rebuild import rebuild
from tests.worker.test_app_limits import ACCOUNTS, app, credits_of, instance, really_used, used

pytestmark = pytest.mark.long  # a simulation, and ten seconds of it

LIMIT = 12


@dataclass(eq=False)
class Instance:
    """One instance. Its writes may fail before or after they were made. It may be killed in one."""

    world: World
    deps: Dependencies
    fails: Callable[[], str]
    failed: bool = False
    dead: bool = False

    async def read(self) -> AppRows:
        """See ``AppWindows``."""
        return await self.world.app_windows.read()

    async def save(self, row: TallyRow) -> TallyRow:
        """See ``AppWindows``."""
        how = self.fails()
        self.failed = self.failed or bool(how)
        self.dead = self.dead or how == "kill"
        if how in ("kill", "lost"):
            raise Unavailable(Dependency.TABLES, "it is not written")
        saved = await self.world.app_windows.save(row)
        if how == "unanswered":
            raise Unavailable(Dependency.TABLES, "it is written, and the answer was lost")
        return saved

    def __getattr__(self, name: str) -> Any:
        return getattr(self.world.app_windows, name)

    def unwritten(self) -> int:
        """The credits of the holds that it has not written."""
        moves = [moved for _, moved in self.deps.app_use.pending]
        return sum(max(0, each[0]) for moved in moves for each in moved.slots.values())


@dataclass(eq=False)
class History:
    """What happens, drawn by chance, and what must hold after each event."""

    world: World
    chance: random.Random
    instances: list[Instance] = field(default_factory=list)
    opened: list[Key] = field(default_factory=list)
    killed: int = 0
    trouble: float = 0.0
    #: What no row needed to have, and what was held, each with its time.
    was: list[tuple[datetime, int]] = field(default_factory=list)
    holds: list[tuple[datetime, int]] = field(default_factory=list)
    numbers: Iterator[int] = field(default_factory=itertools.count)

    def start(self) -> Instance:
        """A new instance, which knows nothing."""
        new = Instance(self.world, self.world.deps, self._fails)
        changed = {"app_use": AppUse(), "recent_switches": RecentSwitches(), "app_windows": new}
        new.deps = replace(self.world.deps, **changed)  # type: ignore[arg-type]
        return new

    def _fails(self) -> str:
        if self.chance.random() >= self.trouble:
            return ""
        return self.chance.choice(("lost", "lost", "lost", "lost", "unanswered", "kill"))

    async def event(self) -> None:
        """One request, one end, or some time."""
        one = self.chance.choice(self.instances)
        act = self.chance.random()
        if act < 0.45:
            await self._asks(one)
        elif act < 0.75 and self.opened:
            await self._ends(one)
        else:
            self.world.pass_time(self.chance.choice((0.2, 0.2, 1, 1, 3, 5, 20, 60)))
        if one.dead:
            self.killed += one.unwritten()
            self.instances[self.instances.index(one)] = self.start()
        self.was.append((self.world.now(), self.allowed()))
        missing = self.real() - credits_of(await used(self.world))
        assert missing <= self.allowed(), "the rows count too little"

    def real(self) -> int:
        """What is really used or held."""
        return credits_of(really_used(self.world))

    def allowed(self) -> int:
        """What no row need have: of killed instances, and of writes that failed."""
        return self.killed + sum(each.unwritten() for each in self.instances)

    async def _by(self, one: Instance, act: Awaitable[None]) -> None:
        before, self.world.deps, one.failed = self.world.deps, one.deps, False
        moves = len(self.world.store.entries)
        await act
        self.world.deps = before
        moved = len(self.world.store.entries) > moves and one.deps.recent_switches.known_limits.limits
        assert one.failed or not moved or not one.deps.app_use.pending, "a move is written at once"

    async def _asks(self, one: Instance) -> None:
        key = Key(self.chance.choice(ACCOUNTS), f"g{next(self.numbers)}")
        before, since = self.real(), self.world.now() - FRESH
        await self._by(one, self.world.ask(key, num_outputs=self.chance.choice((1, 2, 2))))
        if self.world.saved(key).state is not State.RUNNING:
            return
        self.opened.append(key)
        cost = self.world.generation(key).held_credits
        lately = sum(held for at, held in self.holds if at >= since)
        unwritten = max(
            [*(each for at, each in self.was if at >= since), *(each for _, each in self.was[-1:])], default=0
        )
        assert before - lately - unwritten + cost <= LIMIT, "it opened past the limit"
        self.holds.append((self.world.now(), cost))

    async def _ends(self, one: Instance) -> None:
        key = self.opened.pop(self.chance.randrange(len(self.opened)))
        generation = self.world.saved(key)
        assert isinstance(generation, Generation)
        prediction_id = generation.attempt.prediction_id or ""
        if self.chance.random() < 0.7:
            self.world.replicate.fail(prediction_id, "NSFW content detected")
        else:
            self.world.replicate.succeed(prediction_id)
        await self._by(one, self.world.webhook(prediction_id))

    async def rebuilds(self, *, calm: bool = False) -> None:
        """The timer of an instance rebuilds. Unless it is calm, others go on at each of its steps."""
        store, deps, one_after_another = self.world.store, instance(self.world), asyncio.Lock()

        async def goes_on() -> None:
            async with one_after_another:
                for _ in range(0 if calm else self.chance.choice((0, 0, 0, 1, 3))):
                    await self.event()

        async def load_account(account_id: str) -> Any:
            await goes_on()
            found = await store.load_account(account_id)
            await goes_on()
            return found

        async def sleep(seconds: float) -> None:
            ends = self.world.now() + timedelta(seconds=seconds)
            await goes_on()
            self.world.time = max(self.world.time, ends)

        await rebuild(replace(deps, store=_Loading(store, load_account), sleep=sleep))  # type: ignore[arg-type]

    async def rests(self) -> None:
        """Everybody writes what he has, and the rebuild makes the rows exact."""
        self.trouble = 0
        for each in self.instances:
            await count(each.deps, [])
        self.world.pass_time(60)
        await self.rebuilds(calm=True)
        assert await used(self.world) == really_used(self.world).aged(self.world.now()), "the rows are not exact"
        self.killed = 0


@dataclass(frozen=True)
class _Loading:
    """A store whose reads of accounts take their time."""

    store: Any
    load_account: Callable[[str], Awaitable[Any]]

    def __getattr__(self, name: str) -> Any:
        return getattr(self.store, name)


@pytest.mark.parametrize("seed", [*range(120), 1397])
async def test_the_limit_is_exceeded_by_no_more_than_is_promised(seed: int) -> None:
    """Whatever comes between: pending writes, kills, lost answers, and a rebuild at any time."""
    history = History(await app(LIMIT), random.Random(seed))
    history.instances += [history.start() for _ in range(3)]
    for _ in range(4):
        history.trouble = history.chance.choice((0, 0.1, 0.3, 0.5))
        for _ in range(history.chance.randint(5, 25)):
            await history.event()
            if history.chance.random() < 0.25:
                await history.rebuilds()
        if history.chance.random() < 0.5:
            await history.rests()
        history.world.pass_time(history.chance.choice((0, 0, 500, 1500)))
    await history.rests()
