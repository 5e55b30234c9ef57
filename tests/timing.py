"""Measures own CPU time, because other programs may run beside a test."""

import time
from collections.abc import Callable


def best_cpu_s(act: Callable[[], object], tries: int = 3) -> float:
    """The least CPU seconds of several tries; caches, the collector and a busy core slow single ones down."""
    taken_s = []
    for _ in range(tries):
        began_s = time.process_time()
        act()
        taken_s.append(time.process_time() - began_s)
    return min(taken_s)
