"""Waiting for a prediction's end: Replicate's bounds, and the pauses between two reads. Pure, but for the jitter."""

import random
from collections.abc import Iterator

#: The least and the most seconds of ``Cancel-After``, and of ``Prefer: wait``
#: (replicate.com/docs/topics/predictions).
CANCEL_AFTER_S, WAIT_S = (5, 86_400), (1, 60)

#: The time for the one read that is always made, in seconds, however little time is left.
ONE_READ_S = 0.25


def pauses_s(first_s: float, longest_s: float, growth: float) -> Iterator[float]:
    """The seconds between two reads, without an end.

    Each pause is ``growth`` times the one before, at most ``longest_s``. It is multiplied by a random 0.5 to 1, so that
    many clients do not read at once.
    """
    pause_s = first_s
    while True:
        yield pause_s * random.uniform(0.5, 1)
        pause_s = min(pause_s * growth, longest_s)
