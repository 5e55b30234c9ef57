"""The costliest pictures of every shape and format. They are made with little memory, and once a run."""

import io
import random
import struct
import zlib
from collections.abc import Callable, Iterator
from typing import Any

from PIL import Image

Make = Callable[[], bytes]


def chunk(name: bytes, body: bytes) -> bytes:
    """A PNG chunk with a correct checksum."""
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def png(width: int, height: int, colour: int, depth: int = 8, *, interlaced: bool = False, noisy: int = 0) -> bytes:
    """A PNG written row by row. The first ``noisy`` bytes of each row are noise, so that its file is large."""
    samples = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[colour]
    row_bytes = (width * samples * depth + 7) // 8
    packed, noise, parts = zlib.compressobj(1), random.Random(1), []
    rows = height if not interlaced else sum(-(-height // step) for step in (8, 8, 8, 4, 4, 2, 2))
    for _ in range(0 if max(width, height) > 1_000_000 else rows):
        body = noise.randbytes(min(noisy, row_bytes))
        parts.append(packed.compress(b"\0" + body.ljust(row_bytes, b"\x40")))
    parts.append(packed.flush())
    head = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, interlaced)
    palette = chunk(b"PLTE", bytes(range(256)) * 3) if colour == 3 else b""
    pixels = b"".join(parts)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + palette + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


def interlaced_png(width: int, height: int) -> bytes:
    """An interlaced RGBA PNG, with seven passes, of one colour."""
    passes = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))
    packed, parts = zlib.compressobj(1), []
    for left, top, across, down in passes:
        columns, rows = -(-(width - left) // across), -(-(height - top) // down)
        parts += [packed.compress(bytes(1 + 4 * columns)) for _ in range(rows)] if columns > 0 else []
    pixels = b"".join([*parts, packed.flush()])
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 6, 0, 0, 1))
    return b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


def saved(form: str, size: tuple[int, int], mode: str, *, noise: bool = False, **options: Any) -> bytes:
    """A picture by Pillow."""
    tile = Image.effect_noise((512, 512), 40) if noise else Image.linear_gradient("L")
    picture = Image.new(mode, size)
    if noise:
        tile = tile.convert(mode)
        for left in range(0, size[0], 512):
            for top in range(0, size[1], 512):
                picture.paste(tile, (left, top))
    else:
        picture = tile.resize(size).convert(mode)
    if mode == "RGBA":
        picture.putalpha(Image.linear_gradient("L").resize(size))
    buffer = io.BytesIO()
    picture.save(buffer, form, **options)
    return buffer.getvalue()


def many_scans(side: int, scans: int) -> bytes:
    """A progressive JPEG whose last scan is repeated: a few bytes each, and each a walk over the whole picture."""
    content = saved("JPEG", (side, side), "L", progressive=True)
    at = content.rindex(b"\xff\xda")
    return content[:-2] + content[at:-2] * scans + b"\xff\xd9"


def cameras(size: tuple[int, int], **options: Any) -> bytes:
    """A phone's photo: a JPEG of three colours on its side, with a second picture after its end."""
    exif = Image.Exif()
    exif[0x0112] = 6
    return saved("JPEG", size, "RGB", noise=True, exif=exif, **options) + saved("JPEG", (320, 240), "RGB")


