"""Measures what one picture costs. It is run as a program with a file's name, in a process that does nothing else.

It prints how much memory the process had at its peak beyond what it had before the file was read (MiB), the CPU time
(user and system, all threads), and what came of the picture.
"""

import asyncio
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


async def main(name: str) -> None:
    """Measure one picture and print the result."""
    await looked_at(TINY)
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # noqa: ASYNC240  # the peak begins again
    before_mib, before_s = memory_mib("VmRSS"), cpu_s()
    came = await looked_at(Path(name).read_bytes())  # noqa: ASYNC240  # nothing else is waiting
    more_mib = memory_mib("VmHWM") - before_mib
    sys.stdout.write(json.dumps({"more_mib": round(more_mib, 1), "cpu_s": round(cpu_s() - before_s, 2), "came": came}))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
