"""A copy of the project in which guards are taken out, and the process that runs their tests there."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from dev.check import compiling
from tests.reliability.guards import Guard

PROJECT = Path(__file__).parents[2]
SERVER = Path(__file__).with_name("guard_server.py")

#: What a test of a guard may need: all of the code, and pytest's settings.
PARTS = ("shared", "dev", "tests")
FILES = ("function_app.py", "host.json", "pyproject.toml")

#: Of the copy's files as they came; any other time is another text to Python's compiled files.
EDITED_AT_NS = 10**9


def copied(to: Path) -> Path:
    """Copy the parts of the project, without bytecode compiled from the originals."""
    for part in PARTS:
        shutil.copytree(PROJECT / part, to / part, ignore=shutil.ignore_patterns("__pycache__"))
    for name in FILES:
        shutil.copy2(PROJECT / name, to / name)
    return to


def without(guard: Guard, text: str) -> str:
    """The file's text without the guard."""
    for old, new in guard.edits:
        assert text.count(old) == 1, f"{guard.name}: {old!r} is {text.count(old)} times in {guard.file}"
        text = text.replace(old, new)
    return text


class Copy:
    """One copy and its server; ``tests`` are all tests that will be asked for."""

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
        if ran["failed"] and not ran["trouble"]:
            return ""
        return f"{guard.name}: {guard.killer} {ran['trouble'] or 'is green without it'}\n{ran['said']}"

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


def _ask_server(server: "subprocess.Popen[str]", tests: tuple[str, ...]) -> dict[str, Any]:
    assert server.stdin is not None
    assert server.stdout is not None
    server.stdin.write(json.dumps(tests) + "\n")
    server.stdin.flush()
    line = server.stdout.readline()
    assert line, f"the guards' process ended with {server.wait()}"
    answer: dict[str, Any] = json.loads(line)
    return answer


@contextmanager
def opened(folder: Path, tests: tuple[str, ...]) -> Iterator[Copy]:
    """A copy in this folder, with its server ready for these tests."""
    copied(folder)
    command = [sys.executable, str(SERVER), str(folder)]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, env=compiling()) as server:
        try:
            warmed = _ask_server(server, tests)
            assert not warmed["trouble"], (
                f"the guards' tests cannot be collected: {warmed['trouble']}\n{warmed['said']}"
            )
            yield Copy(folder, server)
        finally:
            assert server.stdin is not None
            server.stdin.close()
