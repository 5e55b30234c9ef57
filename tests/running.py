"""Whether processes run that are not this one's children."""

import asyncio
import os
from collections.abc import Sequence
from pathlib import Path


def stat_of(pid: int) -> list[str]:
    """The state of a process, its parent's id, and more that Linux knows; nothing if there is none, or elsewhere."""
    stat = Path(f"/proc/{pid}/stat")
    return stat.read_text(encoding="utf-8").rpartition(")")[2].split() if stat.exists() else []


def runs(pid: int) -> bool:
    """Whether the process runs; one that has ended and was not waited for does not."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return stat_of(pid)[:1] != ["Z"]


async def all_end(pids: Sequence[int]) -> bool:
    """Whether all processes have ended within 5 seconds."""
    for _ in range(250):
        if not any(runs(pid) for pid in pids):
            return True
        await asyncio.sleep(0.02)
    return False
