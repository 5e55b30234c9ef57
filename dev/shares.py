"""The pytest plugin with which several processes share the tests: ``-p dev.shares --shares 4``.

Rules of this file:
1. The tests are collected once: the process forks when it has them. Each claims the next test file that nobody has
   claimed, and runs it whole, so that what is made once for a file is made once. A claim is a file in a folder, which
   one process alone can make.
2. Files with long tests come first, then those that start processes: a process that runs alone at the end has little
   left to do.
3. A failure is printed when it happens. The results of the others are reported when this process is done, so that there
   is one summary and one exit code. A process that dies fails the run.
4. It replaces xdist, whose controller hears of each step of each test and takes a sixth of the CPU time.
5. What pytest asks again for each test of a function (its signature, its line) is remembered, and only the process that
   prints has a terminal's reporter: a test that does nothing took 2 ms.
"""

import json
import os
import sys
import threading
from collections.abc import Iterable, Iterator
from functools import cache, lru_cache
from hashlib import sha256
from itertools import groupby
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO, Any, NoReturn

import _pytest.compat
import _pytest.python
import pytest

#: The marks of files that come first, in this order.
FIRST = ("long", "process")

#: What pytest works out again for each case of a test, though it is the same for all of them.
REMEMBERED: tuple[tuple[Any, str], ...] = ((_pytest.compat, "signature"), (_pytest.python, "getfslineno"))

#: The name of another process's reports, in the folder of claims: one JSON object a line.
REPORTS = "reports{}"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add ``--shares``."""
    parser.addoption(
        "--shares", type=int, default=1, help="run the tests in so many processes, which share them by files"
    )


def pytest_configure(config: pytest.Config) -> None:
    """Let pytest remember what it knows of a function. It holds few of them: a test may make its own."""
    if config.option.shares > 1:
        for module, name in REMEMBERED:
            setattr(module, name, lru_cache(maxsize=1000)(getattr(module, name)))


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop(session: pytest.Session) -> bool | None:
    """Replace pytest's own loop by several that share the tests."""
    option = session.config.option
    if option.shares < 2 or session.testsfailed or option.collectonly:
        return None
    session.gethookproxy = cache(session.gethookproxy)  # type: ignore[assignment,method-assign]  # conftests are loaded
    with TemporaryDirectory() as folder:
        claims, plugins = Path(folder), session.config.pluginmanager
        plugins.register(at_once := _AtOnce(session.config))
        others = _forked(session, claims, option.shares - 1)
        run_claimed(session, claims)
        plugins.unregister(at_once)
        codes = [_report_other(session, claims / REPORTS.format(number), pid) for number, pid in enumerate(others)]
    if any(codes):
        raise session.Interrupted(f"another process ended with {next(filter(None, codes))}")
    return True


def run_claimed(session: pytest.Session, claims: Path) -> None:
    """Run the tests of the claimed files: pytest's own loop, but for the claims."""
    items = claimed(longest_first(session.items), claims)
    item = next(items, None)
    while item is not None:
        following = next(items, None)
        item.ihook.pytest_runtest_protocol(item=item, nextitem=following)
        if session.shouldfail:
            raise session.Failed(session.shouldfail)
        if session.shouldstop:
            raise session.Interrupted(session.shouldstop)
        item = following


def longest_first(items: Iterable[pytest.Item]) -> list[pytest.Item]:
    """The tests of files with a long test, of files with a process, and of the others, each in their order."""
    items, rank = list(items), dict[Path, int]()
    for item in items:
        own = next((place for place, mark in enumerate(FIRST) if item.get_closest_marker(mark)), len(FIRST))
        rank[item.path] = min(own, rank.get(item.path, own))
    return sorted(items, key=lambda item: rank[item.path])


def claimed(items: Iterable[pytest.Item], claims: Path) -> Iterator[pytest.Item]:
    """The tests of the files that this process claims, file by file."""
    mine: set[Path] = set()
    for path, of_file in groupby(items, lambda item: item.path):  # pytest may part the tests of a file
        if path not in mine:
            try:
                claim_of(path, claims).touch(exist_ok=False)
            except FileExistsError:
                continue
            mine.add(path)
        yield from of_file


def claim_of(path: Path, claims: Path) -> Path:
    """Where the claim to a test file is."""
    return claims / sha256(str(path).encode()).hexdigest()


class _AtOnce:
    """Prints each failure when it happens."""

    def __init__(self, config: pytest.Config) -> None:
        self._capturing: Any = config.pluginmanager.getplugin("capturemanager")

    @pytest.hookimpl(trylast=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Print it whole, in one write: the others print, too."""
        if report.failed:
            with self._capturing.global_and_fixture_disabled():
                sys.stdout.write(f"\nFAILED {report.nodeid} ({report.when})\n{report.longreprtext}\n")
                sys.stdout.flush()


class _Written:
    """Writes the reports that another process needs: of each test's call, and of whatever did not pass."""

    def __init__(self, config: pytest.Config, file: IO[str]) -> None:
        self._config = config
        self._file = file

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """One line."""
        if report.when == "call" or not report.passed:
            data = self._config.hook.pytest_report_to_serializable(config=self._config, report=report)
            self._file.write(json.dumps(data) + "\n")


def _forked(session: pytest.Session, claims: Path, others: int) -> list[int]:
    """Start the others; returns their process ids, none where this process has to run everything."""
    config = session.config
    if not hasattr(os, "fork") or threading.active_count() > 1:
        return []
    capturing: Any = config.pluginmanager.getplugin("capturemanager")
    capturing.stop_global_capturing()  # each captures into files of its own
    sys.stdout.flush()
    pids: list[int] = []
    for number in range(others):
        pid = os.fork()
        if not pid:
            _start_capturing(capturing)
            _run_other(session, claims, number)
        pids.append(pid)
    _start_capturing(capturing)
    return pids


def _start_capturing(capturing: Any) -> None:
    capturing.start_global_capturing()
    capturing.suspend_global_capture()


def _run_other(session: pytest.Session, claims: Path, number: int) -> NoReturn:
    """Run a share to the end of this process, whose only exit is here."""
    code = 1
    plugins = session.config.pluginmanager
    try:
        plugins.unregister(name="terminalreporter")
        with (claims / REPORTS.format(number)).open("w", encoding="utf-8") as file:
            plugins.register(_Written(session.config, file))
            run_claimed(session, claims)
        code = 0
    except session.Failed:
        code = 0  # the failures that ended it are in the reports
    finally:
        os._exit(code)


def _report_other(session: pytest.Session, reports: Path, pid: int) -> int:
    """Wait for another process, and report what it came to as if it had run here. Returns its exit code."""
    _, status = os.waitpid(pid, 0)
    config = session.config
    with reports.open(encoding="utf-8") as lines:
        for line in lines:
            if not line.endswith("\n"):
                break  # it died while it wrote this
            report = config.hook.pytest_report_from_serializable(config=config, data=json.loads(line))
            if isinstance(report.longrepr, list):  # where and why it was skipped: JSON has no tuples
                report.longrepr = tuple(report.longrepr)
            config.hook.pytest_runtest_logreport(report=report)
    return os.waitstatus_to_exitcode(status)
