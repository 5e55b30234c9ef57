"""The app's board: the kill switches and the app's limits.

All of it is read and saved as one, because whoever creates needs all that concern it, and one read must be enough.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol

from shared.core.money.app_limits import NO_LIMITS, AppLimits
from shared.core.switches import Switches

#: How old the switches may be that a create is decided by.
FRESH = timedelta(seconds=5)

#: One who asks reads them anew when they are so old.
AGAIN = timedelta(seconds=4)


@dataclass(frozen=True, slots=True)
class Board:
    """All kill switches and the app's limits, with the ETag of their row: "" if nothing was ever set."""

    switches: Switches = ()
    limits: AppLimits = NO_LIMITS
    etag: str = ""


class SwitchBoard(Protocol):
    """The kill switches and the app's limits."""

    async def read(self) -> Board:
        """Read all switches and limits in one request."""

    async def save(self, board: Board) -> None:
        """Save all of it. Raises Conflict if it was changed since it was read with the board's ETag."""


@dataclass(slots=True)
class RecentSwitches:
    """The board as this instance read it last.

    One of those who ask reads them anew before they are too old, and the others go on with what there is. So a create
    waits for a read only after a time in which nobody asked.
    """

    _board: Board = field(default_factory=Board)
    _asked_at: datetime | None = None
    _reading: bool = False

    async def get(self, board: SwitchBoard, now: datetime) -> Switches:
        """The switches, at most ``FRESH`` old, counted from before they were read. Raises Unavailable."""
        return (await self._recent(board, now)).switches

    async def limits(self, board: SwitchBoard, now: datetime) -> AppLimits:
        """The app's limits, as old as the switches may be. Raises Unavailable."""
        return (await self._recent(board, now)).limits

    @property
    def known_limits(self) -> AppLimits:
        """The app's limits as they were read last, however long ago that was."""
        return self._board.limits

    async def _recent(self, board: SwitchBoard, now: datetime) -> Board:
        age = FRESH if self._asked_at is None else now - self._asked_at
        if timedelta() <= age < AGAIN or (self._reading and timedelta() <= age < FRESH):
            return self._board
        self._reading = True
        try:
            found = await board.read()
        finally:
            self._reading = False
        self._board, self._asked_at = found, now
        return found

    def forget(self) -> None:
        """Read anew at the next use."""
        self._asked_at = None
