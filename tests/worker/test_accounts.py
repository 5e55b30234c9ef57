"""Grants, corrections and the audit."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import replace

import pytest

from shared import worker
from shared.core.credits import Account, LedgerEntry, Plan
from shared.core.keys import Key
from shared.ports import Unavailable
from shared.worker.accounts import AT_ONCE, NIGHTS, Difference
from tests.fakes.store import FakeStore
from tests.fakes.world import World


async def differences(world: World) -> list[Difference]:
    """What the audit finds."""
    return [difference async for difference in worker.audit(world.house)]


class SlowStore(FakeStore):
    """Whose ledgers take a few turns of the loop; how many are read at a time. One cannot be read, one never comes."""

    def __init__(self) -> None:
        super().__init__()
        self.reading = self.most = 0
        self.broken = self.stuck = ""

    async def ledger(self, user_id: str) -> AsyncIterator[LedgerEntry]:
        """See ``Store``."""
        self.reading += 1
        self.most = max(self.most, self.reading)
        try:
            for _ in range(5):
                await asyncio.sleep(0)
            if user_id == self.broken:
                raise Unavailable("tables", "the test has broken this ledger")
            if user_id == self.stuck:
                await asyncio.Event().wait()
            async for entry in super().ledger(user_id):
                yield entry
        finally:
            self.reading -= 1


async def crowd(size: int) -> tuple[World, SlowStore]:
    """A world of so many accounts, user000 and on, whose books agree."""
    world, store = World(), SlowStore()
    world.store, world.house = store, replace(world.house, store=store)
    for number in range(size):
        await world.open_account(f"user{number:03}")
    return world, store


async def test_the_same_grant_twice_is_one_grant(world: World) -> None:
    """A billing webhook that comes twice gives credits once."""
    await worker.grant(world.house, "ada", 5, grant_id="invoice-1")
    await worker.grant(world.house, "ada", 5, grant_id="invoice-1")
    assert world.balances() == (15, 0, 0)
    world.books_balance()


async def test_a_grant_may_set_plan_and_limit(world: World) -> None:
    """And leaves them alone when it does not name them."""
    await worker.grant(world.house, "bob", 5, grant_id="a", plan=Plan.BASIC, daily_limit_credits=3)
    await worker.grant(world.house, "bob", 5, grant_id="b")
    account = world.account("bob")
    assert (account.plan, account.daily_limit_credits, account.available) == (Plan.BASIC, 3, 10)


async def test_grants_that_race_are_all_given(world: World) -> None:
    """Twenty grants at once on one account lose nothing."""
    grants = [worker.grant(world.house, "ada", 1, grant_id=f"g{number}") for number in range(20)]
    await asyncio.gather(*grants)
    assert world.balances() == (30, 0, 0)
    world.books_balance()


async def test_requests_that_race_on_one_account_are_all_opened(world: World) -> None:
    """Eight at once on one account: no hold is lost, the conflicts are counted."""
    await asyncio.gather(*(world.ask(Key("ada", f"g{number}")) for number in range(8)))
    assert world.balances() == (2, 8, 0)
    assert world.telemetry.total("darkroom.conflicts") > 0
    world.books_balance()


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
    world.store.put_account(Account(user_id="ada", granted=12, available=11, captured=1))
    found = await differences(world)
    assert [(difference.what, difference.account, difference.counted) for difference in found] == [
        ("ledger granted", 12, 10),
        ("ledger available", 11, 10),
        ("ledger captured", 1, 0),
    ]
    assert world.account().available == 11
    assert world.telemetry.total("darkroom.audit_differences") == 3


async def test_a_hold_without_an_open_generation_is_reported(world: World) -> None:
    """Credits are held for nobody."""
    await world.ask()
    del world.store.saved_generations[Key("ada", "one")]
    assert [difference.what for difference in await differences(world)] == ["open holds"]


async def test_a_correction_mends_what_a_person_decided(world: World) -> None:
    """The compensating entry is in the ledger with its note; the same id again is refused."""

    async def correct() -> None:
        await worker.correct(
            world.house, "ada", available=-3, held=0, captured=3, correction_id="case-7", note="double delivery"
        )

    await correct()
    with pytest.raises(ValueError, match="posted before"):
        await correct()
    assert world.balances() == (7, 0, 3)
    (entry,) = [entry for entry in world.store.entries if entry.entry_id == "case-7"]
    assert entry.note == "double delivery"
    assert await differences(world) == []


async def test_a_ledger_that_does_not_explain_the_account_is_completed(world: World) -> None:
    """Somebody edited the account and was right to: the entry is posted, the account stays as it is."""
    world.store.put_account(Account(user_id="ada", granted=12, available=12))
    await worker.correct(
        world.house, "ada", available=2, held=0, captured=0, correction_id="case-9", note="by hand", ledger_only=True
    )
    assert world.balances() == (12, 0, 0)
    assert await differences(world) == []


async def test_one_users_books_can_be_looked_at_alone(world: World) -> None:
    """The audit of one user leaves the others' differences alone."""
    await world.open_account("bob", 5)
    world.store.put_account(Account(user_id="bob", granted=6, available=6))
    assert [difference async for difference in worker.audit(world.house, "ada")] == []
    assert [difference.user_id async for difference in worker.audit(world.house, "bob")] == ["bob", "bob"]


