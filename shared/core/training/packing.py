"""Writes a zip file: the same bytes for the same files, whatever the machine, the clock and the order on disk.

Rules of this file:
1. Nothing is compressed: pictures are already. So the size is known before a byte is written, and a reader has no
   stream of unknown length to follow.
2. Every entry has the first time that a zip file can name, and no attribute, comment or extra field.
3. The writer returns bytes, and its caller writes them: it holds one directory record for each file, and no content.
"""

import binascii
import struct
from collections.abc import Iterable

#: 1980-01-01 00:00:00, as MS-DOS writes a date.
_DATE = 1 << 5 | 1
_VERSION, _UTF_8 = 20, 0x0800

_LOCAL, _CENTRAL, _END = b"PK\x03\x04", b"PK\x01\x02", b"PK\x05\x06"

#: The sizes of the three records, without names.
_LOCAL_BYTES, _CENTRAL_BYTES, _END_BYTES = 30, 46, 22


class ZipPacker:
    """The records of one zip file, in the order of the calls."""

    def __init__(self) -> None:
        self._records: list[bytes] = []
        self._at = 0

    def entry(self, name: str, content: bytes) -> bytes:
        """What stands before the content of a file. The caller writes it, and the content behind it."""
        coded = name.encode()
        flags = 0 if name.isascii() else _UTF_8
        crc, size = binascii.crc32(content), len(content)
        same = struct.pack("<HHHHIIIH", flags, 0, 0, _DATE, crc, size, size, len(coded))
        head = _LOCAL + struct.pack("<H", _VERSION) + same + struct.pack("<H", 0) + coded
        self._records.append(
            _CENTRAL
            + struct.pack("<HH", _VERSION, _VERSION)
            + same
            + struct.pack("<HHHHII", 0, 0, 0, 0, 0, self._at)
            + coded
        )
        self._at += len(head) + len(content)
        return head

    def end(self) -> bytes:
        """The directory, which stands behind the last file."""
        directory = b"".join(self._records)
        count = len(self._records)
        return directory + _END + struct.pack("<HHHHIIH", 0, 0, count, count, len(directory), self._at, 0)


def packed_bytes(files: Iterable[tuple[str, int]]) -> int:
    """The size of the zip file of these names and sizes."""
    each = (_LOCAL_BYTES + _CENTRAL_BYTES + 2 * len(name.encode()) + size for name, size in files)
    return sum(each) + _END_BYTES
