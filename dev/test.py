"""`python3 -m dev test [pytest arguments]`: what CI runs; the checks, then the tests."""

from dev.check import CHECKS, run_all


def main(argv: list[str]) -> int:
    """Run the checks and the tests; returns 1 when one of them failed."""
    return run_all(CHECKS | {"tests": ["pytest", *argv]})
