"""Archives: opening a stranger's file without trusting a byte of it."""

from typing import BinaryIO, Protocol

from shared.core.training.contents import Bounds, Entry


class Archive(Protocol):
    """An archive whose directory was read and found sound. It reads from the file that it was opened from."""

    @property
    def entries(self) -> tuple[Entry, ...]:
        """Its files, in the order of their names. Folders are not among them."""

    async def read(self, entry: Entry) -> bytes:
        """The content of one file. Raises ArchiveUnfit if it is not what the directory says."""


class Archives(Protocol):
    """Opens archives."""

    async def open(self, file: BinaryIO, spare: BinaryIO, bounds: Bounds) -> Archive:
        """Read the directory of a zip, tar or tar.gz. ``spare`` takes what a gzip unpacks to.

        Raises ArchiveUnfit if it is no such archive, is broken, or has anything that it may not have.
        """

    async def weights(self, file: BinaryIO, spare: BinaryIO) -> tuple[str, str]:
        """Content type and extension of trained weights, by their own header. Raises ArchiveUnfit for anything else."""
