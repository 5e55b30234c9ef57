"""Inspecting and cleaning image files."""

from dataclasses import dataclass
from typing import BinaryIO, Protocol


@dataclass(frozen=True, slots=True)
class Picture:
    """What an image file is, by its bytes and not by its name. The sizes are in pixels."""

    content_type: str
    extension: str
    width: int
    height: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Cleaned:
    """The result of cleaning a picture.

    ``dropped``: the names of the parts that were removed; if it is empty, nothing was written. ``manifest``: the C2PA
    manifest of provenance in the file, without the pictures in it. ``provenance``: the result of validating it.
    """

    dropped: tuple[str, ...] = ()
    manifest: bytes = b""
    provenance: str = ""


class Images(Protocol):
    """Inspects and cleans image files."""

    async def clean(self, file: BinaryIO, into: BinaryIO, *, validate: bool = False) -> Cleaned:
        """Write the picture without the parts that a viewer does not need. If it has no such part, nothing is written.

        ``validate``: also validate a manifest of provenance. Raises PictureUnfit for an animation, OutputUnfit for a
        broken picture, and CutShort if the file ends early.
        """

    async def is_black(self, file: BinaryIO, picture: Picture) -> bool:
        """Whether every pixel is black. A picture that cannot be decoded is not black."""

    async def inspect(self, file: BinaryIO) -> Picture | None:
        """What the file is, or None if it is not an image that can be shown. Raises PictureUnfit beyond a bound."""

    async def for_screening(self, file: BinaryIO, picture: Picture) -> bytes:
        """The image as its users see it, within the screener's limits. Raises OutputUnfit if it cannot be decoded."""

    def alone(self) -> "Images":
        """The same port, with each picture decoded in its own process, so that a crash there does not end this one."""
