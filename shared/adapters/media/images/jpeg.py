"""JPEG: reads its segments, and checks that its pixels are complete.

Rules of this file:
1. Only the first picture counts. Photos of phones and cameras have a second one after the end of the first (the format
   MPO).
2. The number of scans is bounded, because a scan of a few bytes still makes a decoder walk over the whole picture.
3. An end marker does not prove that the pixels are complete: the C library paints missing ones grey and only warns. But
   it stops when it has no bytes. So the decoder gets the last scan without the end marker, and then meaningless bytes,
   one by one. If the picture is complete, it skips each at once. If not, it takes them as pixels, and needs eight at a
   time. While it waits for a restart marker it skips them too, so restart markers are counted separately.
"""

import re
import struct
from dataclasses import dataclass, field
from typing import Any

from PIL import Image

from shared.adapters.media.images.reading import MOST_PARTS, Broken, Reading, orientation_of

SIGNATURE = b"\xff\xd8\xff"

#: Maximum of the coefficients of all scans together. Encoders make about ten scans, and 2 GiB take 1.1 s.
MOST_SCANNED_BYTES = 2 * 1024**3

#: Fill bytes, then a marker that ends a scan: not a stuffed byte or a restart.
_NEXT = re.compile(rb"\xff+[^\x00\xd0-\xd7\xff]")
_FILL = re.compile(rb"\xff+")
_RESTART = re.compile(rb"\xff[\xd0-\xd7]")

_START_OF_SCAN, _END, _INTERVAL, _RESTARTS, _TEM = 0xDA, 0xD9, 0xDD, range(0xD0, 0xD8), 0x01
_FRAMES = {0xC0, 0xC1, 0xC2, 0xC3, *range(0xC5, 0xC8), *range(0xC9, 0xCC), *range(0xCD, 0xD0)}
_SEQUENTIAL = (0xC0, 0xC1)

#: Application segments that a decoder uses: JFIF (0) and Adobe (14).
_KEPT_APPS, _APPS, _COMMENT = (0xE0, 0xEE), range(0xE0, 0xF0), 0xFE

#: Two bytes that encode one byte inside a scan and mean nothing outside; and how many of them are fed one by one.
_NOTHING, _PROBES = b"\xff\x00", 16


@dataclass(slots=True)
class _Segments:
    """What a walk found. ``frame`` is the marker and the content of the picture's frame header."""

    pieces: list[bytes | memoryview] = field(default_factory=lambda: [b"\xff\xd8"])
    frame: tuple[int, memoryview] | None = None
    scans: int = 0
    components: int = 0
    profile: dict[int, bytes] = field(default_factory=dict)
    orientation: int = 1
    #: The last scan: its header, its pixels, and the units between two restart markers (0: there are none).
    head: memoryview = field(default_factory=lambda: memoryview(b""))
    pixels: memoryview = field(default_factory=lambda: memoryview(b""))
    interval: int = 0


def read(content: memoryview, *, whole: bool) -> Reading:
    """Read a JPEG. With ``whole`` it is walked to its end, else only to its pixels.

    Raises:
        Broken: it is not a sound JPEG.
    """
    found = _Segments()
    at = 2
    for _ in range(MOST_PARTS):
        at, marker = _marker(content, at)
        if marker == _END:
            found.pieces.append(b"\xff\xd9")
            break
        if marker == _START_OF_SCAN and not whole:
            break
        at = _segment(found, content, marker, at)
    else:
        raise Broken("JPEG with too many segments")
    if whole and not found.scans:
        raise Broken("JPEG without a picture")
    return _reading(found, whole=whole)


def _marker(content: memoryview, at: int) -> tuple[int, int]:
    """The position after the marker at ``at``, and the marker."""
    fill = _FILL.match(content, at)
    if fill is None or fill.end() >= len(content):
        raise Broken("JPEG that ends early")
    return fill.end() + 1, content[fill.end()]


def _segment(found: _Segments, content: memoryview, marker: int, at: int) -> int:
    """Take one segment, with the pixels after it if it begins a scan; returns the position of the next."""
    if marker == _TEM or marker in _RESTARTS:
        return at
    if (
        at + 2 > len(content)
        or (end := at + int(struct.unpack_from(">H", content, at)[0])) < at + 2
        or end > len(content)
    ):
        raise Broken("JPEG with a segment beyond its end")
    body = content[at + 2 : end]
    if marker in _APPS or marker == _COMMENT:
        _note(found, marker, body)
        if marker not in _KEPT_APPS or found.scans:
            return end
    if marker in _FRAMES:
        if found.frame:
            raise Broken("JPEG with two frames")
        found.frame = (marker, body)
    if marker == _INTERVAL:
        found.interval = int.from_bytes(body[:2], "big")
    if marker == _START_OF_SCAN:
        end = _scan(found, content, body, end)
    found.pieces += (b"\xff%c" % marker, content[at:end])
    return end


def _scan(found: _Segments, content: memoryview, head: memoryview, at: int) -> int:
    """Take the scan whose header ends at ``at``; returns its end, the position of the next marker."""
    found.scans += 1
    if found.frame is None:
        raise Broken("JPEG with a scan before its frame header")
    found.components = max(found.components, head[0] if head else 0)
    following = _NEXT.search(content, at)
    if following is None:
        raise Broken("JPEG without an end")
    found.head, found.pixels = head, content[at : following.start()]
    return following.start()


