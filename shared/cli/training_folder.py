"""The folder of a training: which of its files are packed, what is wrong with them, and the packing.

Rules of this file:
1. The same files give the same archive, byte for byte, on every machine: sorted names, no times, no compression.
2. Everything wrong is named at once, so that one run is enough to mend a folder.
3. What is neither a picture nor a caption is left out and named. A link is not followed.
4. The size is known before a byte is packed.
"""

import hashlib
import io
import unicodedata
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from shared.cli.context import RefusedError
from shared.core.training.contents import (
    PICTURES,
    Entry,
    EntryKind,
    kind_of,
    shown,
    wrong_list,
    wrong_name,
    wrong_pictures,
)
from shared.core.training.packing import ZipPacker, packed_bytes
from shared.ports import Images, OutputUnfit, PictureUnfit

#: An archive of so many bytes is refused: Replicate takes less than 100 MB with certainty.
TOO_MANY_BYTES = 100_000_000


@dataclass(frozen=True, slots=True)
class PackedFile:
    """One file that is packed: its entry in the archive, and where it is on this machine."""

    entry: Entry
    path: Path


@dataclass(frozen=True, slots=True)
class Folder:
    """The files of a folder that are packed, in the order of their names, and the names of those that are not."""

    files: tuple[PackedFile, ...]
    left_out: tuple[str, ...]

    def count(self, kind: EntryKind) -> int:
        """The number of files of a kind."""
        return sum(file.entry.kind is kind for file in self.files)

    @property
    def packed_bytes(self) -> int:
        """The size of the archive."""
        return packed_bytes((file.entry.name, file.entry.size_bytes) for file in self.files)


def read_folder(folder: Path) -> Folder:
    """The files of a folder and of the folders in it. Raises RefusedError if one cannot be read."""
    files: list[PackedFile] = []
    left_out: list[str] = []
    for path in _walk(folder):
        name = unicodedata.normalize("NFC", path.relative_to(folder).as_posix())
        kind = None if path.is_symlink() or wrong_name(name) else kind_of(name, PICTURES)
        if kind is None:
            left_out.append(shown(name))
        else:
            files.append(PackedFile(Entry(len(files), name, path.stat().st_size, kind), path))
    files.sort(key=lambda file: file.entry.name)
    return Folder(tuple(files), tuple(sorted(left_out)))


def _walk(folder: Path) -> Iterator[Path]:
    try:
        for path in sorted(folder.iterdir()):
            if path.is_dir() and not path.is_symlink():
                yield from _walk(path)
            else:
                yield path
    except OSError as error:
        raise RefusedError(f"{error.filename or folder} cannot be read: {error.strerror}") from None


async def check_folder(folder: Folder, images: Images, step: Callable[[], None]) -> None:
    """Check everything that the app would refuse. ``step`` is called after each file. Raises RefusedError."""
    entries = [file.entry for file in folder.files]
    wrong = [why for why in (wrong_list(entries, PICTURES), wrong_pictures(entries)) if why]
    if not wrong:
        wrong = [*_duplicates(folder), *[why async for why in _broken(folder, images, step)]]
    if wrong:
        raise RefusedError("\n".join(["Nothing was packed:", *(f"  - {why}" for why in wrong)]))


def check_size(folder: Folder) -> None:
    """Check the size of the archive. Raises RefusedError, which names what to leave out."""
    over = folder.packed_bytes - TOO_MANY_BYTES + 1
    if over <= 0:
        return
    largest = sorted(folder.files, key=lambda file: (-file.entry.size_bytes, file.entry.name))
    named: list[str] = []
    for file in largest:
        if over <= 0:
            break
        named.append(f"  - {file.entry.name} ({file.entry.size_bytes} bytes)")
        over -= file.entry.size_bytes
    head = f"Nothing was packed: the archive would have {folder.packed_bytes} bytes, and must have less than"
    raise RefusedError("\n".join([f"{head} {TOO_MANY_BYTES}. Make these smaller, or leave them out:", *named]))


def _duplicates(folder: Folder) -> Iterator[str]:
    """The pictures whose bytes are the same: a training would see them twice."""
    first: dict[bytes, str] = {}
    for file in folder.files:
        if file.entry.kind is EntryKind.PICTURE:
            digest = hashlib.sha256(_read(file)).digest()
            name = first.setdefault(digest, file.entry.name)
            if name != file.entry.name:
                yield f"{file.entry.name} is the same picture as {name}. Leave one of them out."


async def _broken(folder: Folder, images: Images, step: Callable[[], None]) -> AsyncIterator[str]:
    for file in folder.files:
        content = _read(file)
        if file.entry.kind is EntryKind.PICTURE:
            why = await _wrong_picture(images, content)
        else:
            why = _wrong_caption(content)
        if why:
            yield f"{shown(file.entry.name)} cannot be used. {why}"
        step()


async def _wrong_picture(images: Images, content: bytes) -> str:
    file, clean = io.BytesIO(content), io.BytesIO()
    try:
        if (await images.clean(file, clean)).dropped:
            file = clean
        picture = await images.inspect(file)
        if picture is not None:
            await images.for_screening(file, picture)
            return ""
    except PictureUnfit as unfit:
        return unfit.why
    except OutputUnfit:
        pass
    return "It is broken, or no PNG, JPEG or WebP picture, whatever its name says."


def _wrong_caption(content: bytes) -> str:
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return "It is no text in UTF-8."
    return "It has control characters." if any(char < " " and char not in "\t\n\r" for char in text) else ""


def pack(folder: Folder, into: BinaryIO, step: Callable[[], None]) -> None:
    """Write the archive. ``step`` is called after each file. Raises RefusedError if a file has changed meanwhile."""
    packer = ZipPacker()
    for file in folder.files:
        content = _read(file)
        if len(content) != file.entry.size_bytes:
            raise RefusedError(f"{file.path} has changed while it was packed. Start again.")
        into.write(packer.entry(file.entry.name, content))
        into.write(content)
        step()
    into.write(packer.end())


def _read(file: PackedFile) -> bytes:
    try:
        return file.path.read_bytes()
    except OSError as error:
        raise RefusedError(f"{file.path} cannot be read: {error.strerror}") from None
