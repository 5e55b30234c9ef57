"""JPEG (ITU-T T.81): walks its segments and keeps those that a viewer needs.

Rules of this file:
1. What is needed to show the picture is kept: frame, tables, scans, the colour transform (Adobe), the colour profile
   (ICC), the density (JFIF, without its thumbnail). All else is dropped: EXIF except the orientation, XMP, comments,
   thumbnails, data of cameras and editors, and bytes after the end.
2. A second picture (a camera's preview, a depth map, the other eye, the rest of a Live Photo) stands after the end of
   the first, and the first has an index of it (MPF, CIPA DC-007). Both are dropped, and the picture that every viewer
   shows is left.
3. Bytes between two segments are dropped, because decoders skip them.
"""

import re

from shared.adapters.media.images.containers import metadata
from shared.adapters.media.images.containers.parts import CutShort, Kept, Source, Unfit

#: Maximum of segments. A file of 50 MB in segments of full length has 800.
MOST_SEGMENTS = 4_096

#: Maximum of scans. A progressive picture has about ten. Even a tiny one makes a decoder walk over the whole picture.
MOST_SCANS = 64

_SOI, _EOI, _SOS, _APP1, _APP2 = 0xD8, 0xD9, 0xDA, 0xE1, 0xE2
#: Markers of frames, without DHT, JPG and DAC, whose numbers lie between them.
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
#: Markers of tables: Huffman, arithmetic, quantisation, number of lines, restart interval.
_TABLES = frozenset({0xC4, 0xCC, 0xDB, 0xDC, 0xDD})
#: Markers without a length: TEM and the restarts.
_BARE = frozenset({0x01, *range(0xD0, 0xD8)})

_EXIF, _ICC = b"Exif\0\0", b"ICC_PROFILE\0"
_XMP = b"http://ns.adobe.com/x"
_NAMES = ((_EXIF, "exif"), (_XMP, "xmp"), (b"MPF\0", "second picture"), (_ICC, "profile"), (b"JFXX", "thumbnail"))

_JFIF_BYTES, _ADOBE_BYTES = 14, 12

#: A marker that ends a scan: not a stuffed byte, a restart or a fill byte.
_MARKER = re.compile(rb"\xff[\x01-\xcf\xd8-\xfe]", re.DOTALL)


def walk(source: Source) -> Kept:
    """What is kept of a JPEG. Raises Unfit; CutShort if it ends before its EOI marker."""
    if source.at(0, 3) != b"\xff\xd8\xff":
        raise Unfit
    walker = _Walker(source)
    for _ in range(MOST_SEGMENTS):
        if walker.step():
            return walker.finish()
    raise Unfit


