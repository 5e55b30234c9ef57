"""FakeImages: every file is a PNG of 1024 x 768, unless it says that it is none.

Real pictures are the real adapter's matter; the corridor only needs the answers.
"""

from typing import BinaryIO

from shared.core.reasons import Reason, Refusal
from shared.ports import OutputUnfit, Picture

#: A file with these bytes in it is no image; one with the others cannot be decoded.
NO_IMAGE, BROKEN = b"NO IMAGE", b"BROKEN"


class FakeImages:
    """ports.Images in memory."""

    def __init__(self) -> None:
        self.picture = Picture("image/png", "png", 1024, 768)
        self.is_alone = False

    async def inspect(self, file: BinaryIO) -> Picture | None:
        """``picture``, or None for a file that says it is no image."""
        file.seek(0)
        return None if NO_IMAGE in file.read() else self.picture

    def alone(self) -> "FakeImages":
        """One that says so: ``is_alone``."""
        other = FakeImages()
        other.picture, other.is_alone = self.picture, True
        return other

    async def for_screening(self, file: BinaryIO, picture: Picture) -> bytes:
        """The bytes as they are."""
        file.seek(0)
        content = file.read()
        if BROKEN in content:
            raise OutputUnfit(Refusal.of(Reason.OUTPUT_INVALID))
        return content
