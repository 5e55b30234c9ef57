"""PNG: reads its chunks, checks their checksums, and inflates its pixels to their end.

Rules of this file:
1. A chunk that a viewer needs must have a correct checksum and be in its place, or the file is broken. All other chunks
   are skipped.
2. The stream of pixels is inflated completely, in bounded memory, because a file with correct checksums may still
   contain half a picture.
3. A file with any chunk of an animation is an animation: some viewers play what Pillow takes for a still.
"""

import struct
import zlib
from dataclasses import dataclass, field

from shared.adapters.media.images import colours
from shared.adapters.media.images.reading import MOST_PARTS, Broken, Reading, orientation_of

SIGNATURE = b"\x89PNG\r\n\x1a\n"

#: Colour type -> samples per pixel, and the valid bit depths.
_TYPES = {
    0: (1, (1, 2, 4, 8, 16)),
    2: (3, (8, 16)),
    3: (1, (1, 2, 4, 8)),
    4: (2, (8, 16)),
    6: (4, (8, 16)),
}
_PALETTE = 3

#: The bytes that Pillow holds for one pixel, by colour type: four if there are several samples.
_HELD_BYTES = {0: 1, 2: 4, 3: 1, 4: 4, 6: 4}

#: The passes of an interlaced picture: first column and row, steps between them.
_PASSES = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))

_ANIMATION = (b"acTL", b"fcTL", b"fdAT")
_COLOURS = (b"gAMA", b"cHRM", b"sRGB", b"iCCP", b"cICP")

#: How much is inflated at a time, and how many bytes a stream may have after its pixels.
_INFLATED_BYTES, _SURPLUS_BYTES = 128 * 1024, 64 * 1024

#: The highest number of a filter. Each row begins with the number of its filter.
_LAST_FILTER = 4


@dataclass(slots=True)
class _Chunks:
    """What a walk found. ``first`` has the first chunk of each kind, ``pixels`` the contents of all IDAT chunks."""

    pieces: list[bytes | memoryview] = field(default_factory=lambda: [SIGNATURE])
    first: dict[bytes, memoryview] = field(default_factory=dict)
    pixels: list[memoryview] = field(default_factory=list)
    animated: bool = False
    ended: bool = False


