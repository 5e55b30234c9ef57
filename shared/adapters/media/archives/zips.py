"""Reads the directory of a zip file (PKWARE's APPNOTE 6.3), and one file of it at a time.

Rules of this file:
1. The directory, the header in front of each file and the file itself must say the same. A reader that believes one
   of them would otherwise see another file than a reader that believes the other.
2. Sizes and counts are compared with their bounds before anything is read or inflated for them.
3. What no picture, caption or weights need is refused: encryption, links, parts on several disks, ZIP64, any method but
   stored and deflated.
"""

import stat
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from shared.adapters.media.archives.members import (
    BROKEN,
    CHUNK_BYTES,
    MOST_RATIO,
    RATIO_FROM_BYTES,
    Member,
    Unfit,
    bytes_at,
)
from shared.core.training.contents import Bounds, shown

_LOCAL, _CENTRAL, _END = b"PK\x03\x04", b"PK\x01\x02", b"PK\x05\x06"
_LOCAL_BYTES, _CENTRAL_BYTES, _END_BYTES = 30, 46, 22
_MOST_COMMENT_BYTES = 65_535

#: A directory of so many bytes has room for every file of the bounds, with a long name.
_MOST_DIRECTORY_BYTES = 4 * 1024 * 1024

_STORED, _DEFLATED = 0, 8

#: Flags: encrypted (bit 0), sizes behind the file (3), strongly encrypted (6), names in UTF-8 (11), masked (13).
_ENCRYPTED, _SIZES_BEHIND, _UTF_8 = 1 << 0 | 1 << 6 | 1 << 13, 1 << 3, 1 << 11

#: In a field of 16 or 32 bits: the true value is in a ZIP64 record.
_ELSEWHERE_16, _ELSEWHERE_32 = 0xFFFF, 0xFFFFFFFF

_ZIP64 = "It is a ZIP64 file, which only archives of more than 4 GB need."


@dataclass(frozen=True, slots=True)
class _Record:
    """One file of the directory."""

    raw_name: bytes
    flags: int
    method: int
    crc: int
    packed_bytes: int
    size_bytes: int
    mode: int
    at: int

    @property
    def name(self) -> str:
        """The name in UTF-8, in which most programs write it even without the flag; else in the old code page."""
        try:
            return self.raw_name.decode()
        except UnicodeDecodeError:
            if self.flags & _UTF_8:
                raise Unfit(BROKEN) from None
            return self.raw_name.decode("cp437")


def members(file: BinaryIO, bounds: Bounds) -> Iterator[Member]:
    """The files of a zip file, in the order of their places in it. Raises Unfit."""
    directory_at, directory_bytes, count = _end(file, bounds)
    records = sorted(_records(bytes_at(file, directory_at, directory_bytes), count), key=lambda record: record.at)
    before = 0
    for record in records:
        member = _member(file, record)
        if record.at < before or member.at + member.packed_bytes > directory_at:
            raise Unfit(f"{shown(member.name)} overlaps another file in it.")
        before = member.at + member.packed_bytes
        yield member


def _end(file: BinaryIO, bounds: Bounds) -> tuple[int, int, int]:
    """Place and size of the directory, and the number of its records."""
    size_bytes = file.seek(0, 2)
    tail_at = max(0, size_bytes - _END_BYTES - _MOST_COMMENT_BYTES)
    tail = bytes_at(file, tail_at, size_bytes - tail_at)
    at = tail.rfind(_END)
    if at < 0 or len(tail) - at < _END_BYTES:
        raise Unfit("It is cut short, or no zip file: its directory is missing.")
    disk, first, here, count, directory_bytes, directory_at, comment = struct.unpack_from("<HHHHIIH", tail, at + 4)
    if at + _END_BYTES + comment != len(tail):
        raise Unfit("Something follows the end of the zip file.")
    if _ELSEWHERE_16 in (disk, here, count) or _ELSEWHERE_32 in (directory_bytes, directory_at):
        raise Unfit(_ZIP64)
    if disk or first or here != count:
        raise Unfit("It is a part of a zip file on several disks.")
    if count > bounds.files:
        raise Unfit(f"It has {count} files, and {bounds.files} are the most.")
    if directory_at + directory_bytes != tail_at + at:
        raise Unfit(BROKEN)
    if directory_bytes > _MOST_DIRECTORY_BYTES:
        raise Unfit("Its directory is too large: the names in it are too long.")
    return directory_at, directory_bytes, count