#: The pictures that are accepted, by name.
TAKEN: dict[str, Make] = {
    "PNG 4096x4096 RGBA": lambda: png(4096, 4096, 6, noisy=1024),
    "PNG 4096x4096 RGB": lambda: png(4096, 4096, 2, noisy=4000),
    "PNG 4096x4096 RGB 16 bits": lambda: png(4096, 4096, 2, 16),
    "PNG 4096x4096 RGBA 16 bits": lambda: png(4096, 4096, 6, 16),
    "PNG 4096x4096 grey": lambda: png(4096, 4096, 0, noisy=4096),
    "PNG 4096x4096 grey 16 bits": lambda: png(4096, 4096, 0, 16, noisy=4096),
    "PNG 4096x4096 grey and alpha": lambda: png(4096, 4096, 4),
    "PNG 4096x4096 palette": lambda: png(4096, 4096, 3),
    "PNG 4096x4096 RGBA interlaced": lambda: interlaced_png(4096, 4096),
    "PNG 16384x2048 RGBA": lambda: png(16384, 2048, 6),
    "PNG 8192x4096 RGB": lambda: png(8192, 4096, 2),
    "PNG 41x16384 RGBA": lambda: png(41, 16384, 6),
    "PNG 7900x8000 grey": lambda: png(7900, 8000, 0),
    "JPEG 4096x4096": lambda: saved("JPEG", (4096, 4096), "RGB", noise=True, quality=92),
    "JPEG 4096x4096 progressive, no subsampling": lambda: saved(
        "JPEG", (4096, 4096), "RGB", noise=True, progressive=True, subsampling=0, quality=80
    ),
    "JPEG 4096x4096 inks": lambda: saved("JPEG", (4096, 4096), "CMYK", noise=True, quality=60),
    "JPEG 4032x3024 of a phone": lambda: cameras((4032, 3024), quality=90),
    "JPEG 8000x8000": lambda: saved("JPEG", (8000, 8000), "RGB"),
    "WebP 4096x4096": lambda: saved("WEBP", (4096, 4096), "RGB", noise=True, method=0, quality=60),
    "WebP 4096x4096 RGBA": lambda: saved("WEBP", (4096, 4096), "RGBA", noise=True, method=0, quality=15),
    "WebP 4096x4096 RGBA lossless": lambda: saved("WEBP", (4096, 4096), "RGBA", lossless=True, method=0),
    "GIF 4096x4096": lambda: saved("GIF", (4096, 4096), "L", noise=True),
    "GIF 4096x4096 transparent": lambda: saved("GIF", (4096, 4096), "L", transparency=64),
    "GIF 8000x8000 transparent": lambda: saved("GIF", (8000, 8000), "L", transparency=64),
    "JPEG 4096x4096 of 60 scans": lambda: many_scans(4096, 50),
    "PNG 5792x5792 RGBA interlaced": lambda: interlaced_png(5792, 5792),
    "GIF 4096x4096 interlaced": lambda: saved("GIF", (4096, 4096), "L", interlace=1),
}

#: The pictures that are refused, with the text of the refusal.
REFUSED: dict[str, tuple[Make, str]] = {
    "PNG 1x64000000": (lambda: png(1, 64_000_000, 0, 1), "16384"),
    "PNG 64000000x1": (lambda: png(64_000_000, 1, 6), "16384"),
    "PNG 16384x20": (lambda: png(16384, 20, 2), "400 times"),
    "PNG 8000x8000 RGBA": (lambda: png(8000, 8000, 6), "33.5 million"),
    "WebP 8000x8000 RGBA lossless": (lambda: webp_head(8000, 8000), "16.7 million"),
    "GIF 16000x16000": (lambda: gif_head(16000, 16000), "64 million"),
    "JPEG 8000x8000 progressive, no subsampling": (
        lambda: jpeg_head(8000, 8000, progressive=True, subsampling=0),
        "million",
    ),
    "JPEG of 1000 scans": (lambda: many_scans(4096, 1000), "broken"),
    "JPEG of fill bytes": (lambda: b"\xff\xd8" + b"\xff" * 19_000_000 + saved("JPEG", (64, 64), "L")[2:], "shown"),
    "PNG of empty chunks": (lambda: small_chunks(1_600_000), "broken"),
    "GIF of comments": (lambda: comments(19_000_000), "broken"),
}


def webp_head(width: int, height: int) -> bytes:
    """A lossless WebP of 40 bytes whose header declares these dimensions."""
    pixels = b"\x2f" + struct.pack("<I", (width - 1) | (height - 1) << 14 | 1 << 28) + bytes(15)
    return b"RIFF" + struct.pack("<I", 12 + len(pixels)) + b"WEBPVP8L" + struct.pack("<I", len(pixels)) + pixels


def jpeg_head(width: int, height: int, **options: Any) -> bytes:
    """A progressive JPEG whose header declares these dimensions, with the scans of a small one."""
    small = saved("JPEG", (64, 64), "RGB", **options)
    at = small.index(b"\xff\xc2") + 5  # after the marker, the length and the depth
    return small[:at] + struct.pack(">HH", height, width) + small[at + 4 :]


def gif_head(width: int, height: int) -> bytes:
    """A GIF whose canvas declares these dimensions, with a frame of one pixel."""
    small = saved("GIF", (1, 1), "L")
    return small[:6] + struct.pack("<HH", width, height) + small[10:]


def small_chunks(count: int) -> bytes:
    """A PNG with ``count`` empty chunks before its pixels."""
    content = png(64, 64, 2)
    return content[:33] + chunk(b"teSt", b"") * count + content[33:]


def comments(size_bytes: int) -> bytes:
    """A GIF with a comment in blocks of one byte."""
    content = saved("GIF", (64, 64), "L")
    at = 13 + (3 << ((content[10] & 7) + 1) if content[10] & 0x80 else 0)
    return content[:at] + b"!\xfe" + b"\x01a" * (size_bytes // 2) + b"\0" + content[at:]


def pictures() -> Iterator[tuple[str, Make, str]]:
    """All pictures: the name, the function that makes it, and the expected result."""
    for name, make in TAKEN.items():
        yield name, make, "shown"
    for name, (make, said) in REFUSED.items():
        yield name, make, said
