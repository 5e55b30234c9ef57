"""Looking at image files."""

from dataclasses import dataclass
from typing import BinaryIO, Protocol


@dataclass(frozen=True, slots=True)
class Picture:
    """What an image file is, by its bytes and not by its name."""

    content_type: str
    extension: str
    width: int
    height: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Cleaned:
    """What cleaning a picture came to; nothing was written where ``dropped``, the names of what went, is empty.

    ``manifest`` is the manifest of provenance (C2PA) that came with it, without the pictures in it; ``provenance`` says
    what came of validating it.
    """

    dropped: tuple[str, ...] = ()
    manifest: bytes = b""
    provenance: str = ""


class Images(Protocol):
    """Looking at image files."""

    async def clean(self, file: BinaryIO, into: BinaryIO, *, validate: bool = False) -> Cleaned:
        """Write the picture without what a viewer does not need, unless there is nothing else in the file.

        ``validate``: look into a manifest of provenance. PictureUnfit if it is an animation, OutputUnfit if it is no
        sound picture, CutShort if it ends early.
        """

    async def is_black(self, file: BinaryIO, picture: Picture) -> bool:
        """Whether all of it is black; what cannot be decoded is not."""

    async def inspect(self, file: BinaryIO) -> Picture | None:
        """What the file is, or None if it is no image that can be shown. PictureUnfit if it is beyond a bound."""

    async def for_screening(self, file: BinaryIO, picture: Picture) -> bytes:
        """The image as its users see it, within the screener's limits. OutputUnfit if it cannot be decoded."""

    def alone(self) -> "Images":
        """The same, with each picture decoded in a process of its own that may die without this one."""