class _Walker:
    """Walks from segment to segment; ``step`` takes the next one."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._at = 2
        self._kept = Kept([(0, 2)])
        self._seen: set[str] = set()
        self._scans = 0
        self._profile: list[tuple[int, int]] = []
        self._profile_at = 0
        self._manifest: list[bytes] = []

    def step(self) -> bool:
        """Take one segment; returns True if it was the last."""
        start = self._next_marker(self._at)
        if start != self._at:
            self._kept.dropped.add("padding")
        marker = self._source.at(start, 2)[1]
        if marker == _EOI:
            self._kept.keep(start, start + 2)
            self._at = start + 2
            return True
        if marker == _SOI:
            raise Unfit
        if marker in _BARE:
            self._at = start + 2
            return False
        size_bytes = int.from_bytes(self._source.at(start + 2, 2), "big")
        end = start + 2 + size_bytes
        if size_bytes < 2:
            raise Unfit
        if end > self._source.size_bytes:
            raise CutShort
        self._at = end
        self._take(marker, start, end)
        return False

    def _next_marker(self, start: int) -> int:
        """The position of the next marker, at ``start`` or after it."""
        head = self._source.at(start, 2)
        if head[0] == 0xFF and head[1] not in (0x00, 0xFF):
            return start
        ended = b""
        for block in self._source.blocks(start):
            seen = ended + block
            if found := _MARKER.search(seen):
                return start - len(ended) + found.start()
            start += len(block)
            ended = b"\xff" if block.endswith(b"\xff") else b""
        raise CutShort

    def _take(self, marker: int, start: int, end: int) -> None:
        if marker == _SOS:
            self._take_scan(start)
        elif marker in _TABLES:
            self._kept.keep(start, end)
        elif marker in _FRAMES:
            if "frame" in self._seen:
                raise Unfit
            self._seen.add("frame")
            self._kept.keep(start, end)
        else:
            self._take_application(marker, start, end)

    def _take_scan(self, start: int) -> None:
        self._scans += 1
        if "frame" not in self._seen or self._scans > MOST_SCANS:
            raise Unfit
        self._at = self._next_marker(self._at)
        self._kept.keep(start, self._at)

    def _take_application(self, marker: int, start: int, end: int) -> None:
        content = self._source.at(start + 4, end - start - 4)
        if marker == 0xE0 and content.startswith(b"JFIF\0") and len(content) >= _JFIF_BYTES:
            self._take_once("jfif", start, end, _segment(marker, content[: _JFIF_BYTES - 2] + b"\0\0"), "thumbnail")
        elif marker == 0xEE and content.startswith(b"Adobe") and len(content) >= _ADOBE_BYTES:
            self._take_once("adobe", start, end, _segment(marker, content[:_ADOBE_BYTES]), "application data")
        elif marker == _APP1 and content.startswith(_EXIF):
            turned = metadata.orientation(content[len(_EXIF) :])
            kept = b"" if turned == 1 else _segment(marker, _EXIF + metadata.exif_of(turned))
            self._take_once("exif", start, end, kept, "exif")
        elif marker == _APP2 and content.startswith(_ICC) and len(content) > len(_ICC) + 2:
            if not self._profile:
                self._kept.parts.append(b"")  # a place for the profile
                self._profile_at = len(self._kept.parts) - 1
            self._profile.append((start, end))
        elif marker == 0xEB and content.startswith(b"JP") and len(content) > 16:
            # A box in several segments has its own header before each part (ISO/IEC 19566-5, D.2).
            self._kept.take_manifest(content[16 if self._kept.manifest else 8 :])
        else:
            self._kept.dropped.add(_name_of(marker, content))

    def _take_once(self, name: str, start: int, end: int, content: bytes, dropped: str) -> None:
        if name in self._seen:
            self._kept.dropped.add(dropped)
            return
        self._seen.add(name)
        self._kept.put(self._source, start, end, content, dropped)

    def finish(self) -> Kept:
        """What is kept, called at the end of the first picture."""
        if not self._scans:
            raise Unfit
        if self._at < self._source.size_bytes:
            self._kept.dropped.add("bytes after the end")
        if self._profile:
            self._put_profile()
        return self._kept

    def _put_profile(self) -> None:
        """Put the profile where its first segment was: unchanged if its segments are clean, else written again."""
        chunks = [self._source.at(start + 4 + len(_ICC), end - start - 4 - len(_ICC)) for start, end in self._profile]
        chunks.sort(key=lambda chunk: chunk[0])
        profile = metadata.profile_of(b"".join(chunk[2:] for chunk in chunks))
        first, last = self._profile[0][0], self._profile[-1][1]
        whole = sum(end - start for start, end in self._profile) == last - first
        made = b"".join(_profile_segments(profile)) if profile else b""
        before, after = self._kept.parts[: self._profile_at], self._kept.parts[self._profile_at + 1 :]
        self._kept.parts = []
        for part in before:
            self._add(part)
        if whole and len(made) == last - first and self._source.at(first, last - first) == made:
            self._kept.keep(first, last)
        else:
            self._kept.dropped.add("profile")
            self._add(made)
        for part in after:
            self._add(part)

    def _add(self, part: tuple[int, int] | bytes) -> None:
        if isinstance(part, tuple):
            self._kept.keep(*part)
        elif part:
            self._kept.parts.append(part)


def _profile_segments(profile: bytes) -> list[bytes]:
    most = 65_533 - len(_ICC) - 2
    chunks = [profile[start : start + most] for start in range(0, len(profile), most)]
    if len(chunks) > 255:
        return []
    return [
        _segment(_APP2, _ICC + bytes((number, len(chunks))) + chunk) for number, chunk in enumerate(chunks, start=1)
    ]


def _segment(marker: int, content: bytes) -> bytes:
    return bytes((0xFF, marker)) + (len(content) + 2).to_bytes(2, "big") + content


def _name_of(marker: int, content: bytes) -> str:
    if marker == 0xFE:
        return "comment"
    return next((name for start, name in _NAMES if content.startswith(start)), "application data")
