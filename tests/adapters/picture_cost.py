"""Measures what pictures cost: a program that reads files' names, a line each, and answers each with a line.

Each picture is measured in a fork of its own that has imported what it needs and done nothing yet. The line says how
much memory the process had at its peak beyond what it had before the file was read (MiB), the CPU time (user and
system, all threads), and what came of the picture.
"""

import asyncio
import gc
import io
import json
import os
import re
import sys
from pathlib import Path

from shared.adapters.media.images import PillowImages
from shared.ports import OutputUnfit, PictureUnfit

#: A PNG of 1 x 1, processed first, so that the one-time costs of a process are not measured.
TINY = bytes.fromhex(
    "89504e470d0a1a0a0000000d494844520000000100000001080200000090"
    "7753de0000000c49444154789c63606060000000040001f61738550000000049454e44ae426082"
)


async def looked_at(content: bytes) -> str:
    """The result: how the screener gets the picture, or why it is refused."""
    images, file = PillowImages(), io.BytesIO(content)
    try:
        picture = await images.inspect(file)
        if picture is None:
            return "broken"
        shown = await images.for_screening(file, picture)
    except PictureUnfit as unfit:
        return unfit.why
    except OutputUnfit:
        return "broken"
    return "shown as it is" if shown == content else "shown as a copy"


def memory_mib(name: str) -> float:
    """The process's VmHWM or VmRSS, in MiB."""
    found = re.search(rf"{name}:\s+(\d+) kB", Path("/proc/self/status").read_text(encoding="ascii"))
    return int(found[1]) / 1024 if found else 0.0


def cpu_s() -> float:
    """The CPU time of all threads so far, in seconds."""
    times = os.times()
    return times.user + times.system


async def measured(name: str) -> dict[str, float | str]:
    """What one picture costs in this process, which does nothing else."""
    await looked_at(TINY)
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # noqa: ASYNC240  # the peak begins again
    before_mib, before_s = memory_mib("VmRSS"), cpu_s()
    came = await looked_at(Path(name).read_bytes())  # noqa: ASYNC240  # nothing else is waiting
    more_mib = memory_mib("VmHWM") - before_mib
    return {"more_mib": round(more_mib, 1), "cpu_s": round(cpu_s() - before_s, 2), "came": came}


def say(answer: dict[str, float | str]) -> None:
    """Answer with one line."""
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()


def main() -> None:
    """Have each picture measured in a fork."""
    gc.freeze()  # what has been imported is no fork's to collect
    for line in sys.stdin:
        pid = os.fork()
        if not pid:
            say(asyncio.run(measured(line.rstrip("\n"))))
            os._exit(0)
        _, status = os.waitpid(pid, 0)
        if status:
            say({"came": f"its process ended with {os.waitstatus_to_exitcode(status)}"})


if __name__ == "__main__":
    main()
