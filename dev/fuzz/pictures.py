"""Mutated pictures: every format and mode, broken as files break and as attackers break them.

Each picture is inspected, then prepared for the screener, as a stranger's picture is. It ends as a picture, as no
picture, or as unfit. Wrong bytes under right checksums reach more code, so PNG chunks get new checksums.
"""

import io
import random
import struct
import time
import zlib
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

from PIL import Image

from dev.fuzz import Findings
from shared.adapters.media.images import looking
from shared.ports import OutputUnfit, PictureUnfit

#: No small picture may take more CPU than this, however it is broken: the bound of a complete one.
MOST_S = 2.0

_SIZES = ((64, 56), (1, 1), (17, 130))
_INTERESTING = (0, 1, 0x7F, 0x80, 0xFE, 0xFF, 0xD8, 0xD9, 0xDA, 0x21, 0x2C, 0x3B)
_NUMBERS = (0, 1, 0x7FFF, 0x8000, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)


def fuzzed(count: int, seed: int, say: Callable[[int], None]) -> Findings:
    """Inspect ``count`` pictures."""
    findings = Findings()
    for number in range(count):
        if number and number % 10_000 == 0:
            say(number)
        content = made(number, seed)
        started = time.process_time()
        try:
            findings.ends[look(content)] += 1
        except Exception as error:  # noqa: BLE001  # any exception is a finding
            findings.loose[number] = f"{type(error).__name__}: {error}"
        took_s = time.process_time() - started
        findings.slowest_s = max(findings.slowest_s, took_s)
        if took_s > MOST_S:
            findings.loose[number] = f"took {took_s:.1f} s of CPU"
    return findings


def look(content: bytes) -> str:
    """Inspect one picture; returns its end."""
    try:
        picture = looking.inspected(io.BytesIO(content))
        if picture is None:
            return "no picture"
        shown = looking.for_screening(io.BytesIO(content), picture)
    except PictureUnfit:
        return "not taken"
    except OutputUnfit:
        return "unfit"
    if shown == content:
        return "shown as it is"
    with Image.open(io.BytesIO(shown), formats=("JPEG",)) as image:
        image.load()
    return "shown as a copy"


def made(number: int, seed: int) -> bytes:
    """The bytes of the picture of this number."""
    chance = random.Random(f"{seed}/{number}")
    sound = _sound()
    content = bytearray(sound[chance.randrange(len(sound))])
    for _ in range(chance.choice((1, 1, 1, 2, 3, 8))):
        chance.choice(_MUTATIONS)(content, chance, sound)
    if content[:4] == b"\x89PNG" and chance.random() < 0.8:
        _summed(content)
    return bytes(content)


@cache
def _sound() -> tuple[bytes, ...]:
    """An intact picture or file, which is broken afterwards."""
    return tuple(_pictures())


def _pictures() -> Iterator[bytes]:
    exif = Image.Exif()
    exif[0x0112] = 6
    icc = _profile()
    jpegs: list[dict[str, Any]] = [{}, {"progressive": True}, {"exif": exif, "icc_profile": icc}]
    webps: list[tuple[str, dict[str, Any]]] = [("RGB", {}), ("RGBA", {}), ("RGBA", {"lossless": True})]
    gifs: list[dict[str, Any]] = [{}, {"interlace": 1}, {"transparency": 1, "comment": b"a comment"}]
    for size in _SIZES:
        for mode in ("1", "L", "LA", "P", "RGB", "RGBA", "I;16"):
            yield _saved("PNG", size, mode)
        yield _saved("PNG", size, "P", transparency=b"\0\x80\xff")
        yield _saved("PNG", size, "RGB", transparency=(128, 128, 128), icc_profile=icc, exif=exif)
        for options in (*jpegs, {"restart_marker_rows": 1}):
            yield _saved("JPEG", size, "RGB", **options)
        for mode in ("L", "CMYK"):
            yield _saved("JPEG", size, mode)
        for mode, options in (*webps, ("RGB", {"exif": exif})):
            yield _saved("WEBP", size, mode, **options)
        for options in gifs:
            yield _saved("GIF", size, "P", **options)
        for form in ("GIF", "PNG", "WEBP"):
            yield _saved(form, size, "RGB", save_all=True, append_images=[Image.new("RGB", size, "blue")])


