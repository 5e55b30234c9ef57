"""Serves an aiohttp application on loopback: in a process of its own, or in this one.

Rules: it listens on 127.0.0.1 and nowhere else. A process prints one JSON object on standard output when its port
answers. It ends on SIGTERM, on SIGINT, and with its standard input where it is asked to: the pipe of a parent that dies
is closed, so no simulator outlives its parent. A listener that was shut for a while opens again at the same port.
"""

import asyncio
import json
import os
import signal
import threading
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress

from aiohttp import web

# An answer that is under way when the process stops gets this long: half a second, because tests stop simulators often.
_GRACE_S = 0.5


class Listener:
    """A port on loopback, at which a runner that is set up already is reached."""

    def __init__(self, runner: web.AppRunner, port: int = 0) -> None:
        self._runner = runner
        self._port = port
        self._site: web.TCPSite | None = None
        self._opening: asyncio.Task[None] | None = None

    @property
    def url(self) -> str:
        """Where it is reached, once it was opened."""
        return f"http://127.0.0.1:{self._port}"

    async def open(self) -> None:
        """Listens; raises OSError if the port is taken."""
        self._site = web.TCPSite(self._runner, "127.0.0.1", self._port)
        await self._site.start()
        self._port = self._runner.addresses[0][1]

    async def shut(self, seconds: float) -> None:
        """Refuses connections for so many seconds; those that are open end with the answer under way."""
        if self._site is not None:
            await self._site.stop()
            self._site = None
        if self._runner.server is not None:
            self._runner.server.pre_shutdown()
        await self._forget_opening()
        self._opening = asyncio.create_task(self._open_after(seconds))

    async def close(self) -> None:
        """Drops an opening that is planned; the runner closes what is open."""
        await self._forget_opening()

    async def _open_after(self, seconds: float) -> None:
        await asyncio.sleep(seconds)
        await self.open()

    async def _forget_opening(self) -> None:
        if self._opening is not None:
            self._opening.cancel()
            with suppress(asyncio.CancelledError):
                await self._opening


async def serve(
    app: web.Application,
    port: int,
    ready: Callable[[str], Mapping[str, str]],
    *,
    exit_with_stdin: bool,
    opened: Callable[[Listener], None] | None = None,
) -> None:
    """Serves `app` on 127.0.0.1 until a signal stops the process.

    Args:
        app: the application.
        port: the port, 0 for any free one.
        ready: makes the ready line from the base URL (without a slash at its end).
        exit_with_stdin: whether the end of standard input stops the server too.
        opened: is called with the listener once it is open.

    Raises:
        OSError: the port is taken.
    """
    stop = _stop_on_signals()
    if exit_with_stdin:
        _stop_with_stdin(stop)
    async with listening(app, port) as listener:
        if opened is not None:
            opened(listener)
        print(json.dumps(dict(ready(listener.url))), flush=True)  # noqa: T201  # the parent reads it
        await stop.wait()


@asynccontextmanager
async def listening(app: web.Application, port: int = 0) -> AsyncIterator[Listener]:
    """Serves `app` on 127.0.0.1 in this process while the block runs; port 0 is any free one.

    Raises:
        OSError: the port is taken.
    """
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=_GRACE_S)
    await runner.setup()
    listener = Listener(runner, port)
    try:
        await listener.open()
        yield listener
    finally:
        await listener.close()
        await runner.cleanup()


def _stop_on_signals() -> asyncio.Event:
    """Returns an event that SIGTERM and SIGINT set."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: loop.call_soon_threadsafe(stop.set))
    return stop


def _stop_with_stdin(stop: asyncio.Event) -> None:
    """Sets the event when standard input ends."""
    loop = asyncio.get_running_loop()

    def watch() -> None:
        # os.read and not sys.stdin: a thread inside a buffered reader holds its lock and breaks the interpreter's exit.
        while os.read(0, 4096):
            pass
        loop.call_soon_threadsafe(stop.set)

    threading.Thread(target=watch, daemon=True).start()
