"""What the walkers share: a bounded view of a file, and what of it is kept.

Rules of this file:
1. A walker reads where it has to and nothing twice: what is kept is named by its place, and copied when it is written.
2. Beyond the end is ``CutShort``: the file may be whole when it is fetched again. All else is ``Unfit``.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import BinaryIO

#: A manifest of provenance larger than this is dropped unread; with its pictures it has some hundred KB.
MOST_MANIFEST_BYTES = 4 * 1024 * 1024

_BLOCK_BYTES = 256 * 1024


class Unfit(Exception):  # noqa: N818  # it says what the file is
    """The file is no sound picture of its kind."""


class CutShort(Unfit):
    """The container says that there should be more of it."""


class Animation(Unfit):
    """There is more than one picture in it that a viewer would show."""


class Source:
    """A file of strangers' bytes, read at places within its bounds."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        #: What is held in pieces gives them as they are: joining them costs a picture a copy of itself.
        self._read_block: Callable[[int], bytes] = getattr(file, "read1", file.read)
        self.size_bytes = file.seek(0, 2)

    def at(self, start: int, count: int) -> bytes:
        """So many bytes from there; CutShort where there are not so many."""
        self._file.seek(start)
        content = self._file.read(count)
        if len(content) < count:
            raise CutShort
        return content

    def blocks(self, start: int, end: int | None = None) -> Iterator[bytes]:
        """The bytes from there on, in blocks."""
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
    """What of a file goes on, in order: places of the file as (start, end), and bytes that stand for what was there.

    ``dropped`` names what does not; ``manifest`` is the C2PA manifest store that came with it.
    """

    parts: list[tuple[int, int] | bytes] = field(default_factory=list)
    dropped: set[str] = field(default_factory=set)
    manifest: bytes = b""

    def keep(self, start: int, end: int) -> None:
        """Keep a place as it is."""
        last = self.parts[-1] if self.parts else None
        if isinstance(last, tuple) and last[1] == start:
            self.parts[-1] = (last[0], end)
        elif end > start:
            self.parts.append((start, end))

    def put(self, source: Source, start: int, end: int, content: bytes, dropped: str) -> None:
        """These bytes in place of a place; kept where they are the same."""
        if end - start == len(content) and source.at(start, len(content)) == content:
            self.keep(start, end)
        else:
            self.parts.append(content)
            self.dropped.add(dropped)

    def take_manifest(self, content: bytes) -> None:
        """Remember a manifest store; it is no part of what goes on."""
        self.dropped.add("provenance")
        if len(self.manifest) + len(content) <= MOST_MANIFEST_BYTES:
            self.manifest += content
        else:
            self.manifest = b""

    def is_all_of(self, source: Source) -> bool:
        """Whether nothing of the file was dropped or changed."""
        return self.parts == [(0, source.size_bytes)]

    def write(self, source: Source, into: BinaryIO) -> None:
        """Write what goes on."""
        for part in self.parts:
            if isinstance(part, bytes):
                into.write(part)
            else:
                into.writelines(source.blocks(*part))
