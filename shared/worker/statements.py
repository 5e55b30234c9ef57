"""The statement of an account for a month: where its reading starts, and what its generations made.

Rules of this file:
1. The reading starts at the newest signed head from before the month, which has the six sums up to there. So it reads
   the month and at most the days since that head, and not the whole ledger. Where no head is from before the month, or
   none can be read, it starts at the first entry.
2. The entry of that head is read too. If it has another digest, or is not there, nothing is said: the opening balance
   would be of another ledger than the moves.
3. A name that was erased stays erased: such a move has no model and no outputs.
4. A page of entries is held, however many the month has.
5. A generation costs one point read in each page that names it. One that cannot be read costs its own model and
   outputs: its credits are in the ledger.
"""

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from datetime import timedelta
from zoneinfo import ZoneInfo

from shared.core.keys import Key
from shared.core.lifecycle.generation import Generation
from shared.core.money import statement as statements
from shared.core.money.account import Account
from shared.core.money.chain import START
from shared.core.money.entries import LedgerEntry
from shared.core.money.heads import Head
from shared.core.money.statement import Line, Made, Month, Statement
from shared.ports import Dependencies, Unavailable, UnreadableRow
from shared.worker import proofs

#: Entries that are held at a time: with their lines a megabyte.
PAGE = 500

#: How many generations are read at a time.
_AT_ONCE = 16

#: By so much the clock that signed a head may be behind one that made an entry.
_SKEW = timedelta(hours=1)


async def statement(deps: Dependencies, account: Account, month: str) -> Statement:
    """The statement of an account for a month of its time zone, such as ``2026-11``. Its pages are read as they come.

    Raises ValueError if the text names no month, if a head is not what was signed, or if the ledger does not fit it.
    """
    wanted = statements.month_of(month, ZoneInfo(account.zone))
    head = await _head_before(deps, account.account_id, wanted)
    entries = deps.store.ledger(account.account_id, head.seq - 1 if head else 0)
    if head is not None:
        _expect(head, await anext(entries, None))
    opening, first = await _opening(entries, wanted, head.sums if head else START.sums)
    return Statement(
        account.account_id, wanted, opening, _pages(deps, wanted, _of_month(wanted, first, entries), opening)
    )


async def _head_before(deps: Dependencies, account_id: str, month: Month) -> Head | None:
    """The head at which the reading starts; None: at the first entry."""
    try:
        return await proofs.head_before(deps, account_id, month.start - _SKEW)
    except Unavailable:
        return None


def _expect(head: Head, first: LedgerEntry | None) -> None:
    """Raise ValueError unless the first entry is that of the head (rule 2)."""
    if first is None or (first.seq, first.digest) != (head.seq, head.digest):
        raise ValueError(f"entry {head.seq} is not the one that was signed; see `account verify`")


async def _opening(
    entries: AsyncIterator[LedgerEntry], month: Month, sums: tuple[int, ...]
) -> tuple[tuple[int, ...], LedgerEntry | None]:
    """The sums before the month, and the first entry that is not before it."""
    async for entry in entries:
        if entry.at >= month.start:
            return sums, entry
        sums = statements.added(sums, statements.changes_of(entry))
    return sums, None


async def _of_month(
    month: Month, first: LedgerEntry | None, entries: AsyncIterator[LedgerEntry]
) -> AsyncIterator[LedgerEntry]:
    """The entries from the first one to the first that is after the month."""
    if first is None or first.at >= month.end:
        return
    yield first
    async for entry in entries:
        if entry.at >= month.end:
            return
        yield entry


async def _pages(
    deps: Dependencies, month: Month, entries: AsyncIterator[LedgerEntry], sums: tuple[int, ...]
) -> AsyncIterator[Sequence[Line]]:
    page: list[LedgerEntry] = []
    async for entry in entries:
        page.append(entry)
        if len(page) == PAGE:
            lines = statements.lines(month, page, await _made(deps, page), sums)
            page, sums = [], lines[-1].sums
            yield lines
    if page:
        yield statements.lines(month, page, await _made(deps, page), sums)


async def _made(deps: Dependencies, entries: Iterable[LedgerEntry]) -> dict[tuple[str, str], Made]:
    """What the generations of these entries made."""
    named = [
        Key(each.user_id, each.generation_id, each.account_id)
        for each in entries
        if each.user_id and each.generation_id
    ]
    keys = list(dict.fromkeys(named))
    made: dict[tuple[str, str], Made] = {}
    for start in range(0, len(keys), _AT_ONCE):
        some = keys[start : start + _AT_ONCE]
        for key, found in zip(some, await asyncio.gather(*(_made_by(deps, key) for key in some)), strict=True):
            if found is not None:
                made[key.user_id, key.generation_id] = found
    return made


async def _made_by(deps: Dependencies, key: Key) -> Made | None:
    try:
        found = await deps.store.load_generation(key)
    except UnreadableRow:
        return statements.UNREADABLE
    return Made(found.attempt.model, len(found.outputs)) if isinstance(found, Generation) else None
