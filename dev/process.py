"""Child processes of the local stack: start them, learn when they are ready, and leave none behind.

Rules:
- a child says that it is ready by one line of JSON on stdout, `{"ready": NAME, ...}`; anything else goes to stderr;
- a child lives no longer than its parent, however that ends: it holds the other end of a pipe to its stdin, which the
  system closes even after SIGKILL. Our own children call `exit_with_stdin()`; foreign ones run under `dev.leash`;
- a child is its own session, so Ctrl-C reaches the parent alone and the parent stops its children in order.
"""

import asyncio
import contextlib
import json
import os
import signal
import threading
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

#: How long a child may take to get ready: the slowest needs 3 s on two busy cores.
READY_TIMEOUT_S = 20.0
#: How long a child may take to end after SIGTERM: the Functions host gives running invocations 10 s.
STOP_TIMEOUT_S = 12.0
#: How much of a child's stderr an error shows.
TAIL_LINES = 25
#: A longer line is cut: nobody reads it, and it must not fill the memory.
LINE_LIMIT_BYTES = 1 << 20

#: Gets the lines of stdout so far; gives what they announce, or None while the child is not ready.
Announcement = Callable[[Sequence[str]], Mapping[str, object] | None]


class StartError(Exception):
    """A child did not get ready. The text says which, why, and how its stderr ended."""


@dataclass(frozen=True, slots=True)
class Child:
    """A running child; `ready` is what it announced."""

    name: str
    ready: Mapping[str, object]
    process: asyncio.subprocess.Process
    _tail: deque[str]
    _readers: tuple[asyncio.Task[None], ...]

    @property
    def stderr_tail(self) -> str:
        """The last lines of its stderr."""
        return "\n".join(self._tail)

    def text(self, key: str) -> str:
        """A text out of the announcement. Raises StartError when the child did not announce it."""
        value = self.ready.get(key)
        if not isinstance(value, str):
            raise StartError(f"{self.name} announced no {key!r}, only: {', '.join(self.ready)}")
        return value

    async def wait(self) -> int:
        """Wait until the child ends by itself; returns its exit code, negative for a signal."""
        return await self.process.wait()

    async def stop(self, grace_s: float = STOP_TIMEOUT_S) -> int:
        """End the child: SIGTERM, and SIGKILL when it still runs after `grace_s`. Returns its exit code."""
        return await _stop(self.process, self._readers, grace_s)


def ready_line(lines: Sequence[str]) -> Mapping[str, object] | None:
    """The announcement of our own children: a JSON object with the key `ready`."""
    with contextlib.suppress(ValueError):
        message = json.loads(lines[-1])
        if isinstance(message, dict) and "ready" in message:
            return message
    return None


async def start(
    name: str,
    command: Sequence[str],
    *,
    announcement: Announcement = ready_line,
    timeout_s: float = READY_TIMEOUT_S,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    on_stderr: Callable[[str], None] | None = None,
) -> Child:
    """Start a child and wait until it is ready.

    Args:
        name: What errors call it.
        command: Program and arguments; a Python child of ours gets `--exit-with-stdin` among them.
        announcement: Reads the child's stdout for the sign that it is ready.
        timeout_s: How long it may take.
        env: Its whole environment; this process's when None.
        cwd: Its folder; this process's when None.
        on_stderr: Gets every line of its stderr as it comes.

    Raises:
        StartError: It ended or the time was over before it was ready; it is not running then.
    """
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=env,
        cwd=cwd,
        start_new_session=True,
    )
    assert process.stdout is not None  # noqa: S101 - for the type checker: the pipes were asked for above
    assert process.stderr is not None  # noqa: S101 - the same
    tail: deque[str] = deque(maxlen=TAIL_LINES)
    stderr_reader = asyncio.create_task(_read(process.stderr, tail, on_stderr))
    output = _lines(process.stdout)
    ready, reason = None, f"did not get ready within {timeout_s:g} s"
    try:
        async with asyncio.timeout(timeout_s):
            ready = await _announced(output, announcement)
            reason = f"ended with exit code {await process.wait()} before it was ready" if ready is None else ""
    except TimeoutError:
        pass
    finally:
        if ready is None:  # also when the caller is cancelled
            await _stop(process, (stderr_reader,), 0)
    if ready is None:
        raise StartError(f"{name} {reason}. Its stderr ends with:\n" + "\n".join(tail))
    return Child(name, ready, process, tail, (stderr_reader, asyncio.create_task(_discard(output))))


def exit_with_stdin() -> None:
    """End this process at once when its stdin closes, which it does when the parent ends, however it ends.

    A thread, not the event loop, so that a blocked loop ends too.
    """

    def watch() -> None:
        with contextlib.suppress(OSError):
            while os.read(0, 4096):
                pass
        os._exit(0)

    threading.Thread(target=watch, name="exit-with-stdin", daemon=True).start()


async def _announced(output: AsyncIterator[str], announcement: Announcement) -> Mapping[str, object] | None:
    lines: list[str] = []
    async for line in output:
        lines.append(line)
        ready = announcement(lines)
        if ready is not None:
            return ready
    return None


async def _lines(stream: asyncio.StreamReader) -> AsyncIterator[str]:
    """The lines of a stream; unlike StreamReader.readline it survives a line of any length."""
    rest = b""
    while chunk := await stream.read(65536):
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            yield line.decode(errors="replace")
        rest = rest[:LINE_LIMIT_BYTES]
    if rest:
        yield rest.decode(errors="replace")


async def _read(stream: asyncio.StreamReader, tail: deque[str], also: Callable[[str], None] | None) -> None:
    async for line in _lines(stream):
        tail.append(line)
        if also:
            also(line)


async def _discard(output: AsyncIterator[str]) -> None:
    """Read on after the announcement: a full pipe would stop the child."""
    async for _ in output:
        pass


async def _stop(
    process: asyncio.subprocess.Process,
    readers: tuple[asyncio.Task[None], ...],
    grace_s: float,
) -> int:
    if process.returncode is None and grace_s:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(process.wait(), grace_s)
    if process.returncode is None:
        _kill(process)
    code = await process.wait()
    if process.stdin is not None:
        process.stdin.close()
    await asyncio.wait(readers, timeout=1)  # they end with the pipes; a grandchild may hold one open
    for reader in readers:
        reader.cancel()
    return code


def _kill(process: asyncio.subprocess.Process) -> None:
    """SIGKILL for the child and, as it leads a session of its own, for all that it started."""
    with contextlib.suppress(ProcessLookupError):
        if os.name == "nt":
            process.kill()
        else:
            os.killpg(process.pid, signal.SIGKILL)
