"""Printing: the answers of commands, for a terminal and for a pipe.

Rules of this file:
1. A row is one line, on a terminal and through a pipe. Nothing is cut or folded, so that an id can be copied whole.
2. No colours and no control codes.
3. Values come from strangers. Control characters are shown as escapes, and nothing is read as markup.
4. Answers go to stdout. Complaints and questions go to stderr, so that a pipe gets only the answer.
"""

import json
import signal
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

#: Wider than any row. The terminal itself wraps a row that is wider than it.
_COLUMNS = 10_000


class Amount(str):
    """A number as formatted text, such as ``0.003000``. A column of amounts is aligned to the right."""

    __slots__ = ()


class Screen:
    """The stdout and stderr of one run."""

    def __init__(self) -> None:
        for stream in (sys.stdout, sys.stderr):
            if (reconfigure := getattr(stream, "reconfigure", None)) is not None:
                reconfigure(errors="backslashreplace")  # a pipe's encoding may not have every character
        self._out = _console(stderr=False)
        self._err = _console(stderr=True)

    def say(self, text: str) -> None:
        """Print lines of text."""
        self._out.print(Text(text), soft_wrap=True)

    def complain(self, text: str) -> None:
        """Print lines of text to stderr."""
        self._err.print(Text(text), soft_wrap=True)

    def facts(self, pairs: Iterable[tuple[str, str]]) -> None:
        """Print named values, one a line; empty ones are left out."""
        grid = Table(box=None, show_header=False, pad_edge=False)
        grid.add_column()
        grid.add_column()
        for name, value in pairs:
            if value:
                grid.add_row(name, plain(value))
        self._print_table(grid)

    def table(self, heads: Sequence[str], rows: Iterable[Sequence[str | int]]) -> None:
        """Print rows below their heads. A column of numbers is aligned to the right."""
        listed = [list(row) for row in rows]
        table = Table(box=None, pad_edge=False)
        for number, head in enumerate(heads):
            counts = all(isinstance(row[number], (int, Amount)) for row in listed)
            table.add_column(head, justify="right" if counts else "left")
        for row in listed:
            table.add_row(*(plain(str(value)) for value in row))
        self._print_table(table)

    def _print_table(self, table: Table) -> None:
        with self._out.capture() as printed:
            self._out.print(table)
        self.say("\n".join(line.rstrip() for line in printed.get().splitlines()))

    def json(self, value: Any) -> None:
        """Print JSON in ASCII, which any pipe's encoding has."""
        self._out.print(Text(json.dumps(value, indent=2)), soft_wrap=True)

    def confirm(self, question: str) -> None:
        """Return only after a yes. Raises typer.Abort otherwise, even if stdin is closed."""
        with _interruptible():
            typer.confirm(question, abort=True, err=True)

    def ask(self, question: str, proposed: str = "") -> str:
        """Return the answer, or what is proposed if the answer is empty. Raises typer.Abort if stdin is closed."""
        with _interruptible():
            answer = typer.prompt(plain(question), default=plain(proposed), show_default=bool(proposed), err=True)
        return str(answer).strip()


@contextmanager
def _interruptible() -> Iterator[None]:
    """Let Ctrl-C end a question. While asyncio runs it only cancels the task, and a task that waits does not notice.

    Raises typer.Abort if stdin is closed, or has no text: there is no answer then.
    """
    if sys.stdin is None:
        raise typer.Abort
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    except UnicodeDecodeError:
        raise typer.Abort from None
    finally:
        signal.signal(signal.SIGINT, before)


def _console(*, stderr: bool) -> Console:
    # Each option is explicit, because the environment could turn colours on in a pipe.
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
    """The text with its control characters, which could steer a terminal, as escapes."""
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)
