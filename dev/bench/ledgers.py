"""How fast a night walks a ledger: over entries in Azurite, and over many more that a stand-in makes as they are read.

    python -m dev.bench.ledgers stored [--entries 100000]
    python -m dev.bench.ledgers made FOLDER [--entries 8000000] [--seconds 200]

Rules of this file:
1. The walk is the night's own (``worker.Call``). Entries are read by the app's table adapter, or made as they are read.
2. The entries are those of one customer: a grant, then holds and their ends, sealed with the key of names.
3. ``made`` is one call of a night, in a process of its own: run it until it says that the night has come to its end.
   It goes on from the signed heads in FOLDER, where the digests of all entries are made before, also in steps. What is
   made is not kept in memory, so the process' peak is that of the walk.
"""

import argparse
import asyncio
import os
import pickle
import resource
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from uuid import uuid4

from dev import azurite
from dev.fakes.store import FakeStore
from dev.fakes.world import World
from shared import worker
from shared.adapters.azure_storage.access import StorageAccount
from shared.adapters.azure_storage.tables import TableService, TableStore, rows_money
from shared.core.keys import Key, row_key
from shared.core.money.account import Account
from shared.core.money.buckets import Bucket, Change, Terms
from shared.core.money.chain import Named, keyed
from shared.core.money.entries import BY_USER, LedgerEntry, Move
from shared.core.money.linking import StandIns, digest_of
from shared.ports import Dependencies, NightProgress
from shared.worker import proofs

CUSTOMER = "customer"

#: Entries that are written at a time.
_AT_ONCE = 32

#: So many entries are made to see how long one takes.
_SAMPLE = 20_000

_CREDITS, _PRICE = 1_000_000_000, 3
_AT = datetime(2026, 11, 28, tzinfo=UTC)
_TERMS = Terms("grant:invoice", _AT)

_keyed = lru_cache(100)(keyed)


def entry_of(seq: int, key: bytes, previous: str, digest: str = "") -> LedgerEntry:
    """The entry of a number: the grant is the first, then each hold is followed by its end."""
    of = Key(f"user-{seq // 2 % 20}", f"generation-{seq // 2}", CUSTOMER)
    facts: dict[str, Any] = {"user_id": of.user_id, "generation_id": of.generation_id}
    if seq == 1:
        move, facts = Move.GRANT, {"granted": _CREDITS, "available": _CREDITS, "buckets": (Change(_TERMS, _CREDITS),)}
    elif seq % 2 == 0:
        move, change = Move.HOLD, Change(_TERMS, -_PRICE, _PRICE)
        facts |= {"available": -_PRICE, "held": _PRICE, "buckets": (change,), "by": BY_USER}
    else:
        move, change = Move.RESOLVE, Change(_TERMS, 0, -_PRICE)
        facts |= {"held": -_PRICE, "captured": _PRICE, "buckets": (change,), "held_at": _AT}
    entry_id = "invoice" if seq == 1 else row_key(of)
    stands = StandIns(
        account=_keyed(key, Named.ACCOUNT, CUSTOMER),
        entry=keyed(key, Named.ENTRY, entry_id),
        user=_keyed(key, Named.USER, facts.get("user_id", "")),
    )
    links: dict[str, Any] = {"previous": previous, "stand_ins": stands, "digest": digest}
    return LedgerEntry(account_id=CUSTOMER, seq=seq, move=move, entry_id=entry_id, at=_AT, **facts, **links)


def account_of(seq: int, head: str) -> Account:
    """The customer after an odd number of entries: nothing is held."""
    captured = seq // 2 * _PRICE
    left = _CREDITS - captured
    return Account(
        account_id=CUSTOMER,
        granted=_CREDITS,
        available=left,
        captured=captured,
        buckets=(Bucket(_TERMS, left),),
        seq=seq,
        head=head,
        moved_at=_AT,
    )


class MadeLedger(FakeStore):
    """A store whose one ledger is made as it is read. The digests of its entries are in a file."""

    def __init__(self, count: int, key: bytes, file: Path) -> None:
        super().__init__()
        self.count, self._key = count, key
        self._digests = file.open("a+b")
        self.known = file.stat().st_size // 32

    def learn(self, until: float) -> bool:
        """Make digests until this time of ``time.monotonic``. Returns whether all are known."""
        previous = self._digest(self.known)
        while self.known < self.count and (self.known % 1000 or time.monotonic() < until):
            entry = entry_of(self.known + 1, self._key, previous)
            previous = digest_of(entry, entry.stand_ins or StandIns(account="", entry=""))
            self._digests.write(bytes.fromhex(previous))
            self.known += 1
        self._digests.flush()
        if self.known < self.count:
            return False
        self.put_account(account_of(self.count, self._digest(self.count)))
        return True

    def made(self, after: int) -> Iterator[LedgerEntry]:
        """The entries after a number."""
        previous = self._digest(after)
        for seq in range(after + 1, self.count + 1):
            digest = self._digest(seq)
            yield entry_of(seq, self._key, previous, digest)
            previous = digest

    def _digest(self, seq: int) -> str:
        return os.pread(self._digests.fileno(), 32, (seq - 1) * 32).hex() if seq else ""

    async def ledger(self, account_id: str, after: int = 0) -> AsyncIterator[LedgerEntry]:
        """See ``Store``."""
        for number, entry in enumerate(self.made(after) if account_id == CUSTOMER else ()):
            if number % 1000 == 0:
                await asyncio.sleep(0)
            yield entry


