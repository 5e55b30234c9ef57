"""The usage of a process: CPU seconds and memory; and the core that it runs on.

Rules of this file:
1. CPU is user and system time of all threads of the process, as the system counts it (getrusage).
2. Peak memory is the largest resident set since ``mark``. Only Linux can reset it. Elsewhere it is the largest since
   the process began.
3. Measured processes run on one core and their dependencies on another if the system can pin them (Linux). Elsewhere
   they share all cores, and the report says so.
"""

import functools
import os
import resource
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

_KIB = 1024
#: Writing this to clear_refs resets the peak to the present resident set (proc(5)).
_RESET_PEAK = "5"


@dataclass(frozen=True, slots=True)
class Usage:
    """CPU seconds so far, and bytes of the resident set, now and at its peak."""

    cpu_s: float
    resident_bytes: int
    peak_bytes: int

    def to_json(self) -> dict[str, float]:
        """A JSON object that ``Usage(**...)`` reads back."""
        return asdict(self)


def now() -> Usage:
    """The usage of this process."""
    spent = resource.getrusage(resource.RUSAGE_SELF)
    sizes = _sizes()
    peak = spent.ru_maxrss * (1 if sys.platform == "darwin" else _KIB)
    return Usage(
        cpu_s=spent.ru_utime + spent.ru_stime,
        resident_bytes=sizes.get("VmRSS", peak),
        peak_bytes=sizes.get("VmHWM", peak),
    )


def mark() -> None:
    """Reset the peak of memory, if the system can."""
    marks = Path("/proc/self/clear_refs")
    if marks.exists():
        marks.write_text(_RESET_PEAK, encoding="ascii")


@functools.cache  # cached from the first call: a pinned process sees one core alone
def cores() -> tuple[int, int] | None:
    """The core of the measured process and the core of its dependencies; None if processes cannot be pinned."""
    if not hasattr(os, "sched_getaffinity"):
        return None
    available = sorted(os.sched_getaffinity(0))
    return (available[0], available[1]) if len(available) > 1 else None


def pin(core: int | None) -> None:
    """Run this process, and those that it starts later, on one core."""
    if core is not None and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {core})


def _sizes() -> dict[str, int]:
    status = Path("/proc/self/status")
    if not status.exists():
        return {}
    lines = (line.split() for line in status.read_text(encoding="ascii").splitlines() if line.startswith("Vm"))
    return {name.rstrip(":"): int(kib) * _KIB for name, kib, *_ in lines}
