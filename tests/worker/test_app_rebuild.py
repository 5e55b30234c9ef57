"""What the app uses, rebuilt from its accounts: after kills, late writes and busy accounts."""

import asyncio
from dataclasses import replace

import pytest

from dev.fakes.world import World
from shared import worker
from shared.core.dependency import Dependency
from shared.core.keys import Key
from shared.core.lifecycle.state import State
from shared.ports import Dependencies, Unavailable, UnreadableRow
from shared.ports.app_windows import TallyRow
from shared.worker import app_rebuild
from tests.worker.test_app_limits import app, asks, credits_of, instance, really_used, used


async def test_a_killed_instance_is_made_good_by_the_rebuild() -> None:
    """It had opened three and written one; the rebuilt sum is that of the ledgers, to the credit."""
    world = await app(8)
    killed, other = instance(world), instance(world)
    assert await asks(world, killed, "ada", "1") is State.RUNNING
    save = world.app_windows.save

    async def dies(row: TallyRow) -> TallyRow:
        raise Unavailable(Dependency.TABLES, "the instance dies")

    world.app_windows.save = dies  # type: ignore[method-assign]  # until it is dead
    assert await asks(world, killed, "bob", "2", 2) is State.RUNNING
    world.app_windows.save = save  # type: ignore[method-assign]
    assert await used(world) != really_used(world)
    world.pass_time(5)
    assert await asks(world, other, "eve", "3", 4) is State.RUNNING
    world.pass_time(300)
    await worker.reconcile(instance(world))
    assert await used(world) == really_used(world)
    assert await asks(world, instance(world), "ada", "4", 2) is State.REJECTED
    assert await asks(world, instance(world), "ada", "5") is State.RUNNING


async def test_what_was_rebuilt_and_is_written_late_counts_twice_until_the_next_rebuild() -> None:
    """A hold that could not be written for minutes: in doubt the sum is too high, and never too low."""
    world = await app(8)
    one, save = instance(world), world.app_windows.save

    async def fails(row: TallyRow) -> TallyRow:
        raise Unavailable(Dependency.TABLES, "down")

    world.app_windows.save = fails  # type: ignore[method-assign]  # for a while
    assert await asks(world, one, "ada", "1", 3) is State.RUNNING
    world.app_windows.save = save  # type: ignore[method-assign]
    world.pass_time(300)
    await worker.reconcile(instance(world))
    assert await used(world) == really_used(world)
    assert await asks(world, one, "ada", "2", 2) is State.RUNNING
    assert credits_of(await used(world)) == 8
    world.pass_time(300)
    await worker.reconcile(instance(world))
    assert credits_of(await used(world)) == 5
    assert await used(world) == really_used(world)


async def test_what_is_given_back_is_written_at_once() -> None:
    """Or a rebuild sees an account that has it back, and a row that has not, and both would subtract it."""
    world = await app(10)
    one = instance(world)
    for name in ("1", "2"):
        await asks(world, one, "ada", name, 4)
    world.pass_time(1)
    await fails(world, one, Key("ada", "1"))
    assert credits_of(await used(world)) == 4
    await app_rebuild.rebuild(instance(world))
    for number in range(4):
        world.pass_time(10)
        state = await asks(world, one, "ada", f"after-{number}", 2)
        assert state is (State.RUNNING if number < 3 else State.REJECTED)
    assert await used(world) == really_used(world)


@pytest.mark.parametrize("late_s", [5, 120])
async def test_what_is_given_back_is_subtracted_once_if_it_could_not_be_written(late_s: int) -> None:
    """By its instance, soon; or by the rebuild, which waits until its instance has forgotten it."""
    world = await app(10)
    one, save = instance(world), world.app_windows.save
    await asks(world, one, "ada", "1", 4)
    await asks(world, one, "bob", "2", 4)

    async def broken(row: TallyRow) -> TallyRow:
        raise Unavailable(Dependency.TABLES, "down")

    world.app_windows.save = broken  # type: ignore[method-assign]  # for a while
    await fails(world, one, Key("ada", "1"))
    world.app_windows.save = save  # type: ignore[method-assign]

    async def sleeps(seconds: float) -> None:
        world.pass_time(min(seconds, late_s))
        if seconds >= late_s and not world.store.entries_of(Key("eve", "3")):
            await asks(world, one, "eve", "3", 1)
        world.pass_time(max(0, seconds - late_s))

    await app_rebuild.rebuild(replace(instance(world), sleep=sleeps))
    world.pass_time(5)
    await asks(world, one, "eve", "4", 1)
    assert credits_of(await used(world)) >= credits_of(really_used(world))
    world.pass_time(300)
    await app_rebuild.rebuild(instance(world))
    assert await used(world) == really_used(world)


