"""Films: an MP4 that plays, of pictures that pictures.py paints, the same bytes for the same prompt and seed.

    ftyp   moov( mvhd  trak( tkhd  mdia( mdhd  hdlr  minf( vmhd  dinf  stbl ) ) ) )   mdat   [free]

There is one frame for each second, at most eight, each a JPEG (ISO/IEC 14496-12 for the boxes, 14496-1 for `esds`;
object type 6C is JPEG). Where more bytes are asked for, the rest is noise in a `free` box, which players skip.
"""

import random
import struct
from dataclasses import replace
from itertools import pairwise
from typing import Final

from replicate_simulator.models import PictureFormat
from replicate_simulator.pictures import Scene, render

_TIMESCALE: Final = 1000
_MOST_FRAMES: Final = 8
#: The identity, as fixed-point numbers: neither turned nor scaled.
_MATRIX: Final = struct.pack(">9I", 0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x40000000)


def film(scene: Scene, form: PictureFormat, seconds: float) -> bytes:
    """Returns the MP4; `size_bytes` of the scene is the least that it has."""
    count = max(1, min(_MOST_FRAMES, round(seconds)))
    stills = (replace(scene, index=index, size_bytes=0) for index in range(count))
    frames = [render(still, form) for still in stills]
    head = _box(b"ftyp", b"isom", struct.pack(">I", 0x200), b"isomiso2mp41")
    # The place of the frames in the file stands in the box before them, whose size does not depend on it.
    first = len(head) + len(_moov(form, frames, seconds, 0)) + 8
    whole = head + _moov(form, frames, seconds, first) + _box(b"mdat", *frames)
    missing = scene.size_bytes - len(whole) - 8
    return whole if missing < 0 else whole + _box(b"free", random.Random(scene.seed).randbytes(missing))


def _moov(form: PictureFormat, frames: list[bytes], seconds: float, first: int) -> bytes:
    duration = round(seconds * _TIMESCALE)
    mvhd = _full(
        b"mvhd",
        struct.pack(">5I", 0, 0, _TIMESCALE, duration, 0x10000),
        struct.pack(">H10x", 0x100),
        _MATRIX,
        struct.pack(">24xI", 2),
    )
    tkhd = _full(
        b"tkhd",
        struct.pack(">3I4xI8x4H", 0, 0, 1, duration, 0, 0, 0, 0),
        _MATRIX,
        struct.pack(">2I", form.width << 16, form.height << 16),
        flags=7,  # enabled, in the film, in its preview
    )
    mdhd = _full(b"mdhd", struct.pack(">4I2H", 0, 0, _TIMESCALE, duration, 0x55C4, 0))  # 55C4: no language
    hdlr = _full(b"hdlr", struct.pack(">I4s12x", 0, b"vide"), b"video\0")
    dinf = _box(b"dinf", _full(b"dref", struct.pack(">I", 1), _full(b"url ", flags=1)))
    minf = _box(b"minf", _full(b"vmhd", bytes(8), flags=1), dinf, _table(form, frames, duration, first))
    return _box(b"moov", mvhd, _box(b"trak", tkhd, _box(b"mdia", mdhd, hdlr, minf)))


def _table(form: PictureFormat, frames: list[bytes], duration: int, first: int) -> bytes:
    """Returns the box that says when each frame is shown, and where it is."""
    times = [duration * index // len(frames) for index in range(len(frames) + 1)]
    lengths = [struct.pack(">2I", 1, end - start) for start, end in pairwise(times)]
    sizes = struct.pack(f">{len(frames)}I", *map(len, frames))
    return _box(
        b"stbl",
        _full(b"stsd", struct.pack(">I", 1), _description(form)),
        _full(b"stts", struct.pack(">I", len(lengths)), *lengths),
        _full(b"stsc", struct.pack(">4I", 1, 1, len(frames), 1)),
        _full(b"stsz", struct.pack(">2I", 0, len(frames)), sizes),
        _full(b"stco", struct.pack(">2I", 1, first)),
    )


def _description(form: PictureFormat) -> bytes:
    decoder = struct.pack(">BB3x2I", 0x6C, 0x11, 0, 0)
    stream = struct.pack(">HB", 1, 0) + _tagged(4, decoder) + _tagged(6, b"\x02")
    return _box(
        b"mp4v",
        struct.pack(">6xH16x2H", 1, form.width, form.height),
        struct.pack(">2I4xH", 0x480000, 0x480000, 1),
        struct.pack(">32xHh", 0x18, -1),
        _full(b"esds", _tagged(3, stream)),
    )


def _tagged(tag: int, content: bytes) -> bytes:
    return bytes((tag, len(content))) + content


def _full(kind: bytes, *parts: bytes, flags: int = 0) -> bytes:
    """Returns a box with a version (0) and flags."""
    return _box(kind, struct.pack(">I", flags), *parts)


def _box(kind: bytes, *parts: bytes) -> bytes:
    content = b"".join(parts)
    return struct.pack(">I4s", len(content) + 8, kind) + content
