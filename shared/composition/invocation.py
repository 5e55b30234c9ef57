"""What every call of a function needs first: a bound in time, and the app.

Rules of this file:
1. function_app.py imports this module on every start, so it imports little: the first call imports the app.
2. A function of the app returns None, because a value would fail it. No CancelledError leaves it: the Functions worker
   would never answer, and the host would wait until functionTimeout and restart the worker.
3. The call of a message pauses before it fails, because the broker delivers the message again at once. The pause is
   longer if the app cannot be built (a missing setting, a wrong data file). A dead-letter queue delivers for ever, and
   only the pause slows it down. An HTTP caller gets the error at once.
4. A wrong setting stays wrong until the next start. A timer, which may fire every second, logs it in one line a minute,
   and its call does not fail. Health is red, and every message still fails.
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

#: The pauses of rule 3. The ten deliveries of a message must not all fail within a second.
UNREADY_PAUSE_S = 30
FAILED_PAUSE_S = 3

#: The pause after a dead letter could not be archived.
DEAD_LETTER_PAUSE_S = 10

#: The time between two log lines about the same wrong setting.
UNREADY_LINE_S = 60

logger = logging.getLogger("darkroom.invocation")

#: The last log line about wrong settings, and when it was written (monotonic seconds).
_logged: dict[str, float] = {}

P = ParamSpec("P")
T = TypeVar("T")


def bounded(timeout_s: float) -> Callable[[Callable[P, Awaitable[T]]], Callable[P, Awaitable[T]]]:
    """Bound an async function's time. Its TimeoutError is raised; a CancelledError becomes a RuntimeError."""

    def decorate(function: Callable[P, Awaitable[T]]) -> Callable[P, Awaitable[T]]:
        @functools.wraps(function)
        async def call(*args: P.args, **kwargs: P.kwargs) -> T:
            try:
                async with asyncio.timeout(timeout_s):
                    return await function(*args, **kwargs)
            except asyncio.CancelledError as cancelled:
                raise RuntimeError(
                    f"{function.__name__} was cancelled; its message will be delivered again"
                ) from cancelled

        return call

    return decorate


def running_app() -> "App":
    """The app of this event loop. Raises SettingsError if a setting is missing or malformed."""
    from shared.composition import app  # rule 1

    return app.running_app()


async def check_health() -> tuple[bool, Mapping[str, str]]:
    """Whether all is well, and the state of each dependency.

    If the app cannot be built, the wrong settings, never their values.
    """
    from shared.config.settings import SettingsError  # rule 1
    from shared.triggers.health import is_well

    try:
        ready = running_app()
    except SettingsError as error:
        return False, {"settings": str(error)}
    dependencies = await ready.health()
    return all(map(is_well, dependencies.values())), dependencies


async def run_on_timer(act: Callable[["App"], Awaitable[object]]) -> None:
    """Run a timer's function, and log a wrong setting instead of raising it (rule 4)."""
    from shared.config.settings import SettingsError  # rule 1

    try:
        await act(running_app())
    except SettingsError as error:
        text, now = str(error), time.monotonic()
        if now >= _logged.get(text, 0.0) + UNREADY_LINE_S:
            _logged.clear()
            _logged[text] = now
            logger.error("nothing can run: %s", text)  # noqa: TRY400  # a setting has no traceback


@asynccontextmanager
async def app_for_messages(pause_s: float | None = None) -> AsyncIterator["App"]:
    """The app, for a message of a queue. A failure inside pauses before it is raised (rule 3)."""
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
    """The app, for a message of a dead-letter queue: ``app_for_messages`` with a pause of its own."""
    async with app_for_messages(DEAD_LETTER_PAUSE_S) as ready:
        yield ready
