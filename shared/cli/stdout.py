"""A stdout that cannot be written, such as a full disk: one sentence, and the exit code 1.

The commands of ``dev`` use it too.
"""

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from typing import Any, TextIO


def answered(run: Callable[[], int]) -> int:
    """Run a command, and return its exit code; 1 if stdout does not take its answer."""
    if sys.stdout is None or isinstance(sys.stdout, _Watched):
        return run()
    with redirect_stdout(_Watched(sys.stdout)) as watched:
        try:
            code = run()
            watched.flush()
        except OSError as error:
            if error is not watched.trouble:
                raise
            if not isinstance(error, BrokenPipeError):  # its reader has seen enough
                said = f"stdout cannot be written: {error.strerror}. What the command did before that is done.\n"
                sys.stderr.write(said)
            watched.give_up()
            return 1
    return code


class _Watched:
    """stdout, with the error that it raised last: so a full disk under the answer differs from any other error."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self.trouble: OSError | None = None

    def __getattr__(self, name: str) -> Any:
        """Everything else is the stream's."""
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        """Write text. Raises OSError, and keeps it."""
        with self._kept():
            return self._stream.write(text)

    def flush(self) -> None:
        """Write what is buffered. Raises OSError, and keeps it."""
        with self._kept():
            self._stream.flush()

    def give_up(self) -> None:
        """Drop what is buffered: Python would try once more at its end, and complain in its own words."""
        if self._stream is sys.__stdout__:
            os.dup2(os.open(os.devnull, os.O_WRONLY), self._stream.fileno())

    @contextmanager
    def _kept(self) -> Iterator[None]:
        try:
            yield
        except OSError as trouble:
            self.trouble = trouble
            raise
