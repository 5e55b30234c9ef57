"""What the network and the partition do to a table request: 15 ms each, and 503 beyond 2,000 entities a second.

Rules of this file:
1. A read is one entity. A transaction is as many as it writes, also if it is refused: a lost try is served too.
2. What is answered with 503 was not served, and is counted apart.
"""

import asyncio
import time
from multiprocessing.sharedctypes import SynchronizedArray
from typing import Any

import aiohttp

from dev.crowd.figures import MOST_SERVED
from shared.adapters.azure_storage.errors import Answered

#: How long each request is on its way.
DELAY_S = 0.015

#: The parts of a transaction's body.
_PART = b"Content-Transfer-Encoding: binary"


class Partition:
    """The entities of each second that all processes have asked for. ``seconds`` is shared by them."""

    def __init__(self, seconds: "SynchronizedArray[int]", began_s: float, most: int = MOST_SERVED) -> None:
        self._seconds = seconds
        self._began_s = began_s
        self._most = most

    def serve(self, entities: int) -> bool:
        """Whether it serves so many in this second."""
        place = min(int(max(0.0, time.monotonic() - self._began_s)), len(self._seconds) - 1)
        with self._seconds.get_lock():
            if self._seconds[place] + entities > self._most:
                return False
            self._seconds[place] += entities
            return True


class Wire:
    """A middleware of aiohttp's client: it delays, counts and refuses."""

    def __init__(self, partition: Partition) -> None:
        self._partition = partition
        self.requests = self.refused = self.transactions = 0

    async def __call__(
        self, request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
    ) -> aiohttp.ClientResponse:
        """Carry one request."""
        await asyncio.sleep(DELAY_S)
        self.requests += 1
        entities = entities_of(request)
        self.transactions += request.url.path.endswith("$batch")
        if not self._partition.serve(entities):
            self.refused += 1
            raise Answered(503, "ServerBusy")
        return await handler(request)


def entities_of(request: aiohttp.ClientRequest) -> int:
    """How many entities a request reads or writes."""
    body: Any = request.body
    content = getattr(body, "_value", body)
    return max(1, bytes(content).count(_PART)) if isinstance(content, bytes | bytearray) else 1
