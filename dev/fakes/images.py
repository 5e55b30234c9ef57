"""FakeImages: every file is a PNG of 1024 x 768, unless it says that it is none.

Real pictures are the real adapter's matter; the corridor only needs the answers.
"""

from typing import BinaryIO

from shared.core.reasons import Reason, Refusal
from shared.ports import Cleaned, CutShort, OutputUnfit, Picture

#: A file with these bytes in it is no image; one with the others cannot be decoded.
NO_IMAGE, BROKEN = b"NO IMAGE", b"BROKEN"

#: Such a file has something in it that nobody needs, ends early, has a manifest of provenance, is all black.
EXTRA, SHORT, MANIFEST, BLACK = b"+EXTRA", b"SHORT", b"+MANIFEST", b"BLACK"


class FakeImages:
    """ports.Images in memory."""

    def __init__(self) -> None:
        self.picture = Picture("image/png", "png", 1024, 768)
        self.is_alone = False

    async def clean(self, file: BinaryIO, into: BinaryIO, *, validate: bool = False) -> Cleaned:
        """Without ``EXTRA`` and ``MANIFEST``."""
        file.seek(0)
        content = file.read()
        if SHORT in content:
            raise CutShort(Refusal.of(Reason.OUTPUT_INVALID))
        if EXTRA not in content and MANIFEST not in content:
            return Cleaned()
        into.write(content.replace(EXTRA, b"").replace(MANIFEST, b""))
        if MANIFEST in content and validate:
            return Cleaned(dropped=("provenance",), manifest=MANIFEST, provenance="valid")
        return Cleaned(dropped=("exif",))

    async def is_black(self, file: BinaryIO, picture: Picture) -> bool:
        """Whether it says so."""
        file.seek(0)
        return BLACK in file.read()

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
