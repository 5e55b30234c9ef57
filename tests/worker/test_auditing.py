"""The audit: accounts beside their ledgers."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import replace

import pytest

from dev.fakes.accounts import edited
from dev.fakes.store import FakeStore
from dev.fakes.world import World
from shared import worker
from shared.core.dependency import Dependency
from shared.core.keys import Key
from shared.core.money.account import Account
from shared.core.money.entries import LedgerEntry
from shared.ports import Unavailable, UnreadableRow
from shared.worker.auditing import AT_ONCE, NIGHTS, Difference


async def differences(world: World) -> list[Difference]:
    """All differences that the audit yields."""
    return [difference async for difference in worker.audit(world.deps)]


class SlowStore(FakeStore):
    """A store whose ledgers take a few turns of the loop. It counts how many are read at a time.

    One ledger cannot be read, and one never returns.
    """

    def __init__(self) -> None:
        super().__init__()
        self.reading = self.most = 0
        self.broken = self.stuck = self.garbled = ""

    async def ledger(self, account_id: str, after: int = 0) -> AsyncIterator[LedgerEntry]:
        """Yield the entries after a few turns of the loop, and count the concurrent readers."""
        self.reading += 1
        self.most = max(self.most, self.reading)
        try:
            for _ in range(5):
                await asyncio.sleep(0)
            if account_id == self.broken:
                raise Unavailable(Dependency.TABLES, "the test has broken this ledger")
            if account_id == self.garbled:
                raise UnreadableRow(f"row {account_id}/ledger:x: at cannot be read", account_id)
            if account_id == self.stuck:
                await asyncio.Event().wait()
            async for entry in super().ledger(account_id, after):
                yield entry
        finally:
            self.reading -= 1


async def crowd(size: int) -> tuple[World, SlowStore]:
    """A world of ``size`` accounts, from user000 on, without a difference."""
    world, store = World(), SlowStore()
    world.store, world.deps = store, replace(world.deps, store=store)
    for number in range(size):
        await world.open_account(f"user{number:03}")
    return world, store


@pytest.mark.parametrize("where", ["account", "ledger"])
async def test_a_row_that_cannot_be_read_costs_one_accounts_audit(where: str) -> None:
    """It is reported as a difference of its account; the other accounts are compared, and their differences found."""
    world, store = await crowd(2 * AT_ONCE)
    store.put_account(edited(world.account("user009"), 9, captured=1))
    if where == "account":
        store.unreadable["user003"] = UnreadableRow("row user003/account: plan cannot be read", "user003")
    else:
        store.garbled = "user003"
    found = await differences(world)
    assert [(each.account_id, each.what) for each in found] == [
        ("user003", "unreadable"),
        ("user009", "ledger available"),
        ("user009", "ledger captured"),
        ("user009", "bucket grant:welcome available"),
    ]
    assert str(found[0]).startswith("account user003 cannot be compared: row user003/")
    seen = [user_id async for user_id, _ in worker.audit_tonight(world.deps)]
    assert sorted(seen) == sorted(store.saved_accounts)
    (alone,) = [each async for each in worker.audit(world.deps, "user003")]
    assert alone.unreadable


async def test_sound_books_have_no_difference(world: World) -> None:
    """After holds, captures and releases the audit is silent."""
    await world.ask()
    await world.ask(Key("ada", "two"))
    world.replicate.succeed(world.replicate.ids()[0])
    await world.webhook(world.replicate.ids()[0])
    await world.cancel(Key("ada", "two"))
    assert await differences(world) == []


async def test_a_balance_that_the_ledger_does_not_explain_is_reported_and_not_mended(world: World) -> None:
    """Somebody edited the account by hand."""
    world.store.put_account(edited(world.account(), 11, captured=1))
    found = await differences(world)
    assert [(difference.what, difference.account, difference.counted) for difference in found] == [
        ("ledger granted", 12, 10),
        ("ledger available", 11, 10),
        ("ledger captured", 1, 0),
        ("bucket grant:welcome available", 11, 10),
    ]
    assert world.account().available == 11
    assert world.telemetry.total("darkroom.audit_differences") == 4


async def test_a_hold_without_an_open_generation_is_reported(world: World) -> None:
    """The account has held credits without an open generation."""
    await world.ask()
    del world.store.saved_generations[Key("ada", "one")]
    assert [difference.what for difference in await differences(world)] == ["open holds"]


async def test_one_users_books_can_be_looked_at_alone(world: World) -> None:
    """The audit of one user leaves the others' differences alone."""
    await world.open_account("bob", 5)
    world.store.put_account(edited(world.account("bob"), 6))
    assert [difference async for difference in worker.audit(world.deps, "ada")] == []
    assert [difference.account_id async for difference in worker.audit(world.deps, "bob")] == ["bob"] * 3


