"""The statement of a month: its reading starts at a signed head from before the month, where there is one."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from dev.fakes.store import FakeStore
from dev.fakes.world import World
from shared import worker
from shared.core.dependency import Dependency
from shared.core.money.chain import Point
from shared.core.money.entries import LedgerEntry
from shared.core.money.statement import Statement
from shared.ports import Unavailable
from shared.worker import proofs, walking

JANUARY = datetime(2027, 1, 1, tzinfo=UTC)


class ReadStore(FakeStore):
    """A store that notes which entries are read."""

    def __init__(self) -> None:
        super().__init__()
        self.read: list[int] = []

    async def ledger(self, account_id: str, after: int = 0) -> AsyncIterator[LedgerEntry]:
        """Noted as they are read."""
        async for entry in FakeStore.ledger(self, account_id, after):
            self.read.append(entry.seq)
            yield entry


async def year(world: World, *, signs: bool = True) -> ReadStore:
    """Ada has ten credits. Ten days of each month up to March have a grant of one; each night a head is signed."""
    store = ReadStore()
    vars(store).update({name: each for name, each in vars(world.store).items() if name != "read"})
    world.store, world.deps = store, replace(world.deps, store=store)
    for month, year_ in ((12, 2026), (1, 2027), (2, 2027), (3, 2027)):
        for day in range(1, 11):
            world.time = datetime(year_, month, day, 12, tzinfo=UTC)
            await worker.grant(world.deps, "ada", 1, grant_id=f"{month}-{day}")
            world.time += timedelta(hours=10)
            if signs:
                walked = await walking.walk(store.ledger("ada"), {})
                assert isinstance(walked, Point)
                await proofs.sign_head(world.deps, walked, world.time)
    store.read.clear()
    return store


async def said(world: World, month: str = "2027-02") -> Statement:
    """The statement of a month."""
    return await worker.statement(world.deps, world.account(), month)


async def test_the_reading_starts_at_the_month(world: World) -> None:
    """From the last head before it: that entry, the month, and the first one after it."""
    store = await year(world)
    february = await said(world)
    first = february.lines[0].entry.seq
    assert store.read == list(range(first - 1, first + 11))
    assert (february.opening[:2], february.closing[:2]) == ((30, 30), (40, 40))
    assert [line.balance for line in february.lines] == list(range(31, 41))


async def test_it_says_the_same_as_a_reading_from_the_first_entry(world: World) -> None:
    """For every month, with heads and without."""
    store = await year(world)
    months = ("2026-10", "2026-11", "2026-12", "2027-01", "2027-02", "2027-03", "2027-04")
    with_heads = [await said(world, each) for each in months]
    world.blobs.proofs.clear()
    assert [await said(world, each) for each in months] == with_heads
    store.read.clear()
    await said(world)
    assert store.read[:3] == [1, 2, 3]


async def test_few_heads_are_read(world: World) -> None:
    """Half of those that are left fall away with each: of 40 at most six are read."""
    await year(world)
    asked: list[str] = []
    real = world.blobs.read_proof

    async def read_proof(name: str) -> bytes | None:
        asked.append(name)
        return await real(name)

    world.blobs.read_proof = read_proof  # type: ignore[method-assign]  # counted
    head = await proofs.head_before(world.deps, "ada", JANUARY)
    assert head is not None
    assert head.at == datetime(2026, 12, 10, 22, tzinfo=UTC)
    assert len([name for name in asked if name.startswith("heads/")]) <= 6
    assert await proofs.head_before(world.deps, "ada", datetime(2026, 12, 1, 21, tzinfo=UTC)) is None
    newest = await proofs.head_before(world.deps, "ada", world.time)
    assert newest == await proofs.last_head(world.deps, "ada")


async def test_without_the_container_it_is_read_from_the_first_entry(world: World) -> None:
    """A statement does not depend on it."""
    store = await year(world)

    async def away(*_: object) -> list[str]:
        raise Unavailable(Dependency.BLOBS, "away")

    world.blobs.list_proofs = away  # type: ignore[assignment]  # away
    assert len((await said(world)).lines) == 10
    assert store.read[0] == 1


async def test_a_ledger_that_does_not_fit_the_head_has_no_statement(world: World) -> None:
    """Its opening balance would be of another ledger than its moves: changed, missing, or a head that is forged."""
    store = await year(world)
    last = next(index for index, each in enumerate(store.entries) if each.at > JANUARY + timedelta(days=9))
    whole = list(store.entries)
    for entries in ([*whole[:last], replace(whole[last], digest="0" * 64), *whole[last + 1 :]], whole[:last]):
        store.entries[:] = entries
        with pytest.raises(ValueError, match="is not the one that was signed"):
            await said(world)
    store.entries[:] = whole
    for name in [each for each in world.blobs.proofs if each.startswith("heads/")]:
        world.blobs.proofs[name] = world.blobs.proofs[name].replace(b'"granted":', b'"granted":9')
    with pytest.raises(ValueError, match="is not what was signed"):
        await said(world)