async def test_several_accounts_are_looked_at_at_a_time() -> None:
    """As many as there may be, no more; what is found comes in the order of the accounts, each difference once."""
    world, store = await crowd(3 * AT_ONCE)
    wrong = ["user001", "user002", f"user{3 * AT_ONCE - 1:03}"]
    for user_id in wrong:
        store.put_account(replace(world.account(user_id), available=9, captured=1))
    before = dict(store.saved_accounts)
    found = await differences(world)
    assert [(difference.user_id, difference.what) for difference in found] == [
        (user_id, what) for user_id in wrong for what in ("ledger available", "ledger captured")
    ]
    assert world.telemetry.total("darkroom.audit_differences") == 6
    assert store.most == AT_ONCE
    assert store.saved_accounts == before


async def test_an_account_that_changes_meanwhile_is_no_difference() -> None:
    """A generation opens after its account was read: the second look sees both."""
    world, _ = await crowd(1)
    (stale,) = [account async for account in world.store.accounts()]
    await world.ask(Key("user000", "one"))

    class Stale(SlowStore):
        async def accounts(self) -> AsyncIterator[Account]:
            await asyncio.sleep(0)
            yield stale

    late = Stale()
    vars(late).update(vars(world.store))
    world.house = replace(world.house, store=late)
    assert await differences(world) == []
    assert world.telemetry.total("darkroom.audit_differences") == 0


async def test_a_ledger_that_cannot_be_read_ends_the_audit_and_leaves_nothing_behind() -> None:
    """The trouble is told as it is, and no look goes on by itself."""
    world, store = await crowd(2 * AT_ONCE)
    store.broken, store.stuck = "user003", "user004"
    async with asyncio.timeout(5):
        mine = asyncio.all_tasks()
        with pytest.raises(Unavailable, match="broken this ledger"):
            await differences(world)
        assert asyncio.all_tasks() == mine
    assert store.reading == 0


async def test_a_night_looks_at_every_account_once() -> None:
    """Whatever day it is."""
    world, _ = await crowd(5 * NIGHTS)
    store_order = sorted(world.store.saved_accounts)
    orders = set()
    for _ in range(NIGHTS):
        seen = [user_id async for user_id, found in worker.audit_tonight(world.house) if not found]
        assert sorted(seen) == store_order
        orders.add(tuple(seen))
        world.pass_time(86_400)
    assert len(orders) == NIGHTS


async def test_nights_that_are_too_short_reach_every_account_in_a_week() -> None:
    """Cut off after a third of the accounts each night: after all nights everybody was looked at."""
    world, _ = await crowd(10 * NIGHTS)
    reached: set[str] = set()
    for _ in range(NIGHTS):
        async with aclosing(worker.audit_tonight(world.house)) as looks:
            reached |= {(await anext(looks))[0] for _ in range(10 * NIGHTS // 3)}
        world.pass_time(86_400)
    assert reached == set(world.store.saved_accounts)


async def test_a_correction_cannot_make_a_balance_negative(world: World) -> None:
    """It is refused, and nothing changes."""
    with pytest.raises(ValueError, match="negative"):
        await worker.correct(world.house, "ada", available=-11, held=0, captured=0, correction_id="case-8", note="typo")
    assert world.balances() == (10, 0, 0)


async def test_a_correction_needs_an_account(world: World) -> None:
    """There is nothing to correct for whom nobody knows."""
    with pytest.raises(ValueError, match="no account"):
        await worker.correct(world.house, "eve", available=1, held=0, captured=0, correction_id="x", note="")


@pytest.mark.parametrize("bad", ["", "a/b", "a:b", "invoice 7"])
async def test_ids_that_a_table_forbids_are_refused(world: World, bad: str) -> None:
    """A user or a grant that cannot be a key is refused before anything is written."""
    for user_id, grant_id in ((bad, "g"), ("ada", bad)):
        with pytest.raises(ValueError, match="must be 1 to 128"):
            await worker.grant(world.house, user_id, 5, grant_id=grant_id)
    assert world.balances() == (10, 0, 0)
