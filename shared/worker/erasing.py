"""Erases names from an account's ledger. The chain stays whole: a digest is made of keyed digests.

Rules of this file:
1. It may be interrupted and done again: what is erased already is passed over.
2. A user with an open generation is refused. Its end would write the user's id again, and what the user still holds is
   counted by it.
3. The keys of the tables stay as they are (docs/ledger.md): an id that names a person goes only with its whole account.
"""

from collections.abc import Collection
from contextlib import aclosing

from shared.core.keys import ID_RULE, is_id
from shared.core.money import erasing
from shared.core.money.entries import LedgerEntry
from shared.core.reasons import counted
from shared.ports import Dependencies
from shared.worker.auditing import ahead


async def erase_names(
    deps: Dependencies, account_id: str, user_id: str = "", numbers: Collection[int] = ()
) -> list[int]:
    """Erase what names a user in an account's ledger, and all texts of the entries of these numbers.

    Returns the numbers of the entries that have changed. Raises ValueError if there is no such account or entry, if the
    user has open generations, or if an entry does not fit its digest: what came before it is erased then.
    """
    await _check(deps, account_id, user_id, numbers)
    key = await deps.names_key()

    def erased(entry: LedgerEntry) -> LedgerEntry | None:
        bare = erasing.all_texts(entry) if entry.seq in numbers else None
        if bare is None and user_id:
            bare = erasing.of_user(entry, user_id)
        if bare is not None:
            erasing.check(entry, key)
        return bare

    async def one(entry: LedgerEntry) -> int:
        await deps.store.erase(account_id, entry.seq, erased)
        return entry.seq

    concerned = (entry async for entry in deps.store.ledger(account_id) if erased(entry) is not None)
    async with aclosing(ahead(concerned, one)) as done:
        return [seq async for seq in done]


async def _check(deps: Dependencies, account_id: str, user_id: str, numbers: Collection[int]) -> None:
    """Raise ValueError if this cannot be erased now."""
    if not is_id(account_id) or (user_id and not is_id(user_id)):
        raise ValueError(f"an id must be {ID_RULE}")
    account, _ = await deps.store.load_account(account_id)
    if account is None:
        raise ValueError(f"there is no account {account_id!r}")
    if beyond := [each for each in numbers if not 1 <= each <= account.seq]:
        raise ValueError(f"the ledger has no entry {beyond[0]}, but those from 1 to {account.seq}")
    still = [key async for key in deps.index.of_account(account_id) if user_id and key.user_id == user_id]
    if still:
        generations = counted(len(still), "open generation")
        raise ValueError(f"{user_id} has {generations}: cancel, or wait for the end, and do it again")