async def test_a_write_is_not_taken_for_one_whose_moves_were_dropped() -> None:
    """Two ends give back as much: of the first nothing was written, and of the second the answer was lost."""
    world = await app(100)
    one, save = instance(world), world.app_windows.save
    for name in ("1", "2", "3"):
        await asks(world, one, "ada", name, 2)

    async def broken(row: TallyRow) -> TallyRow:
        raise Unavailable(Dependency.TABLES, "down")

    async def unanswered(row: TallyRow) -> TallyRow:
        await save(row)
        raise Unavailable(Dependency.TABLES, "the answer was lost")

    for writes, name in ((broken, "1"), (unanswered, "2")):
        world.app_windows.save = writes  # type: ignore[method-assign]
        await fails(world, one, Key("ada", name))
        world.app_windows.save = save  # type: ignore[method-assign]
        world.pass_time(21 if writes is broken else 3)
    await asks(world, one, "bob", "4", 1)
    assert credits_of(await used(world)) == 5
    assert credits_of(really_used(world)) == 3
    await app_rebuild.rebuild(instance(world))
    assert await used(world) == really_used(world)


async def test_a_hold_and_what_another_gives_back_do_not_hide_each_other(monkeypatch: pytest.MonkeyPatch) -> None:
    """While accounts are read, one is seen after it gave back, the other before its hold: the rows show neither."""
    world = await app(100)
    one, load, gave_back = instance(world), world.store.load_account, asyncio.Event()
    await asks(world, one, "ada", "1", 4)
    world.pass_time(300)

    async def busy(account_id: str) -> object:
        if account_id == "ada":
            await fails(world, one, Key("ada", "1"))
            gave_back.set()
        found = await load(account_id)
        if account_id == "bob":
            await gave_back.wait()
            await asks(world, one, "bob", "2", 4)
        return found

    with monkeypatch.context() as moving:
        moving.setattr(world.store, "load_account", busy)
        await app_rebuild.rebuild(instance(world))
    assert await used(world) == really_used(world)


async def fails(world: World, deps: Dependencies, key: Key) -> None:
    """The prediction of a generation fails, and one instance hears of it."""
    prediction_id = world.generation(key).attempt.prediction_id or ""
    world.replicate.fail(prediction_id, "NSFW content detected")
    before, world.deps = world.deps, deps
    await world.webhook(prediction_id)
    world.deps = before


async def test_an_unreadable_account_stops_no_rebuild_and_is_not_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    """What it has used still counts, though nobody can read it. The metric names the account."""
    world = await app(100)
    await asks(world, world.deps, "ada", "1", 2)
    await asks(world, world.deps, "bob", "2", 3)
    load = world.store.load_account

    async def broken(account_id: str) -> object:
        if account_id == "ada":
            raise UnreadableRow("row ada/account: standing cannot be read", "ada")
        return await load(account_id)

    monkeypatch.setattr(world.store, "load_account", broken)
    before = (await world.app_windows.read()).base
    await app_rebuild.rebuild(instance(world))
    after = (await world.app_windows.read()).base
    assert before
    assert after
    assert after.at > before.at
    assert credits_of(await used(world)) == 5
    assert [labels["account_id"] for name, _, labels in world.telemetry.counts if "audit" in name] == ["ada"]


async def test_a_rebuild_that_takes_too_long_ends_and_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Half a sum would let through what all of it stops. The next rebuild in time counts everything."""
    world = await app(100)
    for number in range(40):
        await world.open_account(f"u{number}")
        await asks(world, world.deps, f"u{number}", "1", 1)
    before, load, reads = await world.app_windows.read(), world.store.load_account, []

    async def slow(account_id: str) -> object:
        reads.append(account_id)
        world.pass_time(app_rebuild.MOST_S / 16)
        return await load(account_id)

    with monkeypatch.context() as slowed:
        slowed.setattr(world.store, "load_account", slow)
        await app_rebuild.rebuild(instance(world))
    assert len(reads) < 40
    assert await world.app_windows.read() == before
    await app_rebuild.rebuild(instance(world))
    assert sum(each[0] for each in (await used(world)).slots.values()) == 40
