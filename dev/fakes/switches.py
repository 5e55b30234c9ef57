"""The kill switches in memory."""

import asyncio

from shared.core.switches import Switches
from shared.ports import Conflict


class FakeSwitches:
    """Implements ``SwitchBoard``. Tests read ``switches`` as they are; ``reads`` counts."""

    def __init__(self) -> None:
        self.switches: Switches = ()
        self.reads = 0
        self._etag = 0

    async def read(self) -> tuple[Switches, str]:
        """See ``SwitchBoard``."""
        await asyncio.sleep(0)
        self.reads += 1
        return self.switches, str(self._etag or "")

    async def save(self, switches: Switches, etag: str) -> None:
        """See ``SwitchBoard``."""
        await asyncio.sleep(0)
        if etag != str(self._etag or ""):
            raise Conflict
        self.switches, self._etag = switches, self._etag + 1
