"""What the walkers share: a bounded view of a file, and the list of what is kept of it.

Rules of this file:
1. A walker reads only what it needs. Kept parts are recorded by their positions, and copied only when they are written.
2. A read beyond the end raises ``CutShort``, because the file may be complete when it is fetched again. All other
   errors are ``Unfit``.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import BinaryIO

#: Maximum size of a manifest of provenance. A larger one is dropped unread. Real ones, with their pictures, have some
#: hundred KB.
MOST_MANIFEST_BYTES = 4 * 1024 * 1024

_BLOCK_BYTES = 256 * 1024


class Unfit(Exception):  # noqa: N818  # it says what the file is
    """The file is not a sound picture of its format."""


class CutShort(Unfit):
    """The file is shorter than its container says."""


class Animation(Unfit):
    """The file has more than one picture that a viewer would show."""


class Source:
    """An untrusted file, read at any position within its bounds."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        #: A file held in chunks returns them as they are. Joining them would cost a copy of the picture.
        self._read_block: Callable[[int], bytes] = getattr(file, "read1", file.read)
        self.size_bytes = file.seek(0, 2)

    def at(self, start: int, count: int) -> bytes:
        """``count`` bytes from ``start``. Raises CutShort if the file ends before."""
        self._file.seek(start)
        content = self._file.read(count)
        if len(content) < count:
            raise CutShort
        return content

    def blocks(self, start: int, end: int | None = None) -> Iterator[bytes]:
        """The bytes from ``start`` to ``end``, or to the end of the file, in blocks."""
        end = self.size_bytes if end is None else end
        self._file.seek(start)
        while start < end:
            block = self._read_block(min(_BLOCK_BYTES, end - start))
            if not block:
                return
            start += len(block)
            yield block


@dataclass(slots=True)
class Kept:
    """What is kept of a file. ``parts``, in order, are positions in the file (start, end) or bytes that replace others.

    ``dropped`` has the names of what is not kept. ``manifest`` is the file's C2PA manifest store.
    """

    parts: list[tuple[int, int] | bytes] = field(default_factory=list)
    dropped: set[str] = field(default_factory=set)
    manifest: bytes = b""

    def keep(self, start: int, end: int) -> None:
        """Keep the bytes from ``start`` to ``end`` unchanged."""
        last = self.parts[-1] if self.parts else None
        if isinstance(last, tuple) and last[1] == start:
            self.parts[-1] = (last[0], end)
        elif end > start:
            self.parts.append((start, end))

    def put(self, source: Source, start: int, end: int, content: bytes, dropped: str) -> None:
        """Replace the bytes from ``start`` to ``end`` by ``content``. If they are equal, they are kept unchanged."""
        if end - start == len(content) and source.at(start, len(content)) == content:
            self.keep(start, end)
        else:
            self.parts.append(content)
            self.dropped.add(dropped)

    def take_manifest(self, content: bytes) -> None:
        """Remember a manifest store, or a part of one. It is not kept in the file."""
        self.dropped.add("provenance")
        if len(self.manifest) + len(content) <= MOST_MANIFEST_BYTES:
            self.manifest += content
        else:
            self.manifest = b""

    def is_all_of(self, source: Source) -> bool:
        """Whether nothing of the file was dropped or changed."""
        return self.parts == [(0, source.size_bytes)]

    def write(self, source: Source, into: BinaryIO) -> None:
        """Write the kept parts to a file."""
        for part in self.parts:
            if isinstance(part, bytes):
                into.write(part)
            else:
                into.writelines(source.blocks(*part))
