"""The buffer of one output: the chunks as they were received, or a file on disk.

Rules of this file:
1. In memory, chunks are never joined or copied. A buffer that grows copies a picture of 1.5 MB four times while it is
   received, and once more when it is read. That is a third of all that fetching and storing it costs.
2. An output too large for memory goes to a temporary file, and further chunks are written to it directly, so that many
   large outputs at once need little memory.
"""

import io
import tempfile
from bisect import bisect_right
from typing import Any, BinaryIO, cast


class SpooledOutput(io.BufferedIOBase):
    """A binary file that is written at its end and read anywhere: in memory up to ``most_bytes``, on disk beyond."""

    def __init__(self, most_bytes: int) -> None:
        super().__init__()
        self._most_bytes = most_bytes
        self._chunks: list[bytes] = []
        self._ends: list[int] = []
        self._at = 0
        self._disk: BinaryIO | None = None

    @property
    def is_on_disk(self) -> bool:
        """Whether the content was larger than ``most_bytes``."""
        return self._disk is not None

    def readable(self) -> bool:
        """Always true."""
        return True

    def writable(self) -> bool:
        """Always true: writing appends at the end."""
        return True

    def seekable(self) -> bool:
        """Always true."""
        return True

    def write(self, content: Any, /) -> int:
        """Append bytes at the end, wherever the position is, and move the position to the end. Returns their number."""
        chunk = bytes(content)  # the same object where it is of this type
        end = self.seek(0, io.SEEK_END) + len(chunk)
        if end > self._most_bytes and self._disk is None:
            self._disk = self._move_to_disk()
        if self._disk is not None:
            return self._disk.write(chunk)
        if chunk:
            self._chunks.append(chunk)
            self._ends.append(end)
        self._at = end
        return len(chunk)

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        """Move the position, and return it. Raises ValueError before the beginning."""
        if self._disk is not None:
            return self._disk.seek(offset, whence)
        end = self._ends[-1] if self._ends else 0
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: end}[whence]
        if base + offset < 0:
            raise ValueError("a position must not be before the beginning")
        self._at = base + offset
        return self._at

    def tell(self) -> int:
        """The position, in bytes from the beginning."""
        return self._at if self._disk is None else self._disk.tell()

    def read(self, size: int | None = -1, /) -> bytes:
        """Up to ``size`` bytes from the position; all that are left if it is negative or None."""
        if self._disk is not None:
            return self._disk.read(-1 if size is None else size)
        left = max(0, (self._ends[-1] if self._ends else 0) - self._at)
        left = left if size is None or size < 0 else min(size, left)
        parts: list[bytes] = []
        while left:
            parts.append(self._read_chunk(left))
            left -= len(parts[-1])
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def read1(self, size: int = -1, /) -> bytes:
        """Up to ``size`` bytes of one chunk: a whole chunk is returned without a copy."""
        return self._read_chunk(size) if self._disk is None else self._disk.read(size)

    def truncate(self, size: int | None = None, /) -> int:
        """Keep ``size`` bytes from the beginning, by default those before the position. The position stays."""
        if self._disk is not None:
            return self._disk.truncate(size)
        stands, kept_bytes = self._at, self._at if size is None else size
        self._at = 0
        kept = self.read(kept_bytes)
        self._chunks, self._ends = ([kept], [len(kept)]) if kept else ([], [])
        self._at = stands
        return kept_bytes

    def close(self) -> None:
        """Free the memory, or delete the temporary file."""
        if self._disk is not None:
            self._disk.close()
        self._chunks.clear()
        self._ends.clear()
        super().close()

    def _read_chunk(self, most: int) -> bytes:
        number = bisect_right(self._ends, self._at)
        if number == len(self._chunks):
            return b""
        chunk = self._chunks[number]
        start = self._at - self._ends[number] + len(chunk)
        part = chunk[start : start + most] if most >= 0 else chunk[start:]
        self._at += len(part)
        return part

    def _move_to_disk(self) -> BinaryIO:
        """Write all chunks to a temporary file, and free their memory. Returns the file."""
        disk = cast("BinaryIO", tempfile.TemporaryFile())  # noqa: SIM115 - closed with this one
        disk.writelines(self._chunks)
        self._chunks.clear()
        self._ends.clear()
        return disk
