"""WebP (RFC 9649): its chunks, and which of them a viewer needs.

Rules of this file:
1. Picture, its transparency, colour profile and orientation stay, in the order of the format; a file that needs none of
   these is the simple one, with the picture alone. All else goes, and so does what follows the end.
2. The head is written anew: its length, and its flags, say what is there.
3. An animation is what says so in its flags or has a chunk of one, were it of a single frame.
"""

import struct

from shared.adapters.media.images.containers import metadata
from shared.adapters.media.images.containers.parts import Animation, CutShort, Kept, Source, Unfit

#: Seven are in use.
MOST_CHUNKS = 1_024

_HEAD_BYTES = 12
_ALPHA, _EXIF, _PROFILE, _ANIMATED = 0x10, 0x08, 0x20, 0x02
_NAMES = {b"EXIF": "exif", b"XMP ": "xmp", b"ICCP": "profile"}


def walk(source: Source) -> Kept:
    """What of it is kept. Unfit; CutShort before the end that its head says; Animation."""
    head = source.at(0, _HEAD_BYTES)
    if head[:4] != b"RIFF" or head[8:] != b"WEBP":
        raise Unfit
    end = 8 + int.from_bytes(head[4:8], "little")
    if end > source.size_bytes + 1:  # the last byte may be padding, and is often left out
        raise CutShort
    found = _found(source, min(end, source.size_bytes))
    kept = _kept(source, found)
    if end < source.size_bytes:
        kept.dropped.add("bytes after the end")
    return kept


def _found(source: Source, end: int) -> dict[bytes, tuple[int, int]]:
    """The first chunk of each kind and where it stands, without its padding."""
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
    chunks: dict[bytes, bytes] = {}  # in their order; empty: as it is
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
    """The chunks of a file that says what else it has; none where nothing else is needed."""
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
    """Head and chunks; what is the same as it came is kept as it is."""
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
