"""The statement of an account for a month: where its reading starts, and what its generations made.

Rules of this file:
1. The reading starts at the newest signed head from before the month, which has the six sums up to there. So it reads
   the month and at most the days since that head, and not the whole ledger. Where no head is from before the month, or
   none can be read, it starts at the first entry.
2. The entry of that head is read too. If it has another digest, or is not there, nothing is said: the opening balance
   would be of another ledger than the moves.
3. A name that was erased stays erased: such a move has no model and no outputs.
"""

import asyncio
from collections.abc import Iterable
from datetime import timedelta
from zoneinfo import ZoneInfo

from shared.core.keys import Key
from shared.core.lifecycle.generation import Generation
from shared.core.money import statement as statements
from shared.core.money.account import Account
from shared.core.money.chain import START
from shared.core.money.entries import LedgerEntry
from shared.core.money.heads import Head
from shared.core.money.statement import Made, Month, Statement
from shared.ports import Dependencies, Unavailable
from shared.worker import proofs

#: How many generations are read at a time.
_AT_ONCE = 16

#: By so much the clock that signed a head may be behind one that made an entry.
_SKEW = timedelta(hours=1)


async def statement(deps: Dependencies, account: Account, month: str) -> Statement:
    """The statement of an account for a month of its time zone, such as ``2026-11``.

    Raises ValueError if the text names no month, if a head is not what was signed, or if the ledger does not fit it.
    """
    wanted = statements.month_of(month, ZoneInfo(account.zone))
    head = await _head_before(deps, account.account_id, wanted)
    after = head.seq - 1 if head else 0
    entries = []
    async for entry in deps.store.ledger(account.account_id, after):
        if entry.at >= wanted.end:
            break
        entries.append(entry)
    if head is not None:
        _expect(head, entries)
        entries = entries[1:]
    made = await _made(deps, [entry for entry in entries if entry.at >= wanted.start])
    before = head.sums if head else START.sums
    return statements.statement(account.account_id, wanted, entries, made, before=before)


async def _head_before(deps: Dependencies, account_id: str, month: Month) -> Head | None:
    """The head at which the reading starts; None: at the first entry."""
    try:
        return await proofs.head_before(deps, account_id, month.start - _SKEW)
    except Unavailable:
        return None


def _expect(head: Head, entries: list[LedgerEntry]) -> None:
    """Raise ValueError unless the entries begin with that of the head (rule 2)."""
    first = entries[0] if entries else None
    if first is None or (first.seq, first.digest) != (head.seq, head.digest):
        raise ValueError(f"entry {head.seq} is not the one that was signed; see `account verify`")


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
        for loaded in await asyncio.gather(*map(deps.store.load, keys[start : start + _AT_ONCE])):
            found = loaded.generation
            if isinstance(found, Generation):
                made[found.key.user_id, found.key.generation_id] = Made(found.attempt.model, len(found.outputs))
    return made
