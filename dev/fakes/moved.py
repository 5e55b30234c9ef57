"""Which accounts moved, and how far the audit has come, in memory."""

import asyncio
from collections.abc import AsyncIterator
from datetime import date

from shared.ports import NightProgress


class FakeMovedAccounts:
    """Implements ``MovedAccounts``. Tests read ``rows`` and ``writes`` as they are."""

    def __init__(self) -> None:
        self.rows: dict[date, set[str]] = {}
        self.writes = 0

    async def note(self, account_id: str, day: date) -> None:
        """See ``MovedAccounts``."""
        await asyncio.sleep(0)
        self.writes += 1
        self.rows.setdefault(day, set()).add(account_id)

    async def of_day(self, day: date, after: str = "") -> AsyncIterator[str]:
        """See ``MovedAccounts``."""
        await asyncio.sleep(0)
        for account_id in sorted(self.rows.get(day, set())):
            if account_id > after:
                yield account_id

    async def forget(self, day: date) -> None:
        """See ``MovedAccounts``."""
        await asyncio.sleep(0)
        self.rows.pop(day, None)


class FakeNights:
    """Implements ``Nights``. Tests read ``kept`` as it is."""

    def __init__(self) -> None:
        self.kept: NightProgress | None = None

    async def progress(self) -> NightProgress | None:
        """See ``Nights``."""
        await asyncio.sleep(0)
        return self.kept

    async def keep(self, progress: NightProgress) -> None:
        """See ``Nights``."""
        await asyncio.sleep(0)
        self.kept = progress
