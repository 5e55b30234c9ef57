"""Grants, corrections and the audit."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import replace
from typing import Any

import pytest

from dev.fakes.store import FakeStore
from dev.fakes.world import World
from shared import worker
from shared.core.dependency import Dependency
from shared.core.keys import Key
from shared.core.money.ledger import Account, LedgerEntry, Move
from shared.ports import Unavailable, UnreadableRow
from shared.worker.accounts import AT_ONCE, NIGHTS, Difference


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

    async def ledger(self, account_id: str) -> AsyncIterator[LedgerEntry]:
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
            async for entry in super().ledger(account_id):
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


async def test_the_same_grant_twice_is_one_grant(world: World) -> None:
    """A billing webhook that comes twice gives credits once."""
    await worker.grant(world.deps, "ada", 5, grant_id="invoice-1")
    await worker.grant(world.deps, "ada", 5, grant_id="invoice-1")
    assert world.balances() == (15, 0, 0)
    world.books_balance()


async def test_a_grant_may_set_plan_and_limit(world: World) -> None:
    """And a grant that does not name them leaves them unchanged."""
    await worker.grant(world.deps, "bob", 5, grant_id="a", plan="basic", daily_limit_credits=3)
    await worker.grant(world.deps, "bob", 5, grant_id="b")
    account = world.account("bob")
    assert (account.plan, account.daily_limit_credits, account.available) == ("basic", 3, 10)


@pytest.mark.parametrize("bad", [True, 2**63, 10.0, float("nan"), "10", None, 0, -5, 1_000_000_001])
async def test_what_is_no_number_of_credits_is_refused_by_name(world: World, bad: Any) -> None:
    """As an amount, and as a limit if it is no valid limit: before any credit moves, and nothing is saved."""
    before = dict(world.store.saved_accounts), list(world.store.entries)
    with pytest.raises(ValueError, match="amount must be a whole number from 1 to"):
        await worker.grant(world.deps, "ada", bad, grant_id="g")
    if bad not in (None, 0) or bad is True:
        with pytest.raises(ValueError, match="daily_limit_credits must be a whole number from 0 to"):
            await worker.grant(world.deps, "ada", 5, grant_id="g", daily_limit_credits=bad)
        with pytest.raises(ValueError, match="daily_limit_credits must be a whole number from 0 to"):
            await worker.change_terms(world.deps, "ada", change_id="g", daily_limit_credits=bad)
    if type(bad) is not int or abs(bad) >= 2**63:
        with pytest.raises(ValueError, match="held must be a whole number"):
            await worker.correct(world.deps, "ada", available=0, held=bad, captured=0, correction_id="g", note="x")
    for plan in ("gold", "", "Free", 0, ["free"]):
        no_plan: Any = plan
        with pytest.raises(ValueError, match="plan must be one of free, basic, premium"):
            await worker.grant(world.deps, "ada", 5, grant_id="g", plan=no_plan)
        with pytest.raises(ValueError, match="plan must be one of free, basic, premium"):
            await worker.change_terms(world.deps, "ada", change_id="g", plan=no_plan)
    assert (dict(world.store.saved_accounts), list(world.store.entries)) == before


async def test_grants_beyond_what_a_table_holds_are_refused(world: World) -> None:
    """The sum is bounded too: it would be a row that nobody can read again."""
    most = 2**63 - 1
    world.store.put_account(Account(account_id="ada", granted=most, available=most))
    with pytest.raises(ValueError, match="granted must be a whole number"):
        await worker.grant(world.deps, "ada", 1, grant_id="g")
    assert world.account().granted == most


@pytest.mark.parametrize(
    "other", [{"amount": 6}, {"plan": "free"}, {"daily_limit_credits": 3}, {"plan": None}, {"unlimited": True}]
)
async def test_a_grant_id_with_another_amount_or_plan_is_refused_by_name(world: World, other: dict[str, Any]) -> None:
    """It is no repetition: accepting it silently would leave a grant that its sender believes in."""
    terms: dict[str, Any] = {"amount": 5, "plan": "basic"}
    await worker.grant(world.deps, "ada", grant_id="invoice-1", **terms)
    before = dict(world.store.saved_accounts), list(world.store.entries)
    with pytest.raises(ValueError, match=r"the id 'invoice-1' was used before for 5 credits, plan basic; .*another id"):
        await worker.grant(world.deps, "ada", grant_id="invoice-1", **(terms | other))
    assert (dict(world.store.saved_accounts), list(world.store.entries)) == before
    assert await worker.grant(world.deps, "ada", grant_id="invoice-1", **terms) == world.account()


async def test_terms_change_without_a_credit_and_a_limit_goes_away(world: World) -> None:
    """Each can change alone; the ledger says when and to what, and still explains the account."""
    await worker.change_terms(world.deps, "ada", change_id="t1", plan="basic", daily_limit_credits=7)
    assert (world.account().plan, world.account().daily_limit_credits) == ("basic", 7)
    await worker.change_terms(world.deps, "ada", change_id="t2", unlimited=True)
    assert (world.account().plan, world.account().daily_limit_credits) == ("basic", None)
    await worker.change_terms(world.deps, "ada", change_id="t1", plan="basic", daily_limit_credits=7)
    assert world.account().daily_limit_credits is None
    assert world.balances() == (10, 0, 0)
    notes = [(entry.entry_id, entry.note) for entry in world.store.entries if entry.move is Move.TERMS]
    assert notes == [("t1", "plan basic, daily limit 7"), ("t2", "daily limit none")]
    world.books_balance()
    assert await differences(world) == []


async def test_terms_that_say_nothing_or_two_things_are_refused(world: World) -> None:
    """And so is a change of an account that is not there."""
    for problem, terms in (
        ("a change needs", {}),
        ("set and removed", {"daily_limit_credits": 1, "unlimited": True}),
    ):
        with pytest.raises(ValueError, match=problem):
            await worker.change_terms(world.deps, "ada", change_id="t", **terms)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="no account 'eve'"):
        await worker.change_terms(world.deps, "eve", change_id="t", plan="free")
    assert "eve" not in world.store.saved_accounts


@pytest.mark.parametrize("where", ["account", "ledger"])
async def test_a_row_that_cannot_be_read_costs_one_accounts_audit(where: str) -> None:
    """It is reported as a difference of its account; the other accounts are compared, and their differences found."""
    world, store = await crowd(2 * AT_ONCE)
    store.put_account(replace(world.account("user009"), available=9, captured=1))
    if where == "account":
        store.unreadable["user003"] = UnreadableRow("row user003/account: plan cannot be read", "user003")
    else:
        store.garbled = "user003"
    found = await differences(world)
    assert [(each.account_id, each.what) for each in found] == [
        ("user003", "unreadable"),
        ("user009", "ledger available"),
        ("user009", "ledger captured"),
    ]
    assert str(found[0]).startswith("account user003 cannot be compared: row user003/")
    seen = [user_id async for user_id, _ in worker.audit_tonight(world.deps)]
    assert sorted(seen) == sorted(store.saved_accounts)
    (alone,) = [each async for each in worker.audit(world.deps, "user003")]
    assert alone.unreadable


async def test_grants_that_race_are_all_given(world: World) -> None:
    """Twenty grants at once on one account lose nothing."""
    grants = [worker.grant(world.deps, "ada", 1, grant_id=f"g{number}") for number in range(20)]
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
    world.store.put_account(Account(account_id="ada", granted=12, available=11, captured=1))
    found = await differences(world)
    assert [(difference.what, difference.account, difference.counted) for difference in found] == [
        ("ledger granted", 12, 10),
        ("ledger available", 11, 10),
        ("ledger captured", 1, 0),
    ]
    assert world.account().available == 11
    assert world.telemetry.total("darkroom.audit_differences") == 3


async def test_a_hold_without_an_open_generation_is_reported(world: World) -> None:
    """The account has held credits without an open generation."""
    await world.ask()
    del world.store.saved_generations[Key("ada", "one")]
    assert [difference.what for difference in await differences(world)] == ["open holds"]


async def test_a_correction_mends_what_a_person_decided(world: World) -> None:
    """The compensating entry is in the ledger with its note; the same id again is refused."""

    async def correct() -> None:
        await worker.correct(
            world.deps, "ada", available=-3, held=0, captured=3, correction_id="case-7", note="double delivery"
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
    world.store.put_account(Account(account_id="ada", granted=12, available=12))
    await worker.correct(
        world.deps, "ada", available=2, held=0, captured=0, correction_id="case-9", note="by hand", ledger_only=True
    )
    assert world.balances() == (12, 0, 0)
    assert await differences(world) == []


async def test_one_users_books_can_be_looked_at_alone(world: World) -> None:
    """The audit of one user leaves the others' differences alone."""
    await world.open_account("bob", 5)
    world.store.put_account(Account(account_id="bob", granted=6, available=6))
    assert [difference async for difference in worker.audit(world.deps, "ada")] == []
    assert [difference.account_id async for difference in worker.audit(world.deps, "bob")] == ["bob", "bob"]


