"""What the readers of archives share: one file as it stands in an archive, and how its bytes are read."""

import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import BinaryIO

from shared.core.training.contents import shown

CHUNK_BYTES = 128 * 1024

#: No picture, caption or weights file is packed to less than this share of itself; below so many bytes it may be.
MOST_RATIO, RATIO_FROM_BYTES = 100, 1024 * 1024

BROKEN = "It is broken: its directory does not fit its files."


class Unfit(Exception):  # noqa: N818  # it names what the archive is
    """The archive cannot be used. The text is a sentence for its user. Never leaves this package."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """One file or folder (its name ends with ``/``). ``at``: where its bytes begin. ``crc``: None in a tar."""

    name: str
    at: int
    packed_bytes: int
    size_bytes: int
    deflated: bool = False
    crc: int | None = None


def bytes_at(file: BinaryIO, at: int, count: int) -> bytes:
    """Bytes from a place on; fewer at the end of the file."""
    file.seek(at)
    return file.read(count)


def stored(file: BinaryIO, member: Member) -> Iterator[bytes]:
    """The content of a file that is not compressed, in chunks."""
    at, end = member.at, member.at + member.size_bytes
    while at < end:
        chunk = bytes_at(file, at, min(CHUNK_BYTES, end - at))
        if not chunk:
            raise Unfit(f"{shown(member.name)} is cut short.")
        at += len(chunk)
        yield chunk


def checked(chunks: Callable[[BinaryIO, Member], Iterator[bytes]], file: BinaryIO, member: Member) -> Iterator[bytes]:
    """The content in chunks, compared with its checksum at its end."""
    crc = 0
    for chunk in chunks(file, member):
        crc = zlib.crc32(chunk, crc)
        yield chunk
    if member.crc is not None and crc != member.crc:
        raise Unfit(f"{shown(member.name)} is broken: its checksum is wrong.")
