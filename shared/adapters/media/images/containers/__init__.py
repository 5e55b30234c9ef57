"""The containers of pictures: finds a file's format by its bytes, and the parts that a viewer needs.

Rules of this file:
1. Every format has its own walker. It reads a container as a browser does, chunk by chunk. It uses no library, because
   a library may see a still where a browser plays an animation.
2. A walker drops every part that it does not know. A file that it cannot read is Unfit, and no bytes can make it raise
   anything else.
3. Cleaning never decodes. The picture's own bytes are kept, so that it looks the same.
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
    """Walk a file; returns it and what is kept of it.

    Raises:
        Unfit: it is not a PNG, JPEG, WebP or GIF, or a broken one.
        CutShort: it ends early.
        Animation: it has more than one picture.
    """
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
