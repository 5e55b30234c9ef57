"""The walk over one account's ledger: every entry in order, compared with the signed heads.

Rules of this file:
1. A walk holds one page of entries, however long the ledger is.
2. It changes nothing. What does not fit is returned, by the number of the first entry.
3. With the key of names it also compares the texts that stand beside the digests.
4. A night walks from the last signed head only, and signs the next one only if all since then is whole.
"""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass

from shared.core.money import chain, linking
from shared.core.money.account import Account
from shared.core.money.chain import START, Chained, Flaw, Misfit, Point
from shared.core.money.entries import LedgerEntry
from shared.core.money.heads import Head, signed_digests
from shared.ports import Dependencies
from shared.worker import proofs

#: Entries that are held at a time: some hundred kilobytes.
PAGE = 500


async def walk(
    entries: AsyncIterator[LedgerEntry], heads: Mapping[int, str], *, key: bytes = b"", after: Point = START
) -> Point | Misfit:
    """Walk entries after a point to their end. Returns how far they fit, or the first that does not.

    ``heads`` are signed digests by number, their signatures verified. Without ``key`` no text is compared.
    """
    point, page, names = after, list[Chained](), list[Misfit]()
    async for entry in entries:
        page.append(linking.chained(entry))
        if key and not names and (wrong := chain.misnamed(key, page[-1].facts, linking.texts_of(entry))):
            names.append(Misfit(entry.seq, Flaw.CHANGED, f"the {wrong} beside it is not the one in its digest"))
        if len(page) == PAGE or names:
            walked = chain.verify(page, heads, after=point)
            if isinstance(walked, Misfit) or names:
                return _first(walked, names)
            point, page = walked, []
    walked = chain.verify(page, heads, after=point)
    if isinstance(walked, Misfit):
        return walked
    return chain.ended(walked, heads) or walked


@dataclass(frozen=True, slots=True)
class Verified:
    """A ledger that fits: its number of entries, and the signed heads that it was compared with, the newest first."""

    entries: int
    heads: tuple[Head, ...]


async def verify(deps: Dependencies, account_id: str) -> Verified | Misfit:
    """Walk the whole ledger of an account, and compare it with its signed heads and with the account.

    An account that moves meanwhile is compared at the number that it had when the walk began. Raises ValueError if
    there is no account, or if a head is not what was signed.
    """
    heads = await proofs.all_heads(deps, account_id)
    account, _ = await deps.store.load_account(account_id)
    if account is None:
        raise ValueError(f"there is no account {account_id!r}")
    later: list[int] = []
    entries = _until(deps.store.ledger(account_id), account.seq, later)
    walked = await walk(entries, signed_digests(heads), key=await deps.names_key())
    if isinstance(walked, Misfit):
        return walked
    sums = tuple(getattr(account, name) for name in chain.SUMS)
    misfit = compared(walked, seq=account.seq, head=account.head, sums=sums)
    if misfit is None and later:
        again, _ = await deps.store.load_account(account_id)
        if again is None or again.seq < later[0]:
            misfit = Misfit(later[0], Flaw.INSERTED, f"the account ends at {account.seq}")
    return misfit or Verified(walked.seq, tuple(heads))


async def sign_tonight(deps: Dependencies, account: Account) -> Head | Misfit | None:
    """Walk from the last signed head to the account's last entry, and sign that if all is whole.

    Returns the new head, the first entry that does not fit, or None if nothing came since the last head. Raises
    ValueError if the last head is not what was signed.
    """
    last = await proofs.last_head(deps, account.account_id)
    begun = last.point if last else START
    if begun.seq == account.seq and account.head in ("", begun.digest):
        return None
    entries = _until(deps.store.ledger(account.account_id, begun.seq), account.seq, [])
    walked = await walk(entries, {}, key=await deps.names_key(), after=begun)
    if isinstance(walked, Misfit):
        return walked
    sums = tuple(getattr(account, name) for name in chain.SUMS)
    misfit = compared(walked, seq=account.seq, head=account.head, sums=sums)
    return misfit or await proofs.sign_head(deps, walked, deps.now())


async def _until(entries: AsyncIterator[LedgerEntry], seq: int, later: list[int]) -> AsyncIterator[LedgerEntry]:
    """The entries up to a number. The first after it, if there is one, is noted in ``later``."""
    async for entry in entries:
        if entry.seq > seq:
            later.append(entry.seq)
            return
        yield entry


def compared(point: Point, *, seq: int, head: str, sums: tuple[int, ...]) -> Misfit | None:
    """Whether the account's row is where its ledger ends: the same number, digest and sums."""
    if seq > point.seq:
        return Misfit(point.seq + 1, Flaw.MISSING, f"the ledger ends at {point.seq}, and the account at {seq}")
    if seq < point.seq:
        return Misfit(seq + 1, Flaw.INSERTED, f"the account ends at {seq}, and the ledger at {point.seq}")
    if (head or chain.NOTHING_BEFORE) != point.digest:
        return Misfit(seq, Flaw.CHANGED, f"the account has another digest of entry {seq} than the ledger")
    if sums != point.sums:
        wrong = next(name for name, one, other in zip(chain.SUMS, sums, point.sums, strict=True) if one != other)
        return Misfit(seq, Flaw.SUMS, f"{wrong} of the account is not the sum of its ledger")
    return None


def _first(walked: Point | Misfit, names: list[Misfit]) -> Misfit:
    """The first of what was found."""
    found = [*names, *([walked] if isinstance(walked, Misfit) else [])]
    return min(found, key=lambda misfit: misfit.seq)
