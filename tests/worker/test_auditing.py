"""The audit: accounts beside their ledgers."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import replace
from datetime import timedelta

import pytest

from dev.fakes.accounts import edited
from dev.fakes.store import FakeStore
from dev.fakes.world import START, World
from shared import worker
from shared.core.dependency import Dependency
from shared.core.keys import Key
from shared.core.lifecycle.generation import AnyGeneration
from shared.core.money.account import Account
from shared.core.money.entries import LedgerEntry
from shared.ports import Dependencies, NightProgress, Unavailable, UnreadableRow
from shared.worker.auditing import AT_ONCE, Difference, DifferenceKind

DAY = timedelta(days=1)


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
    assert [(difference.kind, difference.bucket_id, difference.sum_name) for difference in found[2:]] == [
        (DifferenceKind.SUM, "", "captured"),
        (DifferenceKind.BUCKET, "grant:welcome", "available"),
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


class Moving(FakeStore):
    """A store in which somebody moves the account, once, before each of its reads in turn."""

    def __init__(self, at: int, move: Callable[[], Awaitable[None]]) -> None:
        super().__init__()
        self._left, self._move = at, move

    async def _somebody_moves(self) -> None:
        self._left -= 1
        if self._left == 0:
            await self._move()

    async def load_account(self, account_id: str) -> tuple[Account | None, str]:
        """See ``Store``."""
        await self._somebody_moves()
        return await super().load_account(account_id)

    async def ledger(self, account_id: str, after: int = 0) -> AsyncIterator[LedgerEntry]:
        """See ``Store``."""
        await self._somebody_moves()
        async for entry in super().ledger(account_id, after):
            yield entry

    async def generations(self, account_id: str) -> AsyncIterator[AnyGeneration]:
        """See ``Store``."""
        async for generation in super().generations(account_id):
            await self._somebody_moves()
            yield generation
        await self._somebody_moves()

    async def load_generation(self, key: Key) -> AnyGeneration | None:
        """See ``Store``."""
        await self._somebody_moves()
        return await super().load_generation(key)


async def _paid(world: World, key: Key) -> None:
    prediction_id = world.generation(key).attempt.prediction_id
    assert prediction_id is not None
    world.replicate.succeed(prediction_id)
    await world.webhook(prediction_id)


async def _opens_and_ends(world: World) -> None:
    await world.ask(Key("ada", "four"))
    await world.cancel(Key("ada", "four"))


ACTS: Mapping[str, Callable[[World], Awaitable[object]]] = {
    "opens": lambda world: world.ask(Key("ada", "four")),
    "ends": lambda world: world.cancel(Key("ada", "two")),
    "is paid": lambda world: _paid(world, Key("ada", "two")),
    "opens and ends": _opens_and_ends,
    "is granted credits": lambda world: worker.grant(world.deps, "ada", 3, grant_id="more"),
}


@pytest.mark.parametrize("of_a_night", [False, True])
@pytest.mark.parametrize("act", ACTS)
async def test_an_account_that_moves_meanwhile_is_no_difference(act: str, *, of_a_night: bool) -> None:
    """Whatever moves, and before whichever read: the audit compares at one number. A difference beside it is found."""
    at = 0
    while True:
        at += 1
        world, moved = World(), list[int]()
        await world.open_account()
        for each in ("one", "two", "three"):
            await world.ask(Key("ada", each))

        async def move(world: World = world, moved: list[int] = moved) -> None:
            moved.append(world.account().seq)
            await ACTS[act](world)

        moving = Moving(at, move)
        vars(moving).update(vars(world.store))
        deps = replace(world.deps, store=moving)
        for broken in (False, True):
            if broken:
                del world.store.saved_generations[Key("ada", "three")]
            found = await (_looked_at(deps) if of_a_night else _audited(deps))
            assert [each.what for each in found] == (["open holds"] if broken else []), (at, broken)
        if not moved:
            break
    assert at > 3


async def _audited(deps: Dependencies) -> list[Difference]:
    return [each async for each in worker.audit(deps, "ada")]


async def _looked_at(deps: Dependencies) -> list[Difference]:
    deps = replace(deps, now=lambda: START + timedelta(days=1))
    progress = NightProgress(began_at=deps.now(), day=START.date())
    return [
        each async for looked in worker.Call(deps, progress, deps.now() + DAY).looks() for each in looked.differences
    ]


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
