"""The pytest plugin with which two processes share the tests: ``-p dev.halves --claims=FOLDER``.

Rules of this file:
1. Both processes collect the same tests. Each claims the next test file that nobody has claimed, and runs it whole, so
   that what is made once for a file is made once. A claim is a file in the folder, which one process alone can make.
2. Files with long tests come first, then those that start processes: a process that runs alone at the end has little
   left to do.
3. It replaces xdist, whose controller hears of each step of each test and takes a sixth of the CPU time.
"""

from collections.abc import Iterable, Iterator
from hashlib import sha256
from itertools import groupby
from pathlib import Path

import pytest

#: The marks of files that come first, in this order.
FIRST = ("long", "process")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add ``--claims``."""
    parser.addoption("--claims", type=Path, help="a folder shared with another process, which runs the other tests")


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop(session: pytest.Session) -> bool | None:
    """Run the tests of the claimed files: pytest's own loop, but for the claims."""
    claims: Path | None = session.config.getoption("claims")
    if claims is None or session.testsfailed or session.config.option.collectonly:
        return None
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
    return True


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
