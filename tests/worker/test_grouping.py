"""Moves of one account that calls of one process have at hand: saved as one group, and each call hears of its own."""

import asyncio
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

import pytest

from dev.fakes.messenger import REQUESTS
from dev.fakes.store import FakeStore
from dev.fakes.world import FROM_THE_APP, START, World
from shared import worker
from shared.core.dependency import Dependency
from shared.core.keys import Key
from shared.core.lifecycle.generation import AnyGeneration, Generation, Transition
from shared.core.lifecycle.state import State
from shared.core.money.entries import Move
from shared.core.reasons import Reason
from shared.core.requests.messages import GenerationRequest
from shared.ports import Conflict, Dependencies, Loaded, PendingMoves, Unavailable
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


@pytest.fixture
def line(world: World) -> Line:
    """The world's store, which can stop."""
    made = Line()
    vars(made).update({name: each for name, each in vars(world.store).items() if name not in ("steps", "fails")})
    world.store = made
    world.deps = replace(world.deps, store=made)
    return made


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


async def test_a_move_alone_is_one_commit_on_what_was_read(world: World, line: Line) -> None:
    """As without groups: one load, one commit, no pause."""
    await hold(world.deps, keys_of(1)[0])
    assert (line.tried, line.loads, line.groups) == ([1], 1, [])
    assert world.time == START
    sound(world, keys_of(1))


async def test_what_waits_is_saved_together(world: World, line: Line) -> None:
    """The first saves its own; one of the others saves all that came meanwhile, and nobody reads again."""
    tasks = await held(line, [hold(world.deps, key) for key in keys_of(6)])
    results = await let_go(line, tasks)
    assert line.tried == [1, 5]
    assert line.loads == 6
    for key, result in zip(keys_of(6), results, strict=True):
        assert isinstance(result, Changed)
        assert result.generation == world.saved(key)
        assert result.loaded.generation_etag
    sound(world, keys_of(6))


async def test_a_hundred_at_once_need_four_transactions(world: World, line: Line) -> None:
    """Each is in a group of as many as fit, and no try is lost."""
    await worker.grant(world.deps, "ada", 100, grant_id="more")
    line.tried.clear()
    results = await asyncio.gather(*(hold(world.deps, key) for key in keys_of(100)))
    assert {type(each) for each in results} == {Changed}
    assert line.tried == [1, 33, 33, 33]
    assert world.telemetry.total("darkroom.conflicts") == 0
    assert world.account().held == 100
    world_line = world.store.entries
    assert [each.previous for each in world_line[1:]] == [each.digest for each in world_line[:-1]]


async def test_a_group_spends_no_credit_that_is_not_there(world: World) -> None:
    """Ten credits, fourteen requests at once: ten open, four are refused, in groups."""
    keys = keys_of(14)
    deps = world.deps

    async def ask(key: Key) -> None:
        message = GenerationRequest(key=key, prompt="A lighthouse", model="flux-schnell")
        await worker.handle(deps, message, FROM_THE_APP, REQUESTS)

    await asyncio.gather(*(ask(key) for key in keys))
    states = [world.saved(key).state for key in keys]
    assert states.count(State.REJECTED) == 4
    assert {getattr(world.saved(key), "reason", None) for key in keys} == {None, Reason.NO_CREDITS}
    assert world.balances() == (0, 10, 0)
    assert world.store.groups
    world.books_balance()


async def test_users_of_one_account_are_saved_together(world: World, line: Line) -> None:
    """Each user's row is written once, and holds all of the user's moves."""
    keys = [Key(user, f"{user}{number}", "ada") for number in range(3) for user in ("bob", "eve")]
    tasks = await held(line, [hold(world.deps, key) for key in keys])
    await let_go(line, tasks)
    assert line.tried == [1, 5]
    assert [len(user.usage.used(START)) > 0 for user in line.saved_users.values()] == [True, True]
    assert {name for _, name in line.saved_users} == {"bob", "eve"}
    sound(world, keys)


async def test_two_deliveries_of_one_message_are_one_move(world: World, line: Line) -> None:
    """The second decides after the first, and finds it done; the others are not held up."""
    first, second, third = keys_of(3)
    tasks = await held(line, [hold(world.deps, key) for key in (first, second, second, third)])
    results = await let_go(line, tasks)
    assert [type(each) for each in results] == [Changed, Changed, Unchanged, Changed]
    assert line.tried == [1, 2]
    sound(world, keys_of(3))


async def test_a_move_that_cannot_be_decided_fails_nobody_else(world: World, line: Line) -> None:
    """Its own call raises; the others are saved."""
    first, second, third = keys_of(3)

    def raises(loaded: Loaded) -> Transition[Generation] | None:
        if loaded.account and loaded.account.held:
            raise ValueError("not on this account")
        return opening(second, loaded.account, 1) if loaded.account else None

    async def fails() -> Saving:
        return await save(world.deps, second, raises, await world.deps.store.load(second))

    tasks = await held(line, [hold(world.deps, first), hold(world.deps, third), fails()])
    results = await let_go(line, tasks)
    assert isinstance(results[1], Changed)
    assert isinstance(results[2], ValueError)
    sound(world, [first, third])


async def test_a_row_that_is_refused_fails_its_own_call_only(world: World, line: Line) -> None:
    """Each of the group saves its own move, and one hears that it cannot."""
    first, second, third, fourth = keys_of(4)
    line.refused = {third}
    tasks = await held(line, [hold(world.deps, key) for key in (first, second, third, fourth)])
    results = await let_go(line, tasks)
    assert isinstance(results[2], RefusedError)
    assert [isinstance(each, Changed) for each in results] == [True, True, False, True]
    sound(world, [first, second, fourth])


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
    world.deps.pending.met_rival("ada", world.time)
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


async def test_moves_are_gathered_where_rivals_were_met(world: World, line: Line) -> None:
    """After a lost try the next first save waits, for longer after each, at most 0.4 s; then no more after a while."""
    pending = world.deps.pending
    assert pending.pause_s("ada", world.time) == 0
    pauses = []
    for _ in range(5):
        pending.met_rival("ada", world.time)
        pauses.append(pending.pause_s("ada", world.time))
    assert pauses == [0.05, 0.1, 0.2, 0.4, 0.4]
    assert pending.pause_s("eve", world.time) == 0
    assert pending.pause_s("ada", world.time + timedelta(seconds=1)) == pytest.approx(0.2)
    began = world.time

    async def sleep(seconds: float) -> None:
        world.pass_time(seconds)
        for _ in range(5):
            await asyncio.sleep(0)

    deps = replace(world.deps, sleep=sleep)
    await asyncio.gather(*(hold(deps, key) for key in keys_of(3)))
    assert world.time > began
    assert line.tried == [3]
    assert pending.pause_s("ada", world.time + timedelta(seconds=10)) == 0
    sound(world, keys_of(3))


def test_only_so_many_accounts_with_rivals_are_remembered() -> None:
    """An app with many accounts keeps no row for each."""
    pending = PendingMoves()
    for number in range(1000):
        pending.met_rival(f"a{number}", START)
    assert pending.pause_s("a0", START) == 0
    assert pending.pause_s("a999", START) > 0
    assert len(pending._pauses) == 256


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
