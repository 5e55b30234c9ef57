"""`python3 -m dev test [--quick] [pytest arguments]`: the checks and the tests, side by side.

Without arguments several things run at once: four processes share the tests that can share a machine (shares.py);
another runs the tests of the whole local stack, which mostly wait for it; and the checks run. Many tests wait
for real time-outs: two processes would leave two cores idle for a third of the time.

The crash schedules of flows that end in every way take minutes: `python3 -m dev crash_points` plays them. CI runs both.

`--quick` is for the time between two changes: the checks, and every test that starts no process and is not long
(crash points, guards, twins, simulations, measurements of thousands of calls). A property test tries a fifth of its
random examples (quick_tests.py).
Arguments select among these: `--quick tests/core -k price`.
"""

from dev.check import CHECKS, run_all

ALONE = ("tests/stack",)
IGNORED = [f"--ignore={folder}" for folder in ALONE]

#: Failed tests are listed at the end; skipped ones print their reason, so that a test that never runs is noticed.
PYTEST = ["pytest", "-q", "-rfEs"]

#: Four processes share tests by files.
SHARES = ["--shares", "4"]

#: `python -m` finds the plugins in this folder.
SHARED = ["python", "-m", *PYTEST, "-p", "dev.shares", *SHARES, "-n", "0"]

#: Selected by marks (pyproject.toml); tests/conftest.py fails a test that starts a process without the mark.
#: What a test prints is captured in Python: only a process would write past it.
QUICK = [*SHARED, *IGNORED, "--capture", "sys", "-p", "dev.quick_tests", "-m", "not process and not long"]

STACK = [*PYTEST, "-p", "no:cacheprovider", *ALONE]
OTHERS = [*SHARED, "-m", "not exhaustive", *IGNORED]


def main(argv: list[str]) -> int:
    """Run the checks and the tests; returns 1 when one of them failed."""
    *beside, seen = ({name: command} for name, command in tests(argv).items())
    return run_all(CHECKS, *beside, seen)


def tests(argv: list[str]) -> dict[str, list[str]]:
    """The commands for these arguments, by their names."""
    others = [argument for argument in argv if argument != "--quick"]
    if "--quick" in argv:
        return {"quick tests": [*QUICK, *others]}
    if others:
        return {"tests": ["pytest", "-rs", *others]}
    return {"tests of the whole stack": STACK, "tests": OTHERS}
