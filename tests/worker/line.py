"""A store whose commits can be stopped, and calls that wait in line for it: for tests of groups of moves."""

import asyncio
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass, field
from typing import Any

from dev.fakes.store import FakeStore
from dev.fakes.world import World
from shared.core.keys import Key
from shared.core.lifecycle.generation import AnyGeneration, Generation, Transition
from shared.core.money.entries import Move
from shared.ports import Dependencies, Loaded
from shared.worker.saving import Absent, Changed, Unchanged, save
from tests.adapters.examples import opening

Saving = Changed[Any] | Unchanged[Any] | Absent
Group = Sequence[tuple[Loaded, Transition[AnyGeneration]]]


class RefusedError(Exception):
    """A store that does not take a row."""


@dataclass
class Line(FakeStore):
    """A store whose commits stop before and after they are made, until they are let go."""

    steps: bool = False
    #: Raised in place of the next commits of groups; ``after``: once they are made.
    fails: list[BaseException] = field(default_factory=list)
    after: bool = False
    refused: set[Key] = field(default_factory=set)
    tried: list[int] = field(default_factory=list)
    loads: int = 0
    at: asyncio.Event = field(default_factory=asyncio.Event)
    go: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        FakeStore.__init__(self)

    async def load(self, key: Key, version: str = "") -> Loaded:
        """Counted."""
        self.loads += 1
        return await FakeStore.load(self, key, version)

    async def commit(self, loaded: Loaded, transition: Transition[AnyGeneration]) -> Loaded:
        """A single move."""
        if transition.account is not None:
            await self._stop(1)
            self._refuse([(loaded, transition)])
        return await FakeStore.commit(self, loaded, transition)

    async def commit_group(self, group: Group) -> list[Loaded]:
        """A group."""
        await self._stop(len(group))
        self._refuse(group)
        if self.fails and not self.after:
            raise self.fails.pop()
        saved = await FakeStore.commit_group(self, group)
        if self.fails:
            raise self.fails.pop()
        return saved

    async def _stop(self, size: int) -> None:
        self.tried.append(size)
        if self.steps:
            self.at.set()
            await self.go.wait()
            self.go.clear()

    def _refuse(self, group: Group) -> None:
        if self.refused & {made.generation.key for _, made in group}:
            raise RefusedError


def keys_of(number: int) -> list[Key]:
    """So many generations of ada's."""
    return [Key("ada", f"g{each}") for each in range(number)]


async def hold(deps: Dependencies, key: Key, amount: int = 1) -> Saving:
    """A call that opens a generation, unless there is one."""

    def decide(loaded: Loaded) -> Transition[Generation] | None:
        assert loaded.account is not None
        return None if loaded.generation else opening(key, loaded.account, amount, loaded.user)

    return await save(deps, key, decide, await deps.store.load(key))


async def held(line: Line, calls: Sequence[Coroutine[Any, Any, Saving]]) -> list["asyncio.Task[Saving]"]:
    """The first call is in its commit, and all others wait for it."""
    line.steps = True
    tasks = [asyncio.create_task(each) for each in calls]
    await line.at.wait()
    for _ in range(5):
        await asyncio.sleep(0)
    line.steps = False
    return tasks


async def let_go(line: Line, tasks: Sequence["asyncio.Task[Saving]"]) -> list[Saving | BaseException]:
    """Let the commit end that is held, and wait for all."""
    line.go.set()
    async with asyncio.timeout(5):
        return await asyncio.gather(*tasks, return_exceptions=True)


def sound(world: World, opened: Sequence[Key]) -> None:
    """These have opened, each with one hold, in one chain; nothing else has, and nobody waits any more."""
    assert {entry.generation_id for entry in world.store.entries if entry.move is Move.HOLD} == {
        key.generation_id for key in opened
    }
    assert world.account().held == len(opened)
    assert set(world.store.saved_generations) == set(opened)
    assert world.deps.pending.of("ada") is None
    entries = world.store.entries
    assert [each.seq for each in entries] == list(range(1, len(entries) + 1))
    assert [each.previous for each in entries[1:]] == [each.digest for each in entries[:-1]]
