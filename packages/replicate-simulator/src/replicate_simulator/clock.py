"""Simulated time: it runs `scale` times as fast as real time, and jumps forward on demand.

Rules: predictions, deadlines, the deletion after an hour and the pauses between two sends of a webhook are on this
clock, so that an hour passes in a test. The timestamp in a webhook's signature is real time, because its receiver
compares it with a clock of its own.
"""

import asyncio
import time
from contextlib import suppress
from datetime import UTC, datetime, timedelta


class Clock:
    """A clock that starts at the real time and only goes forward."""

    def __init__(self, scale: float = 1.0) -> None:
        if scale <= 0:
            raise ValueError("a time scale is a positive number")
        self._scale = scale
        self._origin = datetime.now(UTC)
        self._started_s = time.monotonic()
        self._jumped = asyncio.Event()

    def now(self) -> datetime:
        """Returns the simulated time, aware, in UTC."""
        return self._origin + timedelta(seconds=(time.monotonic() - self._started_s) * self._scale)

    def advance(self, seconds: float) -> None:
        """Jumps forward by simulated seconds, and wakes what sleeps on this clock."""
        self._origin += timedelta(seconds=seconds)
        jumped, self._jumped = self._jumped, asyncio.Event()
        jumped.set()

    async def sleep_until(self, moment: datetime) -> None:
        """Returns when the simulated time is `moment` or later."""
        while (left_s := (moment - self.now()).total_seconds()) > 0:
            with suppress(TimeoutError):
                async with asyncio.timeout(left_s / self._scale):
                    await self._jumped.wait()

    async def sleep(self, seconds: float) -> None:
        """Returns after so many simulated seconds."""
        await self.sleep_until(self.now() + timedelta(seconds=seconds))
