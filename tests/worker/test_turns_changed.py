"""A limit in flight that is raised, removed or replaced while requests wait, though nobody frees a turn."""

from dataclasses import replace

import pytest

from dev.fakes.world import World
from shared import worker
from shared.core.dependency import Dependency
from shared.core.keys import Key
from shared.core.money.limits import Limit, Scope, Unit
from shared.core.money.windows import Span as WindowSpan
from shared.ports import Conflict, PlaceRow, Unavailable
from shared.worker.accounts import Command
from tests.worker.test_turns import ask, in_flight, keys, looks, plans


def open_limit(most: int) -> Limit:
    """A limit of the account in flight."""
    return Limit(limit_id="open", window=WindowSpan.IN_FLIGHT, amount=most, unit=Unit.GENERATIONS, scope=Scope.ACCOUNT)


async def one_of_four(concurrency: int | None = None) -> World:
    """Four requests of an account, one is in flight and stays so: by its limit, or by its plan's concurrency."""
    world = World(credits=100, plans=plans(concurrency=concurrency))
    await world.open_account()
    if concurrency is None:
        await worker.set_limit(world.deps, "ada", open_limit(1), Command(command_id="first"))
    await ask(world, *keys(4))
    await looks(world)
    assert in_flight(world) == ["g0"]
    world.messenger.forget_ids()
    return world


async def change(world: World, how: str) -> None:
    """More may be in flight from now on."""
    command = Command(command_id="more")
    if how == "set_limit":
        await worker.set_limit(world.deps, "ada", open_limit(9), command)
    elif how == "remove_limit":
        await worker.remove_limit(world.deps, "ada", "open", command)
    else:
        await worker.set_plan(world.deps, "ada", "basic", command)


@pytest.mark.parametrize("how", ["set_limit", "remove_limit", "set_plan"])
async def test_what_may_be_in_flight_goes_on_at_once(how: str) -> None:
    """Nothing has ended: the command alone lets all go on."""
    world = await one_of_four(1 if how == "set_plan" else None)
    await change(world, how)
    await looks(world, 2)
    assert in_flight(world) == ["g0", "g1", "g2", "g3"]


@pytest.mark.parametrize("how", ["set_limit", "remove_limit", "set_plan"])
async def test_at_the_latest_the_next_check_lets_it_go_on(how: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever gave the command may not read the waiting list: an operator has no role there. The change is made."""
    world = await one_of_four(1 if how == "set_plan" else None)

    async def forbidden(_: str) -> PlaceRow | None:
        raise Unavailable(Dependency.TABLES, "no role")

    with monkeypatch.context() as patched:
        patched.setattr(world.waiting, "place", forbidden)
        await change(world, how)
    await looks(world, 5)
    assert in_flight(world) == ["g0"]
    for _ in range(5):
        await world.tick(25)
    await looks(world)
    assert in_flight(world) == ["g0", "g1", "g2", "g3"]


async def test_a_plan_that_was_edited_counts_with_the_next_check() -> None:
    """The file of plans has changed, and no command was given."""
    world = await one_of_four(1)
    world.deps = replace(world.deps, plans=plans(concurrency=3))
    for _ in range(6):
        await world.tick(25)
    await looks(world)
    assert in_flight(world) == ["g0", "g1", "g2"]


async def test_a_place_that_somebody_else_has_changed_is_left_to_the_next_check(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A look has given a turn meanwhile, with the account as it is: the command is done."""
    world = await one_of_four()

    async def changed(*_: object) -> PlaceRow:
        raise Conflict

    monkeypatch.setattr(world.waiting, "save_place", changed)
    await change(world, "set_limit")
    account = world.account()
    assert [each.amount for each in account.limits] == [9]


async def test_nothing_is_written_where_nobody_waits() -> None:
    """One read of the account's place, and no look is asked for."""
    world = World(credits=100, plans=plans())
    await world.open_account()
    await worker.set_limit(world.deps, "ada", open_limit(1), Command(command_id="first"))
    assert (world.waiting.kept, world.messenger.scheduled, world.messenger.sent) == ({}, [], [])


async def test_a_check_writes_no_place_that_is_as_it_should_be(monkeypatch: pytest.MonkeyPatch) -> None:
    """10,000 requests that wait cost no more writes than before."""
    world = await one_of_four()
    written: list[object] = []

    async def counted(*given: object) -> None:
        written.append(given)

    monkeypatch.setattr(world.waiting, "save_place", counted)
    for _ in range(6):
        world.pass_time(25)
        await worker.reconcile(world.deps)
        for sent in world.messenger.take():
            await world.carry(sent)
    assert written == []
    assert world.saved(Key("ada", "g3")).reason is not None
