"""`python3 -m dev coverage`: the tests that start no process, and how much of the app they run: at least 85 %.

It is a command of its own, because measuring slows each test down: `dev test` measures nothing. The tests that start
processes are left out, so the figure is the least. Lines count, not branches.
"""

import os
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from dev.check import run_all
from dev.test import QUICK as QUICK_TESTS
from dev.test import SHARES

#: The least percentage of lines.
LEAST = 85

#: What is measured: the app, without its tools and tests.
SOURCE = "--source=shared,function_app"

#: Tests that bound the time of something: a measured one takes longer.
TIMED = (
    "--ignore=tests/bench",
    "--ignore=tests/adapters/test_picture_costs.py",
    "--deselect=tests/core/test_blocklist.py::test_hostile_texts_take_no_longer_than_their_length",
)

#: The tests that are neither long nor processes, with a fifth of their random examples. Not in shares, because what a
#: fork runs is not measured whole: two processes have tests of their own from the start.
QUICK = [*(word for word in QUICK_TESTS[2:] if word not in SHARES), *TIMED]

#: The folders of one of the two processes: half of the time of all.
PART = ("tests/core", "tests/cli", "tests/worker")


def main(argv: list[str]) -> int:
    """Run the tests and measure; returns 1 when one failed or too little was run, 2 for wrong arguments."""
    if argv:
        print("coverage takes no arguments", file=sys.stderr)
        return 2
    if sys.version_info >= (3, 12):
        os.environ.setdefault("COVERAGE_CORE", "sysmon")  # counts lines at a tenth of a tracer's cost
    with TemporaryDirectory() as folder:
        data = Path(folder, "data")
        failed = run_all(*({name: command} for name, command in measured(data).items()))
        return run_all(reports(folder, data)) or failed


def measured(data: Path) -> dict[str, list[str]]:
    """The commands that run the tests."""
    cover = ["python", "-m", "coverage", "run", "--parallel-mode", f"--data-file={data}", SOURCE, "-m", *QUICK]
    return {"tests": [*cover, *PART], "other tests": [*cover, *(f"--ignore={folder}" for folder in PART)]}


def reports(folder: str, data: Path) -> dict[str, list[str]]:
    """The commands that add the parts up and compare the sum with the least."""
    shown = [f"--data-file={data}", f"--fail-under={LEAST}", "--skip-covered", "--sort=miss"]
    return {
        "combine": ["python", "-m", "coverage", "combine", "--quiet", f"--data-file={data}", folder],
        "coverage": ["python", "-m", "coverage", "report", *shown],
    }
