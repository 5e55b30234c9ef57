"""The night's audit: which accounts it looks at, how a call goes on where the last one stopped, and what it says."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import date, timedelta

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
from shared.ports import Loaded, NightProgress, Unavailable, UnreadableRow
from shared.worker import nights, proofs, walking
from shared.worker.auditing import AT_ONCE
from shared.worker.open_index import row_for

DAY, TODAY = timedelta(days=1), START.date()


class Traced(FakeStore):
    """A store that notes from where ledgers are read, and spends time with each entry."""

    def __init__(self) -> None:
        super().__init__()
        self.world: World | None = None
        self.entry_s = 0.0
        self.asked: list[tuple[str, int]] = []
        self.scans = 0
        self.open_s = 0.0
        self.reads: list[Key] = []
        self.reading = self.most = 0
        self.broken: dict[str, Exception] = {}

    async def ledger(self, account_id: str, after: int = 0) -> AsyncIterator[LedgerEntry]:
        """See ``Store``."""
        self.asked.append((account_id, after))
        if account_id in self.broken:
            raise self.broken[account_id]
        async for entry in super().ledger(account_id, after):
            if self.world is not None:
                self.world.pass_time(self.entry_s)
            yield entry

    async def load_generation(self, key: Key) -> AnyGeneration | None:
        """See ``Store``."""
        self.reading += 1
        self.most = max(self.most, self.reading)
        found = await super().load_generation(key)
        self.reading -= 1
        self.reads.append(key)
        if self.world is not None:
            self.world.pass_time(self.open_s)
        return found

    async def load(self, key: Key, version: str = "") -> Loaded:
        """See ``Store``."""
        self.reads += [key] * 3
        return await super().load(key, version)

    async def accounts(self) -> AsyncIterator[Account | UnreadableRow]:
        """See ``Store``."""
        self.scans += 1
        async for account in super().accounts():
            yield account


async def crowd(size: int) -> tuple[World, Traced]:
    """A world of so many accounts, from user000 on. It is half past three of the next day."""
    world, store = World(), Traced()
    world.store, world.deps, store.world = store, replace(world.deps, store=store), world
    for number in range(size):
        await world.open_account(f"user{number:03}")
    world.time = START + DAY
    return world, store


async def call(world: World, most_s: float = 200) -> list[str]:
    """One call of the night: what it has seen, and the differences behind a colon."""
    progress = await worker.begin_call(world.deps)
    if progress is None:
        return []
    made = worker.Call(world.deps, replace(progress, swept=True), world.now() + timedelta(seconds=most_s))
    return [
        looked.account_id + "".join(f":{each.what}" for each in looked.differences) async for looked in made.looks()
    ]


def heads(world: World) -> int:
    """How many heads were signed."""
    return sum(name.startswith("heads/") for name in world.blobs.proofs)


async def test_a_night_looks_at_the_accounts_that_moved_and_at_no_other() -> None:
    """Each once, and signs each. The next night looks at those that moved since; a third has nothing to do."""
    world, store = await crowd(AT_ONCE * 2)
    assert await call(world) == sorted(store.saved_accounts)
    assert heads(world) == AT_ONCE * 2
    assert await call(world) == []
    await worker.grant(world.deps, "user007", 1, grant_id="more")
    world.pass_time(DAY.total_seconds())
    assert await call(world) == ["user007"]
    assert heads(world) == AT_ONCE * 2 + 1
    world.pass_time(DAY.total_seconds())
    assert await call(world) == []
    assert store.scans == 0


async def test_a_day_is_looked_at_when_it_is_over_on_every_clock() -> None:
    """Ten minutes after midnight a move of the day before may still be on its way."""
    world, _ = await crowd(1)
    world.time = START.replace(hour=0, minute=10) + DAY
    assert await call(world) == []
    world.time = START.replace(hour=0, minute=15) + DAY
    assert await call(world) == ["user000"]


async def test_a_call_goes_on_after_the_account_at_which_the_last_one_stopped() -> None:
    """Each account has one look, in one of the calls; each call ends when its time is over."""
    world, store = await crowd(50)
    store.entry_s = 1.0
    seen = []
    for _ in range(20):
        began = world.now()
        seen.append(await call(world, most_s=15))
        assert world.now() - began < timedelta(seconds=15 + 2 * AT_ONCE)
        world.pass_time(300 - (world.now() - began).total_seconds())
    looked = [account_id for each in seen for account_id in each]
    assert sorted(set(looked)) == sorted(store.saved_accounts)
    assert len(looked) == 50
    assert sum(map(bool, seen)) > 2
    assert heads(world) == 50


async def test_a_call_goes_on_within_an_account(monkeypatch: pytest.MonkeyPatch) -> None:
    """A ledger of many pages: each call signs where it stopped, and no entry is read twice."""
    monkeypatch.setattr(walking, "PAGE", 10)
    world, store = await crowd(1)
    world.time = START
    for number in range(95):
        await worker.grant(world.deps, "user000", 1, grant_id=f"g{number}") if number % 2 else None
        await worker.revoke(world.deps, "user000", 1, worker.Command(command_id=f"r{number}"))
    world.time = START + DAY
    store.entry_s, last = 1.0, world.account("user000").seq
    assert last > 120
    store.asked = []
    seen = []
    for _ in range(20):
        seen.append(await call(world, most_s=25))
        world.pass_time(200)
    assert [each for each in seen if each] == [["user000"]]
    signed = [head.seq for head in reversed(await proofs.all_heads(world.deps, "user000"))]
    assert signed == [*range(30, last, 30), last]
    assert store.asked == [("user000", seq) for seq in (0, *signed[:-1])]


async def test_a_long_walk_signs_in_between(monkeypatch: pytest.MonkeyPatch) -> None:
    """If the worker dies, the next call goes on there, and so it comes to the end however often it dies."""
    monkeypatch.setattr(walking, "PAGE", 10)
    monkeypatch.setattr(walking, "SIGN_AFTER", 20)
    world, store = await crowd(1)
    world.time = START
    for number in range(50):
        await worker.grant(world.deps, "user000", 1, grant_id=f"g{number}")
    world.time = START + DAY
    assert await call(world) == ["user000"]
    signed = [head.seq for head in reversed(await proofs.all_heads(world.deps, "user000"))]
    assert signed == [20, 40, 52]
    assert len(store.saved_accounts) == 1


async def test_what_a_night_leaves_is_the_next_ones_first_work() -> None:
    """It says so in its last call, once. The next night begins with the same day."""
    world, store = await crowd(60)
    store.entry_s = 400.0
    seen: list[str] = []
    while world.now() < START + DAY + nights.NIGHT:
        seen += await call(world, most_s=200)
        world.pass_time(300)
    missing = set(store.saved_accounts) - set(seen)
    assert missing
    assert world.telemetry.total("darkroom.audits_unfinished") == 1
    assert await call(world) == []
    world.time, store.entry_s = START + 2 * DAY, 0.0
    assert set(await call(world)) == missing
    assert world.telemetry.total("darkroom.audits_unfinished") == 1


async def test_a_night_whose_last_call_never_came_is_reported_by_the_next_night() -> None:
    """The host was down from the first call on."""
    world, store = await crowd(40)
    store.entry_s = 30.0
    seen = await call(world, most_s=30)
    assert 0 < len(seen) < 40
    assert world.telemetry.total("darkroom.audits_unfinished") == 0
    world.time, store.entry_s = START + 2 * DAY, 0.0
    assert len(await call(world)) == 40 - len(seen)
    assert world.telemetry.total("darkroom.audits_unfinished") == 1


@pytest.mark.parametrize(
    ("error", "what"),
    [
        (UnreadableRow("row user003/entry:1: at cannot be read", "user003"), "ledger chain"),
        (TypeError("x"), "unreadable"),
    ],
)
async def test_one_account_costs_its_own_audit_only(error: Exception, what: str) -> None:
    """A row that cannot be read, or what nobody has thought of. It is reported each night until it is mended."""
    world, store = await crowd(10)
    store.broken["user003"] = error
    assert await call(world) == [f"user{each:03}" + f":{what}" * (each == 3) for each in range(10)]
    assert heads(world) == 9
    world.time += DAY
    assert await call(world) == [f"user003:{what}"]
    assert world.telemetry.total("darkroom.audit_differences") == 2
    store.broken.clear()
    world.time += DAY
    assert await call(world) == ["user003"]
    assert heads(world) == 10
    world.time += DAY
    assert await call(world) == []


async def test_a_difference_is_reported_each_night_and_nothing_is_signed() -> None:
    """The account moved by hand: its sums are not those of its ledger."""
    world, store = await crowd(3)
    store.put_account(edited(world.account("user001"), 9, captured=1))
    for _ in range(2):
        (found,) = [each for each in await call(world) if ":" in each]
        assert found == "user001:ledger available:ledger captured:bucket grant:welcome available"
        world.time += DAY
    assert heads(world) == 2


async def test_a_table_that_is_down_costs_a_call_and_not_what_was_done_before() -> None:
    """The next call begins at the account that could not be read, or a few seconds before it."""
    world, store = await crowd(40)
    store.broken["user030"] = Unavailable(Dependency.TABLES, "the test says so")
    with pytest.raises(Unavailable):
        await call(world)
    assert heads(world) >= 14
    store.broken.clear()
    assert len(await call(world)) == 40
    assert heads(world) == 40


async def test_open_holds_are_those_of_the_index() -> None:
    """A hold without an open generation is found; one whose row is not in the open index, too: nobody checks on it."""
    world, store = await crowd(1)
    world.time = START
    for name in ("one", "two"):
        await world.ask(Key("user000", name))
    world.time = START + DAY
    row = world.index.rows.pop(Key("user000", "one"))
    assert await call(world) == ["user000:open holds"]
    world.index.rows[row.key] = row
    world.time += DAY
    assert await call(world) == ["user000"]
    del store.saved_generations[Key("user000", "two")]
    await worker.grant(world.deps, "user000", 1, grant_id="more")
    world.time += DAY
    assert await call(world) == ["user000:open holds"]


async def waits(world: World, account_id: str, size: int) -> list[Key]:
    """So many rows of an account in the open index, of requests that hold nothing."""
    keys = [Key(account_id, f"waits{number}") for number in range(size)]
    for key in keys:
        await world.index.put(row_for(world.deps, key, 0))
    return keys


async def test_an_open_generation_costs_one_read() -> None:
    """Of its own row alone, ``AT_ONCE`` at a time and no more."""
    world, store = await crowd(1)
    keys = await waits(world, "user000", 5 * AT_ONCE + 1)
    assert await call(world) == ["user000"]
    assert sorted(store.reads) == sorted(keys)
    assert store.most == AT_ONCE


async def test_an_account_with_very_many_open_requests_blocks_nobody() -> None:
    """Its open rows get half of a call. All others are signed in the first one; it is reported, in each night."""
    world, store = await crowd(50)
    await waits(world, "user003", 300)
    store.open_s = 0.5
    for night in (1, 2):
        began = world.now()
        assert await call(world) == (sorted(store.saved_accounts) if night == 1 else ["user003"])
        assert world.now() - began < nights.OPEN_ROWS + timedelta(seconds=AT_ONCE)
        assert world.telemetry.total("darkroom.audits_unfinished") == night
        assert world.telemetry.total("darkroom.audit_differences") == 0
        assert await call(world) == []
        world.time += DAY
    assert heads(world) == 50
    store.open_s = 0.0
    assert await call(world) == ["user003"]
    assert world.telemetry.total("darkroom.audits_unfinished") == 2


async def test_what_a_call_had_too_little_time_for_is_the_next_ones_first_work() -> None:
    """It ended while open rows were read, before they had their half. What was walked is not walked again."""
    world, store = await crowd(1)
    await waits(world, "user000", 190)
    store.entry_s, store.open_s, store.asked = 60.0, 0.5, []
    last = world.account("user000").seq
    assert await call(world) == []
    assert (heads(world), world.telemetry.total("darkroom.audits_unfinished")) == (1, 0)
    world.pass_time(100)
    assert await call(world) == ["user000"]
    assert [after for _, after in store.asked] == [0, last]


async def test_a_difference_is_reported_though_the_open_rows_are_too_many() -> None:
    """And nothing is signed."""
    world, store = await crowd(1)
    await waits(world, "user000", 300)
    store.open_s = 0.5
    store.put_account(edited(world.account("user000"), 9, captured=1))
    (found,) = await call(world)
    assert found == "user000:ledger available:ledger captured:bucket grant:welcome available"
    assert heads(world) == 0


async def test_an_entry_that_no_account_knows_is_found() -> None:
    """Its number is beyond the account's."""
    world, store = await crowd(1)
    last = store.entries[-1]
    store.entries.append(replace(last, seq=last.seq + 1, previous=last.digest, entry_id="more"))
    assert await call(world) == ["user000:ledger chain"]
    assert heads(world) == 0