async def test_several_accounts_are_looked_at_at_a_time() -> None:
    """``AT_ONCE`` at a time and no more; the results come in the order of the accounts, each difference once."""
    world, store = await crowd(3 * AT_ONCE)
    wrong = ["user001", "user002", f"user{3 * AT_ONCE - 1:03}"]
    for user_id in wrong:
        store.put_account(replace(world.account(user_id), available=9, captured=1))
    before = dict(store.saved_accounts)
    found = await differences(world)
    assert [(difference.account_id, difference.what) for difference in found] == [
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


async def test_a_correction_cannot_make_a_balance_negative(world: World) -> None:
    """It is refused, and nothing changes."""
    with pytest.raises(ValueError, match="negative"):
        await worker.correct(world.deps, "ada", available=-11, held=0, captured=0, correction_id="case-8", note="typo")
    assert world.balances() == (10, 0, 0)


async def test_a_correction_needs_an_account(world: World) -> None:
    """An account that does not exist has nothing to correct."""
    with pytest.raises(ValueError, match="no account"):
        await worker.correct(world.deps, "eve", available=1, held=0, captured=0, correction_id="x", note="")


@pytest.mark.parametrize("bad", ["", "a/b", "a#b", "invoice 7"])
async def test_ids_that_a_table_forbids_are_refused(world: World, bad: str) -> None:
    """A user or a grant that cannot be a key is refused before anything is written."""
    for user_id, grant_id in ((bad, "g"), ("ada", bad)):
        with pytest.raises(ValueError, match="must be 1 to 128"):
            await worker.grant(world.deps, user_id, 5, grant_id=grant_id)
    assert world.balances() == (10, 0, 0)
