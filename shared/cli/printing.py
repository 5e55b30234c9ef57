"""Printing: what a command answers, for a terminal and for a pipe.

Rules of this file:
1. A row is one line, on a terminal and through a pipe: nothing is cut or folded, so that an id can be copied whole.
2. No colours and no control codes.
3. Values come from strangers: control characters are shown as escapes, and nothing is read as markup.
4. Answers go to stdout, complaints and questions to stderr, so that what is piped on is only the answer.
"""

import json
import signal
import sys
from collections.abc import Iterable, Sequence
from io import TextIOWrapper
from typing import Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

#: Beyond any row that there is. What is wider than a terminal, the terminal wraps.
_COLUMNS = 10_000


class Amount(str):
    """A number in words of its own, such as ``0.003000``: it stands to the right, as numbers do."""

    __slots__ = ()


class Screen:
    """stdout and stderr of one run."""

    def __init__(self) -> None:
        for stream in (sys.stdout, sys.stderr):
            if isinstance(stream, TextIOWrapper):
                stream.reconfigure(errors="backslashreplace")  # a pipe may take less than Unicode
        self._out = _console(stderr=False)
        self._err = _console(stderr=True)

    def say(self, text: str) -> None:
        """Print lines of text."""
        self._out.print(Text(text), soft_wrap=True)

    def complain(self, text: str) -> None:
        """Print lines of text to stderr."""
        self._err.print(Text(text), soft_wrap=True)

    def facts(self, pairs: Iterable[tuple[str, str]]) -> None:
        """Print named values below each other, without those that are empty."""
        grid = Table(box=None, show_header=False, pad_edge=False)
        grid.add_column()
        grid.add_column()
        for name, value in pairs:
            if value:
                grid.add_row(name, plain(value))
        self._lay(grid)

    def table(self, heads: Sequence[str], rows: Iterable[Sequence[str | int]]) -> None:
        """Print rows below their heads; numbers stand to the right."""
        listed = [list(row) for row in rows]
        table = Table(box=None, pad_edge=False)
        for number, head in enumerate(heads):
            counts = all(isinstance(row[number], (int, Amount)) for row in listed)
            table.add_column(head, justify="right" if counts else "left")
        for row in listed:
            table.add_row(*(plain(str(value)) for value in row))
        self._lay(table)

    def _lay(self, table: Table) -> None:
        with self._out.capture() as laid:
            self._out.print(table)
        self.say("\n".join(line.rstrip() for line in laid.get().splitlines()))

    def json(self, value: Any) -> None:
        """Print JSON, in ASCII: it arrives whole through any pipe."""
        self._out.print(Text(json.dumps(value, indent=2)), soft_wrap=True)

    def confirm(self, question: str) -> None:
        """Go on only after a yes; typer.Abort otherwise, also when nobody is there to answer."""
        # While asyncio runs, Ctrl-C only asks the task to end, which a task that waits for the keyboard does not hear.
        before = signal.signal(signal.SIGINT, signal.default_int_handler)
        try:
            typer.confirm(question, abort=True, err=True)
        finally:
            signal.signal(signal.SIGINT, before)


def _console(*, stderr: bool) -> Console:
    # Said outright, or the environment might ask for colours in a pipe.
    return Console(
        stderr=stderr,
        width=_COLUMNS,
        force_terminal=False,
        color_system=None,
        highlight=False,
        markup=False,
        emoji=False,
    )


def plain(text: str) -> str:
    """The text with whatever could steer a terminal shown as an escape."""
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)