def _profile() -> bytes:
    from PIL import ImageCms  # noqa: PLC0415  # only this kind needs it

    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def _saved(form: str, size: tuple[int, int], mode: str, **options: Any) -> bytes:
    noise = Image.effect_noise(size, 60)
    picture = Image.merge("RGB", (noise, noise.transpose(Image.Transpose.ROTATE_180), noise)).convert("L")
    if mode == "I;16":
        picture = Image.frombytes("I;16", size, bytes(size[0] * size[1] * 2))
    elif mode != "L":
        picture = picture.convert(mode) if mode != "LA" else picture.convert("LA")
    buffer = io.BytesIO()
    picture.save(buffer, form, **options)
    return buffer.getvalue()


Mutation = Callable[[bytearray, random.Random, tuple[bytes, ...]], None]


def _at(content: bytearray, chance: random.Random) -> int:
    """A random position: in the headers as often as in all the rest."""
    most = len(content) if chance.random() < 0.5 else min(len(content), 200)
    return chance.randrange(most) if most else 0


def _flip(content: bytearray, chance: random.Random, sound: tuple[bytes, ...]) -> None:
    del sound
    if content:
        content[_at(content, chance)] ^= 1 << chance.randrange(8)


def _set(content: bytearray, chance: random.Random, sound: tuple[bytes, ...]) -> None:
    del sound
    if content:
        content[_at(content, chance)] = chance.choice(_INTERESTING)


def _number(content: bytearray, chance: random.Random, sound: tuple[bytes, ...]) -> None:
    del sound
    at, value, order = _at(content, chance), chance.choice(_NUMBERS), chance.choice("<>")
    packed = struct.pack(f"{order}I", value) if chance.random() < 0.5 else struct.pack(f"{order}H", value & 0xFFFF)
    content[at : at + len(packed)] = packed


def _cut(content: bytearray, chance: random.Random, sound: tuple[bytes, ...]) -> None:
    """Cut the file; sometimes append the end of the whole file."""
    del sound
    end = bytes(content[-chance.choice((1, 2, 12)) :]) if chance.random() < 0.5 else b""
    del content[_at(content, chance) :]
    content += end


def _removed(content: bytearray, chance: random.Random, sound: tuple[bytes, ...]) -> None:
    del sound
    at = _at(content, chance)
    del content[at : at + chance.choice((1, 2, 4, 12, 64, 512))]


def _twice(content: bytearray, chance: random.Random, sound: tuple[bytes, ...]) -> None:
    del sound
    at, size = _at(content, chance), chance.choice((1, 2, 12, 64, 512))
    content[at:at] = content[at : at + size] * chance.choice((1, 1, 2, 50))


def _noise(content: bytearray, chance: random.Random, sound: tuple[bytes, ...]) -> None:
    del sound
    at, size = _at(content, chance), chance.choice((1, 4, 16, 200))
    content[at : at + size] = chance.randbytes(size)


def _spliced(content: bytearray, chance: random.Random, sound: tuple[bytes, ...]) -> None:
    """Insert a part of another file, of any format."""
    other = sound[chance.randrange(len(sound))]
    start = chance.randrange(len(other))
    at = _at(content, chance)
    content[at : at + chance.choice((0, 64))] = other[start : start + chance.choice((8, 64, 1024))]


def _chunk(content: bytearray, chance: random.Random, sound: tuple[bytes, ...]) -> None:
    """Insert a chunk that changes the look or belongs to an animation, with a body that may be meaningless."""
    del sound
    name = chance.choice((b"gAMA", b"cHRM", b"iCCP", b"cICP", b"tRNS", b"eXIf", b"acTL", b"fcTL", b"PLTE", b"sRGB"))
    body = chance.randbytes(chance.choice((0, 1, 4, 32, 200)))
    if content[:4] == b"\x89PNG":
        content[33:33] = struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
    elif content[:2] == b"\xff\xd8":
        kind = chance.choice((0xDA, 0xC0, 0xC2, 0xC4, 0xDB, 0xDD, 0xE1, 0xE2, 0xEE, 0xFE))
        content[2:2] = bytes((0xFF, kind)) + struct.pack(">H", len(body) + 2) + body


def _summed(content: bytearray) -> None:
    """Give each chunk of a PNG its right checksum, as far as there are chunks."""
    at = 8
    while at + 12 <= len(content):
        end = at + 8 + int.from_bytes(content[at : at + 4], "big")
        if end + 4 > len(content):
            break
        content[end : end + 4] = struct.pack(">I", zlib.crc32(content[at + 4 : end]))
        at = end + 4


_MUTATIONS: tuple[Mutation, ...] = (_flip, _set, _number, _cut, _removed, _twice, _noise, _spliced, _chunk)
