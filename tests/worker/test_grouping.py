"""Moves of one account that calls of one process have at hand: saved as one group, and each call hears of its own."""

import asyncio

from dev.fakes.messenger import REQUESTS
from dev.fakes.world import FROM_THE_APP, START, World
from shared import worker
from shared.core.keys import Key
from shared.core.lifecycle.generation import Generation, Transition
from shared.core.lifecycle.state import State
from shared.core.reasons import Reason
from shared.core.requests.messages import GenerationRequest
from shared.ports import Loaded
from shared.worker.saving import Changed, Unchanged, save
from tests.adapters.examples import opening
from tests.worker.line import Line, RefusedError, Saving, held, hold, keys_of, let_go, sound


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
