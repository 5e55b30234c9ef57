"""`python3 -m dev chaos` beside the other tests: it waits for locks and time-outs of its own, for most of a minute.

Rule of this file: it is a process of its own, with a stack of its own. The SDK leaves sockets that a killed broker cut
to the garbage collector, and no other test shall meet them.
"""

import subprocess
import sys
import tempfile
from typing import Self

from dev.forks import ForkServer
from dev.process import Starter

#: A minute: some of the kills meet the load, and all that is lost is made up for.
ARGUMENTS = ("--generations", "60", "--seconds", "14", "--every", "3")

_SCRIPT = "import sys; from dev.chaos import main; sys.exit(main(sys.argv[1:]))"

#: It may take so long; it ends by itself before.
MOST_S = 220.0


class Chaos:
    """``with Chaos(starter) as chaos``: begins at ``begin``, or at ``end``; is killed if nobody waited for its end."""

    def __init__(self, starter: Starter) -> None:
        self._shared = [starter.control.fileno()] if isinstance(starter, ForkServer) else []
        self._said = tempfile.TemporaryFile("w+", encoding="utf-8")  # noqa: SIM115  # closed in __exit__
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.wait()
        self._said.close()

    def begin(self) -> subprocess.Popen[bytes]:
        """Start it, if nobody has."""
        if self._process is None:
            shared = [text for number in self._shared for text in ("--fork-server", str(number))]
            command = [sys.executable, "-c", _SCRIPT, *ARGUMENTS, *shared]
            self._process = subprocess.Popen(
                command, stdout=self._said, stderr=subprocess.STDOUT, pass_fds=self._shared
            )
        return self._process

    def end(self) -> tuple[int, str]:
        """Wait for its end; returns its exit code, and what it has printed."""
        code = self.begin().wait(MOST_S)
        self._said.seek(0)
        return code, self._said.read()
