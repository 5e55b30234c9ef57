"""The walk over one account's ledger: every entry in order, compared with the signed heads.

Rules of this file:
1. A walk holds one page of entries, however long the ledger is.
2. It changes nothing but what it signs. What does not fit is returned, by the number of the first entry.
3. With the key of names it also compares the texts that stand beside the digests.
4. An entry whose row cannot be read does not fit, and what comes before it is walked first. So does the row of the
   account: the whole ledger is walked without it.
5. A night walks from the last signed head only. On a long way it signs heads in between, so that the next walk goes on
   there: what was signed is not walked again.
"""

from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from shared.core.money import chain, linking
from shared.core.money.account import Account
from shared.core.money.chain import START, Chained, Flaw, Misfit, NameBucket, Point
from shared.core.money.entries import LedgerEntry
from shared.core.money.heads import Head, bucket_names, signed_digests
from shared.core.values import replace
from shared.ports import Dependencies, UnreadableRow
from shared.worker import proofs

#: Entries that are held at a time: some hundred kilobytes.
PAGE = 500

#: After so many entries a night signs a head in between. It is the most that is walked twice if a worker dies.
SIGN_AFTER = 500_000


async def walk(
    entries: AsyncIterator[LedgerEntry], heads: Mapping[int, str], *, key: bytes = b"", after: Point = START
) -> Point | Misfit:
    """Walk entries after a point to their end. Returns how far they fit, or the first that does not.

    ``heads`` are signed digests by number, their signatures verified. Without ``key`` no text is compared.
    """
    walked: Point | Misfit = after
    async for walked in pages(entries, heads, key=key, after=after):
        if isinstance(walked, Misfit):
            return walked
    return walked if isinstance(walked, Misfit) else chain.ended(walked, heads) or walked


async def pages(
    entries: AsyncIterator[LedgerEntry],
    heads: Mapping[int, str],
    *,
    key: bytes = b"",
    after: Point = START,
    named: NameBucket = str,
) -> AsyncGenerator[Point | Misfit]:
    """Walk as ``walk`` does, and yield where each page ends. A misfit is the last that is yielded."""
    point, page, names = after, list[Chained](), list[Misfit]()
    verified = partial(chain.verify, heads=heads, begun=after.seq, named=named)
    async for entry in _read(entries):
        if isinstance(entry, UnreadableRow):
            walked = verified(page, after=point)
            yield walked if isinstance(walked, Misfit) else Misfit(walked.seq + 1, Flaw.CHANGED, str(entry))
            return
        page.append(linking.chained(entry))
        if key and (wrong := chain.misnamed(key, page[-1].facts, linking.texts_of(entry))):
            names.append(Misfit(entry.seq, Flaw.CHANGED, f"the {wrong} beside it is not the one in its digest"))
        if len(page) == PAGE or names:
            walked = _first(verified(page, after=point), names)
            yield walked
            if isinstance(walked, Misfit):
                return
            point, page = walked, []
    if page:
        yield verified(page, after=point)


async def _read(entries: AsyncIterator[LedgerEntry]) -> AsyncIterator[LedgerEntry | UnreadableRow]:
    """The entries up to the first whose row cannot be read, and why not."""
    try:
        async for entry in entries:
            yield entry
    except UnreadableRow as unreadable:
        yield unreadable


@dataclass(frozen=True, slots=True)
class Verified:
    """A ledger that fits: its number of entries, and the signed heads that it was compared with, the newest first."""

    entries: int
    heads: tuple[Head, ...]


async def verify(deps: Dependencies, account_id: str) -> Verified | Misfit:
    """Walk the whole ledger of an account, and compare it with its signed heads and with the account.

    An account that moves meanwhile is compared at the number that it had when the walk began. Raises ValueError if
    there is no account, and nothing is left of one, or if a head is not what was signed.
    """
    heads = await proofs.all_heads(deps, account_id)
    account = await _row(deps, account_id)
    later: list[int] = []
    entries = deps.store.ledger(account_id)
    if isinstance(account, Account):
        entries = _until(entries, account.seq, later)
    walked = await walk(entries, signed_digests(heads), key=await deps.names_key())
    if isinstance(account, Misfit):
        return _without_row(walked, account)
    if isinstance(walked, Misfit):
        return walked
    misfit = compared(walked, account)
    if misfit is None and later:
        again, _ = await deps.store.load_account(account_id)
        if again is None or again.seq < later[0]:
            misfit = Misfit(later[0], Flaw.INSERTED, f"the account ends at {account.seq}")
    return misfit or Verified(walked.seq, tuple(heads))


