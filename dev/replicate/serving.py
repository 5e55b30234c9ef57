"""Serves an aiohttp application as a child process of the local stack: one ready line, then until told to stop.

Rules: loopback only. The ready line is one JSON object on standard output, flushed, printed when the port answers.
The process ends on SIGTERM, on SIGINT and, when asked to, when its standard input ends: a parent that dies, however
it dies, closes that pipe, so no simulator outlives its stack.
"""

import asyncio
import json
import os
import signal
import threading
from collections.abc import Callable, Mapping

from aiohttp import web

# Whoever still waits for an answer when the process is told to stop gets this long; tests stop simulators often.
_GRACE_S = 0.5


async def serve(
    app: web.Application, port: int, ready: Callable[[str], Mapping[str, str]], *, exit_with_stdin: bool
) -> None:
    """Serves `app` on 127.0.0.1 until the process is told to stop.

    Args:
        app: the application.
        port: the port, 0 for any free one.
        ready: makes the ready line from the base URL (without a slash at its end).
        exit_with_stdin: whether the end of standard input stops the server too.

    Raises:
        OSError: the port is taken.
    """
    stop = _stop_on_signals()
    if exit_with_stdin:
        _stop_with_stdin(stop)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=_GRACE_S)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", port).start()
        print(json.dumps(dict(ready(url_of(runner)))), flush=True)
        await stop.wait()
    finally:
        await runner.cleanup()


def url_of(runner: web.AppRunner) -> str:
    """Returns the base URL of a runner that listens on one loopback port, such as `http://127.0.0.1:40123`."""
    return f"http://127.0.0.1:{runner.addresses[0][1]}"


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
