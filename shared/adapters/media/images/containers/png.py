"""PNG (w3.org/TR/png-3): walks its chunks and keeps those that a viewer needs.

Rules of this file:
1. What is needed to show the picture is kept: the picture itself, palette, transparency, colours, the shape of a pixel.
   All else is dropped, known or not: texts, times, thumbnails, private chunks, bytes after the end.
2. A chunk that may occur once is kept once, and only where decoders expect it, because of two chunks one decoder takes
   the first and another the second.
3. Of EXIF only the orientation is kept. The background colour is dropped: a transparent picture is screened without it.
4. A file with any chunk of an animation, even a broken one, is an animation: a browser may play what a library takes
   for a still.
"""

import struct
import zlib

from shared.adapters.media.images.containers import metadata
from shared.adapters.media.images.containers.parts import Animation, CutShort, Kept, Source, Unfit

SIGNATURE = b"\x89PNG\r\n\x1a\n"

#: Maximum of chunks. libpng writes chunks of 8 KiB, which are 6,400 for the largest output.
MOST_CHUNKS = 32_768

_ANIMATION = (b"acTL", b"fcTL", b"fdAT")

#: The chunks that change the picture's look, with their lengths in bytes. Each is kept once, and only before the
#: picture.
_LOOKS = {
    b"gAMA": range(4, 5),
    b"cHRM": range(32, 33),
    b"sRGB": range(1, 2),
    b"cICP": range(4, 5),
    b"mDCV": range(24, 25),
    b"cLLI": range(8, 9),
    b"pHYs": range(9, 10),
    b"tRNS": range(1, 257),
    b"sBIT": range(0),
}

_NAMES = {
    b"tEXt": "text",
    b"zTXt": "text",
    b"iTXt": "text",
    b"eXIf": "exif",
    b"iCCP": "profile",
    b"caBX": "provenance",
    b"tIME": "time",
}

#: The name given to every profile. The original name is dropped, because it is an arbitrary text.
_PROFILE = b"ICC\0\0"


def walk(source: Source) -> Kept:
    """What is kept of a PNG. Raises Unfit; CutShort if it ends before its IEND chunk; Animation."""
    if source.at(0, len(SIGNATURE)) != SIGNATURE:
        raise Unfit
    kept, seen, at = Kept([(0, len(SIGNATURE))]), set[bytes](), len(SIGNATURE)
    for _ in range(MOST_CHUNKS):
        size_bytes, kind = struct.unpack(">I4s", source.at(at, 8))
        end = at + 12 + size_bytes
        if not kind.isalpha() or size_bytes >= 2**31 or (not seen) != (kind == b"IHDR"):
            raise Unfit
        if end > source.size_bytes:
            raise CutShort
        if kind in _ANIMATION:
            raise Animation
        _take(source, kept, seen, kind, at, end)
        seen.add(kind)
        at = end
        if kind == b"IEND":
            if at < source.size_bytes:
                kept.dropped.add("bytes after the end")
            return kept
    raise Unfit


def _take(source: Source, kept: Kept, seen: set[bytes], kind: bytes, at: int, end: int) -> None:
    """Keep a chunk, or the needed part of it, or nothing."""
    if _is_the_picture(seen, kind) or (kind in _LOOKS and _is_needed(source, seen, kind, at, end)):
        kept.keep(at, end)
    elif kind == b"iCCP" and not seen & {kind, b"PLTE", b"IDAT"}:
        _take_profile(source, kept, at, end)
    elif kind == b"eXIf" and kind not in seen:
        turned = metadata.orientation(source.at(at + 8, min(end - at - 12, 65_536)))
        content = b"" if turned == 1 else _chunk(kind, metadata.exif_of(turned))
        kept.put(source, at, end, content, "exif")
    elif kind == b"caBX":
        size_bytes = end - at - 12
        kept.take_manifest(source.at(at + 8, size_bytes))
    elif kind not in _NAMES and not kind[0] & 0x20 and kind != b"PLTE":
        raise Unfit  # a critical chunk that is unknown: no decoder shows the picture
    else:
        kept.dropped.add(_NAMES.get(kind, "private chunks"))


def _is_the_picture(seen: set[bytes], kind: bytes) -> bool:
    """Whether a chunk is one of the four that every decoder needs. A palette counts once, before the picture."""
    return kind in (b"IHDR", b"IDAT", b"IEND") or (kind == b"PLTE" and not {kind, b"IDAT"} & seen)


def _is_needed(source: Source, seen: set[bytes], kind: bytes, at: int, end: int) -> bool:
    """Whether a decoder would use the chunk: sound, the first of its kind, and before the chunks it must precede."""
    too_late = {b"IDAT"} if kind in (b"tRNS", b"pHYs") else {b"PLTE", b"IDAT"}
    if kind in seen or seen & too_late or (end - at - 12) not in _LOOKS[kind]:
        return False
    content = source.at(at + 4, end - at - 4)
    return zlib.crc32(content[:-4]) == int.from_bytes(content[-4:], "big")


def _take_profile(source: Source, kept: Kept, at: int, end: int) -> None:
    size_bytes = end - at - 12
    name, ends, packed = source.at(at + 8, min(size_bytes, metadata.MOST_PROFILE_BYTES)).partition(b"\0")
    inflating = zlib.decompressobj()
    try:
        content = inflating.decompress(packed[1:], metadata.MOST_PROFILE_BYTES + 1) if len(name) < 80 and ends else b""
    except zlib.error:
        content = b""
    profile = metadata.profile_of(content) if inflating.eof else None
    if profile is None:
        kept.dropped.add("profile")
        return
    # Compressed again only if something was removed, so that a clean file keeps its bytes.
    clean = profile == content and not inflating.unused_data
    packed = packed[1:] if clean else zlib.compress(profile)
    kept.put(source, at, end, _chunk(b"iCCP", _PROFILE + packed), "profile's name")


def _chunk(kind: bytes, content: bytes) -> bytes:
    named = kind + content
    return struct.pack(">I", len(content)) + named + struct.pack(">I", zlib.crc32(named))
