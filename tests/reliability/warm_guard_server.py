"""Runs the tests of guards with the whole project in memory: ``python -m tests.reliability.warm_guard_server ASKED``.

Rules of this file:
1. The tests are collected once, in a copy of the project that nobody edits. Each run is a fork, in which the functions
   that a guard is in get the code without it (guard_patches.py). That takes a tenth of the time of importing it all.
2. What cannot be done in this way is said, and guard_server.py does it: it imports the edited copy. So is what stays
   green, because a function may have been called when the project was imported.
3. Red is a test that ran and failed, as in guard_server.py. So a property test that has failed looks for no simpler
   example.

``ASKED`` is a file with the ids of all tests that will be asked for and the files of all guards, as JSON (``tests``,
``files``): what is imported in a function is in memory, too. A line on standard input is a run as JSON
(``tests``; ``edits``, the whole texts of files without the guard); the line that it answers is a ``Ran``.
"""

import gc
import importlib
import json
import os
import re
import sys
import tempfile
import threading
from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import IO, Any

import pytest

from tests.reliability.guard_patches import CannotPatchError, Functions, compiled, functions_in, patch
from tests.reliability.guard_server import OPTIONS, Ran, answer, read_ran


class WarmServer:
    """A pytest that runs no test of its own: it answers from its standard input until that ends."""

    def __init__(self, copy: Path, files: list[str], answers: IO[str]) -> None:
        self.copy = copy
        self.files = files
        self.answers = answers
        self.functions: Functions = {}
        self.items: dict[str, list[pytest.Item]] = {}

    @pytest.hookimpl(trylast=True)
    def pytest_configure(self) -> None:
        """Change the profile that the conftest has loaded, before any test module is imported."""
        from hypothesis import Phase, settings  # noqa: PLC0415  # pytest has to meet its plugins first

        conftests = settings.get_profile(settings.get_current_profile_name())
        settings.register_profile("red", conftests, phases=(Phase.explicit, Phase.reuse, Phase.generate))
        settings.load_profile("red")

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """All is in memory: what is found now is found in no time."""
        for file in self.files:
            importlib.import_module(".".join(Path(file).with_suffix("").parts))
        gc.unfreeze()
        self.functions = functions_in(self.copy)
        self.items = by_ids(session.items)
        gc.freeze()

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """Replaces pytest's loop."""
        answer(self.answers, Ran(trouble="not all was collected" if session.testsfailed else ""))
        for line in sys.stdin:
            asked = json.loads(line)
            for file in asked["edits"]:
                compiled(self.text_of(file), self.copy / file)  # each fork has it from here
            answer(self.answers, forked(partial(self.run, session, asked)))
        return True

    def text_of(self, file: str) -> str:
        """The text of a file as it is in memory."""
        return (self.copy / file).read_text(encoding="utf-8")

    def run(self, session: pytest.Session, asked: dict[str, Any], ran: Ran) -> None:
        """In the fork: take the guard out, and run the tests up to the first that is red."""
        try:
            for file, text in asked["edits"].items():
                patch(self.functions, self.copy / file, self.text_of(file), text)
        except CannotPatchError as error:
            ran.trouble = str(error)
            return
        session.config.pluginmanager.register(ran)
        items = [item for test in asked["tests"] for item in self.items.get(test, ())]
        ran.trouble = "" if items else "no such test"
        for item in items:
            item.ihook.pytest_runtest_protocol(item=item, nextitem=None)
            if ran.failed or ran.trouble:
                break


def forked(act: Callable[[Ran], None]) -> Ran:
    """Act in a fork; returns what it came to."""
    assert threading.active_count() == 1  # a lock that another thread holds would be held in the fork for ever
    with tempfile.TemporaryFile("w+") as results, tempfile.TemporaryFile("w+") as said:
        pid = os.fork()
        if pid:
            return read_ran(pid, results, said)
        code = 1
        try:
            for stream in (1, 2):
                os.dup2(said.fileno(), stream)
            act(ran := Ran())
            json.dump(asdict(ran), results)
            results.flush()
            sys.stdout.flush()
            code = 0
        finally:
            os._exit(code)


def by_ids(items: list[pytest.Item]) -> dict[str, list[pytest.Item]]:
    """The tests by all ids that mean them: of a file, a class, a function or a case, as on pytest's command line."""
    found: dict[str, list[pytest.Item]] = {}
    for item in items:
        whole = item.nodeid
        for end in (*(each.start() for each in re.finditer(r"::|\[", whole)), len(whole)):
            found.setdefault(whole[:end], []).append(item)
    return found


def main(argv: list[str]) -> int:
    """Serve the folder that this runs in."""
    asked = json.loads(Path(argv[0]).read_text(encoding="utf-8"))
    files = sorted({test.partition("::")[0] for test in asked["tests"]})
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # whatever else is said here is for people
    return int(pytest.main([*OPTIONS, *files], [WarmServer(Path.cwd(), asked["files"], answers)]))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
