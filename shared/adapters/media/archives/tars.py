"""Reads the files of a tar (POSIX.1-2001 pax, ustar, GNU), and unpacks a gzip around it.

Rules of this file:
1. Only files and folders are read. Links, devices, pipes and sparse files are refused by name.
2. Records that only describe the next file (pax, long names of GNU) are small, and counted like files.
3. The end of a tar is a block of zeros. Without it the tar was cut.
4. A gzip is unpacked as far as the bounds allow, and not a byte further.
"""

import zlib
from collections.abc import Iterator
from typing import BinaryIO

from shared.adapters.media.archives.members import BROKEN, CHUNK_BYTES, Member, Unfit, bytes_at
from shared.core.training.contents import Bounds, shown

_BLOCK_BYTES = 512
_FILES, _FOLDER = (b"0", b"\0", b"7"), b"5"
_PAX, _PAX_GLOBAL, _LONG_NAME = b"x", b"g", b"L"
_MOST_RECORD_BYTES = 64 * 1024

#: Each file has at most this much around its content: its block, a record that names it, and what fills its last block.
_AROUND_BYTES = 4 * _BLOCK_BYTES

_NOT_FILES = {b"1": "a link", b"2": "a link", b"3": "a device", b"4": "a device", b"6": "a pipe", b"S": "a sparse file"}
_CUT = "It is cut short: its end is missing."


def members(file: BinaryIO, bounds: Bounds) -> Iterator[Member]:
    """The files of a tar, in their order. Raises Unfit."""
    size_bytes, at, count = file.seek(0, 2), 0, 0
    given: dict[str, str] = {}
    while True:
        head = bytes_at(file, at, _BLOCK_BYTES)
        if len(head) < _BLOCK_BYTES:
            raise Unfit(_CUT)
        if not any(head):
            return
        count += 1
        if count > 2 * bounds.files:
            raise Unfit(f"It has more than {bounds.files} files.")
        content_bytes = _content_bytes(head, given)
        kind, content_at = head[156:157], at + _BLOCK_BYTES
        at = content_at + (content_bytes + _BLOCK_BYTES - 1) // _BLOCK_BYTES * _BLOCK_BYTES
        if at > size_bytes:
            raise Unfit(_CUT)
        if kind in (_PAX, _PAX_GLOBAL, _LONG_NAME):
            given |= _described(file, kind, content_at, content_bytes)
            continue
        yield _member(head, given.pop("path", None), content_at, content_bytes)
        given.clear()


def _member(head: bytes, path: str | None, at: int, content_bytes: int) -> Member:
    name = _name(head) if path is None else path
    while name.startswith("./"):
        name = name[2:]
    kind = head[156:157]
    if kind == _FOLDER:
        name = f"{name.removesuffix('/')}/" if name else "./"
        if content_bytes:
            raise Unfit(f"{shown(name)} is a folder with content.")
    elif kind not in _FILES:
        raise Unfit(f"{shown(name)} is {_NOT_FILES.get(kind, 'of a kind that is not read here')}, not a file.")
    return Member(name=name, at=at, packed_bytes=content_bytes, size_bytes=content_bytes)


def _name(head: bytes) -> str:
    name = head[:100].split(b"\0")[0]
    prefix = head[345:500].split(b"\0")[0] if head[257:263] == b"ustar\0" else b""
    try:
        return (prefix + b"/" + name if prefix else name).decode()
    except UnicodeDecodeError:
        raise Unfit("A name in it is not in UTF-8.") from None


def _content_bytes(head: bytes, given: dict[str, str]) -> int:
    """The size of the content behind a header. Raises Unfit for a wrong mark or checksum."""
    total = sum(head) - sum(head[148:156]) + 8 * ord(" ")
    if head[257:262] != b"ustar" or _number(head[148:156]) != total:
        raise Unfit(BROKEN)
    size = given.get("size")
    if size is None:
        return _number(head[124:136])
    if not (size.isascii() and size.isdigit() and len(size) < 16):
        raise Unfit(BROKEN)
    return int(size)


def _number(field: bytes) -> int:
    """A number: octal digits, or big-endian bytes if it is too large for them."""
    if field[0] == 0x80:
        return int.from_bytes(field[1:], "big")
    digits = field.strip(b"\0 ")
    if not all(ord("0") <= digit <= ord("7") for digit in digits):
        raise Unfit(BROKEN)
    return int(digits or b"0", 8)


def _described(file: BinaryIO, kind: bytes, at: int, content_bytes: int) -> dict[str, str]:
    """What a record says about the next file: its path and size."""
    if content_bytes > _MOST_RECORD_BYTES:
        raise Unfit("A description in it is too large.")
    content = bytes_at(file, at, content_bytes)
    if kind == _LONG_NAME:
        return {"path": _text(content.split(b"\0")[0])}
    said = dict(_pairs(content))
    if any(name.startswith("GNU.sparse") for name in said):
        raise Unfit("A file in it is sparse, which is not read here.")
    used = {name: value for name, value in said.items() if name in ("path", "size")}
    if kind == _PAX_GLOBAL and used:
        raise Unfit("It gives all its files one name or size.")
    return used


def _pairs(content: bytes) -> Iterator[tuple[str, str]]:
    """The records of a pax header: ``length name=value`` and a line's end, the length of all of it."""
    at = 0
    while at < len(content):
        digits, blank, _ = content[at : at + 8].partition(b" ")
        if not blank or not digits.isdigit() or not len(digits) + 3 <= int(digits) <= len(content) - at:
            raise Unfit(BROKEN)
        record = content[at + len(digits) + 1 : at + int(digits)]
        at += int(digits)
        name, equals, value = record.removesuffix(b"\n").partition(b"=")
        if not equals:
            raise Unfit(BROKEN)
        if name in (b"path", b"size") or name.startswith(b"GNU.sparse"):
            yield _text(name), _text(value)


def _text(raw: bytes) -> str:
    try:
        return raw.decode()
    except UnicodeDecodeError:
        raise Unfit("A name in it is not in UTF-8.") from None


def unpack_gzip(file: BinaryIO, into: BinaryIO, bounds: Bounds) -> None:
    """Unpack a gzip (RFC 1952) of one member. Raises Unfit beyond the bounds of a tar with these bounds."""
    left = bounds.total_bytes + bounds.files * _AROUND_BYTES + 20 * _BLOCK_BYTES
    stream = zlib.decompressobj(16 + zlib.MAX_WBITS)
    file.seek(0)
    while not stream.eof:
        packed = stream.unconsumed_tail or file.read(CHUNK_BYTES)
        if not packed:
            raise Unfit(_CUT)
        try:
            chunk = stream.decompress(packed, CHUNK_BYTES)
        except zlib.error:
            raise Unfit(BROKEN) from None
        left -= len(chunk)
        if left < 0:
            raise Unfit(f"Unpacked it has more than {bounds.total_bytes // 1024**2} MiB.")
        into.write(chunk)
    if stream.unused_data.strip(b"\0") or file.read(1).strip(b"\0"):
        raise Unfit("Something follows the end of the gzip.")
