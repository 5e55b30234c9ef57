"""Detects a truncated file, and pictures in a sound file, by the file's container format.

Rules of this file:
1. A transfer without a length that breaks off looks like a complete one. The container often knows: if anything that
   it announces is missing, the file was cut. A file that announces nothing (MP3, AAC, a stream of unknown length)
   counts as whole.
2. Only what is surely missing counts. An odd file is its model's fault, and would be the same when fetched again.
3. Few bytes are read, at offsets that the file names, however large it is.
"""

import re
import struct
from collections.abc import Callable
from typing import BinaryIO

_MOST_BOXES = 20_000
_MOST_INDEX_BYTES = 8 * 1024 * 1024
_MOST_HEADER_BYTES = 16 * 1024 * 1024

#: RIFF's length field if the length was unknown when the header was written.
_UNKNOWN = (0, 0xFFFFFFFF)

_TAR_BLOCK_BYTES, _MOST_ENTRIES = 512, 20_000

#: The end record of a zip file, which may be followed by a comment.
_ZIP_END, _ZIP_TAIL_BYTES = b"PK\x05\x06", 22 + 65_535

_HANDLER_OF_PICTURES = re.compile(rb"hdlr.{8}vide", re.DOTALL)
_CODEC_OF_PICTURES, _CODEC_OF_SOUND = re.compile(rb"\x86[\x81-\xff]V_"), re.compile(rb"\x86[\x81-\xff]A_")
_OFFSETS = re.compile(rb'"data_offsets"\s*:\s*\[\s*\d{1,18}\s*,\s*(\d{1,18})\s*\]')

_EBML_SEGMENT = b"\x18\x53\x80\x67"


def ends_early(content_type: str, extension: str, file: BinaryIO) -> bool:
    """Whether the end of the file is missing. A file of no known format counts as whole, an empty one as cut."""
    look = _LOOKS.get(extension) or _LOOKS.get(content_type)
    size_bytes = file.seek(0, 2)
    try:
        return size_bytes == 0 or (look is not None and look(file, size_bytes))
    except (struct.error, IndexError):
        return True  # even the header is incomplete


def shows_pictures(content_type: str, file: BinaryIO) -> bool:
    """Whether a sound file has a picture track. If the container cannot be parsed, the answer is True."""
    if content_type == "audio/mp4":
        index = _index(file, file.seek(0, 2))
        return index is None or _HANDLER_OF_PICTURES.search(index) is not None
    if content_type in ("audio/webm", "audio/x-matroska"):
        head = _at(file, 0, _MOST_INDEX_BYTES)
        return _CODEC_OF_PICTURES.search(head) is not None or _CODEC_OF_SOUND.search(head) is None
    return False


def _at(file: BinaryIO, start: int, count: int) -> bytes:
    file.seek(start)
    return file.read(count)


def _boxes_end_early(file: BinaryIO, size_bytes: int) -> bool:
    """MP4 and QuickTime: a box extends beyond the end, or a box is missing that playing needs."""
    boxes = _boxes(file, size_bytes)
    kinds = {kind for kind, _, _ in boxes}
    return boxes[-1][2] > size_bytes or b"moov" not in kinds or not kinds & {b"mdat", b"moof"}


def _boxes(file: BinaryIO, size_bytes: int) -> list[tuple[bytes, int, int]]:
    """The top-level boxes: kind, and the offsets at which the content begins and ends."""
    boxes, at = list[tuple[bytes, int, int]](), 0
    while at < size_bytes and len(boxes) < _MOST_BOXES:
        length, kind = struct.unpack(">I4s", _at(file, at, 8))
        head_bytes = 8
        if length == 1:
            (length,) = struct.unpack(">Q", _at(file, at + 8, 8))
            head_bytes = 16
        end = at + length if length else size_bytes
        if end < at + head_bytes:
            break  # not a box: bytes appended behind the last one
        boxes.append((kind, at + head_bytes, end))
        at = end
    return boxes


def _index(file: BinaryIO, size_bytes: int) -> bytes | None:
    try:
        places = [(start, end) for kind, start, end in _boxes(file, size_bytes) if kind == b"moov"]
    except struct.error:
        return None
    if len(places) != 1 or places[0][1] - places[0][0] > _MOST_INDEX_BYTES:
        return None
    return _at(file, places[0][0], places[0][1] - places[0][0])


