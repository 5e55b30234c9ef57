"""`python3 -m dev test [--quick] [pytest arguments]`: what CI runs, the checks and the tests side by side.

Without arguments three things run at once: two processes run the tests that can share a machine; a third runs the
tests that start a whole local stack each and mostly wait for it; and the checks run. Two cores are busy to the end.

`--quick` is for the time between two changes: the checks, and every test that starts no process and is not long
(crash points, guards, twins, simulations). A property test tries a fifth of its random examples (quick_tests.py).
Arguments select among these: `--quick tests/core -k price`.
"""

from pathlib import Path
from tempfile import TemporaryDirectory

from dev.check import CHECKS, run_all

ALONE = ("tests/stack",)

#: Skipped tests print their reason, so that a test that never runs is noticed.
PYTEST = ["pytest", "-q", "-rs"]

#: An idle process takes work from the other: the long tests take minutes.
TWO = ["-n", "2", "--dist", "worksteal"]

#: Selected by marks (pyproject.toml); tests/conftest.py fails a test that starts a process without the mark.
#: Two processes share these tests by files: xdist's controller hears of each step of each test, and would take a sixth
#: of the CPU time. `python -m` finds the plugin in this folder.
QUICK = ["python", "-m", *PYTEST, "-p", "dev.quick_tests", "-n", "0", "-m", "not process and not long"]

#: The output of the last one is shown live.
TESTS = {
    "tests of the whole stack": [*PYTEST, "-p", "no:cacheprovider", *ALONE],
    "tests, two at a time": [*PYTEST, *TWO, *(f"--ignore={folder}" for folder in ALONE)],
}


def main(argv: list[str]) -> int:
    """Run the checks and the tests; returns 1 when one of them failed."""
    with TemporaryDirectory() as claims:
        *beside, seen = ({name: command} for name, command in tests(argv, Path(claims)).items())
        return run_all(CHECKS, *beside, seen)


def tests(argv: list[str], claims: Path) -> dict[str, list[str]]:
    """The commands for these arguments, by their names. Those that share tests claim them in an empty folder."""
    others = [argument for argument in argv if argument != "--quick"]
    if "--quick" in argv:
        # With "=": pytest looks for its configuration before it knows the option, and would take the folder for tests.
        half = [*QUICK, f"--claims={claims}", *others]
        return {"quick tests, one half": half, "quick tests, the other half": half}
    return {"tests": ["pytest", "-rs", *others]} if others else TESTS