def _records(directory: bytes, count: int) -> Iterator[_Record]:
    at = 0
    for _ in range(count):
        if directory[at : at + 4] != _CENTRAL or len(directory) < at + _CENTRAL_BYTES:
            raise Unfit(BROKEN)
        flags, method, _time, crc, packed, size, name, extra, comment, disk, _, attributes, place = struct.unpack_from(
            "<HHIIIIHHHHHII", directory, at + 8
        )
        raw_name = directory[at + _CENTRAL_BYTES : at + _CENTRAL_BYTES + name]
        if len(raw_name) < name or disk:
            raise Unfit(BROKEN)
        yield _Record(raw_name, flags, method, crc, packed, size, attributes >> 16, place)
        at += _CENTRAL_BYTES + name + extra + comment
    if at != len(directory):
        raise Unfit("Its directory has more records than it says.")


def _member(file: BinaryIO, record: _Record) -> Member:
    """The file of a record, if the header in front of it says the same."""
    name = record.name
    if record.flags & _ENCRYPTED:
        raise Unfit(f"{shown(name)} is encrypted. Pack it without a password.")
    if _ELSEWHERE_32 in (record.packed_bytes, record.size_bytes, record.at):
        raise Unfit(_ZIP64)
    if record.method not in (_STORED, _DEFLATED):
        raise Unfit(f"{shown(name)} is packed by a method that is not read here. Use stored or deflated.")
    kind = stat.S_IFMT(record.mode)
    folder = name.endswith("/")
    if kind not in (0, stat.S_IFDIR if folder else stat.S_IFREG):
        raise Unfit(f"{shown(name)} is a link or a device, not a file.")
    head = bytes_at(file, record.at, _LOCAL_BYTES)
    if len(head) < _LOCAL_BYTES or head[:4] != _LOCAL:
        raise Unfit(BROKEN)
    flags, method, _time, crc, packed, size, name_bytes, extra = struct.unpack_from("<HHIIIIHH", head, 6)
    behind = bool(record.flags & _SIZES_BEHIND)
    measures = (record.crc, record.packed_bytes, record.size_bytes)
    honest = (crc, packed, size) == measures or (behind and (crc, packed, size) == (0, 0, 0))
    named = bytes_at(file, record.at + _LOCAL_BYTES, name_bytes) == record.raw_name
    if not (honest and named and (flags, method) == (record.flags, record.method)):
        raise Unfit(f"{shown(name)} is another file by its own header than by the directory.")
    if record.method == _STORED and record.packed_bytes != record.size_bytes:
        raise Unfit(BROKEN)
    if folder and record.size_bytes:
        raise Unfit(f"{shown(name)} is a folder with content.")
    if record.size_bytes > max(RATIO_FROM_BYTES, MOST_RATIO * record.packed_bytes):
        raise Unfit(f"{shown(name)} unpacks to more than {MOST_RATIO} times its size.")
    return Member(
        name=name,
        at=record.at + _LOCAL_BYTES + name_bytes + extra,
        packed_bytes=record.packed_bytes,
        size_bytes=record.size_bytes,
        deflated=record.method == _DEFLATED,
        crc=record.crc,
    )


def inflated(file: BinaryIO, member: Member) -> Iterator[bytes]:
    """The content of a deflated file, in chunks. Raises Unfit if it is not exactly as long as the directory says."""
    stream = zlib.decompressobj(-zlib.MAX_WBITS)
    at, left, end = member.at, member.size_bytes, member.at + member.packed_bytes
    waiting = b""
    while not stream.eof:
        packed = waiting or bytes_at(file, at, min(CHUNK_BYTES, end - at))
        at += 0 if waiting else len(packed)
        try:
            chunk = stream.decompress(packed, min(CHUNK_BYTES, left + 1))
        except zlib.error:
            raise Unfit(f"{shown(member.name)} is broken.") from None
        left -= len(chunk)
        waiting = stream.unconsumed_tail
        if left < 0 or (not chunk and not packed and not stream.eof):
            break
        yield chunk
    if left or not stream.eof or stream.unused_data or at != end:
        raise Unfit(f"{shown(member.name)} is not as long as the directory says.")
