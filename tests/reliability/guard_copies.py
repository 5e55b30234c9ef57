"""Copies of the project in which guards are taken out, and the processes that run their tests there."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

from dev.check import compiling
from tests.reliability.every_guard import EVERY_GUARD
from tests.reliability.guards import Guard

PROJECT = Path(__file__).parents[2]
SERVER = Path(__file__).with_name("guard_server.py")
WARM_SERVER = "tests.reliability.warm_guard_server"

#: What a test of a guard may need: all of the code, and pytest's settings.
PARTS = ("shared", "dev", "tests")
FILES = ("function_app.py", "host.json", "pyproject.toml")

#: Of the copy's files as they came; any other time is another text to Python's compiled files.
EDITED_AT_NS = 10**9


def copied(to: Path, whole: Path = PROJECT) -> Path:
    """Copy the parts of the project, or of a copy, with its bytecode: to compile it takes longer than all else here.

    Python takes bytecode for a file of one time and size only: those of a copy are its original's, until it is edited.
    """
    for part in PARTS:
        shutil.copytree(whole / part, to / part)
    for name in FILES:
        shutil.copy2(whole / name, to / name)
    return to


def without(guard: Guard, text: str) -> str:
    """The file's text without the guard."""
    for old, new in guard.edits:
        assert text.count(old) == 1, f"{guard.name}: {old!r} is {text.count(old)} times in {guard.file}"
        text = text.replace(old, new)
    return text


class Copy:
    """One copy and its server, which imports it anew for each run."""

    def __init__(self, folder: Path, server: "subprocess.Popen[str]") -> None:
        self.folder = folder
        self._server = server

    def run(self, *tests: str) -> dict[str, Any]:
        """Run the tests on the copy as it is now; returns a ``guard_server.Ran``."""
        return _ask_server(self._server, tests)

    def survives(self, guard: Guard) -> str:
        """Take the guard out and run its test; returns what is wrong, or nothing if the test went red."""
        with self.taken_out(guard):
            ran = self.run(guard.killer)
        return "" if _is_red(ran) else f"{guard.name}: {guard.killer} {_wrong(ran)}\n{ran['said']}"

    @contextmanager
    def taken_out(self, guard: Guard) -> Iterator[None]:
        """The copy without the guard, while the context lasts."""
        file = self.folder / guard.file
        whole, times = file.read_bytes(), file.stat()
        try:
            file.write_text(without(guard, whole.decode()), encoding="utf-8")
            os.utime(file, ns=(EDITED_AT_NS, EDITED_AT_NS))
            yield
        finally:
            file.write_bytes(whole)
            os.utime(file, ns=(times.st_atime_ns, times.st_mtime_ns))


class WarmCopy:
    """One copy that nobody edits, and its server, which has it in memory."""

    def __init__(self, folder: Path, server: "subprocess.Popen[str]") -> None:
        self.folder = folder
        self._server = server

    def run_without(self, guard: Guard) -> dict[str, Any]:
        """Run the guard's test without it; returns a ``guard_server.Ran``."""
        text = without(guard, (self.folder / guard.file).read_text(encoding="utf-8"))
        return _ask_server(self._server, {"edits": {guard.file: text}, "tests": [guard.killer]})


class Copies:
    """Both, each made when it is first needed. What is not red in memory is imported."""

    def __init__(self, folder: Path, opening: ExitStack) -> None:
        self._folder = folder
        self._opening = opening

    @cached_property
    def warm(self) -> WarmCopy:
        """The one in memory."""
        return self._opening.enter_context(opened_warm(self._folder / "warm", EVERY_GUARD))

    @cached_property
    def imported(self) -> Copy:
        """The one that is imported."""
        return self._opening.enter_context(opened(self._folder / "imported", self.warm.folder))

    def survives(self, guard: Guard) -> str:
        """Take the guard out and run its test; returns what is wrong, or nothing if the test went red."""
        return "" if _is_red(self.warm.run_without(guard)) else self.imported.survives(guard)


def _is_red(ran: dict[str, Any]) -> bool:
    return bool(ran["failed"] and not ran["trouble"])


def _wrong(ran: dict[str, Any]) -> str:
    return ran["trouble"] or "is green without it"


def _ask_server(server: "subprocess.Popen[str]", asked: object) -> dict[str, Any]:
    assert server.stdin is not None
    server.stdin.write(json.dumps(asked) + "\n")
    server.stdin.flush()
    return _answer_of(server)


def _answer_of(server: "subprocess.Popen[str]") -> dict[str, Any]:
    assert server.stdout is not None
    line = server.stdout.readline()
    assert line, f"the guards' process ended with {server.wait()}"
    answer: dict[str, Any] = json.loads(line)
    return answer


@contextmanager
def opened(folder: Path, whole: Path) -> Iterator[Copy]:
    """A copy of another one in this folder, with its server."""
    copied(folder, whole)
    with _started(str(SERVER), str(folder)) as server:
        yield Copy(folder, server)


@contextmanager
def opened_warm(folder: Path, guards: tuple[Guard, ...]) -> Iterator[WarmCopy]:
    """A copy in this folder, with its server ready for these guards."""
    copied(folder)
    asked = {"tests": [guard.killer for guard in guards], "files": sorted({guard.file for guard in guards})}
    (file := folder / "asked.json").write_text(json.dumps(asked), encoding="utf-8")
    with _started("-m", WARM_SERVER, str(file), cwd=folder) as server:
        ran = _answer_of(server)
        assert not ran["trouble"], f"the guards' tests cannot be collected: {ran['trouble']}\n{ran['said']}"
        yield WarmCopy(folder, server)


@contextmanager
def _started(*arguments: str, cwd: Path | None = None) -> Iterator["subprocess.Popen[str]"]:
    pipe = subprocess.PIPE
    command = [sys.executable, *arguments]
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, env=compiling(), cwd=cwd) as server:
        try:
            yield server
        finally:
            assert server.stdin is not None
            server.stdin.close()
