"""The statement of a month: its reading starts at a signed head from before the month, where there is one."""

import tracemalloc
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import pytest

from dev.fakes.store import FakeStore
from dev.fakes.world import World
from shared import worker
from shared.core.dependency import Dependency
from shared.core.keys import Key
from shared.core.lifecycle.generation import AnyGeneration
from shared.core.money.chain import Point
from shared.core.money.entries import LedgerEntry
from shared.core.money.statement import UNREADABLE, Line, Made, Statement
from shared.ports import Loaded, Unavailable, UnreadableRow
from shared.views.statement import as_csv, as_json, as_text
from shared.worker import proofs, statements, walking

JANUARY = datetime(2027, 1, 1, tzinfo=UTC)


class ReadStore(FakeStore):
    """A store that notes which entries and generations are read, and how many of these at once."""

    def __init__(self) -> None:
        super().__init__()
        self.read: list[int] = []
        self.generations_read: list[Key] = []
        self.unreadable_generations: set[Key] = set()
        self.reading = self.most = 0

    async def ledger(self, account_id: str, after: int = 0) -> AsyncIterator[LedgerEntry]:
        """Noted as they are read."""
        async for entry in FakeStore.ledger(self, account_id, after):
            self.read.append(entry.seq)
            yield entry

    async def load_generation(self, key: Key) -> AnyGeneration | None:
        """Noted, and refused where it cannot be read."""
        self.generations_read.append(key)
        self.reading += 1
        self.most = max(self.most, self.reading)
        found = await super().load_generation(key)
        self.reading -= 1
        if key in self.unreadable_generations:
            raise UnreadableRow("row ada/generation: request cannot be read", key.account_id)
        return found

    async def load(self, key: Key, version: str = "") -> Loaded:
        """Noted: three rows."""
        self.generations_read += [key] * 3
        return await super().load(key, version)


class LongStore(FakeStore):
    """A store of an account with very many holds, each made as it is read; nothing of it is kept here."""

    def __init__(self, size: int, example: LedgerEntry) -> None:
        super().__init__()
        self._size, self._example = size, example

    async def ledger(self, account_id: str, after: int = 0) -> AsyncIterator[LedgerEntry]:
        """Entries of the example's time."""
        for seq in range(after + 1, self._size + 1):
            yield replace(
                self._example, account_id=account_id, seq=seq, generation_id=f"g{seq}", why=f"the reason of {seq}"
            )


@dataclass(frozen=True)
class Whole:
    """A statement that was read to its end."""

    opening: tuple[int, ...]
    lines: list[Line]

    @property
    def closing(self) -> tuple[int, ...]:
        """What the last line left."""
        return self.lines[-1].sums if self.lines else self.opening


def moved_to(store: ReadStore, world: World) -> None:
    """Put what a world has saved into this store, and let the world use it."""
    mine = {"read", "generations_read", "unreadable_generations", "reading", "most"}
    vars(store).update({name: each for name, each in vars(world.store).items() if name not in mine})
    world.store, world.deps = store, replace(world.deps, store=store)


async def year(world: World, *, signs: bool = True) -> ReadStore:
    """Ada has ten credits. Ten days of each month up to March have a grant of one; each night a head is signed."""
    store = ReadStore()
    moved_to(store, world)
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


async def said(world: World, month: str = "2027-02") -> Whole:
    """The statement of a month."""
    found = await worker.statement(world.deps, world.account(), month)
    return Whole(found.opening, [line async for page in found.pages for line in page])


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


async def test_a_month_has_what_is_between_its_first_moment_and_its_last(world: World) -> None:
    """What was a moment before is in the opening balance, what comes a moment after is not in it."""
    store = await year(world, signs=False)
    moment = timedelta(microseconds=1)
    february, march = datetime(2027, 2, 1, tzinfo=UTC), datetime(2027, 3, 1, tzinfo=UTC)
    times = [february - moment, february, march - moment, march]
    last = store.entries[-1]
    store.entries[:] = [replace(last, seq=seq, at=at) for seq, at in enumerate(times, start=1)]
    found = await said(world)
    assert [line.entry.seq for line in found.lines] == [2, 3]
    assert (found.opening[:2], found.closing[:2]) == ((1, 1), (3, 3))
    store.entries[:] = store.entries[:1]
    assert await said(world) == Whole(found.opening, [])


async def test_a_generation_costs_one_read(world: World) -> None:
    """Of its own row alone, once for its hold and its end, sixteen at a time and no more."""
    store = ReadStore()
    moved_to(store, world)
    keys = [Key("ada", f"g{number}") for number in range(3)]
    for key in keys:
        await world.ask(key)
        await world.cancel(key)
    example = store.entries[-1]
    more = [replace(example, seq=example.seq + each, generation_id=f"more{each}") for each in range(1, 31)]
    store.entries += more
    store.generations_read.clear()
    store.most = 0
    found = await said(world, "2026-11")
    assert sorted(store.generations_read) == sorted([*keys, *(Key("ada", each.generation_id) for each in more)])
    assert store.most == 16
    assert [line.made for line in found.lines if line.entry.generation_id == "g1"] == [Made("flux-schnell", 0)] * 2


async def test_a_generation_that_cannot_be_read_costs_its_own_lines_only(world: World) -> None:
    """They say so; the balance is whole, and the others have their model."""
    store = ReadStore()
    moved_to(store, world)
    await world.ask(Key("ada", "one"))
    await world.ask(Key("ada", "two"))
    whole = await said(world, "2026-11")
    store.unreadable_generations = {Key("ada", "one")}
    found = await said(world, "2026-11")
    made = {line.entry.generation_id: line.made for line in found.lines}
    assert (made["one"], made["two"]) == (UNREADABLE, Made("flux-schnell", 0))
    assert [line.sums for line in found.lines] == [line.sums for line in whole.lines]


@pytest.mark.parametrize("write", [as_text, as_csv, as_json])
async def test_a_page_is_held_however_long_the_month_is(
    write: Callable[[Statement], AsyncIterator[str]], world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In each form. A further entry takes no further memory; an entry that is held takes more than a kilobyte."""
    monkeypatch.setattr(statements, "PAGE", 50)
    await world.ask()
    example, account = world.store.entries[-1], world.account()

    async def peak(pages: int) -> int:
        deps = replace(world.deps, store=LongStore(pages * statements.PAGE, example))
        tracemalloc.start()
        try:
            lines = [part.count("\n") async for part in write(await worker.statement(deps, account, "2026-11"))]
            most = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        assert sum(lines) >= pages * statements.PAGE
        return most

    few, many = 8, 60
    assert await peak(many) - await peak(few) < 300 * (many - few) * statements.PAGE
