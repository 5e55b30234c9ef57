"""Replicate's public status page, for operators: is it us, or is it Replicate?

Rules of this file:
1. The page is a hint and no dependency. What cannot be read is ``UNKNOWN``, never an error.
2. A read is bounded in time and in bytes, and is served again for a minute. Only one runs at a time.
3. The page's words come from outside: they are cut, and made safe to print (core/provider/redaction.py).
"""

import asyncio
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from shared.adapters.replicate.reading import fields, text
from shared.adapters.replicate.sdk.http import REQUEST_ERRORS
from shared.core.provider.redaction import redacted
from shared.core.requests.lenient_json import parsed

if TYPE_CHECKING:
    import httpx

#: The state of a page that could not be read, and of one that reports no trouble.
UNKNOWN, OPERATIONAL = "unknown", "operational"

#: How many seconds a read may take, and how long its answer is served again.
_READ_S, _FRESH_S = 3.0, 60.0

#: The most bytes of the page that are read: it has a few hundred.
_MOST_BYTES = 64 * 1024

#: The indicators of a Statuspage (its API, version 2); any other is unknown.
_TROUBLE = frozenset(("minor", "major", "critical", "maintenance"))


class StatusPage:
    """The page at ``url``: the address of a Statuspage's ``status.json``. ``client`` is called at the first read."""

    def __init__(
        self, url: str, client: "Callable[[], httpx.AsyncClient]", clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._url = url
        self._client = client
        self._clock = clock
        self._lock = asyncio.Lock()
        self._last: tuple[float, str] | None = None

    async def read(self) -> str:
        """``operational``, ``unknown``, or the trouble in the page's own words: ``major: API errors``."""
        async with self._lock:
            if self._last is None or self._clock() >= self._last[0] + _FRESH_S:
                self._last = (self._clock(), await self._ask())
            return self._last[1]

    async def _ask(self) -> str:
        try:
            async with asyncio.timeout(_READ_S), self._client().stream("GET", self._url) as response:
                content = bytearray()
                async for chunk in response.aiter_bytes():
                    content += chunk
                    if len(content) > _MOST_BYTES:
                        return UNKNOWN
                return _state_of(bytes(content)) if response.is_success else UNKNOWN
        except REQUEST_ERRORS:
            return UNKNOWN


def _state_of(content: bytes) -> str:
    status = fields(fields(parsed(content)).get("status"))
    indicator = text(status.get("indicator"))
    if indicator == "none":
        return OPERATIONAL
    if indicator not in _TROUBLE:
        return UNKNOWN
    said = redacted(text(status.get("description")), most=100)
    return f"{indicator}: {said}" if said else indicator
