"""The measured process of `pictures`: CPU of inspecting one file, with the code of the tree that PYTHONPATH names.

It is run by its path, so that the same program measures an older commit. It prints JSON.
"""

import asyncio
import io
import json
import sys
import time
import zlib
from pathlib import Path

from shared.adapters.media.images import PillowImages

_PART = 128 * 1024


def main(name: str, looks: int, rounds: int) -> None:
    """Inspect the file in rounds; the fastest round counts."""
    content = Path(name).read_bytes()
    found = asyncio.run(_looked(content, looks, rounds))
    inflating = min(_inflated(content, looks) for _ in range(rounds)) if content[:4] == b"\x89PNG" else 0.0
    sys.stdout.write(json.dumps({"cpu_ms": found, "inflating_ms": inflating}))


async def _looked(content: bytes, looks: int, rounds: int) -> float:
    images, best = PillowImages(), float("inf")
    for _ in range(rounds + 1):  # the first warms up
        started = time.process_time()
        for _ in range(looks):
            file = io.BytesIO(content)
            picture = await images.inspect(file)
            if picture is None:
                raise ValueError("the file is no picture")
            await images.for_screening(file, picture)
        best = min(best, (time.process_time() - started) * 1000 / looks)
    return best


def _inflated(content: bytes, looks: int) -> float:
    """Inflate the pixels alone, in the same portions."""
    pixels, at, view = [], 8, memoryview(content)
    while at + 12 <= len(content):
        length = int.from_bytes(content[at : at + 4], "big")
        if content[at + 4 : at + 8] == b"IDAT":
            pixels += [
                view[start : min(at + 8 + length, start + _PART)] for start in range(at + 8, at + 8 + length, _PART)
            ]
        at += 12 + length
    started = time.process_time()
    for _ in range(looks):
        stream = zlib.decompressobj()
        for part in pixels:
            fed: bytes | memoryview = part
            while fed and not stream.eof:
                stream.decompress(fed, _PART)
                fed = stream.unconsumed_tail
    return (time.process_time() - started) * 1000 / looks


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
