"""One picture in a process of its own, with a limit of memory and of time: for those that may have ended a worker.

Rules of this file:
1. The process gets the picture and nothing else: no setting, no secret, no connection.
2. Whatever becomes of it (killed, out of memory, too slow), the picture is unfit and this worker goes on.
3. It is ended by whoever started it, by its own id.
"""

import asyncio
import contextlib
import io
import logging
import os
import sys
from dataclasses import replace
from typing import BinaryIO

from shared.adapters.media.images import PillowImages, looking
from shared.core.reasons import Reason, Refusal
from shared.ports import Cleaned, OutputUnfit, Picture, PictureUnfit

logger = logging.getLogger("darkroom.images")

#: Beyond what the process has before it reads the picture. A picture of 50 MB that costs all that one may is within.
MEMORY_BYTES = 256 * 1024 * 1024
CPU_S = 20
WALL_S = 60

_CHUNK_BYTES = 256 * 1024

#: What the process says by its exit code, beside 0: the picture on its standard output is what the screener gets.
_UNFIT, _NOT_TAKEN = 3, 4

#: What of the environment the interpreter itself may need to start.
_ENVIRONMENT = ("PATH", "LD_LIBRARY_PATH", "SYSTEMROOT")


class Alone(PillowImages):
    """``PillowImages`` that decodes nothing in this process, and validates nothing in it."""

    async def clean(self, file: BinaryIO, into: BinaryIO, *, validate: bool = False) -> Cleaned:
        """See ``Images``: what reads manifests is no code of ours either."""
        cleaned = await super().clean(file, into)
        has_manifest = validate and "provenance" in cleaned.dropped
        return replace(cleaned, provenance="not validated") if has_manifest else cleaned

    async def is_black(self, file: BinaryIO, picture: Picture) -> bool:
        """See ``Images``: nobody looks, so it is not known to be."""
        del file, picture
        return False

    async def for_screening(self, file: BinaryIO, picture: Picture) -> bytes:
        """See ``Images``."""
        code, said = await _run(file, picture)
        if code == 0:
            return said
        logger.warning("a picture decoded alone ended with %s", code)
        if code == _NOT_TAKEN:
            raise PictureUnfit(said.decode(errors="replace"))
        raise OutputUnfit(Refusal.of(Reason.OUTPUT_INVALID))


async def _run(file: BinaryIO, picture: Picture) -> tuple[int | None, bytes]:
    """The exit code and what was said; None where it had to be ended."""
    command = [sys.executable, "-m", __name__, picture.content_type, picture.extension]
    sides = [str(picture.width), str(picture.height)]
    environment = {name: os.environ[name] for name in _ENVIRONMENT if name in os.environ}
    environment["PYTHONPATH"] = os.pathsep.join(entry for entry in sys.path if entry)
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(*command, *sides, stdin=pipe, stdout=pipe, env=environment)
    try:
        async with asyncio.timeout(WALL_S):
            said = await _told(process, file)
            return await process.wait(), said
    except TimeoutError:
        return None, b""
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def _told(process: asyncio.subprocess.Process, file: BinaryIO) -> bytes:
    if process.stdin is None or process.stdout is None:
        raise ValueError("a process without pipes")
    file.seek(0)
    with contextlib.suppress(ConnectionError):  # it may be gone before it has all of it
        while part := file.read(_CHUNK_BYTES):
            process.stdin.write(part)
            await process.stdin.drain()
        process.stdin.close()
    return await process.stdout.read()


def main(content_type: str, extension: str, width: str, height: str) -> int:
    """The process: a picture on standard input, what the screener gets on standard output."""
    _limit()
    picture = Picture(content_type, extension, int(width), int(height))
    try:
        shown = looking.for_screening(io.BytesIO(sys.stdin.buffer.read()), picture)
    except PictureUnfit as unfit:
        sys.stdout.buffer.write(unfit.why.encode())
        return _NOT_TAKEN
    except (OutputUnfit, MemoryError):
        return _UNFIT
    sys.stdout.buffer.write(shown)
    return 0


def _limit() -> None:
    """Bound memory and CPU, and leave no core file. Where the platform cannot, the time outside is the only bound."""
    try:
        import resource  # noqa: PLC0415  # there is none on Windows
    except ImportError:
        return
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_S, CPU_S))
    try:
        with open("/proc/self/statm", encoding="ascii") as file:  # noqa: PTH123  # pathlib is not loaded here
            has_bytes = int(file.read().split()[0]) * resource.getpagesize()
    except OSError:
        return
    resource.setrlimit(resource.RLIMIT_AS, (has_bytes + MEMORY_BYTES, has_bytes + MEMORY_BYTES))


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
