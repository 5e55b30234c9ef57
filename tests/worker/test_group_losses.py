"""Groups of moves that lose their answer, their leader or a race: each call hears of its own move."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from dev.fakes.world import World
from shared import worker
from shared.core.dependency import Dependency
from shared.ports import Conflict, PendingMoves, Unavailable
from shared.worker.saving import Changed, Unchanged
from tests.worker.line import Line, Saving, held, hold, keys_of, let_go, sound


@pytest.mark.parametrize("after", [False, True])
async def test_no_answer_to_a_group_is_no_answer_to_each(world: World, line: Line, *, after: bool) -> None:
    """Each message is deferred; delivered again it finds what became of its own move."""
    line.fails, line.after = [Unavailable(Dependency.TABLES, "the answer was lost")], after
    tasks = await held(line, [hold(world.deps, key) for key in keys_of(4)])
    results = await let_go(line, tasks)
    assert [type(each) for each in results] == [Changed, Unavailable, Unavailable, Unavailable]
    again = [await hold(world.deps, key) for key in keys_of(4)]
    assert [type(each) for each in again[1:]] == [Unchanged if after else Changed] * 3
    sound(world, keys_of(4))


@pytest.mark.parametrize("after", [False, True])
async def test_a_leader_that_is_canceled_leaves_each_to_save_its_own(world: World, line: Line, *, after: bool) -> None:
    """In the midst of the group's commit, made or not: every other call hears that its move is saved, by whom ever."""
    line.fails, line.after = [asyncio.CancelledError()], after
    tasks = await held(line, [hold(world.deps, key) for key in keys_of(5)])
    results = await let_go(line, tasks)
    assert [type(each) for each in results] == [Changed, asyncio.CancelledError, Changed, Changed, Changed]
    assert line.tried[:2] == [1, 4]
    assert set(line.tried[2:]) <= {1}
    sound(world, keys_of(5) if after else [key for key in keys_of(5) if key.generation_id != "g1"])


async def test_a_canceled_call_leaves_the_line(world: World, line: Line) -> None:
    """One that waits is not saved; the others are."""
    tasks = await held(line, [hold(world.deps, key) for key in keys_of(4)])
    tasks[1].cancel()
    await asyncio.sleep(0)
    results = await let_go(line, tasks)
    assert [type(each) for each in results] == [Changed, asyncio.CancelledError, Changed, Changed]
    assert line.tried == [1, 2]
    sound(world, [key for key in keys_of(4) if key.generation_id != "g1"])


async def test_a_call_that_is_canceled_while_moves_are_gathered_is_not_saved(world: World, line: Line) -> None:
    """The leader waits for more moves, and one that waits with it goes away."""
    world.deps.pending.rivals.met("ada", world.time)
    tasks: list[asyncio.Task[Saving]] = []

    async def sleep(_: float) -> None:
        for _ in range(5):
            await asyncio.sleep(0)
        tasks[1].cancel()
        await asyncio.sleep(0)

    deps = replace(world.deps, sleep=sleep)
    tasks += [asyncio.create_task(hold(deps, key)) for key in keys_of(3)]
    results = await let_go(line, tasks)
    assert [type(each) for each in results] == [Changed, asyncio.CancelledError, Changed]
    assert line.tried == [2]
    sound(world, [key for key in keys_of(3) if key.generation_id != "g1"])


async def test_a_call_that_is_canceled_when_its_turn_has_come_hands_over(world: World, line: Line) -> None:
    """It was to lead, and has not begun."""
    tasks = await held(line, [hold(world.deps, key) for key in keys_of(4)])
    moves = world.deps.pending.of("ada")
    assert moves is not None
    second = moves.waiting[1]
    line.go.set()
    for _ in range(20):
        await asyncio.sleep(0) if not second.leads else None
    assert second.leads
    assert not tasks[1].done()
    tasks[1].cancel()
    results = await let_go(line, tasks)
    assert [type(each) for each in results] == [Changed, asyncio.CancelledError, Changed, Changed]
    sound(world, [key for key in keys_of(4) if key.generation_id != "g1"])


async def test_a_call_that_is_canceled_while_another_saves_its_move_is_saved(world: World, line: Line) -> None:
    """Nobody hears it, and the message's next delivery finds it."""
    tasks = await held(line, [hold(world.deps, key) for key in keys_of(4)])
    line.at.clear()
    line.steps = True
    line.go.set()
    await line.at.wait()  # the group of three is being saved
    tasks[2].cancel()
    await asyncio.sleep(0)
    results = await let_go(line, tasks)
    assert [type(each) for each in results] == [Changed, Changed, asyncio.CancelledError, Changed]
    assert isinstance(await hold(world.deps, keys_of(4)[2]), Unchanged)
    sound(world, keys_of(4))


