"""An account is noted before its first move of a day, and no later move of that day writes a row."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

import pytest

from dev.fakes.store import FakeStore
from dev.fakes.world import KEY, START, World
from shared import worker
from shared.core.dependency import Dependency
from shared.core.keys import Key
from shared.core.lifecycle.generation import AnyGeneration, Transition
from shared.core.lifecycle.state import State
from shared.ports import Loaded, NotedToday, Unavailable
from shared.ports.moved import MOST_REMEMBERED

TODAY = START.date()


async def test_an_account_is_noted_once_a_day(world: World) -> None:
    """A grant, a plan, a hold and its resolve are one row and one write."""
    await world.ask()
    await world.pump()
    world.replicate.succeed(world.replicate.only_id)
    await world.webhook(world.replicate.only_id)
    assert (world.moved.rows, world.moved.writes) == ({TODAY: {"ada"}}, 1)


async def test_a_move_of_the_next_day_is_noted_again(world: World) -> None:
    """The day is that of UTC."""
    world.time = START.replace(hour=23, minute=59, second=59)
    await worker.grant(world.deps, "ada", 1, grant_id="late")
    world.pass_time(1)
    await worker.grant(world.deps, "ada", 1, grant_id="early")
    assert world.moved.rows == {TODAY: {"ada"}, TODAY + timedelta(days=1): {"ada"}}
    assert world.moved.writes == 2


async def test_each_instance_notes_for_itself(world: World) -> None:
    """An instance that has just started does not know what the others have written."""
    for noted in (NotedToday(), NotedToday()):
        await worker.grant(replace(world.deps, noted_today=noted), "ada", 1, grant_id=f"of-{id(noted)}")
    assert (world.moved.rows, world.moved.writes) == ({TODAY: {"ada"}}, 3)


@pytest.mark.parametrize("way", ["grant", "request", "refund"])
async def test_nothing_moves_before_it_is_noted(world: World, way: str) -> None:
    """If the row cannot be written, no credit moves, on any way on which credits move."""
    if way == "refund":
        await world.ask()
        await world.pump()
        world.replicate.succeed(world.replicate.only_id)
        await world.webhook(world.replicate.only_id)
    world.pass_time(86400)
    before = world.account()

    async def down(*_: object) -> None:
        raise Unavailable(Dependency.TABLES, "the test says so")

    world.moved.note = down  # type: ignore[assignment, method-assign]  # a table that is down
    if way == "request":
        await world.ask(Key("ada", "two"))
        assert world.messenger.scheduled
    else:
        acts = {
            "refund": lambda: worker.refund(world.deps, KEY, 1, worker.Command(command_id="later")),
            "grant": lambda: worker.grant(world.deps, "ada", 1, grant_id="later"),
        }
        with pytest.raises(Unavailable):
            await acts[way]()
    assert world.account() == before


class OverMidnight(FakeStore):
    """A store whose first move takes until the next day. It keeps which accounts were noted as a group was saved."""

    def __init__(self, world: World) -> None:
        super().__init__()
        vars(self).update(vars(world.store))
        self._world = world
        self.noted: list[set[str]] = []

    async def commit(self, loaded: Loaded, transition: Transition[AnyGeneration]) -> Loaded:
        """See ``Store``."""
        if not self.noted:
            for _ in range(50):
                await asyncio.sleep(0)
            self._world.time = START + timedelta(days=1)
        return await super().commit(loaded, transition)

    async def commit_group(self, group: Sequence[tuple[Loaded, Transition[AnyGeneration]]]) -> list[Loaded]:
        """See ``Store``."""
        self.noted.append(set(self._world.moved.rows.get(self._world.now().date(), set())))
        return await super().commit_group(group)


async def test_no_group_moves_before_it_is_noted(world: World) -> None:
    """Moves that a process has at hand are saved together, on a day on which the account was not noted yet."""
    store = OverMidnight(world)
    world.deps = replace(world.deps, store=store)
    await asyncio.gather(*(world.ask(Key("ada", f"g{number}")) for number in range(5)))
    assert store.noted
    assert all(noted == {"ada"} for noted in store.noted)
    assert world.balances() == (5, 5, 0)


async def test_a_save_without_a_move_is_not_noted(world: World) -> None:
    """A generation that only begins to run moves no credit."""
    await world.ask()
    world.time = START + timedelta(days=1)
    world.replicate.start(world.replicate.only_id)
    await world.webhook(world.replicate.only_id)
    assert world.generation().state is State.RUNNING
    assert (world.moved.rows, world.moved.writes) == ({TODAY: {"ada"}}, 1)


def test_memory_is_bounded_and_of_one_day() -> None:
    """Beyond the bound all are forgotten: a row more is written, never one less."""
    noted = NotedToday()
    for each in range(MOST_REMEMBERED):
        noted.add(str(each), TODAY)
    assert noted.has("0", TODAY)
    assert not noted.has("0", TODAY + timedelta(days=1))
    noted.add("one more", TODAY)
    assert noted.has("one more", TODAY)
    assert not noted.has("0", TODAY)
    noted.add("tomorrow", TODAY + timedelta(days=1))
    assert not noted.has("one more", TODAY)
