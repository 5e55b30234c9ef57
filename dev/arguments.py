"""Number types for argparse, with bounds: a number out of bounds gives one sentence instead of an empty run."""

import argparse
from collections.abc import Callable


def at_least(least: int, *, most: int = 1_000_000_000) -> Callable[[str], int]:
    """An argparse type: a whole number of ``least`` or more."""

    def number(text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            value = least - 1
        if not least <= value <= most:
            raise argparse.ArgumentTypeError(f"must be a whole number from {least} on, not {text!r}")
        return value

    return number


def more_than_nothing(text: str) -> float:
    """An argparse type: a number above 0."""
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < 1e9:
        raise argparse.ArgumentTypeError(f"must be a number above 0, not {text!r}")
    return value
