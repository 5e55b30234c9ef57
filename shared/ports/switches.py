"""The kill switches: all of them are read and saved as one, because whoever creates needs all that concern it."""

import asyncio
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol

from shared.core.switches import Switches

#: How old the switches may be that a create is decided by.
FRESH = timedelta(seconds=5)


class SwitchBoard(Protocol):
    """The kill switches."""

    async def read(self) -> tuple[Switches, str]:
        """All switches, and their ETag: () and "" if nothing was ever paused."""

    async def save(self, switches: Switches, etag: str) -> None:
        """Save all switches. Raises Conflict if they were changed since they were read with this ETag."""


@dataclass(slots=True)
class RecentSwitches:
    """The switches as this instance read them last. One read serves all who need them at once."""

    _switches: Switches = ()
    _asked_at: datetime | None = None
    _reading: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def get(self, board: SwitchBoard, now: datetime) -> Switches:
        """The switches, at most ``FRESH`` old, counted from before they were read. Raises Unavailable."""
        async with self._reading:
            if self._asked_at is None or not timedelta() <= now - self._asked_at < FRESH:
                switches, _ = await board.read()
                self._switches, self._asked_at = switches, now
            return self._switches

    def forget(self) -> None:
        """Read anew at the next use."""
        self._asked_at = None
