"""The pytest plugin of `python3 -m dev test --quick`: fewer random examples, and files shared between two processes.

Rules of this file:
1. Every property test runs. Only the number of its random examples is smaller; what is written with ``@example`` is
   tried in full. A test that wants more examples than the others says so as a multiple of ``settings().max_examples``.
2. Two processes collect the same tests. Each claims the next test file that nobody has claimed, and runs it whole. A
   claim is a file in the folder of ``--claims``, which one process alone can make.
3. `python3 -m dev test` and CI do not load this plugin, so there every example is tried.
"""

from collections.abc import Iterable, Iterator
from hashlib import sha256
from itertools import groupby
from pathlib import Path

import pytest
from hypothesis import settings

#: A quarter of the CPU time of the quick tests was spent on random examples: 39 s at Hypothesis's own 100 a test.
EXAMPLES = 20


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add ``--claims``."""
    parser.addoption("--claims", type=Path, help="a folder shared with another process, which runs the other tests")


@pytest.hookimpl(trylast=True)
def pytest_configure() -> None:
    """Change the profile that the conftest has loaded, before any test module is imported."""
    settings.register_profile("quick", settings.get_profile(settings.get_current_profile_name()), max_examples=EXAMPLES)
    settings.load_profile("quick")


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop(session: pytest.Session) -> bool | None:
    """Run the tests of the claimed files: pytest's own loop, but for the claims."""
    claims: Path | None = session.config.getoption("claims")
    if claims is None or session.testsfailed or session.config.option.collectonly:
        return None
    items = claimed(session.items, claims)
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