@dataclass(frozen=True, slots=True)
class _Header:
    width: int
    height: int
    depth: int
    colour: int
    interlaced: bool

    @property
    def bits(self) -> int:
        """The bits of one pixel."""
        return self.depth * _TYPES[self.colour][0]

    def row_bytes(self, width: int) -> int:
        """The bytes of a row of ``width`` pixels, with the number of its filter."""
        return 1 + (width * self.bits + 7) // 8

    @property
    def stream_bytes(self) -> int:
        """The bytes of all rows of all passes."""
        if not self.interlaced:
            return self.height * self.row_bytes(self.width)
        sizes = (
            (-(-(self.width - left) // across), -(-(self.height - top) // down)) for left, top, across, down in _PASSES
        )
        return sum(rows * self.row_bytes(width) for width, rows in sizes if width > 0 and rows > 0)


def read(content: memoryview, *, whole: bool) -> Reading:
    """Read a PNG. With ``whole`` its pixels are inflated to their end, else its pixels are skipped.

    Raises:
        Broken: it is not a sound PNG.
    """
    header = _header(content)
    held = _HELD_BYTES[header.colour] * (2 if header.colour == 0 and header.depth == 16 else 1)
    chunks = _walk(content, whole=whole)
    if whole:
        _inflate(chunks.pixels, header)
    key = _key(chunks.first.get(b"tRNS"), header)
    return Reading(
        form="PNG",
        width=header.width,
        height=header.height,
        peak_bytes=header.width * header.height * held,
        pieces=tuple(chunks.pieces),
        see_through=header.colour in (4, 6) or b"tRNS" in chunks.first,
        depth_bits=header.depth,
        key=key,
        profile=_profile(chunks.first) if whole else b"",
        orientation=orientation_of(chunks.first.get(b"eXIf", b"")),
        animated=chunks.animated,
        unproved=header.interlaced,
    )


def _header(content: memoryview) -> _Header:
    if len(content) < 33 or bytes(content[8:16]) != b"\0\0\0\rIHDR":  # the length of the signature and the first chunk
        raise Broken("PNG without a header")
    width, height, depth, colour, packing, filters, interlaced = struct.unpack_from(">IIBBBBB", content, 16)
    if depth not in _TYPES.get(colour, (0, ()))[1] or packing or filters or interlaced > 1 or not width or not height:
        raise Broken("PNG with an invalid header")
    return _Header(width, height, depth, colour, bool(interlaced))


def _walk(content: memoryview, *, whole: bool) -> _Chunks:
    chunks, at = _Chunks(), len(SIGNATURE)
    for _ in range(MOST_PARTS):
        if at + 12 > len(content):
            raise Broken("PNG without an end")
        length, name = int(struct.unpack_from(">I", content, at)[0]), bytes(content[at + 4 : at + 8])
        end = at + 12 + length
        if end > len(content):
            raise Broken("PNG with a chunk beyond its end")
        if whole or name != b"IDAT":  # reading only the header needs no checksum of the pixels
            _take(chunks, name, content[at:end])
        if chunks.ended:
            break
        at = end
    else:
        raise Broken("PNG with too many chunks")
    if whole and not chunks.pixels:
        raise Broken("PNG without pixels")
    if content[25] == _PALETTE and not 0 < len(chunks.first.get(b"PLTE", b"")) <= 3 * 256:
        raise Broken("PNG without its palette")
    return chunks


def _take(chunks: _Chunks, name: bytes, chunk: memoryview) -> None:
    """Take one chunk: keep it if a decoder needs it, and remember it if it changes the look."""
    body = chunk[8:-4]
    sound = zlib.crc32(chunk[4:-4]) == int.from_bytes(chunk[-4:], "big")
    needed = name[:1].isupper()
    if needed and (not sound or name not in (b"IHDR", b"PLTE", b"IDAT", b"IEND")):
        raise Broken("PNG with a needed chunk that is damaged or unknown")
    chunks.animated = chunks.animated or name in _ANIMATION
    if name in (b"IHDR", b"PLTE") and name in chunks.first:
        raise Broken("PNG with two headers or palettes")
    if name == b"IDAT":
        chunks.pixels.append(body)
    elif sound and (needed or not chunks.pixels or name == b"eXIf"):
        chunks.first.setdefault(name, body)
    if needed or (name == b"tRNS" and sound and not chunks.pixels):
        chunks.pieces.append(chunk)
    chunks.ended = name == b"IEND"


def _inflate(pixels: list[memoryview], header: _Header) -> None:
    """Inflate all pixels part by part, and keep nothing. Raises Broken if they end early or a filter is unknown."""
    stream = zlib.decompressobj()
    found, most, step = 0, header.stream_bytes, header.row_bytes(header.width)
    for body in pixels:
        for start in range(0, len(body), _INFLATED_BYTES):
            fed: bytes | memoryview = body[start : start + _INFLATED_BYTES]
            while fed and not stream.eof:
                part = stream.decompress(fed, _INFLATED_BYTES)
                fed = stream.unconsumed_tail
                if not header.interlaced and max(part[-found % step : max(0, most - found) : step], default=0) > 4:
                    raise Broken("PNG with an unknown filter")
                found += len(part)
                if found > most + _SURPLUS_BYTES:
                    raise Broken("PNG with too many bytes after its pixels")
    if found < most or not stream.eof:
        raise Broken("PNG whose pixels end early")


def _key(found: memoryview | None, header: _Header) -> int | tuple[int, int, int] | None:
    """The transparent colour of a picture without a palette, in eight bits a sample; None if there is none."""
    samples = {0: 1, 2: 3}.get(header.colour)
    if found is None or samples is None or len(found) != 2 * samples:
        return None
    most = (1 << header.depth) - 1
    values = [int.from_bytes(found[i : i + 2], "big") & most for i in range(0, 2 * samples, 2)]
    # Converted to eight bits as Pillow does it: the upper byte of sixteen bits, else scaled.
    values = [value >> 8 if header.depth == 16 else value * 255 // most for value in values]
    return values[0] if samples == 1 else (values[0], values[1], values[2])


def _profile(first: dict[bytes, memoryview]) -> bytes:
    """The colour profile, from the chunk of the highest rank in the standard: cICP, iCCP, sRGB, then gAMA with cHRM."""
    if b"cICP" in first:
        return colours.of_code_points(bytes(first[b"cICP"]))
    if b"iCCP" in first:
        return colours.inflated(bytes(first[b"iCCP"]))
    if b"sRGB" in first:
        return b""
    return colours.of_gamma(bytes(first.get(b"gAMA", b"")), bytes(first.get(b"cHRM", b"")))
