"""An instance of the app that opens requests until the app's limit refuses one, or until it kills itself.

It is a process of its own. Its tables are those of Azurite, over sockets; what is beyond them is in memory.
"""

import asyncio
import json
import os
import secrets
import signal
import sys
from dataclasses import replace
from datetime import UTC, datetime

from dev.fakes.world import World
from shared import worker
from shared.adapters.azure_storage.access import StorageAccount
from shared.adapters.azure_storage.tables import (
    TableAppWindows,
    TableIndex,
    TableMovedAccounts,
    TableService,
    TableStore,
    TableSwitches,
)
from shared.core.keys import Key
from shared.core.lifecycle.generation import Closed
from shared.core.requests.parsing import parse_request
from shared.ports import Dependencies, Envelope
from shared.ports.app_windows import TallyRow

ACCOUNTS = tuple(f"account-{number}" for number in range(4))


class Dying(TableAppWindows):
    """Tallies whose write number ``last`` is never made: the process is killed before it."""

    def __init__(self, service: TableService, table: str, last: int) -> None:
        super().__init__(service, table)
        self.left = last

    async def save(self, row: TallyRow) -> TallyRow:
        """See ``AppWindows``."""
        self.left -= 1
        if self.left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return await super().save(row)


def dependencies(service: TableService, name: str, last: int = -1) -> Dependencies:
    """An instance's dependencies: tables of this name, and the time of the clock."""
    return replace(
        World().deps,
        store=TableStore(service, name),
        switches=TableSwitches(service, name),
        app_windows=Dying(service, name, last),
        index=TableIndex(service, f"{name}open"),
        moved=TableMovedAccounts(service, f"{name}moved"),
        now=lambda: datetime.now(UTC),
        new_seed=lambda: secrets.randbits(32),  # the world's own are the same in each process, and so were its names
        sleep=asyncio.sleep,
    )


async def opens(connection_string: str, name: str, who: str, last: int) -> None:
    """Open a request each 0.2 s."""
    service = TableService(StorageAccount.by_string(connection_string, "table"))
    deps = dependencies(service, name, last)
    for number in range(1000):
        key = Key(ACCOUNTS[number % len(ACCOUNTS)], f"{who}-{number}")
        body = {**key.in_message, "prompt": "A lighthouse", "model": "flux-schnell"}
        await worker.handle(deps, parse_request(json.dumps(body).encode())[0], Envelope(key.named("asked")), "unused")
        if isinstance((await deps.store.load(key)).generation, Closed):
            break
        await asyncio.sleep(0.2)
    await service.close()


if __name__ == "__main__":
    asyncio.run(opens(sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])))
