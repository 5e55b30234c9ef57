"""The pytest plugin of `python3 -m dev test --quick`: fewer random examples, and what no test without a process needs.

Rules of this file:
1. Every property test runs. Only the number of its random examples is smaller; what is written with ``@example`` is
   tried in full. A test that wants more examples than the others says so as a multiple of ``settings().max_examples``.
2. asyncio would install a handler of Ctrl-C for each run of a loop, two for each test. It leaves a handler alone that
   is not Python's own.
3. A file that marks all its tests as what the quick tests leave out is not imported: forty files, a second.
4. `python3 -m dev test` and CI do not load this plugin, so there every example is tried.
"""

import re
import signal
from pathlib import Path
from typing import NoReturn

import pytest
from hypothesis import settings
from hypothesis import strategies as st

#: A quarter of the CPU time of the quick tests was spent on random examples: 39 s at Hypothesis's own 100 a test.
EXAMPLES = 20

#: What marks all tests of a file as some that the quick tests leave out (test.py).
ALL_LEFT_OUT = re.compile(r"^pytestmark = .*\bpytest\.mark\.(?:process|long|stack)\b", re.MULTILINE)


def interrupted(_number: int, _frame: object) -> NoReturn:
    """Do what Python's own handler does."""
    raise KeyboardInterrupt


@pytest.hookimpl(trylast=True)
def pytest_configure() -> None:
    """Change the profile that the conftest has loaded, before any test module is imported."""
    signal.signal(signal.SIGINT, interrupted)
    settings.register_profile("quick", settings.get_profile(settings.get_current_profile_name()), max_examples=EXAMPLES)
    settings.load_profile("quick")


def pytest_ignore_collect(collection_path: Path) -> bool | None:
    """Whether the file is one of those."""
    if collection_path.suffix == ".py" and ALL_LEFT_OUT.search(collection_path.read_text(encoding="utf-8")):
        return True
    return None


def pytest_collection_finish() -> None:
    """Read the table of Unicode before the process forks: it takes a second where no earlier run has stored it."""
    st.text().validate()
