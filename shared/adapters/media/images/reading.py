"""A picture's container, walked: what it is, and the parts of it that a decoder needs.

Rules of this file and its siblings (``png``, ``jpeg``, ``webp``, ``gif``):
1. Everything here is a stranger's. Lengths are compared with what is there, and loops have a bound: a file of small
   parts (millions of empty chunks, of fill bytes, of sub-blocks) costs no more than one of large ones.
2. The decoder gets ``pieces`` and nothing else. What the library would do with the rest of a file (texts, EXIF,
   comments, a second picture) is neither bounded nor of use: 5 MB of fill bytes in a JPEG keep its parser busy for 5 s.
3. What changes the look (colours, orientation, transparency) is read here, for the library reads it only in part.
"""

import io
import struct
from collections.abc import Sequence
from dataclasses import dataclass

#: Parts of a container: chunks, segments, sub-blocks. A file of 20 MB in chunks of 400 bytes has as many.
MOST_PARTS = 50_000

#: Entries of an EXIF directory that are looked at; cameras write about sixty.
_MOST_ENTRIES = 500

#: The EXIF tag that says how a picture lies, and the values that mean something.
_ORIENTATION, _ORIENTATIONS = 0x0112, range(1, 9)


class Broken(Exception):  # noqa: N818  # it says what the file is
    """The file is not what its first bytes promise. The text is for operators and never quotes the file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What a walk found.

    ``peak_bytes`` is what a decoder holds at its peak for it, ``depth_bits`` are the bits of one sample, ``key`` is the
    colour that is shown as nothing (in 8 bits a sample, whatever it was written in), ``profile`` an ICC profile.
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
    #: The parts are whole, but only decoding tells whether what is in them is (an interlaced PNG, a GIF, a WebP).
    unproved: bool = True


class Pieces(io.RawIOBase):
    """The pieces as one file that is read without joining them: a second copy may be 20 MB."""

    def __init__(self, pieces: Sequence[bytes | memoryview]) -> None:
        super().__init__()
        self._pieces = [memoryview(piece) for piece in pieces]
        self._starts = [0]
        for piece in self._pieces:
            self._starts.append(self._starts[-1] + len(piece))
        self._at, self._index = 0, 0

    def readable(self) -> bool:
        """It is."""
        return True

    def seekable(self) -> bool:
        """It is."""
        return True

    def tell(self) -> int:
        """Where it stands."""
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        """Go there, but not before the beginning."""
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._starts[-1]}[whence]
        self._at = max(0, base + offset)
        if self._index >= len(self._pieces) or self._at < self._starts[self._index]:
            self._index = 0
        return self._at

    def read(self, size: int | None = -1, /) -> bytes:
        """So many bytes, all that are left for -1; fewer at the end."""
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
    """How a viewer turns the picture, by its EXIF block (which begins with the byte order); 1 where nothing is said."""
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