async def test_a_lost_try_reads_the_account_once_for_the_group(world: World, line: Line) -> None:
    """A rival of another process moves the account while the group is saved."""
    rival = replace(world.deps, pending=PendingMoves())
    keys = keys_of(5)
    tasks = await held(line, [hold(world.deps, key) for key in keys[:4]])
    line.at.clear()
    line.steps = True
    line.go.set()
    await line.at.wait()  # the group of three
    line.steps = False
    loads = line.loads
    await hold(rival, keys[4])
    results = await let_go(line, tasks)
    assert {type(each) for each in results} == {Changed}
    assert line.loads == loads + 1  # the rival's own
    assert line.tried == [1, 3, 1, 3]
    assert world.telemetry.total("darkroom.conflicts") == 1
    sound(world, keys)


async def test_a_generation_that_changed_costs_the_others_no_more_than_a_try(world: World, line: Line) -> None:
    """Another process has opened one of the group: its call finds that, the others are saved."""
    rival = replace(world.deps, pending=PendingMoves())
    keys = keys_of(4)
    tasks = await held(line, [hold(world.deps, key) for key in keys])
    line.at.clear()
    line.steps = True
    line.go.set()
    await line.at.wait()
    line.steps = False
    await hold(rival, keys[2])
    results = await let_go(line, tasks)
    assert [type(each) for each in results] == [Changed, Changed, Unchanged, Changed]
    sound(world, keys)


async def test_a_large_group_comes_again_smaller(world: World, line: Line) -> None:
    """33 at hand, and a rival is faster: 12 of them, then the others, in groups of 24 at most."""
    await worker.grant(world.deps, "ada", 100, grant_id="more")
    rival = replace(world.deps, pending=PendingMoves())
    keys = keys_of(41)
    line.tried.clear()
    tasks = await held(line, [hold(world.deps, key) for key in keys[:40]])
    line.at.clear()
    line.steps = True
    line.go.set()
    await line.at.wait()  # the group of 33
    line.steps = False
    await hold(rival, keys[40])
    results = await let_go(line, tasks)
    assert {type(each) for each in results} == {Changed}
    assert line.tried == [1, 33, 1, 12, 24, 3]
    assert world.account().held == 41


async def test_what_was_gathered_is_saved_together_where_no_rival_came(world: World, line: Line) -> None:
    """Those that wait for the next save are one group, though the account is as this process left it."""
    world.deps.pending.rivals.met("ada", world.time)
    tasks = await held(line, [hold(world.deps, key) for key in keys_of(1)])
    tasks += [asyncio.create_task(hold(world.deps, key)) for key in keys_of(5)[1:]]
    results = await let_go(line, tasks)
    assert {type(each) for each in results} == {Changed}
    assert sum(line.tried) == 5
    assert len(line.tried) <= 2
    sound(world, keys_of(5))


async def test_moves_are_gathered_where_rivals_were_met(world: World, line: Line) -> None:
    """After a lost try the next first save waits, and takes with it what has come meanwhile."""
    world.deps.pending.rivals.met("ada", world.time)
    began = world.time

    async def sleep(seconds: float) -> None:
        world.pass_time(seconds)
        for _ in range(5):
            await asyncio.sleep(0)

    deps = replace(world.deps, sleep=sleep)
    await asyncio.gather(*(hold(deps, key) for key in keys_of(3)))
    assert world.time - began == timedelta(seconds=0.1)  # half of 0.2: chance is even here
    assert line.tried == [3]
    sound(world, keys_of(3))


async def test_a_group_that_always_loses_gives_up(world: World, line: Line) -> None:
    """After 30 tries the leader's message is deferred, and the next one tries."""
    tasks = await held(line, [hold(world.deps, key) for key in keys_of(3)])
    line.fails = [Conflict() for _ in range(30)]
    real = world.deps.store.load_payers

    async def moved_by_a_rival(account_id: str, user_ids: Sequence[str]) -> Any:
        line.put_account(world.account())  # a new ETag
        return await real(account_id, user_ids)

    line.load_payers = moved_by_a_rival  # type: ignore[method-assign]  # this test's rival
    results = await let_go(line, tasks)
    assert [type(each) for each in results] == [Changed, Unavailable, Changed]
    assert line.tried[:31] == [1, *[2] * 30]
    assert world.deps.pending.of("ada") is None