def _riff_ends_early(file: BinaryIO, size_bytes: int) -> bool:
    mark, length = struct.unpack("<4sI", _at(file, 0, 8))
    if mark in (b"RF64", b"BW64"):
        # The real length is in the chunk that comes first (EBU Tech 3306).
        (length,) = struct.unpack("<Q", _at(file, 20, 8))
        return bool(length) and length + 8 > size_bytes + 1
    if size_bytes < 44:
        return True
    return length not in _UNKNOWN and length + 8 > size_bytes + 1  # the last byte may be padding, and left out


def _form_ends_early(file: BinaryIO, size_bytes: int) -> bool:
    (length,) = struct.unpack(">I", _at(file, 4, 4))
    return length not in _UNKNOWN and length + 8 > size_bytes + 1


def _matroska_ends_early(file: BinaryIO, size_bytes: int) -> bool:
    """By the length of its segment, if it is known."""
    head = _at(file, 0, 256)
    at = head.find(_EBML_SEGMENT)
    if at < 0:
        return size_bytes < len(_EBML_SEGMENT) + 32
    first = head[at + 4]
    count = 9 - first.bit_length()
    if count > 8:
        return False
    number = head[at + 4 : at + 4 + count]
    length = int.from_bytes(number, "big") & ((1 << 7 * count) - 1)
    if len(number) < count or length == (1 << 7 * count) - 1:  # all ones: unknown
        return len(number) < count
    return at + 4 + count + length > size_bytes


def _ogg_ends_early(file: BinaryIO, size_bytes: int) -> bool:
    """By its last page (RFC 3533, 6): it is shorter than its segment table says."""
    tail = _at(file, max(0, size_bytes - 65_536), 65_536)
    at = tail.rfind(b"OggS")
    if at < 0:
        return False
    count = tail[at + 26]
    table = tail[at + 27 : at + 27 + count]
    end = at + 27 + count + sum(table)
    return len(table) < count or end > len(tail) or (end < len(tail) and b"OggS".startswith(tail[end:]))


def _tar_ends_early(file: BinaryIO, size_bytes: int) -> bool:
    """By the sizes of its entries (POSIX.1-1988, ustar), and the empty block after the last one."""
    at = 0
    for _ in range(_MOST_ENTRIES):
        head = _at(file, at, _TAR_BLOCK_BYTES)
        if len(head) < _TAR_BLOCK_BYTES:
            return True
        if not any(head):
            return False
        try:
            length = _tar_number(head[124:136])
        except ValueError:
            return False  # not an entry: bytes appended behind the last one
        at += _TAR_BLOCK_BYTES * (1 + (length + _TAR_BLOCK_BYTES - 1) // _TAR_BLOCK_BYTES)
        if at > size_bytes:
            return True
    return False


def _tar_number(field: bytes) -> int:
    """A tar header's number: octal digits, or big-endian bytes if it is too large for them."""
    if field[0] == 0x80:
        return int.from_bytes(field[1:], "big")
    return abs(int(field.strip(b"\0 ") or b"0", 8))


def _zip_ends_early(file: BinaryIO, size_bytes: int) -> bool:
    tail = _at(file, max(0, size_bytes - _ZIP_TAIL_BYTES), _ZIP_TAIL_BYTES)
    at = tail.rfind(_ZIP_END)
    return at < 0 or at + 22 + int.from_bytes(tail[at + 20 : at + 22].ljust(2, b"\xff"), "little") > len(tail)


def _safetensors_end_early(file: BinaryIO, size_bytes: int) -> bool:
    header_bytes = int(struct.unpack("<Q", _at(file, 0, 8))[0])
    if 8 + header_bytes > size_bytes:
        return True
    header = _at(file, 8, min(header_bytes, _MOST_HEADER_BYTES))
    return 8 + header_bytes + max((int(end) for end in _OFFSETS.findall(header)), default=0) > size_bytes


_LOOKS: dict[str, Callable[[BinaryIO, int], bool]] = {
    "video/mp4": _boxes_end_early,
    "video/quicktime": _boxes_end_early,
    "audio/mp4": _boxes_end_early,
    "video/webm": _matroska_ends_early,
    "video/x-matroska": _matroska_ends_early,
    "audio/webm": _matroska_ends_early,
    "audio/x-matroska": _matroska_ends_early,
    "audio/wav": _riff_ends_early,
    "audio/aiff": _form_ends_early,
    "audio/ogg": _ogg_ends_early,
    "application/x-tar": _tar_ends_early,
    "application/zip": _zip_ends_early,
    "safetensors": _safetensors_end_early,
}