async def call(deps: Dependencies, seconds: float) -> tuple[bool, float]:
    """One call of a night for the customer. Returns whether it came to the end, and its seconds."""
    day = (deps.now() - timedelta(days=1)).date()
    await deps.moved.note(CUSTOMER, day)
    progress = NightProgress(began_at=deps.now(), day=day)
    begun = time.perf_counter()
    made = worker.Call(deps, progress, deps.now() + timedelta(seconds=seconds))
    async for looked in made.looks():
        if looked.differences:
            raise AssertionError(str(looked.differences[0]))
    return made.progress.day > day, time.perf_counter() - begun


def _now() -> datetime:
    return datetime.now(UTC)


def _said(entries: int, took_s: float) -> str:
    peak_mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    cpu_s = time.process_time()
    speed = f"{entries:,} entries in {took_s:,.1f} s, {entries / took_s:,.0f} a second"
    return f"{speed}; CPU of the process {cpu_s:,.1f} s; peak of memory {peak_mib:,.0f} MiB"


async def of_made(folder: Path, count: int, seconds: float) -> None:
    """One call over entries that are made as they are read, or a part of what must be made before."""
    world, kept = World(), folder / "proofs.pickle"
    store = MadeLedger(count | 1, await world.deps.names_key(), folder / "digests")
    if not store.learn(time.monotonic() + seconds):
        print(f"{store.known:,} of {store.count:,} digests are made")
        return
    if kept.exists():
        world.blobs.proofs.update(pickle.loads(kept.read_bytes()))  # noqa: S301  # this file has written it
    deps = replace(world.deps, store=store, now=_now)
    before = await proofs.last_head(deps, CUSTOMER)
    begun = time.perf_counter()
    for _ in zip(range(_SAMPLE), store.made(0), strict=False):
        pass
    made_s = (time.perf_counter() - begun) / min(_SAMPLE, store.count)
    ended, took_s = await call(deps, seconds)
    kept.write_bytes(pickle.dumps(world.blobs.proofs))
    after = await proofs.last_head(deps, CUSTOMER)
    walked = (after.seq if after else 0) - (before.seq if before else 0)
    print(f"{_said(walked, took_s)}; making one took {made_s * 1e6:.0f} us; the head is at {after and after.seq:,}")
    if ended:
        print("the night has come to its end")


async def of_stored(folder: Path, count: int) -> None:
    """The walk over entries in Azurite, read by the app's adapter."""
    running = await azurite.start()
    service = TableService(StorageAccount.by_string(running.connection_string, "table"))
    try:
        world = World()
        table = f"state{uuid4().hex[:12]}"
        store = TableStore(service, table)
        await store.ensure()
        made = MadeLedger(count | 1, await world.deps.names_key(), folder / "digests")
        made.learn(float("inf"))
        begun = time.perf_counter()
        await _stored(service, table, made)
        print(f"stored in {time.perf_counter() - begun:,.0f} s")
        cpu_s = time.process_time()
        _, took_s = await call(replace(world.deps, store=store, now=_now), 100_000)
        print(f"{_said(made.count, took_s)}; of them {time.process_time() - cpu_s:,.1f} s for the walk")
    finally:
        await service.close()
        await running.stop()


async def _stored(service: TableService, table: str, made: MadeLedger) -> None:
    """The rows that a walk reads, one by one: a transaction takes Azurite the longer the more it has."""
    await service.rest.insert(table, rows_money.account_row(made.saved_accounts[CUSTOMER]))
    page: list[LedgerEntry] = []
    for entry in made.made(0):
        page.append(entry)
        if len(page) == _AT_ONCE or entry.seq == made.count:
            await asyncio.gather(*(service.rest.insert(table, rows_money.entry_row(each)) for each in page))
            page = []


def main() -> None:
    """Run one of both."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    kinds = parser.add_subparsers(required=True, dest="kind")
    stored = kinds.add_parser("stored", help="entries in Azurite")
    stored.add_argument("--entries", type=int, default=100_000)
    made = kinds.add_parser("made", help="one call over entries that are made as they are read")
    made.add_argument("folder", type=Path)
    made.add_argument("--entries", type=int, default=8_000_000)
    made.add_argument("--seconds", type=float, default=200)
    asked = parser.parse_args()
    if asked.kind == "stored":
        with TemporaryDirectory() as folder:
            asyncio.run(of_stored(Path(folder), asked.entries))
    else:
        asked.folder.mkdir(parents=True, exist_ok=True)
        asyncio.run(of_made(asked.folder, asked.entries, asked.seconds))


if __name__ == "__main__":
    main()
