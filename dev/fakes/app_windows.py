"""What the whole app uses, in memory."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace

from shared.core.money.limits import Warned
from shared.ports import Conflict
from shared.ports.app_windows import AppRows, TallyRow


class FakeAppWindows:
    """Implements ``AppWindows``. Tests read ``rows`` and ``warned`` as they are; ``reads`` and ``writes`` count."""

    def __init__(self) -> None:
        self.rows: dict[str, TallyRow] = {}
        self.warned: list[Warned] = []
        self.reads = self.writes = 0
        self._etag = 0

    async def read(self) -> AppRows:
        """See ``AppWindows``."""
        await asyncio.sleep(0)
        self.reads += 1
        instances = tuple(row for name, row in self.rows.items() if name)
        return AppRows(self.rows.get(""), instances, tuple(self.warned))

    async def save(self, row: TallyRow) -> TallyRow:
        """See ``AppWindows``."""
        await asyncio.sleep(0)
        self.writes += 1
        return self._save(row)

    async def fold(self, base: TallyRow, gone: Sequence[TallyRow]) -> None:
        """See ``AppWindows``."""
        await asyncio.sleep(0)
        for row in gone:
            self._check(row)
        self._save(base)
        for row in gone:
            del self.rows[row.name]

    async def remember(self, warned: Warned) -> None:
        """See ``AppWindows``."""
        await asyncio.sleep(0)
        if warned not in self.warned:
            self.warned.append(warned)

    async def forget(self, warned: Warned) -> None:
        """See ``AppWindows``."""
        await asyncio.sleep(0)
        if warned in self.warned:
            self.warned.remove(warned)

    def _check(self, row: TallyRow) -> None:
        saved = self.rows.get(row.name)
        if row.etag != (saved.etag if saved else ""):
            raise Conflict

    def _save(self, row: TallyRow) -> TallyRow:
        self._check(row)
        self._etag += 1
        self.rows[row.name] = saved = replace(row, etag=str(self._etag))
        return saved
