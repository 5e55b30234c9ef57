"""FakeImages: every file is a PNG of 1024 x 768, unless its bytes contain one of the markers below.

Real pictures are tested with the real adapter; the message handler only needs the answers.
"""

from typing import BinaryIO

from shared.core.reasons import Reason, Refusal
from shared.ports import Cleaned, CutShort, OutputUnfit, Picture

#: A file with the first marker is not an image; one with the other cannot be decoded.
NO_IMAGE, BROKEN = b"NO IMAGE", b"BROKEN"

#: Markers of a file: it has needless data in it, ends early, has a provenance manifest, is all black.
EXTRA, SHORT, MANIFEST, BLACK = b"+EXTRA", b"SHORT", b"+MANIFEST", b"BLACK"


class FakeImages:
    """ports.Images in memory."""

    def __init__(self) -> None:
        self.picture = Picture("image/png", "png", 1024, 768)
        self.is_alone = False

    async def clean(self, file: BinaryIO, into: BinaryIO, *, validate: bool = False) -> Cleaned:
        """Copy the file without ``EXTRA`` and ``MANIFEST``; CutShort for ``SHORT``."""
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
        """Whether the file contains ``BLACK``."""
        file.seek(0)
        return BLACK in file.read()

    async def inspect(self, file: BinaryIO) -> Picture | None:
        """``picture``, or None for a file that contains ``NO_IMAGE``."""
        file.seek(0)
        return None if NO_IMAGE in file.read() else self.picture

    def alone(self) -> "FakeImages":
        """A copy with ``is_alone`` set."""
        other = FakeImages()
        other.picture, other.is_alone = self.picture, True
        return other

    async def for_screening(self, file: BinaryIO, picture: Picture) -> bytes:
        """The bytes unchanged; OutputUnfit for ``BROKEN``."""
        file.seek(0)
        content = file.read()
        if BROKEN in content:
            raise OutputUnfit(Refusal.of(Reason.OUTPUT_INVALID))
        return content
