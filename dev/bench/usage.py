"""What a process costs: CPU seconds and memory, of itself; and on which core it runs.

Rules of this file:
1. CPU is user and system time of all threads of the process, as the system counts it (getrusage).
2. Peak memory is the high-water mark of the resident set since ``mark``; Linux alone can set it back. Elsewhere it
   is the highest since the process began.
3. Measured processes run on one core and their dependencies on another where the system can pin them (Linux); else
   they share what there is, and the report says so.
"""

import functools
import os
import resource
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

_KIB = 1024
#: Writing this to clear_refs sets the high-water mark back to what is resident now (proc(5)).
_RESET_PEAK = "5"


@dataclass(frozen=True, slots=True)
class Usage:
    """CPU seconds so far; resident bytes now, and at the highest."""

    cpu_s: float
    resident_bytes: int
    peak_bytes: int

    def to_json(self) -> dict[str, float]:
        """As a JSON object that ``Usage(**...)`` reads back."""
        return asdict(self)


def now() -> Usage:
    """What this process has used."""
    spent = resource.getrusage(resource.RUSAGE_SELF)
    sizes = _sizes()
    peak = spent.ru_maxrss * (1 if sys.platform == "darwin" else _KIB)
    return Usage(
        cpu_s=spent.ru_utime + spent.ru_stime,
        resident_bytes=sizes.get("VmRSS", peak),
        peak_bytes=sizes.get("VmHWM", peak),
    )


def mark() -> None:
    """Set the high-water mark of memory back, where that can be done."""
    marks = Path("/proc/self/clear_refs")
    if marks.exists():
        marks.write_text(_RESET_PEAK, encoding="ascii")


@functools.cache  # as it was at first: who has pinned itself sees one core alone
def cores() -> tuple[int, int] | None:
    """The core for what is measured and the core for its dependencies; None where processes cannot be pinned."""
    if not hasattr(os, "sched_getaffinity"):
        return None
    available = sorted(os.sched_getaffinity(0))
    return (available[0], available[1]) if len(available) > 1 else None


def pin(core: int | None) -> None:
    """Run this process, and what it will start, on one core alone."""
    if core is not None and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {core})


def _sizes() -> dict[str, int]:
    status = Path("/proc/self/status")
    if not status.exists():
        return {}
    lines = (line.split() for line in status.read_text(encoding="ascii").splitlines() if line.startswith("Vm"))
    return {name.rstrip(":"): int(kib) * _KIB for name, kib, *_ in lines}
