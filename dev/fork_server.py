"""`python -m dev.fork_server SOCKET PACKAGE...`: starts Python programs in processes forked from this one.

This process imports the packages once, and each program finds them in memory. dev/forks.py is its other side.

Rules of this file:
1. A program runs as `python -m MODULE` runs it, in a process and a session of its own: with its arguments, environment,
   folder and standard streams, and with an exit code. Nothing of this process is left open in it.
2. This process imports and forks, and does nothing else. It has one thread, because a lock that another thread holds at
   the fork would stay locked in the program for ever.
3. It ends when the other end of its socket is closed, which the system does when its parent ends. The programs watch
   their stdin.
"""

import contextlib
import gc
import importlib
import json
import os
import pkgutil
import runpy
import selectors
import socket
import sys
import threading
from collections.abc import Iterable
from dataclasses import dataclass

#: A request is one packet: the arguments and the environment of a program. Linux takes about 200 KB.
REQUEST_BYTES = 1 << 18
#: Passed with a request: the program's stdin, stdout and stderr, and the pipe that gets its process id and exit code.
STREAMS = 3


@dataclass(frozen=True, slots=True)
class Program:
    """What a forked process is to run."""

    module: str
    arguments: list[str]
    environment: dict[str, str]
    folder: str


def main(argv: list[str]) -> None:
    """Import, then fork until the socket is closed; in each forked process, run its program."""
    control = socket.socket(fileno=int(argv[0]))
    load(argv[1:])
    gc.collect()
    gc.freeze()  # the collector of a forked process would write to every object, and so copy all memory
    program = _serve(control)
    if program is not None:
        _run(program)


def load(packages: Iterable[str]) -> None:
    """Import packages with all their modules, but for those that are programs."""
    for package in packages:
        found = importlib.import_module(package)
        for module in pkgutil.walk_packages(getattr(found, "__path__", ()), f"{package}."):
            if not module.name.endswith(".__main__"):
                importlib.import_module(module.name)
    if threading.active_count() > 1:
        raise RuntimeError(f"an import has started a thread (rule 2): {threading.enumerate()}")


def _serve(control: socket.socket) -> Program | None:
    """Fork for each request; returns the program in the forked process, and None at the end of this one."""
    with selectors.DefaultSelector() as selector:
        selector.register(control, selectors.EVENT_READ)
        while True:
            for key, _ in selector.select():
                if key.fileobj is not control:
                    selector.unregister(key.fileobj)
                    _report_end(key.fd, *key.data)
                    continue
                packet, streams, _, _ = socket.recv_fds(control, REQUEST_BYTES, STREAMS + 1)
                if not packet:
                    return None
                pid = os.fork()
                if pid == 0:
                    _take(streams[:STREAMS])
                    control.detach()  # closed with all the others: Python shall not close what will have its number
                    return Program(**json.loads(packet))
                status = streams.pop()
                for each in streams:
                    os.close(each)
                os.write(status, b"%d\n" % pid)
                selector.register(os.pidfd_open(pid), selectors.EVENT_READ, (pid, status))


def _report_end(pidfd: int, pid: int, status: int) -> None:
    _, ended = os.waitpid(pid, 0)
    code = b"%d\n" % os.waitstatus_to_exitcode(ended)
    with contextlib.suppress(BrokenPipeError):  # nobody waits for it any more
        os.write(status, code)
    os.close(status)
    os.close(pidfd)


def _take(streams: list[int]) -> None:
    """Make these the standard streams, in a session of this process's own, and open them as Python does.

    What the server's own streams were, such as files in which one can seek, is nothing that the program may see.
    """
    os.setsid()
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
    sys.stdin, sys.stdout = os.fdopen(0, closefd=False), os.fdopen(1, "w", closefd=False)
    sys.stderr = os.fdopen(2, "w", buffering=1, errors="backslashreplace", closefd=False)


def _run(program: Program) -> None:
    os.closerange(STREAMS, os.sysconf("SC_OPEN_MAX"))
    os.environ.clear()
    os.environ.update(program.environment)
    os.chdir(program.folder)
    sys.argv[1:] = program.arguments
    runpy.run_module(program.module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main(sys.argv[1:])
