"""What a call of a function needs before anything else: a bound in time, and the house.

Rules of this file:
1. It is what function_app.py is loaded with, on every start: the house is imported with the first call.
2. A function of the app returns None (a value would fail it), and no CancelledError leaves it: the Functions
   worker would then never answer, and the host would wait until functionTimeout and restart the worker.
3. A message waits before its call fails, whatever the failure is, for the broker delivers it again at once: longer
   where the house cannot be had (a setting is missing, a data file is wrong). A dead-letter queue does so for ever, and
   the pause is all that slows it down. Whoever knocks at an HTTP door is told at once.
4. A setting that is wrong stays wrong until the next start: a timer, which comes every minute or every second, says it
   in one line a minute, and its call does not fail. Health is red, and every message still fails.
"""

import asyncio
import functools
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, ParamSpec, TypeVar

if TYPE_CHECKING:
    from shared.composition.app import App

#: How long: the ten deliveries of a message must not be over in a second.
UNREADY_PAUSE_S = 30
FAILED_PAUSE_S = 3

#: Between two tries to bury the same letter.
DEAD_LETTER_PAUSE_S = 10

#: Between two lines that say the same of a setting.
UNREADY_LINE_S = 60

logger = logging.getLogger("darkroom.invocation")

#: What was said last of the settings, and when.
_said: dict[str, float] = {}

P = ParamSpec("P")
T = TypeVar("T")


def bounded(timeout_s: float) -> Callable[[Callable[P, Awaitable[T]]], Callable[P, Awaitable[T]]]:
    """Bound an async function's time, and let no CancelledError out of it."""

    def decorate(function: Callable[P, Awaitable[T]]) -> Callable[P, Awaitable[T]]:
        @functools.wraps(function)
        async def call(*args: P.args, **kwargs: P.kwargs) -> T:
            try:
                async with asyncio.timeout(timeout_s):
                    return await function(*args, **kwargs)
            except asyncio.CancelledError as cancelled:
                raise RuntimeError(f"{function.__name__} was cancelled; its message will come again") from cancelled

        return call

    return decorate


def running_app() -> "App":
    """The app of this event loop. SettingsError where a setting is missing."""
    from shared.composition import app  # rule 1

    return app.running_app()


async def check_health() -> Mapping[str, str]:
    """How everything is; where the app cannot be built, which settings are to blame: never their values."""
    from shared.config.settings import SettingsError  # rule 1

    try:
        ready = running_app()
    except SettingsError as error:
        return {"settings": str(error)}
    return await ready.health()


async def run_on_timer(act: Callable[["App"], Awaitable[object]]) -> None:
    """What a timer does (rule 4)."""
    from shared.config.settings import SettingsError  # rule 1

    try:
        await act(running_app())
    except SettingsError as error:
        text, now = str(error), time.monotonic()
        if now >= _said.get(text, 0.0) + UNREADY_LINE_S:
            _said.clear()
            _said[text] = now
            logger.error("nothing can run: %s", text)  # noqa: TRY400  # a setting has no traceback


@asynccontextmanager
async def app_for_messages(pause_s: float | None = None) -> AsyncIterator["App"]:
    """The same, for what comes from a queue (rule 3)."""
    from shared.config.settings import SettingsError  # rule 1

    try:
        yield running_app()
    except (SettingsError, ImportError):
        await asyncio.sleep(UNREADY_PAUSE_S)
        raise
    except Exception:
        await asyncio.sleep(FAILED_PAUSE_S if pause_s is None else pause_s)
        raise


@asynccontextmanager
async def app_for_dead_letters() -> AsyncIterator["App"]:
    """The same, for what comes from a dead-letter queue."""
    async with app_for_messages(DEAD_LETTER_PAUSE_S) as ready:
        yield ready
