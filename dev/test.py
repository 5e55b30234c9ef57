"""`python3 -m dev test [pytest arguments]`: what CI runs; the checks, then the tests.

Without arguments the tests run in two goes: first what is independent, on two processes; then, one after the other,
what starts processes of its own or measures time, and would only be disturbed by company.
"""

from dev.check import CHECKS, run_all

ALONE = ("tests/dev", "tests/reliability", "tests/stack")

TESTS = {
    "tests, two at a time": ["pytest", "-q", "-n", "2", *(f"--ignore={folder}" for folder in ALONE)],
    "tests, one at a time": ["pytest", "-q", *ALONE],
}


def main(argv: list[str]) -> int:
    """Run the checks and the tests; returns 1 when one of them failed."""
    return run_all(CHECKS | ({"tests": ["pytest", *argv]} if argv else TESTS))
