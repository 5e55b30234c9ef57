"""The health check: asks each dependency for something small, within a bound, and not too often.

Rules of this file:
1. A failure of one dependency hides no other's state. No text of an exception is returned, because anybody may ask.
2. Only one check runs at a time. All callers that come meanwhile get its answer.
3. Settings and data files are checked too, because a wrong one stops every message. The answer names the setting. The
   whole sentence, which may contain a path, is only in the log; operators, who have no log, read it (``whole``).
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

#: How long an answer is served again: anybody may call the route, and each check costs a few calls.
HEALTH_FRESH_S = 30

Ping = Callable[[], Awaitable[Any]]

#: The state of a dependency that answers. A note may follow: what an operator has set is no failure.
OK = "ok"


class Note(str):
    """What a ping answers if all is well and there is something to say all the same. Anybody may read it."""

    __slots__ = ()


def is_well(state: str) -> bool:
    """Whether a state says that the dependency answers."""
    return state == OK or state.startswith(f"{OK}, ")


class Health:
    """The last answers of the dependencies. ``pings`` returns the calls that ask them; it is called for each check.

    ``says`` is what is answered of a setting that cannot be used: its name alone, unless only operators read it.
    """

    def __init__(
        self, pings: Callable[[], Mapping[str, Ping]], says: Callable[[SettingsError], str] | None = None
    ) -> None:
        self._pings = pings
        self._says = says or names_only
        self._last: tuple[float, Mapping[str, str]] | None = None
        self._running: asyncio.Task[Mapping[str, str]] | None = None

    async def check(self) -> Mapping[str, str]:
        """The state of each dependency: "ok", perhaps with a note, or in a few words what is wrong."""
        if self._last is not None and time.monotonic() <= self._last[0] + HEALTH_FRESH_S:
            return self._last[1]
        if self._running is None:
            self._running = asyncio.create_task(self._ask_all())
            self._running.add_done_callback(self._forget_task)
        return await asyncio.shield(self._running)  # a caller that is cancelled must not cancel the check of the others

    async def _ask_all(self) -> Mapping[str, str]:
        pings = self._pings()
        states = await asyncio.gather(*(_ask(ping, self._says) for ping in pings.values()))
        self._last = (time.monotonic(), dict(zip(pings, states, strict=True)))
        return self._last[1]

    def _forget_task(self, _: object) -> None:
        self._running = None


async def _ask(ping: Ping, says: Callable[[SettingsError], str]) -> str:
    try:
        async with asyncio.timeout(HEALTH_S):
            answer = await ping()
    except Unavailable as trouble:
        return trouble.why
    except TimeoutError:
        return f"no answer within {HEALTH_S} s"
    except SettingsError as error:
        logger.error("health: %s", error)  # noqa: TRY400  # a setting has no traceback
        return says(error)
    except Exception as error:  # noqa: BLE001  # rule 1: a dependency that cannot be built or called hides no other
        return type(error).__name__
    return f"{OK}, {answer}" if isinstance(answer, Note) else OK


def names_only(error: SettingsError) -> str:
    """The names of the settings that an error is about, without the rest of its text."""
    text = str(error)
    named = [name.env for name in NAMES if name.env in text]
    return f"{', '.join(named) or 'a setting'} cannot be used; the log says why"


def whole(error: SettingsError) -> str:
    """The whole sentence of an error, in one line. For operators alone: it may contain a path."""
    return " ".join(str(error).split())