async def test_several_accounts_are_looked_at_at_a_time() -> None:
    """``AT_ONCE`` at a time and no more; the results come in the order of the accounts, each difference once."""
    world, store = await crowd(3 * AT_ONCE)
    wrong = ["user001", "user002", f"user{3 * AT_ONCE - 1:03}"]
    for user_id in wrong:
        store.put_account(edited(world.account(user_id), 9, captured=1))
    before = dict(store.saved_accounts)
    whats = ("ledger available", "ledger captured", "bucket grant:welcome available")
    found = await differences(world)
    assert [(difference.account_id, difference.what) for difference in found] == [
        (user_id, what) for user_id in wrong for what in whats
    ]
    assert world.telemetry.total("darkroom.audit_differences") == 9
    assert store.most == AT_ONCE
    assert store.saved_accounts == before


async def test_an_account_that_changes_meanwhile_is_no_difference() -> None:
    """A generation opens after its account was read: the second look sees both."""
    world, _ = await crowd(1)
    (stale,) = [account async for account in world.store.accounts()]
    await world.ask(Key("user000", "one"))

    class Stale(SlowStore):
        async def accounts(self) -> AsyncIterator[Account | UnreadableRow]:
            await asyncio.sleep(0)
            yield stale

    late = Stale()
    vars(late).update(vars(world.store))
    world.deps = replace(world.deps, store=late)
    assert await differences(world) == []
    assert world.telemetry.total("darkroom.audit_differences") == 0


async def test_a_ledger_that_cannot_be_read_ends_the_audit_and_leaves_nothing_behind() -> None:
    """The exception is raised as it is, and no comparison goes on in the background."""
    world, store = await crowd(2 * AT_ONCE)
    store.broken, store.stuck = "user003", "user004"
    async with asyncio.timeout(5):
        mine = asyncio.all_tasks()
        with pytest.raises(Unavailable, match="broken this ledger"):
            await differences(world)
        assert asyncio.all_tasks() == mine
    assert store.reading == 0


async def test_a_night_looks_at_every_account_once() -> None:
    """On every day of the cycle, whichever accounts come first."""
    world, _ = await crowd(5 * NIGHTS)
    store_order = sorted(world.store.saved_accounts)
    orders = set()
    for _ in range(NIGHTS):
        seen = [user_id async for user_id, found in worker.audit_tonight(world.deps) if not found]
        assert sorted(seen) == store_order
        orders.add(tuple(seen))
        world.pass_time(86_400)
    assert len(orders) == NIGHTS


async def test_nights_that_are_too_short_reach_every_account_in_a_week() -> None:
    """Canceled after a third of the accounts each night: after all nights every account was compared."""
    world, _ = await crowd(10 * NIGHTS)
    reached: set[str] = set()
    for _ in range(NIGHTS):
        async with aclosing(worker.audit_tonight(world.deps)) as looks:
            reached |= {(await anext(looks))[0] for _ in range(10 * NIGHTS // 3)}
        world.pass_time(86_400)
    assert reached == set(world.store.saved_accounts)


async def test_an_entry_that_was_changed_is_reported(world: World) -> None:
    """Somebody edits a cost, says that another did it, or takes the last entry out: the chain does not fit."""
    await world.ask()
    await world.ask(Key("ada", "two"))
    entries = list(world.store.entries)
    for changed, what in (
        ([entries[0], replace(entries[1], usd_micros=1), *entries[2:]], {"ledger links"}),
        ([replace(entries[0], by="operator"), *entries[1:]], {"ledger links"}),
        (entries[:-1], {"ledger entries", "ledger head"}),
    ):
        world.store.entries = changed
        assert what <= {each.what for each in await differences(world)}
    world.store.entries = entries
    assert await differences(world) == []
