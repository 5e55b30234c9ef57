"""Starts our own programs in processes forked from a warm one (dev/fork_server.py): for tests, which start many.

Rules of this file:
1. A forked program is seen as `process.start` sees any other: it has a process id, streams, signals and an exit code.
2. Only Linux has descriptors of processes, and forks safely after imports. Elsewhere there is no fork server, and
   programs start as always.
3. The way a person's command starts them is tested by commands that have no fork server (tests/dev, tests/cli).
"""

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from io import FileIO
from pathlib import Path
from typing import Self

from dev.process import Starter, StartError, execute

#: What the stack's programs import.
PACKAGES = ("dev.host", "shared", "servicebus_emulator", "replicate_simulator")


@contextmanager
def forking(shared: int | None = None) -> Iterator[Starter]:
    """Starts programs in forked processes, where the system can (rule 2); by a fork server that runs, if one is named.

    ``shared`` is the descriptor of its socket, which this process has inherited.
    """
    if sys.platform != "linux":
        yield execute
        return
    with ForkServer(shared=shared) as server:
        yield server


class Forked:
    """A program in a forked process, as far as asyncio's own ``Process`` is used here."""

    def __init__(
        self,
        stdin: FileIO,
        stdout: asyncio.StreamReader,
        stderr: asyncio.StreamReader,
        pid: int,
        ended: asyncio.Task[int],
    ) -> None:
        self.stdin, self.stdout, self.stderr = stdin, stdout, stderr
        self.pid = pid
        self._ended = ended

    @property
    def returncode(self) -> int | None:
        """Its exit code, negative for a signal; None while it runs."""
        return self._ended.result() if self._ended.done() else None

    async def wait(self) -> int:
        """Wait until it ends; returns its exit code."""
        return await asyncio.shield(self._ended)

    def kill(self) -> None:
        """Send SIGKILL."""
        self.send_signal(signal.SIGKILL)

    def terminate(self) -> None:
        """Send SIGTERM."""
        self.send_signal(signal.SIGTERM)

    def send_signal(self, number: int) -> None:
        """Send a signal, unless it has ended."""
        if not self._ended.done():
            os.kill(self.pid, number)


class ForkServer:
    """``with ForkServer() as server``: a running fork server; calling it starts a program."""

    def __init__(self, packages: Sequence[str] = PACKAGES, shared: int | None = None) -> None:
        self._packages = packages
        self._control = None if shared is None else socket.socket(fileno=shared)
        self._server: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        if self._control is not None:
            return self
        self._control, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        command = [sys.executable, "-m", "dev.fork_server", str(other.fileno()), *self._packages]
        root = Path(__file__).parents[1]
        with other:
            self._server = subprocess.Popen(
                command, pass_fds=[other.fileno()], cwd=root, stdin=subprocess.DEVNULL, start_new_session=True
            )
        return self

    def __exit__(self, *_: object) -> None:
        self.control.close()
        if self._server is not None:
            self._server.wait()

    @property
    def control(self) -> socket.socket:
        """The socket on which it takes requests. A process that inherits it may send some of its own (``forking``)."""
        assert self._control is not None  # noqa: S101  # it is entered
        return self._control

    @property
    def pid(self) -> int:
        """The process id of the server itself."""
        assert self._server is not None  # noqa: S101  # it is entered, and not somebody else's
        return self._server.pid

    async def __call__(self, command: Sequence[str], env: Mapping[str, str] | None, cwd: Path | None) -> Forked:
        """Start ``python -m MODULE ...`` in a forked process. StartError if the fork server has ended."""
        if command[:2] != [sys.executable, "-m"]:
            raise ValueError(f"only `python -m MODULE` can be forked, not {command}")
        request = {
            "module": command[2],
            "arguments": command[3:],
            "environment": dict(os.environ if env is None else env),
            "folder": str(cwd or Path.cwd()),
        }
        given, stdin = os.pipe()
        ours, theirs = zip(*(os.pipe() for _ in range(3)), strict=True)
        with suppress(OSError):  # it has ended: no process id comes
            socket.send_fds(self.control, [json.dumps(request).encode()], [given, *theirs])
        for each in (given, *theirs):
            os.close(each)
        stdout, stderr, status = [await _reader(each) for each in ours]
        pid = await status.readline()
        if not pid:
            os.close(stdin)
            raise StartError("The fork server has ended: its own stderr says why.")
        return Forked(FileIO(stdin, "wb"), stdout, stderr, int(pid), asyncio.create_task(_exit_code(status)))


async def _reader(descriptor: int) -> asyncio.StreamReader:
    reader = asyncio.StreamReader()
    protocol = asyncio.StreamReaderProtocol(reader)
    await asyncio.get_running_loop().connect_read_pipe(lambda: protocol, os.fdopen(descriptor, "rb", 0))
    return reader


async def _exit_code(status: asyncio.StreamReader) -> int:
    """The exit code, as soon as it ends. Without its server nobody knows it; then it counts as killed."""
    return int(await status.readline() or -signal.SIGKILL)
