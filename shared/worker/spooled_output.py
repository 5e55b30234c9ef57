"""An output while it is held: a file of the pieces in which it came.

Rules of this file:
1. What fits into memory is never moved there. A buffer that grows copies a picture of 1.5 MB four times over while it
   comes, and once more when it is read: a third of all that fetching and storing it costs.
2. What does not fit goes to a temporary file, and from then on piece by piece: many large outputs at once need little
   memory.
"""

import io
import tempfile
from bisect import bisect_right
from typing import Any, BinaryIO, cast


class SpooledOutput(io.BufferedIOBase):
    """A binary file that is written at its end and read anywhere; in memory up to ``most_bytes``, on disk beyond."""

    def __init__(self, most_bytes: int) -> None:
        super().__init__()
        self._most_bytes = most_bytes
        self._chunks: list[bytes] = []
        self._ends: list[int] = []
        self._at = 0
        self._disk: BinaryIO | None = None

    @property
    def is_on_disk(self) -> bool:
        """Whether it was too large for memory."""
        return self._disk is not None

    def readable(self) -> bool:
        """It is."""
        return True

    def writable(self) -> bool:
        """At its end."""
        return True

    def seekable(self) -> bool:
        """It is."""
        return True

    def write(self, content: Any, /) -> int:
        """Add bytes at the end, wherever it stands; it stands at the end then."""
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
        """Go to a place and return it."""
        if self._disk is not None:
            return self._disk.seek(offset, whence)
        end = self._ends[-1] if self._ends else 0
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: end}[whence]
        if base + offset < 0:
            raise ValueError("there is nothing before the beginning")
        self._at = base + offset
        return self._at

    def tell(self) -> int:
        """Where it stands."""
        return self._at if self._disk is None else self._disk.tell()

    def read(self, size: int | None = -1, /) -> bytes:
        """So many bytes, or all that are left."""
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
        """Up to so many bytes, as many as there are in one piece: a whole piece is not copied."""
        return self._read_chunk(size) if self._disk is None else self._disk.read(size)

    def truncate(self, size: int | None = None, /) -> int:
        """Keep so many bytes from the beginning, or those before the place where it stands; it stays there."""
        if self._disk is not None:
            return self._disk.truncate(size)
        stands, kept_bytes = self._at, self._at if size is None else size
        self._at = 0
        kept = self.read(kept_bytes)
        self._chunks, self._ends = ([kept], [len(kept)]) if kept else ([], [])
        self._at = stands
        return kept_bytes

    def close(self) -> None:
        """Forget it."""
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
        """A temporary file with all there is; nothing of it stays in memory."""
        disk = cast("BinaryIO", tempfile.TemporaryFile())  # noqa: SIM115 - closed with this one
        disk.writelines(self._chunks)
        self._chunks.clear()
        self._ends.clear()
        return disk
