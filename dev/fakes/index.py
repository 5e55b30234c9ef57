"""The open index in memory."""

import asyncio
import heapq
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from datetime import datetime

from shared.core.keys import Key
from shared.core.turns.shares import Turn
from shared.ports import OpenRow


class FakeIndex:
    """Implements ``OpenIndex``. Tests read ``rows`` as it is."""

    def __init__(self) -> None:
        self.rows: dict[Key, OpenRow] = {}

    async def put(self, row: OpenRow) -> None:
        """See ``OpenIndex``."""
        await asyncio.sleep(0)
        self.rows[row.key] = row

    async def move(self, key: Key, due_at: datetime, expires_at: datetime | None = None) -> None:
        """See ``OpenIndex``."""
        await asyncio.sleep(0)
        if row := self.rows.get(key):
            self.rows[key] = replace(row, due_at=due_at, expires_at=expires_at or row.expires_at)

    async def awaiting_approval(self, account_id: str = "") -> Sequence[OpenRow]:
        """See ``OpenIndex``."""
        await asyncio.sleep(0)
        return [row for row in self.rows.values() if row.asked and account_id in ("", row.key.account_id)]

    async def get(self, key: Key) -> OpenRow | None:
        """See ``OpenIndex``."""
        await asyncio.sleep(0)
        return self.rows.get(key)

    async def remove(self, key: Key) -> None:
        """See ``OpenIndex``."""
        await asyncio.sleep(0)
        self.rows.pop(key, None)

    async def give(self, turn: Turn, due_at: datetime) -> bool:
        """See ``OpenIndex``."""
        await asyncio.sleep(0)
        if turn.key not in self.rows:
            return False
        self.rows[turn.key] = replace(self.rows[turn.key], turn=turn, due_at=due_at)
        return True

    async def release(self, key: Key, due_at: datetime, expires_at: datetime, asked: int = 0) -> None:
        """See ``OpenIndex``."""
        await asyncio.sleep(0)
        if key in self.rows:
            row = self.rows[key]
            asked = asked or row.asked
            self.rows[key] = replace(row, turn=None, due_at=due_at, expires_at=expires_at, asked=asked)

    async def of_account(self, account_id: str = "") -> AsyncIterator[Key]:
        """See ``OpenIndex``."""
        await asyncio.sleep(0)
        for key in list(self.rows):
            if account_id in ("", key.account_id):
                yield key

    async def turns(self, account_id: str = "") -> Sequence[Turn]:
        """See ``OpenIndex``."""
        await asyncio.sleep(0)
        found = [row.turn for row in self.rows.values() if account_id in ("", row.key.account_id)]
        return [turn for turn in found if turn]

    async def due(self, now: datetime, limit: int) -> Sequence[OpenRow]:
        """See ``OpenIndex``."""
        await asyncio.sleep(0)
        overdue = [row for row in self.rows.values() if row.due_at <= now]
        return heapq.nsmallest(limit, overdue, key=lambda row: (row.expires_at, row.key))
