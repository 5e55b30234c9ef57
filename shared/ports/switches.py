"""The kill switches: all of them are read and saved as one, because whoever creates needs all that concern it."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from shared.core.switches import Switches

#: How old the switches may be that a create is decided by.
FRESH = timedelta(seconds=5)

#: One who asks reads them anew when they are so old.
AGAIN = timedelta(seconds=4)


class SwitchBoard(Protocol):
    """The kill switches."""

    async def read(self) -> tuple[Switches, str]:
        """All switches, and their ETag: () and "" if nothing was ever paused."""

    async def save(self, switches: Switches, etag: str) -> None:
        """Save all switches. Raises Conflict if they were changed since they were read with this ETag."""


@dataclass(slots=True)
class RecentSwitches:
    """The switches as this instance read them last.

    One of those who ask reads them anew before they are too old, and the others go on with what there is. So a create
    waits for a read only after a time in which nobody asked.
    """

    _switches: Switches = ()
    _asked_at: datetime | None = None
    _reading: bool = False

    async def get(self, board: SwitchBoard, now: datetime) -> Switches:
        """The switches, at most ``FRESH`` old, counted from before they were read. Raises Unavailable."""
        age = FRESH if self._asked_at is None else now - self._asked_at
        if timedelta() <= age < AGAIN or (self._reading and timedelta() <= age < FRESH):
            return self._switches
        self._reading = True
        try:
            switches, _ = await board.read()
        finally:
            self._reading = False
        self._switches, self._asked_at = switches, now
        return switches

    def forget(self) -> None:
        """Read anew at the next use."""
        self._asked_at = None
