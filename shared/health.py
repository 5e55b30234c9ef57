"""Which neighbours answer: each is asked for something small, within a bound, and not too often.

Rules of this file:
1. One neighbour's trouble hides no other's, and no text of an exception is told: anybody may ask.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from shared.ports import Unavailable

#: How long one neighbour may take to answer the health check.
HEALTH_S = 5

#: How long a health answer serves: the door is open to everybody, and each look costs a few calls.
HEALTH_FRESH_S = 30

Ping = Callable[[], Awaitable[Any]]


class Health:
    """What the neighbours last answered. ``pings`` makes the questions, when it is time to ask."""

    def __init__(self, pings: Callable[[], Mapping[str, Ping]]) -> None:
        self._pings = pings
        self._last: tuple[float, Mapping[str, str]] | None = None

    async def look(self) -> Mapping[str, str]:
        """Of each neighbour "ok", or in a few words why not."""
        if self._last is None or time.monotonic() > self._last[0] + HEALTH_FRESH_S:
            pings = self._pings()
            states = await asyncio.gather(*(_answers(ping) for ping in pings.values()))
            self._last = (time.monotonic(), dict(zip(pings, states, strict=True)))
        return self._last[1]


async def _answers(ping: Ping) -> str:
    try:
        async with asyncio.timeout(HEALTH_S):
            await ping()
    except Unavailable as trouble:
        return trouble.why
    except TimeoutError:
        return f"no answer within {HEALTH_S} s"
    except Exception as error:  # noqa: BLE001  # one that cannot even be asked must not hide how the others are
        return type(error).__name__
    return "ok"
