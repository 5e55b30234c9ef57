"""Which dependencies answer: each is asked for something small, within a bound, and not too often.

Rules of this file:
1. One dependency's trouble hides no other's, and no text of an exception is told: anybody may ask.
2. One look at a time: whoever asks meanwhile gets its answer, however many they are.
3. What would stop every message is looked at too, also where no dependency is to blame: a setting, a data file. Told is
   which setting it is; the whole sentence, which may name a path, is in the log.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from shared.config.settings import NAMES, SettingsError
from shared.ports import Unavailable

logger = logging.getLogger("darkroom.health")

#: How long one dependency may take to answer the health check.
HEALTH_S = 5

#: How long a health answer serves: the door is open to everybody, and each look costs a few calls.
HEALTH_FRESH_S = 30

Ping = Callable[[], Awaitable[Any]]


class Health:
    """What the dependencies last answered. ``pings`` makes the questions, when it is time to ask."""

    def __init__(self, pings: Callable[[], Mapping[str, Ping]]) -> None:
        self._pings = pings
        self._last: tuple[float, Mapping[str, str]] | None = None
        self._looking: asyncio.Task[Mapping[str, str]] | None = None

    async def look(self) -> Mapping[str, str]:
        """Of each dependency "ok", or in a few words why not."""
        if self._last is not None and time.monotonic() <= self._last[0] + HEALTH_FRESH_S:
            return self._last[1]
        if self._looking is None:
            self._looking = asyncio.create_task(self._look())
            self._looking.add_done_callback(self._looked)
        return await asyncio.shield(self._looking)  # who goes away does not take the answer from the others

    async def _look(self) -> Mapping[str, str]:
        pings = self._pings()
        states = await asyncio.gather(*(_answers(ping) for ping in pings.values()))
        self._last = (time.monotonic(), dict(zip(pings, states, strict=True)))
        return self._last[1]

    def _looked(self, _: object) -> None:
        self._looking = None


async def _answers(ping: Ping) -> str:
    try:
        async with asyncio.timeout(HEALTH_S):
            await ping()
    except Unavailable as trouble:
        return trouble.why
    except TimeoutError:
        return f"no answer within {HEALTH_S} s"
    except SettingsError as error:
        logger.error("health: %s", error)  # noqa: TRY400  # a setting has no traceback
        return unusable(error)
    except Exception as error:  # noqa: BLE001  # one that cannot even be asked must not hide how the others are
        return type(error).__name__
    return "ok"


def unusable(error: SettingsError) -> str:
    """Which settings an error is about, and nothing else of it."""
    text = str(error)
    named = [name.env for name in NAMES if name.env in text]
    return f"{', '.join(named) or 'a setting'} cannot be used; the log says why"
