"""What the open generations of an account held when the account was at a number.

Rules of this file:
1. Every move of held credits is an entry of the ledger. So what moved after that number is undone by its entries, and
   an account that moves while it is counted is no difference.
2. Entries are compared by the keyed digests of their ids, because an id can be erased.
3. A generation that holds credits is in the open index: its row is there before it opens, and until its end is
   published. So a night asks the index, and never reads all generations.
4. Each of its rows costs one point read, of the generation alone. What the row knows skips none: one that has no turn,
   or whose approval was asked for, may have opened a moment later.
"""

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime

from shared.core.keys import Key, row_key
from shared.core.lifecycle.generation import AnyGeneration, Generation
from shared.core.money.account import Account
from shared.core.money.chain import Named, keyed
from shared.core.money.entries import Move
from shared.core.money.linking import stand_ins
from shared.ports import Dependencies

#: How many generations are read at the same time.
_AT_ONCE = 16


class OpenLeftError(Exception):
    """The time was over before all open generations of an account were read."""


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
    key, since = await deps.names_key(), set[str]()
    held = {keyed(key, Named.ENTRY, name): credits_ for name, credits_ in held.items()}
    async for entry in deps.store.ledger(account.account_id, account.seq):
        if entry.seq > last:
            break
        name = (entry.stand_ins or stand_ins(key, entry)).entry
        if entry.move is Move.HOLD:
            since.add(name)
            held.pop(name, None)
        elif entry.move is Move.RESOLVE and name not in since:
            held[name] = -entry.held
    return sum(held.values()), last


async def in_index(deps: Dependencies, account_id: str, until: datetime) -> AsyncIterator[AnyGeneration]:
    """The generations of an account that are in the open index. Raises OpenLeftError if the time is over before."""
    async for keys in _groups(deps.index.of_account(account_id)):
        if deps.now() >= until:
            raise OpenLeftError
        for found in await asyncio.gather(*map(deps.store.load_generation, keys)):
            if found is not None:
                yield found


async def _groups(keys: AsyncIterator[Key]) -> AsyncIterator[list[Key]]:
    """The keys, ``_AT_ONCE`` at a time."""
    group: list[Key] = []
    async for key in keys:
        group.append(key)
        if len(group) == _AT_ONCE:
            yield group
            group = []
    if group:
        yield group
