"""The walk over one account's ledger: every entry in order, compared with the signed heads.

Rules of this file:
1. A walk holds one page of entries, however long the ledger is.
2. It changes nothing. What does not fit is returned, by the number of the first entry.
3. With the key of names it also compares the texts that stand beside the digests.
"""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass

from shared.core.money import chain, linking
from shared.core.money.chain import START, Chained, Flaw, Misfit, Point
from shared.core.money.linking import StandIns

#: Entries that are held at a time: some hundred kilobytes.
PAGE = 500


@dataclass(frozen=True, slots=True)
class Saved:
    """An entry as it was read, and the keyed digests that were saved with it."""

    entry: linking.Entry
    stand_ins: StandIns


async def walk(
    entries: AsyncIterator[Saved], heads: Mapping[int, str], *, key: bytes = b"", after: Point = START
) -> Point | Misfit:
    """Walk entries after a point to their end. Returns how far they fit, or the first that does not.

    ``heads`` are signed digests by number, their signatures verified. Without ``key`` no text is compared.
    """
    point, page, names = after, list[Chained](), list[Misfit]()
    async for saved in entries:
        page.append(linking.chained(saved.entry, saved.stand_ins))
        if key and not names and (wrong := chain.misnamed(key, page[-1].facts, linking.texts_of(saved.entry))):
            names.append(Misfit(saved.entry.seq, Flaw.CHANGED, f"the {wrong} beside it is not the one in its digest"))
        if len(page) == PAGE or names:
            walked = chain.verify(page, heads, after=point)
            if isinstance(walked, Misfit) or names:
                return _first(walked, names)
            point, page = walked, []
    walked = chain.verify(page, heads, after=point)
    if isinstance(walked, Misfit):
        return walked
    return chain.ended(walked, heads) or walked


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
