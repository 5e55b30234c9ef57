"""Decodes one picture in a process of its own, with limits of memory and time. For pictures that may crash a worker.

Rules of this file:
1. The process gets only the picture: no setting, no secret, no connection.
2. If the process fails in any way (killed, out of memory, too slow), the picture is unfit and the worker goes on.
3. The function that starts the process also kills it, by its process id.
"""

import asyncio
import contextlib
import io
import logging
import os
import sys
from typing import BinaryIO

from shared.adapters.media.images import PillowImages, looking
from shared.core.reasons import Reason, Refusal
from shared.core.values import replace
from shared.ports import Cleaned, OutputUnfit, Picture, PictureUnfit

logger = logging.getLogger("darkroom.images")

#: Memory that the process may use in addition to what it has before it reads the picture. A file of 50 MB whose
#: decoding costs as much as bounds.py allows needs less.
MEMORY_BYTES = 256 * 1024 * 1024
CPU_S = 20
WALL_S = 60

_CHUNK_BYTES = 256 * 1024

#: Exit codes of the process. After 0 its standard output has the bytes for the screener.
_UNFIT, _NOT_TAKEN = 3, 4

#: The environment variables that the interpreter may need to start.
_ENVIRONMENT = ("PATH", "LD_LIBRARY_PATH", "SYSTEMROOT")


class Alone(PillowImages):
    """``PillowImages`` that decodes no picture, and validates no manifest, in this process."""

    async def clean(self, file: BinaryIO, into: BinaryIO, *, validate: bool = False) -> Cleaned:
        """Implements ``Images``. Manifests are not validated, because the library that reads them could crash too."""
        cleaned = await super().clean(file, into)
        has_manifest = validate and "provenance" in cleaned.dropped
        return replace(cleaned, provenance="not validated") if has_manifest else cleaned

    async def is_black(self, file: BinaryIO, picture: Picture) -> bool:
        """Implements ``Images``. Always False, because the picture is not decoded here."""
        del file, picture
        return False

    async def for_screening(self, file: BinaryIO, picture: Picture) -> bytes:
        """Implements ``Images``."""
        code, output = await _run(file, picture)
        if code == 0:
            return output
        logger.warning("the process that decodes one picture ended with code %s", code)
        if code == _NOT_TAKEN:
            raise PictureUnfit(output.decode(errors="replace"))
        raise OutputUnfit(Refusal.of(Reason.OUTPUT_INVALID))


async def _run(file: BinaryIO, picture: Picture) -> tuple[int | None, bytes]:
    """Run the process; returns its exit code and its standard output. The code is None if it had to be killed."""
    command = [sys.executable, "-m", __name__, picture.content_type, picture.extension]
    sides = [str(picture.width), str(picture.height)]
    environment = {name: os.environ[name] for name in _ENVIRONMENT if name in os.environ}
    environment["PYTHONPATH"] = os.pathsep.join(entry for entry in sys.path if entry)
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(*command, *sides, stdin=pipe, stdout=pipe, env=environment)
    try:
        async with asyncio.timeout(WALL_S):
            output = await _exchange(process, file)
            return await process.wait(), output
    except TimeoutError:
        return None, b""
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def _exchange(process: asyncio.subprocess.Process, file: BinaryIO) -> bytes:
    """Write the file to the process; returns its whole standard output."""
    if process.stdin is None or process.stdout is None:
        raise ValueError("a process without pipes")
    file.seek(0)
    with contextlib.suppress(ConnectionError):  # it may end before it has read everything
        while part := file.read(_CHUNK_BYTES):
            process.stdin.write(part)
            await process.stdin.drain()
        process.stdin.close()
    return await process.stdout.read()


def main(content_type: str, extension: str, width: str, height: str) -> int:
    """Run as the process: reads a picture from standard input, writes the bytes for the screener to standard output."""
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
    """Limit memory and CPU, and write no core file. If the platform cannot, the caller's time limit is the only one."""
    try:
        import resource  # noqa: PLC0415  # Windows has no such module
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
