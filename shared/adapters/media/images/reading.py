"""What a walk over a picture's container finds: its properties, and the parts of it that a decoder needs.

Rules of this file and its siblings (``png``, ``jpeg``, ``webp``, ``gif``):
1. All bytes are untrusted. Lengths are compared with the file's, and loops are bounded. So a file of small parts
   (millions of empty chunks, fill bytes or sub-blocks) costs no more than one of large parts.
2. The decoder gets only ``pieces``. What the library would do with the rest of a file (texts, EXIF, comments, a second
   picture) is unbounded and useless: 5 MB of fill bytes in a JPEG keep its parser busy for 5 s.
3. Whatever changes the look (colours, orientation, transparency) is read here, because the library reads only a part.
"""

import io
import struct
from collections.abc import Sequence
from dataclasses import dataclass

#: Maximum of parts of a container: chunks, segments, sub-blocks. A file of 20 MB in chunks of 400 bytes has as many.
MOST_PARTS = 50_000

#: Maximum of entries of an EXIF directory that are read. Cameras write about sixty.
_MOST_ENTRIES = 500

#: The EXIF tag of the orientation, and its valid values.
_ORIENTATION, _ORIENTATIONS = 0x0112, range(1, 9)


class Broken(Exception):  # noqa: N818  # it says what the file is
    """The file is not what its first bytes promise. The text is for operators and never quotes the file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What a walk found.

    ``peak_bytes`` is a decoder's peak memory for this picture. ``pieces`` are the parts that a decoder needs, in order.
    ``see_through`` means that it may have transparent pixels. ``depth_bits`` are the bits of one sample. ``key`` is the
    colour that is shown as transparent, always in 8 bits a sample. ``profile`` is an ICC profile, or empty.
    """

    form: str
    width: int
    height: int
    peak_bytes: int
    pieces: tuple[bytes | memoryview, ...] = ()
    see_through: bool = False
    depth_bits: int = 8
    key: int | tuple[int, int, int] | None = None
    profile: bytes = b""
    orientation: int = 1
    animated: bool = False
    #: The parts are complete, but only decoding shows whether the pixels are (an interlaced PNG, a GIF, a WebP).
    unproved: bool = True


class Pieces(io.RawIOBase):
    """The pieces as one readable file. They are not joined, because a second copy may have 20 MB."""

    def __init__(self, pieces: Sequence[bytes | memoryview]) -> None:
        super().__init__()
        self._pieces = [memoryview(piece) for piece in pieces]
        self._starts = [0]
        for piece in self._pieces:
            self._starts.append(self._starts[-1] + len(piece))
        self._at, self._index = 0, 0

    def readable(self) -> bool:
        """Always True."""
        return True

    def seekable(self) -> bool:
        """Always True."""
        return True

    def tell(self) -> int:
        """The current position in bytes."""
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        """Move to a position, but not before the beginning; returns it."""
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._starts[-1]}[whence]
        self._at = max(0, base + offset)
        if self._index >= len(self._pieces) or self._at < self._starts[self._index]:
            self._index = 0
        return self._at

    def read(self, size: int | None = -1, /) -> bytes:
        """At most ``size`` bytes. All remaining bytes for -1 or None."""
        left = self._starts[-1] - self._at if size is None or size < 0 else size
        found: list[memoryview] = []
        while left > 0 and self._index < len(self._pieces):
            inside = self._at - self._starts[self._index]
            part = self._pieces[self._index][inside : inside + left]
            if part:
                found.append(part)
                self._at, left = self._at + len(part), left - len(part)
            else:
                self._index += 1
        return b"".join(found)


def orientation_of(exif: bytes | memoryview) -> int:
    """The orientation (1 to 8) in an EXIF block, which begins with its byte order; 1 if there is none."""
    order = {b"II": "<", b"MM": ">"}.get(bytes(exif[:2]))
    if order is None or len(exif) < 8:
        return 1
    start = int(struct.unpack_from(f"{order}I", exif, 4)[0])
    if start + 2 > len(exif):
        return 1
    count = int(struct.unpack_from(f"{order}H", exif, start)[0])
    for index in range(min(count, _MOST_ENTRIES)):
        at = start + 2 + 12 * index
        if at + 12 > len(exif):
            break
        tag, kind, _, value = struct.unpack_from(f"{order}HHIH", exif, at)
        if tag == _ORIENTATION:
            return int(value) if kind == 3 and value in _ORIENTATIONS else 1  # 3: two bytes each
    return 1
