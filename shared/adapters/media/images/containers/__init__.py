"""The containers of pictures: what a file is by its bytes, and what of it a viewer needs.

Rules of this file:
1. Every format has a walker of its own. It reads a container as a browser does, chunk by chunk, and asks no library:
   a library shows the still of what a browser plays.
2. Whatever a walker does not know is dropped; what it cannot read is Unfit. It raises nothing else, whatever the bytes.
3. Cleaning never decodes: the picture's own bytes go on as they came, so that it looks the same.
"""

import struct
from typing import BinaryIO

from shared.adapters.media.images.containers import gif, jpeg, png, webp
from shared.adapters.media.images.containers.parts import Animation, CutShort, Kept, Source, Unfit

__all__ = ["Animation", "CutShort", "Kept", "Source", "Unfit", "walk"]

_WALKERS = (
    (b"\x89PNG\r\n\x1a\n", png.walk),
    (b"\xff\xd8\xff", jpeg.walk),
    (b"RIFF", webp.walk),
    (b"GIF8", gif.walk),
)


def walk(file: BinaryIO) -> tuple[Source, Kept]:
    """The file, and what of it is kept. Unfit where it is no PNG, JPEG, WebP or GIF, or a broken one."""
    source = Source(file)
    file.seek(0)
    head = file.read(8)
    if any(len(head) < len(mark) and mark.startswith(head) for mark, _ in _WALKERS):
        raise CutShort
    for mark, walker in _WALKERS:
        if head.startswith(mark):
            try:
                return source, walker(source)
            except (struct.error, IndexError, ValueError, OverflowError, RecursionError):
                raise Unfit from None
    raise Unfit