async def test_an_account_that_was_noted_and_never_saved_is_nothing() -> None:
    """A worker died between the row and the move."""
    world, _ = await crowd(0)
    await world.moved.note("nobody", TODAY)
    assert await call(world) == ["nobody"]
    assert heads(world) == 0


async def test_old_days_are_forgotten() -> None:
    """After so many days; those that limits still look at stay."""
    world, _ = await crowd(1)
    await call(world)
    old = date(2026, 10, 13)  # 40 days before the day that the second night looks at
    for day in (old - DAY, old, old + DAY):
        await world.moved.note("user000", day)
    world.time += DAY
    await call(world)
    assert sorted(world.moved.rows) == [old - DAY, old + DAY, TODAY]


async def test_the_first_night_of_all_looks_at_every_day_that_is_kept() -> None:
    """Nothing is known of nights before. Neither is it if the row of the progress cannot be read."""
    world, _ = await crowd(1)
    await world.moved.note("user000", TODAY - timedelta(days=39))
    await world.moved.note("user000", TODAY - timedelta(days=40))
    assert await call(world) == ["user000", "user000"]

    async def unreadable() -> NightProgress | None:
        raise UnreadableRow("row night/progress: day cannot be read")

    world.nights.progress = unreadable  # type: ignore[method-assign]  # somebody edited the row
    assert await call(world) == ["user000", "user000"]
    assert heads(world) == 1
