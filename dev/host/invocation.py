"""One call of one function: its arguments, its time-out, its line in the log.

Rules of this file, the same as in production:
1. A plain `def` runs on a thread.
2. A function that is not HTTP fails if it returns something.
3. A call that asyncio.CancelledError leaves is never answered.
4. A function that reaches functionTimeout ends the process.
"""

import asyncio
import inspect
import logging
import os
import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dev.host.index import Function
from dev.host.logs import CURRENT

LOGGER = logging.getLogger("dev.host")

#: The exit code after functionTimeout. Production restarts the worker; here the parent process may.
TIMEOUT_EXIT_CODE = 3
#: How often the watch looks for functions beyond their time, also while the event loop is blocked.
WATCH_S = 0.25


class FunctionError(Exception):
    """The worker would report this call as failed although the function did not raise."""


@dataclass(frozen=True, slots=True)
class TraceContext:
    """The W3C trace context of the call, in the worker's spelling."""

    trace_parent: str
    trace_state: str = ""
    attributes: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Context:
    """The value of a parameter named `context`; its attributes are those of func.Context."""

    invocation_id: str
    function_name: str
    function_directory: str
    trace_context: TraceContext
    retry_context: None = None
    thread_local_storage: threading.local = field(default_factory=threading.local)


class Invocations:
    """Calls functions, and ends the process if one of them exceeds its time."""

    def __init__(self, timeout_s: float | None, end: Callable[[int], Any] = os._exit) -> None:
        self._timeout_s = timeout_s
        self._end = end
        self._running: dict[str, tuple[str, float]] = {}
        if timeout_s is not None:
            threading.Thread(target=self._watch, args=(timeout_s,), name="function-timeout", daemon=True).start()

    async def call(self, function: Function, argument: object, trace_parent: str | None = None) -> object:
        """Call a function with the data of its trigger. Raises what the function raises, or FunctionError."""
        invocation_id = str(uuid.uuid4())
        started = time.monotonic()
        token = CURRENT.set((function.name, invocation_id))
        self._running[invocation_id] = (function.name, started)
        failure: Exception | None = None
        try:
            return await self._call(function, argument, invocation_id, trace_parent)
        except Exception as error:
            failure = error
            raise
        finally:
            del self._running[invocation_id]
            self._log(function.name, time.monotonic() - started, failure)
            CURRENT.reset(token)

    async def _call(self, function: Function, argument: object, invocation_id: str, trace_parent: str | None) -> object:
        arguments: dict[str, Any] = {str(function.trigger["name"]): argument}
        if function.wants_context:
            trace = TraceContext(trace_parent or f"00-{uuid.uuid4().hex}-{uuid.uuid4().hex[:16]}-01")
            arguments["context"] = Context(invocation_id, function.name, str(Path.cwd()), trace)
        returned = await self._run(function.call, arguments)
        if returned is not None and function.kind != "httpTrigger":
            raise FunctionError(f"function '{function.name}' without a $return binding returned a non-None value")
        return returned

    async def _run(self, call: Callable[..., Any], arguments: dict[str, Any]) -> object:
        if not inspect.iscoroutinefunction(call):
            return await asyncio.to_thread(call, **arguments)
        try:
            return await call(**arguments)
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is not None and task.cancelling():  # this host itself cancels
                raise
            LOGGER.exception("CancelledError left the function: the worker would never answer the host")
            return await asyncio.get_running_loop().create_future()  # until functionTimeout

    def _log(self, name: str, took_s: float, failure: Exception | None) -> None:
        duration_ms = round(took_s * 1000, 1)
        extra = {"duration_ms": duration_ms, "succeeded": failure is None}
        if failure is None:
            LOGGER.info("executed %s in %.1f ms", name, duration_ms, extra=extra)
        else:
            LOGGER.error("failed %s after %.1f ms", name, duration_ms, extra=extra, exc_info=failure)

    def _watch(self, timeout_s: float) -> None:
        while True:
            time.sleep(WATCH_S)
            now = time.monotonic()
            for invocation_id, (name, started) in list(self._running.items()):
                if now - started > timeout_s:
                    LOGGER.critical(
                        "functionTimeout of %g s exceeded by %s (%s): the worker ends with all it is doing",
                        timeout_s,
                        name,
                        invocation_id,
                    )
                    self._end(TIMEOUT_EXIT_CODE)
                    return
