"""WebP (RFC 9649): walks its chunks and keeps those that a viewer needs.

Rules of this file:
1. The picture, its transparency, colour profile and orientation are kept, in the order of the format. If there is only
   a picture, the simple file format is written. All else is dropped, and so are bytes after the end.
2. The header is written again, so that its length and flags match what is kept.
3. A file whose flags say so, or that has a chunk of an animation, is an animation, even with a single frame.
"""

import struct

from shared.adapters.media.images.containers import metadata
from shared.adapters.media.images.containers.parts import Animation, CutShort, Kept, Source, Unfit

#: Maximum of chunks. The format has seven kinds for a still picture.
MOST_CHUNKS = 1_024

_HEAD_BYTES = 12
_ALPHA, _EXIF, _PROFILE, _ANIMATED = 0x10, 0x08, 0x20, 0x02
_NAMES = {b"EXIF": "exif", b"XMP ": "xmp", b"ICCP": "profile"}


def walk(source: Source) -> Kept:
    """What is kept of a WebP. Raises Unfit; CutShort if it ends before the length in its header; Animation."""
    head = source.at(0, _HEAD_BYTES)
    if head[:4] != b"RIFF" or head[8:] != b"WEBP":
        raise Unfit
    end = 8 + int.from_bytes(head[4:8], "little")
    if end > source.size_bytes + 1:  # the last byte may be padding, and is often left out
        raise CutShort
    found = _find(source, min(end, source.size_bytes))
    kept = _kept(source, found)
    if end < source.size_bytes:
        kept.dropped.add("bytes after the end")
    return kept


def _find(source: Source, end: int) -> dict[bytes, tuple[int, int]]:
    """The position of the first chunk of each kind, without its padding."""
    found: dict[bytes, tuple[int, int]] = {}
    at = _HEAD_BYTES
    for _ in range(MOST_CHUNKS):
        if at + 8 > end:
            return found
        kind, size_bytes = struct.unpack("<4sI", source.at(at, 8))
        if at + 8 + size_bytes > end:
            raise Unfit
        if kind in (b"ANIM", b"ANMF"):
            raise Animation
        if kind not in found:
            found[kind] = (at, at + 8 + size_bytes)
        at += 8 + size_bytes + size_bytes % 2
    raise Unfit


def _kept(source: Source, found: dict[bytes, tuple[int, int]]) -> Kept:
    picture = next((kind for kind in found if kind in (b"VP8 ", b"VP8L")), None)
    if picture is None or next(iter(found)) not in (b"VP8X", picture):
        raise Unfit
    chunks: dict[bytes, bytes] = {}  # in the order of the format; an empty value means unchanged
    if next(iter(found)) == b"VP8X":
        chunks = _extended(source, found, picture)
    chunks = chunks or {picture: b""}
    kept = Kept(dropped={_NAMES.get(kind, "private chunks") for kind in found.keys() - chunks.keys() - {b"VP8X"}})
    _put(source, kept, chunks, found)
    if b"C2PA" in found:
        start, end = found[b"C2PA"]
        kept.take_manifest(source.at(start + 8, end - start - 8))
    return kept


def _extended(source: Source, found: dict[bytes, tuple[int, int]], picture: bytes) -> dict[bytes, bytes]:
    """The chunks of an extended file (VP8X); empty if the simple format is enough."""
    size = source.at(found[b"VP8X"][0] + 8, 10)
    if size[0] & _ANIMATED:
        raise Animation
    profile, exif = _profile_of(source, found.get(b"ICCP")), _exif_of(source, found.get(b"EXIF"))
    flags = size[0] & _ALPHA | (_PROFILE if profile else 0) | (_EXIF if exif else 0)
    if not flags:
        return {}
    chunks = {b"VP8X": _chunk(b"VP8X", bytes((flags,)) + b"\0\0\0" + size[4:])}
    if profile:
        chunks[b"ICCP"] = profile
    if b"ALPH" in found and picture == b"VP8 " and flags & _ALPHA:
        chunks[b"ALPH"] = b""
    chunks[picture] = b""
    if exif:
        chunks[b"EXIF"] = exif
    return chunks


def _profile_of(source: Source, place: tuple[int, int] | None) -> bytes:
    if place is None:
        return b""
    size_bytes = place[1] - place[0] - 8
    profile = metadata.profile_of(source.at(place[0] + 8, min(size_bytes, metadata.MOST_PROFILE_BYTES + 1)))
    return _chunk(b"ICCP", profile) if profile else b""


def _exif_of(source: Source, place: tuple[int, int] | None) -> bytes:
    if place is None:
        return b""
    content = source.at(place[0] + 8, min(place[1] - place[0] - 8, 65_536)).removeprefix(b"Exif\0\0")
    turned = metadata.orientation(content)
    return b"" if turned == 1 else _chunk(b"EXIF", metadata.exif_of(turned))


def _put(source: Source, kept: Kept, chunks: dict[bytes, bytes], found: dict[bytes, tuple[int, int]]) -> None:
    """Put header and chunks into ``kept``. Unchanged bytes are kept by their positions."""
    sizes = {kind: len(chunk) or found[kind][1] - found[kind][0] for kind, chunk in chunks.items()}
    total_bytes = 4 + sum(size_bytes + size_bytes % 2 for size_bytes in sizes.values())
    kept.put(source, 0, _HEAD_BYTES, b"RIFF" + struct.pack("<I", total_bytes) + b"WEBP", "padding")
    for kind, chunk in chunks.items():
        start, end = found[kind]
        if chunk:
            kept.put(source, start, end, chunk, _NAMES.get(kind, "padding"))
        else:
            kept.keep(start, end)
        if sizes[kind] % 2:
            kept.put(source, end, min(end + 1, source.size_bytes), b"\0", "padding")


def _chunk(kind: bytes, content: bytes) -> bytes:
    return kind + struct.pack("<I", len(content)) + content
