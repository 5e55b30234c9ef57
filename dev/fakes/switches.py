"""The kill switches and the app's limits in memory."""

import asyncio

from shared.core.money.app_limits import NO_LIMITS, AppLimits
from shared.core.switches import Switches
from shared.ports import Conflict
from shared.ports.switches import Board


class FakeSwitches:
    """Implements ``SwitchBoard``. Tests read ``switches`` and ``limits`` as they are; ``reads`` counts."""

    def __init__(self) -> None:
        self.switches: Switches = ()
        self.limits: AppLimits = NO_LIMITS
        self.reads = 0
        self._etag = 0

    async def read(self) -> Board:
        """See ``SwitchBoard``."""
        await asyncio.sleep(0)
        self.reads += 1
        return Board(self.switches, self.limits, str(self._etag or ""))

    async def save(self, board: Board) -> None:
        """See ``SwitchBoard``."""
        await asyncio.sleep(0)
        if board.etag != str(self._etag or ""):
            raise Conflict
        self.switches, self.limits, self._etag = board.switches, board.limits, self._etag + 1
