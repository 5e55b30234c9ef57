"""Runs the tests of guards in a copy of the project, one after the other: ``python guard_server.py COPY``.

Rules of this file:
1. It is a pytest that stops before it collects: it has its plugins and every package in memory, and nothing of the
   project. Each run is a fork of it, which reads the project from the copy as it is at that moment.
2. It forks with one thread only: a lock that another thread holds would be held in the fork for ever.
3. Red is a test that ran and failed. Whatever else ends a run (a file that cannot be imported, no such test, a fixture
   that fails, a signal, time) says nothing about the guard, and is reported as what it is.

A line on its standard input is the ids of the tests to run, as JSON; the line that it answers is a ``Ran``. Each run
says what it has loaded that is not of the project: the next finds it in memory.
"""

import gc
import importlib
import json
import os
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import IO, Any

import pytest

#: The project's own packages: what no fork may inherit.
OURS = {"dev", "function_app", "shared", "tests"}

#: A test has the time of pyproject.toml; what hangs while it is collected has this much.
LIMIT_S = 200

#: A fork runs one test and needs little; its streams are its own, so that pytest must not put back its parent's (-s).
#: Red is red: a traceback takes a tenth of a fork's time, and pytest's own, with its source, a fifth.
OPTIONS = ("-q", "-x", "-s", "--tb=line", "-p", "no:cacheprovider", "-p", "no:xdist")


@dataclass(eq=False)  # pytest keeps its plugins in sets
class Ran:
    """What became of one run: the tests that passed, those that failed, why it is no run at all, what it said.

    ``packages`` are the modules that it has loaded and that are not of the project.
    """

    passed: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    trouble: str = ""
    said: str = ""
    packages: list[str] = field(default_factory=list)

    # The hooks of a pytest plugin.

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """The call of a test decides its result; a failed set-up is trouble."""
        if report.when == "call" and not report.skipped:
            (self.failed if report.failed else self.passed).append(report.nodeid)
        elif report.failed and report.when == "setup":
            self.trouble = f"set-up of {report.nodeid}: {report.longreprtext[-600:]}"

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """A file that cannot be imported is trouble."""
        if report.failed:
            self.trouble = f"collection of {report.nodeid}: {report.longreprtext[-600:]}"


class Server:
    """Answers from its standard input until that ends. In a fork ``ran`` is what it came to."""

    def __init__(self, copy: Path, answers: IO[str]) -> None:
        self.copy = copy
        self.answers = answers
        self.ran: Ran | None = None
        self.results: IO[str] | None = None

    @pytest.hookimpl(tryfirst=True)
    def pytest_cmdline_main(self, config: pytest.Config) -> int | None:
        """Replaces pytest's session: answers all requests, and only a fork goes on into a session."""
        sys.dont_write_bytecode = True  # a fork sees the project without a guard: nothing of that may stay
        for line in sys.stdin:
            ran = self.in_fork(config, json.loads(line))
            if ran is None:
                return None
            answer(self.answers, replace(ran, packages=[]))
            load(ran.packages)
        return 0

    def in_fork(self, config: pytest.Config, tests: list[str]) -> Ran | None:
        """Run these tests in a fork and read their results; returns nothing in the fork itself."""
        alone()
        with tempfile.TemporaryFile("w+") as results, tempfile.TemporaryFile("w+") as said:
            pid = os.fork()
            if not pid:
                self.ran, self.results = Ran(), os.fdopen(os.dup(results.fileno()), "w")
                for stream in (1, 2):
                    os.dup2(said.fileno(), stream)
                config.args[:] = tests
                config.pluginmanager.register(self.ran)
                return None
            return read_ran(pid, results, said)

    def end(self, ran: Ran, results: IO[str], code: int) -> None:
        """End a fork without the clean-up, which is its parent's task."""
        wanted = pytest.ExitCode.TESTS_FAILED if ran.failed else pytest.ExitCode.OK
        ran.trouble = ran.trouble or ("" if code == wanted else f"pytest ended with {code!r}")
        ran.packages = sorted(packages(self.copy))
        json.dump(asdict(ran), results)
        results.flush()
        sys.stdout.flush()


def answer(answers: IO[str], ran: Ran) -> None:
    """One line."""
    answers.write(json.dumps(asdict(ran)) + "\n")
    answers.flush()


def read_ran(pid: int, results: IO[str], said: IO[str]) -> Ran:
    """Wait for a fork, and read what it has written; what it said at the end of it."""
    code = waited_for(pid)
    said.seek(0)
    results.seek(0)
    ran = Ran(**json.load(results)) if code == 0 else Ran(trouble=f"its process ended with {code}")
    return replace(ran, said=said.read()[-1500:])


def packages(copy: Path) -> Iterator[str]:
    """The modules of this process that are files outside the copy."""
    for name, module in list(sys.modules.items()):
        file = getattr(module, "__file__", None)
        if file and not Path(file).is_relative_to(copy) and name.partition(".")[0] not in OURS | {"__main__"}:
            yield name


def load(names: list[str]) -> None:
    """Import what the next forks would import; a name that cannot be imported is skipped, because nothing needs it."""
    for name in names:
        try:
            importlib.import_module(name)
        except ImportError:
            continue
    gc.freeze()  # what is here stays for ever; no fork has to look at it


def alone() -> None:
    """Check that this process has one thread and no module of the project; otherwise a fork proves nothing."""
    inherited: list[Any] = sorted(name for name in sys.modules if name.partition(".")[0] in OURS)
    if inherited or threading.active_count() != 1:
        raise SystemExit(f"a fork would inherit {inherited or threading.enumerate()}")


def waited_for(pid: int) -> int:
    """The exit code of a fork, which is killed after its time."""
    until = time.monotonic() + LIMIT_S
    while True:
        found, status = os.waitpid(pid, os.WNOHANG)
        if found:
            return os.waitstatus_to_exitcode(status)
        if time.monotonic() > until:
            os.kill(pid, 9)
            until = float("inf")
        time.sleep(0.005)


def main(argv: list[str]) -> int:
    """Serve one copy. A fork returns here from its session, and goes no further."""
    copy = Path(argv[0]).resolve()
    os.chdir(copy)
    sys.path[0] = str(copy)
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # whatever else is said here is for people
    server = Server(copy, answers)
    code = 1
    try:
        # a folder without a conftest.py: those are the project's, and come with what is collected
        code = int(pytest.main([*OPTIONS, str(copy / "shared")], [server]))
        if server.ran is not None and server.results is not None:
            server.end(server.ran, server.results, code)
            code = 0
    finally:
        if server.ran is not None:
            os._exit(code)
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