async def gone(deps: Dependencies, account_id: str) -> Misfit | None:
    """What an account without a row has left: a signed head, or entries. None: nothing, or it has a row by now."""
    try:
        last = await proofs.last_head(deps, account_id)
        left = f"a head was signed at {last.seq}" if last else ""
    except ValueError as error:
        left = str(error)
    if not left and await _has_entries(deps, account_id):
        left = "its ledger has entries"
    if not left:
        return None
    account, _ = await deps.store.load_account(account_id)  # it may have been opened since it was looked for
    return None if account else Misfit(0, Flaw.MISSING, f"there is none, and {left}")


async def _has_entries(deps: Dependencies, account_id: str) -> bool:
    async for _ in _read(deps.store.ledger(account_id)):
        return True
    return False


async def _row(deps: Dependencies, account_id: str) -> Account | Misfit:
    """The account, or why there is no reading it. Raises ValueError if there is none, and nothing is left of one."""
    try:
        account, _ = await deps.store.load_account(account_id)
    except UnreadableRow as unreadable:
        return Misfit(0, Flaw.CHANGED, str(unreadable))
    found = account or await gone(deps, account_id)
    if found is None:
        raise ValueError(f"there is no account {account_id!r}")
    return found


def _without_row(walked: Point | Misfit, row: Misfit) -> Misfit:
    """What a walk found, and what is wrong with the account's row."""
    if isinstance(walked, Misfit):
        return replace(walked, text=f"{walked.text}; {row}")
    return replace(row, text=f"{row.text}; its ledger fits up to entry {walked.seq}")


@dataclass(frozen=True, slots=True)
class Walked:
    """How far a night has walked a ledger, and how buckets are named there.

    ``signed`` is the number of its last head. ``beyond`` is the first number after the account's, if there is one.
    """

    point: Point
    named: NameBucket
    signed: int
    beyond: int


async def walk_on(deps: Dependencies, account: Account, until: datetime) -> Walked | Misfit | None:
    """Walk from the last signed head to the account's last entry.

    None: the time was over before. The next walk goes on where this one stopped, because a head was signed there.
    Raises ValueError if a head is not what was signed.
    """
    key = await deps.names_key()
    named, last = bucket_names(key), await proofs.last_head(deps, account.account_id)
    point = last.point if last else START
    signed, later = point.seq, list[int]()
    entries = _until(deps.store.ledger(account.account_id, point.seq), account.seq, later)
    async with aclosing(pages(entries, {}, key=key, after=point, named=named)) as walking:
        async for found in walking:
            if isinstance(found, Misfit):
                return found
            point, late = found, deps.now() >= until and found.seq < account.seq
            if late or point.seq - signed >= SIGN_AFTER:
                signed = (await proofs.sign_head(deps, point, deps.now())).seq
            if late:
                return None
    return Walked(point, named, signed, later[0] if later else 0)


async def _until(entries: AsyncIterator[LedgerEntry], seq: int, later: list[int]) -> AsyncIterator[LedgerEntry]:
    """The entries up to a number. The first after it, if there is one, is noted in ``later``."""
    async for entry in entries:
        if entry.seq > seq:
            later.append(entry.seq)
            return
        yield entry


def compared(point: Point, account: Account, named: NameBucket = str) -> Misfit | None:
    """Whether the account's row is where its ledger ends: the same number, digest, sums and buckets."""
    if account.seq > point.seq:
        text = f"the ledger ends at {point.seq}, and the account at {account.seq}"
        return Misfit(point.seq + 1, Flaw.MISSING, text)
    if account.seq < point.seq:
        text = f"the account ends at {account.seq}, and the ledger at {point.seq}"
        return Misfit(account.seq + 1, Flaw.INSERTED, text)
    if (account.head or chain.NOTHING_BEFORE) != point.digest:
        text = f"the account has another digest of entry {account.seq} than the ledger"
        return Misfit(account.seq, Flaw.CHANGED, text)
    sums = tuple(getattr(account, name) for name in chain.SUMS)
    if sums != point.sums:
        wrong = next(name for name, one, other in zip(chain.SUMS, sums, point.sums, strict=True) if one != other)
        return Misfit(account.seq, Flaw.SUMS, f"{wrong} of the account is not the sum of its ledger")
    buckets = {named(each.terms.bucket_id): (each.available, each.held) for each in account.buckets}
    if buckets != point.buckets:
        return Misfit(account.seq, Flaw.SUMS, "the buckets of the account are not those of its ledger")
    return None


def _first(walked: Point | Misfit, names: list[Misfit]) -> Point | Misfit:
    """The first of what was found."""
    found = [*names, *([walked] if isinstance(walked, Misfit) else [])]
    return min(found, key=lambda misfit: misfit.seq) if found else walked
