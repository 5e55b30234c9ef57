"""Child processes of the local stack: start them, learn when they are ready, and end all of them.

Rules of this file:
1. A child says that it is ready by one line of JSON on stdout, `{"ready": NAME, ...}`. Everything else goes to stderr.
2. A child ends with its parent, however the parent ends. Its stdin is a pipe whose other end the parent holds, and the
   system closes it even after SIGKILL. Our own children call `exit_with_stdin()`; other programs run under `dev.leash`.
3. A child has a session of its own. So Ctrl-C reaches the parent alone, and the parent stops its children in order.
"""

import asyncio
import contextlib
import json
import os
import signal
import threading
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

#: How long a child may take to get ready: the slowest needs 3 s on two busy cores.
READY_TIMEOUT_S = 20.0
#: How long a child may take to end after SIGTERM: the Functions host gives running invocations 10 s.
STOP_TIMEOUT_S = 12.0
#: How much of a child's stderr an error shows.
TAIL_LINES = 25
#: A longer line is cut: nobody reads it, and it must not fill the memory.
LINE_LIMIT_BYTES = 1 << 20

#: Takes the stdout lines so far. Returns the announcement, or None while the child is not ready.
Announcement = Callable[[Sequence[str]], Mapping[str, object] | None]


class Stdin(Protocol):
    """The end of a child's stdin that its parent holds."""

    def close(self) -> None:
        """Close it, which ends the child."""


class Process(Protocol):
    """What is needed of a child's process: asyncio's own has it, and so has one that a fork server made (forks.py)."""

    @property
    def pid(self) -> int:
        """Its process id, and its session's."""

    @property
    def returncode(self) -> int | None:
        """Its exit code, negative for a signal; None while it runs."""

    @property
    def stdin(self) -> Stdin | None:
        """The end of its stdin that this process holds."""

    @property
    def stdout(self) -> asyncio.StreamReader | None:
        """What it prints."""

    @property
    def stderr(self) -> asyncio.StreamReader | None:
        """What it reports."""

    async def wait(self) -> int:
        """Wait until it ends; returns its exit code."""

    def kill(self) -> None:
        """Send SIGKILL."""

    def terminate(self) -> None:
        """Send SIGTERM."""

    def send_signal(self, signal: int, /) -> None:
        """Send any signal."""


#: Starts a program: takes its command, its environment and its folder.
Starter = Callable[[Sequence[str], Mapping[str, str] | None, Path | None], Awaitable[Process]]


class StartError(Exception):
    """A child did not get ready. The text says which child, why, and the end of its stderr."""


@dataclass(frozen=True, slots=True)
class Child:
    """A running child; `ready` is what it announced."""

    name: str
    ready: Mapping[str, object]
    process: Process
    _tail: deque[str]
    _readers: tuple[asyncio.Task[None], ...]

    @property
    def stderr_tail(self) -> str:
        """The last lines of its stderr."""
        return "\n".join(self._tail)

    def text(self, key: str) -> str:
        """A text from the announcement. Raises StartError when the announcement lacks it."""
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


async def execute(command: Sequence[str], env: Mapping[str, str] | None, cwd: Path | None) -> Process:
    """Start a program in a process and a session of its own."""
    pipe = asyncio.subprocess.PIPE
    return await asyncio.create_subprocess_exec(
        *command, stdin=pipe, stdout=pipe, stderr=pipe, env=env, cwd=cwd, start_new_session=True
    )


async def start(  # noqa: PLR0913  # each is what one of its callers needs
    name: str,
    command: Sequence[str],
    *,
    announcement: Announcement = ready_line,
    timeout_s: float = READY_TIMEOUT_S,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    on_stderr: Callable[[str], None] | None = None,
    starter: Starter = execute,
) -> Child:
    """Start a child and wait until it is ready.

    Args:
        name: Its name in errors.
        command: Program and arguments; a Python child of ours gets `--exit-with-stdin` among them.
        announcement: Finds the announcement in the child's stdout.
        timeout_s: How long it may take to get ready.
        env: Its whole environment; this process's when None.
        cwd: Its folder; this process's when None.
        on_stderr: Receives every line of its stderr as it is written.
        starter: Starts the program; a fork server's (forks.py) in place of an ordinary one.

    Raises:
        StartError: It ended, or the time-out passed, before it was ready. It is not running then.
    """
    process = await starter(command, env, cwd)
    assert process.stdout is not None  # noqa: S101 - for the type checker: the pipes were asked for above
    assert process.stderr is not None  # noqa: S101 - the same
    tail: deque[str] = deque(maxlen=TAIL_LINES)
    stderr_reader = asyncio.create_task(_read(process.stderr, tail, on_stderr))
    output = _lines(process.stdout)
    ready, reason = await _ready(process, (stderr_reader,), output, announcement, timeout_s)
    if ready is None:
        raise StartError(f"{name} {reason}. Its stderr ends with:\n" + "\n".join(tail))
    return Child(name, ready, process, tail, (stderr_reader, asyncio.create_task(_discard(output))))


async def _ready(
    process: Process,
    readers: tuple[asyncio.Task[None], ...],
    output: AsyncIterator[str],
    announcement: Announcement,
    timeout_s: float,
) -> tuple[Mapping[str, object] | None, str]:
    """What a child announced. None if there is nothing, with the reason: it is stopped then."""
    ready, reason = None, f"did not get ready within {timeout_s:g} s"
    try:
        async with asyncio.timeout(timeout_s):
            ready = await _announced(output, announcement)
            reason = f"ended with exit code {await process.wait()} before it was ready" if ready is None else ""
    except TimeoutError:
        pass
    finally:
        if ready is None:  # also when the caller is cancelled
            await _stop(process, readers, 0)
    return ready, reason


def exit_with_stdin() -> None:
    """End this process at once when its stdin closes, which happens when the parent ends, for any reason.

    This is a thread and not a task of the event loop, so that it works when the loop is blocked.
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
    """The lines of a stream. Unlike StreamReader.readline it accepts a line of any length."""
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
    """Keep reading after the announcement, because a full pipe would block the child."""
    async for _ in output:
        pass


async def _stop(
    process: Process,
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
    await asyncio.wait(readers, timeout=1)  # they end with the pipes; a grandchild may hold a pipe open
    for reader in readers:
        reader.cancel()
    return code


def _kill(process: Process) -> None:
    """Send SIGKILL to the child's session: to the child and all that it started."""
    with contextlib.suppress(ProcessLookupError):
        if os.name == "nt":
            process.kill()
        else:
            os.killpg(process.pid, signal.SIGKILL)
