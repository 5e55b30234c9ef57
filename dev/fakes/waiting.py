"""What waits for a turn, in memory."""

import asyncio
from collections.abc import Sequence

from shared.core.turns.shares import Place
from shared.ports import Conflict, PlaceRow, Waiting


class FakeWaitingList:
    """Implements ``WaitingList``. Tests read ``rows`` and ``kept`` as they are."""

    def __init__(self) -> None:
        self.rows: set[Waiting] = set()
        self.kept: dict[str, PlaceRow] = {}
        self._writes = 0

    async def wait(self, waiting: Waiting, place: Place) -> None:
        """See ``WaitingList``."""
        await asyncio.sleep(0)
        self.rows.add(waiting)
        await asyncio.sleep(0)
        if place.account_id not in self.kept:
            self._keep(place)

    async def places(self) -> Sequence[PlaceRow]:
        """See ``WaitingList``."""
        await asyncio.sleep(0)
        return list(self.kept.values())

    async def place(self, account_id: str) -> PlaceRow | None:
        """See ``WaitingList``."""
        await asyncio.sleep(0)
        return self.kept.get(account_id)

    async def next_waiting(self, account_id: str, after_user: str) -> Waiting | None:
        """See ``WaitingList``."""
        await asyncio.sleep(0)

        def order(row: Waiting) -> tuple[bool, str, object, str]:
            passed = bool(after_user) and f"{row.key.user_id};" <= f"{after_user};"
            return passed, f"{row.key.user_id};", row.asked_at, row.key.generation_id

        return min((row for row in self.rows if row.key.account_id == account_id), key=order, default=None)

    async def save_place(self, row: PlaceRow, place: Place) -> PlaceRow:
        """See ``WaitingList``."""
        await asyncio.sleep(0)
        self._check(row)
        return self._keep(place)

    async def remove_place(self, row: PlaceRow) -> None:
        """See ``WaitingList``."""
        await asyncio.sleep(0)
        self._check(row)
        del self.kept[row.place.account_id]

    async def remove_waiting(self, waiting: Waiting) -> None:
        """See ``WaitingList``."""
        await asyncio.sleep(0)
        self.rows.discard(waiting)

    def _keep(self, place: Place) -> PlaceRow:
        self._writes += 1
        self.kept[place.account_id] = PlaceRow(place, str(self._writes))
        return self.kept[place.account_id]

    def _check(self, row: PlaceRow) -> None:
        kept = self.kept.get(row.place.account_id)
        if kept is None or kept.etag != row.etag:
            raise Conflict
