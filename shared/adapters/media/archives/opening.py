"""Opens an archive: which kind it is, and whether each file in it may be there. These functions block."""

import asyncio
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import BinaryIO

from shared.adapters.media.archives import tars, weights, zips
from shared.adapters.media.archives.members import CHUNK_BYTES, Member, Unfit, bytes_at, checked, stored
from shared.core.training import contents
from shared.core.training.contents import Bounds, Entry, EntryKind, kind_of, not_allowed, wrong_list, wrong_name
from shared.core.values import replace
from shared.ports import ArchiveUnfit

_ZIP, _GZIP, _USTAR, _USTAR_AT = b"PK", b"\x1f\x8b", b"ustar", 257
_NOT_READ = {
    b"Rar!": "rar", b"7z\xbc\xaf": "7z", b"BZh": "bzip2", b"\xfd7zX": "xz", b"(\xb5/\xfd": "zstd",
}  # fmt: skip

#: Weights unpack to at most so many times their size: numbers hardly compress.
_MOST_UNPACKED, _LEAST_UNPACKED_BYTES = 4, 16 * 1024 * 1024

_SAFETENSORS = ("application/octet-stream", "safetensors")


@dataclass(frozen=True, slots=True)
class OpenedArchive:
    """ports.Archive. ``members`` are by the number of their entry."""

    file: BinaryIO
    entries: tuple[Entry, ...]
    members: dict[int, Member]

    def chunks(self, entry: Entry) -> Iterator[bytes]:
        """The content of a file in chunks. Raises Unfit."""
        member = self.members[entry.number]
        return checked(zips.inflated if member.deflated else stored, self.file, member)

    def content(self, entry: Entry) -> bytes:
        """The content of a file. Raises ArchiveUnfit."""
        try:
            return b"".join(self.chunks(entry))
        except Unfit as unfit:
            raise ArchiveUnfit(str(unfit)) from None

    async def read(self, entry: Entry) -> bytes:
        """Implements ``Archive``."""
        return await asyncio.to_thread(self.content, entry)


def opened(file: BinaryIO, spare: BinaryIO, bounds: Bounds) -> OpenedArchive:
    """Read the directory of an archive. Raises ArchiveUnfit."""
    try:
        return _opened(file, spare, bounds)
    except Unfit as unfit:
        raise ArchiveUnfit(str(unfit)) from None


def weights_of(file: BinaryIO, spare: BinaryIO) -> tuple[str, str]:
    """Content type and extension of weights. Raises ArchiveUnfit if it has no such header."""
    try:
        return _weights_of(file, spare)
    except Unfit as unfit:
        raise ArchiveUnfit(str(unfit)) from None


def _opened(file: BinaryIO, spare: BinaryIO, bounds: Bounds) -> OpenedArchive:
    head = bytes_at(file, 0, _USTAR_AT + len(_USTAR))
    if head.startswith(_GZIP):
        tars.unpack_gzip(file, spare, bounds)
        file, head = spare, bytes_at(spare, 0, len(head) + _USTAR_AT)
        if head[_USTAR_AT : _USTAR_AT + len(_USTAR)] != _USTAR:
            raise Unfit("The gzip has no tar in it.")
    if head.startswith(_ZIP):
        return _listed(file, zips.members(file, bounds), bounds)
    if head[_USTAR_AT : _USTAR_AT + len(_USTAR)] == _USTAR:
        return _listed(file, tars.members(file, bounds), bounds)
    kind = next((name for mark, name in _NOT_READ.items() if head.startswith(mark)), "")
    raise Unfit(f"It is {f'a {kind} file' if kind else 'no archive'}, and only zip, tar and tar.gz are read.")


def _listed(file: BinaryIO, found: Iterable[Member], bounds: Bounds) -> OpenedArchive:
    """The archive, if each name, kind and size is allowed."""
    members: dict[int, Member] = {}
    entries: list[Entry] = []
    for number, member in enumerate(found):
        if number >= bounds.files:
            raise Unfit(f"It has more than {bounds.files} files.")
        if member.name in ("./", ""):
            continue  # the folder that was packed
        if why := wrong_name(member.name):
            raise Unfit(why)
        if member.name.endswith("/"):
            continue
        kind = kind_of(member.name, bounds)
        if kind is None:
            raise Unfit(not_allowed(member.name, bounds))
        members[number] = member
        entries.append(Entry(number, member.name, member.size_bytes, kind))
    entries.sort(key=lambda entry: entry.name)
    if why := wrong_list(entries, bounds):
        raise Unfit(why)
    return OpenedArchive(file, tuple(entries), members)


def _weights_of(file: BinaryIO, spare: BinaryIO) -> tuple[str, str]:
    head = bytes_at(file, 0, _USTAR_AT + len(_USTAR))
    gzip = head.startswith(_GZIP)
    if not (gzip or head.startswith(_ZIP) or head[_USTAR_AT:] == _USTAR):
        weights.check_safetensors("It", file.seek(0, 2), _all(file))
        return _SAFETENSORS
    most_bytes = max(_LEAST_UNPACKED_BYTES, _MOST_UNPACKED * file.seek(0, 2))
    archive = _opened(file, spare, replace(contents.WEIGHTS, total_bytes=most_bytes))
    for entry in archive.entries:
        chunks = archive.chunks(entry)
        if entry.kind is EntryKind.WEIGHTS:
            weights.check_safetensors(entry.name, entry.size_bytes, chunks)
            deque(chunks, maxlen=0)  # the rest, for its checksum
        else:
            weights.check_text(entry.name, chunks)
    if not any(entry.kind is EntryKind.WEIGHTS for entry in archive.entries):
        raise Unfit("There are no safetensors in it.")
    if gzip:
        return "application/gzip", "tar.gz"
    return ("application/zip", "zip") if head.startswith(_ZIP) else ("application/x-tar", "tar")


def _all(file: BinaryIO) -> Iterator[bytes]:
    file.seek(0)
    while chunk := file.read(CHUNK_BYTES):
        yield chunk
