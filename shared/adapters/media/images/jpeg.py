"""JPEG: its segments, and whether its picture goes on to its end.

Rules of this file:
1. The first picture counts. Photos of phones and cameras bring a second one, behind the end of the first (format MPO).
2. A scan may be a few bytes and still be a walk through the whole picture, so their number is bounded.
3. An end marker proves nothing: the C library paints grey what is missing and only warns. But it does not go on without
   bytes. So it gets the last scan without the end marker, then bytes one by one that mean nothing. Having all of the
   picture, it passes each by at once; else it takes them for the rest, and needs eight at a time. Where it waits for a
   restart it passes them by too, so restarts are counted.
"""

import re
import struct
from dataclasses import dataclass, field
from typing import Any

from PIL import Image

from shared.adapters.media.images.reading import MOST_PARTS, Broken, Reading, orientation_of

SIGNATURE = b"\xff\xd8\xff"

#: Coefficients of all scans together: encoders make ten scans or so, and 2 GiB are 1.1 s.
MOST_SCANNED_BYTES = 2 * 1024**3

#: A run of fill bytes, then a marker that ends a scan: neither a stuffed byte nor a restart.
_NEXT = re.compile(rb"\xff+[^\x00\xd0-\xd7\xff]")
_FILL = re.compile(rb"\xff+")
_RESTART = re.compile(rb"\xff[\xd0-\xd7]")

_START_OF_SCAN, _END, _INTERVAL, _RESTARTS, _TEM = 0xDA, 0xD9, 0xDD, range(0xD0, 0xD8), 0x01
_FRAMES = {0xC0, 0xC1, 0xC2, 0xC3, *range(0xC5, 0xC8), *range(0xC9, 0xCC), *range(0xCD, 0xD0)}
_SEQUENTIAL = (0xC0, 0xC1)

#: Application segments that a decoder looks at: JFIF (0) and Adobe (14).
_KEPT_APPS, _APPS, _COMMENT = (0xE0, 0xEE), range(0xE0, 0xF0), 0xFE

#: Two bytes that stand for one in a scan, and what they are outside of one: nothing. How many are fed one by one.
_NOTHING, _PROBES = b"\xff\x00", 16


@dataclass(slots=True)
class _Segments:
    """What was found. ``frame`` is the header of the picture, ``blocks_bytes`` its coefficients."""

    pieces: list[bytes | memoryview] = field(default_factory=lambda: [b"\xff\xd8"])
    frame: tuple[int, memoryview] | None = None
    scans: int = 0
    components: int = 0
    profile: dict[int, bytes] = field(default_factory=dict)
    orientation: int = 1
    #: Of the last scan: its header, its pixels, and after how many units they begin anew (0: never).
    head: memoryview = field(default_factory=lambda: memoryview(b""))
    pixels: memoryview = field(default_factory=lambda: memoryview(b""))
    interval: int = 0


def read(content: memoryview, *, whole: bool) -> Reading:
    """What it is. ``whole``: walked to its end, else to its pixels. Broken."""
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
        raise Broken("JPEG of too many segments")
    if whole and not found.scans:
        raise Broken("JPEG without a picture")
    return _reading(found, whole=whole)


def _marker(content: memoryview, at: int) -> tuple[int, int]:
    """The marker at a place, and where what follows it begins."""
    fill = _FILL.match(content, at)
    if fill is None or fill.end() >= len(content):
        raise Broken("JPEG that ends early")
    return fill.end() + 1, content[fill.end()]


def _segment(found: _Segments, content: memoryview, marker: int, at: int) -> int:
    """Take one segment, and the pixels behind it where it begins a scan; returns where the next begins."""
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
        _noted(found, marker, body)
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
    """The end of the scan whose header ends here: where the next marker is."""
    found.scans += 1
    if found.frame is None:
        raise Broken("JPEG of scans without a frame")
    found.components = max(found.components, head[0] if head else 0)
    following = _NEXT.search(content, at)
    if following is None:
        raise Broken("JPEG without an end")
    found.head, found.pixels = head, content[at : following.start()]
    return following.start()


def _noted(found: _Segments, marker: int, body: memoryview) -> None:
    """What an application segment says of the look."""
    if marker == 0xE1 and bytes(body[:6]) == b"Exif\0\0" and found.orientation == 1:  # APP1
        found.orientation = orientation_of(body[6:])
    elif marker == 0xE2 and bytes(body[:12]) == b"ICC_PROFILE\0" and len(body) > 14:  # APP2
        found.profile.setdefault(body[12], bytes(body[14:]))


def _reading(found: _Segments, *, whole: bool) -> Reading:
    marker, frame = found.frame or (0, memoryview(b""))
    if len(frame) < 6 or len(frame) < 6 + 3 * frame[5] or marker == 0xC3:  # its fixed part
        raise Broken("JPEG with a frame that means nothing")
    depth, height, width, components = struct.unpack_from(">BHHB", frame)
    sampling = [(frame[7 + 3 * index] >> 4, frame[7 + 3 * index] & 15) for index in range(components)]
    across, down = max((s[0] for s in sampling), default=0), max((s[1] for s in sampling), default=0)
    if depth != 8 or not width or not height or not all(1 <= side <= 4 for s in sampling for side in s):
        raise Broken("JPEG with a frame that means nothing")
    if whole and found.interval:
        _check_restarts(found, width, height, sampling)
    blocks = -(-width // (8 * across)) * -(-height // (8 * down)) * sum(s[0] * s[1] for s in sampling)
    # In several scans, all coefficients are held until the last: 64 of two bytes a block.
    several = marker not in _SEQUENTIAL or (whole and (found.scans > 1 or found.components < components))
    if several and blocks * 128 * found.scans > MOST_SCANNED_BYTES:
        raise Broken("JPEG of too many scans")
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
    """As many restarts as the last scan must have. Of one component it has the blocks, of several units of all."""
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
    """Decode a JPEG that the library has opened, at the size that it was drafted to. Broken where it ends early."""
    codec, extents, _, args = image.tile[0]  # type: ignore[attr-defined]  # every file that was opened has tiles
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
    """The decoder, and what it has not taken yet."""

    def __init__(self, decoder: Any) -> None:
        self.decoder = decoder
        self.left = b""
        self.done = False

    def take(self, more: bytes) -> None:
        """Hand it more bytes, unless it has all of the picture. Broken."""
        if self.done:
            return
        self.left += more
        taken, error = self.decoder.decode(self.left)
        if error < 0:
            raise Broken("JPEG that cannot be decoded")
        self.done = taken < 0
        self.left = b"" if self.done else self.left[taken:]
