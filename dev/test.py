"""`python3 -m dev test [--quick] [pytest arguments]`: what CI runs; the checks and the tests, side by side.

Without arguments three things run at once: on two processes the tests that mind no company; in a third those that walk
through a whole local stack of their own and mostly wait for it; and the checks. Two cores are busy from end to end.

`--quick` is for the time between two changes: the checks, and every test that starts no process and is not one of the
long ones (crash points, guards, twins, simulations). Arguments choose among these: `--quick tests/core -k price`.
"""

from dev.check import CHECKS, run_all

ALONE = ("tests/stack",)

#: Who is skipped says why: a test that never runs is one that nobody misses.
PYTEST = ["pytest", "-q", "-rs"]

#: Each process takes what is next of the other's when it is done: the long ones are long by minutes.
TWO = ["-n", "2", "--dist", "worksteal"]

#: By marks (pyproject.toml); tests/conftest.py fails whoever starts a process without its mark.
QUICK = [*PYTEST, *TWO, "-m", "not process and not long"]

#: The last one is seen as it goes.
TESTS = {
    "tests of the whole stack": [*PYTEST, "-p", "no:cacheprovider", *ALONE],
    "tests, two at a time": [*PYTEST, *TWO, *(f"--ignore={folder}" for folder in ALONE)],
}


def main(argv: list[str]) -> int:
    """Run the checks and the tests; returns 1 when one of them failed."""
    *beside, seen = ({name: command} for name, command in tests(argv).items())
    return run_all(CHECKS, *beside, seen)


def tests(argv: list[str]) -> dict[str, list[str]]:
    """The commands for these arguments, by their names."""
    others = [argument for argument in argv if argument != "--quick"]
    if "--quick" in argv:
        return {"quick tests": [*QUICK, *others]}
    return {"tests": ["pytest", "-rs", *others]} if others else TESTS