def _note(found: _Segments, marker: int, body: memoryview) -> None:
    """Note the orientation or the colour profile in an application segment."""
    if marker == 0xE1 and bytes(body[:6]) == b"Exif\0\0" and found.orientation == 1:  # APP1
        found.orientation = orientation_of(body[6:])
    elif marker == 0xE2 and bytes(body[:12]) == b"ICC_PROFILE\0" and len(body) > 14:  # APP2
        found.profile.setdefault(body[12], bytes(body[14:]))


def _reading(found: _Segments, *, whole: bool) -> Reading:
    marker, frame = found.frame or (0, memoryview(b""))
    if len(frame) < 6 or len(frame) < 6 + 3 * frame[5] or marker == 0xC3:  # shorter than its fixed part, or lossless
        raise Broken("JPEG with an invalid frame header")
    depth, height, width, components = struct.unpack_from(">BHHB", frame)
    sampling = [(frame[7 + 3 * index] >> 4, frame[7 + 3 * index] & 15) for index in range(components)]
    across, down = max((s[0] for s in sampling), default=0), max((s[1] for s in sampling), default=0)
    if depth != 8 or not width or not height or not all(1 <= side <= 4 for s in sampling for side in s):
        raise Broken("JPEG with an invalid frame header")
    if whole and found.interval:
        _check_restarts(found, width, height, sampling)
    blocks = -(-width // (8 * across)) * -(-height // (8 * down)) * sum(s[0] * s[1] for s in sampling)
    # With several scans a decoder holds all coefficients until the last: 64 of two bytes for each block.
    several = marker not in _SEQUENTIAL or (whole and (found.scans > 1 or found.components < components))
    if several and blocks * 128 * found.scans > MOST_SCANNED_BYTES:
        raise Broken("JPEG with too many scans")
    return Reading(
        form="JPEG",
        width=width,
        height=height,
        peak_bytes=blocks * 128 if several else 0,
        pieces=tuple(found.pieces),
        depth_bits=8,
        profile=b"".join(found.profile[number] for number in sorted(found.profile)) if whole else b"",
        orientation=found.orientation,
    )


def _check_restarts(found: _Segments, width: int, height: int, sampling: list[tuple[int, int]]) -> None:
    """Check that the last scan has all its restart markers; raises Broken.

    A scan of one component consists of that component's blocks. A scan of several consists of units with blocks of all.
    """
    across, down = max(side for side, _ in sampling), max(side for _, side in sampling)
    if found.head and found.head[0] == 1:
        _, frame = found.frame or (0, memoryview(b""))
        numbers = [frame[6 + 3 * index] for index in range(len(sampling))]
        own = sampling[numbers.index(found.head[1])] if found.head[1] in numbers else (across, down)
        wide, high = -(-width * own[0] // across), -(-height * own[1] // down)
        units = -(-wide // 8) * -(-high // 8)
    else:
        units = -(-width // (8 * across)) * -(-height // (8 * down))
    if sum(1 for _ in _RESTART.finditer(found.pixels)) < -(-units // found.interval) - 1:
        raise Broken("JPEG whose pixels end early")


def decode(image: Image.Image, pieces: tuple[bytes | memoryview, ...]) -> None:
    """Decode a JPEG that Pillow has opened, at its draft size. Raises Broken if its pixels end early."""
    codec, extents, _, args = image.tile[0]  # type: ignore[attr-defined]  # an opened file has tiles
    image.load_prepare()  # type: ignore[attr-defined]  # as above
    config = image.decoderconfig  # type: ignore[attr-defined]  # as above
    feed = _Feed(Image._getdecoder(image.mode, codec, args, config))  # noqa: SLF001  # what ImageFile.load does
    feed.decoder.setimage(image.im, extents)
    for piece in pieces[:-1]:
        for start in range(0, len(piece), 65536):
            feed.take(bytes(piece[start : start + 65536]))
    for _ in range(_PROBES):
        feed.take(_NOTHING)
    passed_by = True
    for _ in range(_PROBES):
        feed.take(_NOTHING)
        passed_by = passed_by and not feed.left
    if not feed.done and not passed_by:
        raise Broken("JPEG whose pixels end early")
    feed.take(b"\xff\xd9")
    if not feed.done:
        raise Broken("JPEG whose pixels end early")
    image.tile = []  # type: ignore[attr-defined]  # it is loaded


class _Feed:
    """The decoder, and the bytes that it has not consumed yet."""

    def __init__(self, decoder: Any) -> None:
        self.decoder = decoder
        self.left = b""
        self.done = False

    def take(self, more: bytes) -> None:
        """Give the decoder more bytes, unless it has the whole picture. Raises Broken if it cannot decode them."""
        if self.done:
            return
        self.left += more
        taken, error = self.decoder.decode(self.left)
        if error < 0:
            raise Broken("JPEG that cannot be decoded")
        self.done = taken < 0
        self.left = b"" if self.done else self.left[taken:]
