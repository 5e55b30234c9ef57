"""What the open generations of an account held when the account was at a number.

Rules of this file:
1. Every move of held credits is an entry of the ledger. So what moved after that number is undone by its entries, and
   an account that moves while it is counted is no difference.
2. A generation that holds credits is in the open index: its row is there before it opens, and until its end is
   published. So a night asks the index, and never reads all generations.
"""

from collections.abc import AsyncIterator

from shared.core.keys import row_key
from shared.core.lifecycle.generation import AnyGeneration, Generation
from shared.core.money.account import Account
from shared.core.money.entries import Move
from shared.ports import Dependencies


async def held_at(deps: Dependencies, account: Account, generations: AsyncIterator[AnyGeneration]) -> tuple[int, int]:
    """What the open ones among these held at the account's number; and the account's number after they were read."""
    held: dict[str, int] = {}
    async for each in generations:
        if isinstance(each, Generation) and not each.state.ended:
            held[row_key(each.key)] = each.held_credits
    now, _ = await deps.store.load_account(account.account_id)
    last = now.seq if now else 0
    if last == account.seq:
        return sum(held.values()), last
    since: set[str] = set()
    async for entry in deps.store.ledger(account.account_id, account.seq):
        if entry.seq > last:
            break
        if entry.move is Move.HOLD:
            since.add(entry.entry_id)
            held.pop(entry.entry_id, None)
        elif entry.move is Move.RESOLVE and entry.entry_id not in since:
            held[entry.entry_id] = -entry.held
    return sum(held.values()), last


async def in_index(deps: Dependencies, account_id: str) -> AsyncIterator[AnyGeneration]:
    """The generations of an account that are in the open index."""
    for key in await deps.index.of_account(account_id):
        found = (await deps.store.load(key)).generation
        if found is not None:
            yield found
