"""Image files: what they are by their bytes, and a copy that Content Safety takes.

Rules of this file:
1. A name or a content type that somebody gave is never looked at.
2. ``inspect`` reads the container only. ``for_screening`` decodes the whole picture, because what cannot be decoded
   must not be stored, and most broken files have a sound header.
3. One frame: of an animation the screener would see a part only, so it is refused.
4. Pictures have threads of their own: two for light ones, one for heavy ones, of which there is one at a time. Not
   those of ``asyncio.to_thread``: the C library keeps what is freed for the thread that had it, so that each thread
   that ever decoded a large picture costs up to 64 MB for good.

    containers, cleaning  only what a viewer needs goes on   manifests  of provenance, validated
    looking   one look, from here to there        bounds    what is taken at all
    reading   a container walked (png, jpeg, gif, webp)     decoding  the pixels, to their end
    looks     the copy, as whoever gets the picture sees it (colours)
    alone     one picture in a process of its own, with a limit of memory
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import BinaryIO, TypeVar

from shared.adapters.media.images import bounds, cleaning, looking
from shared.adapters.media.images.looks import SCREENED_BYTES, SCREENED_SIDES
from shared.ports import Cleaned, Images, Picture

__all__ = ["SCREENED_BYTES", "SCREENED_SIDES", "PillowImages"]

T = TypeVar("T")


class PillowImages:
    """ports.Images with Pillow. At most ``at_once`` light pictures are looked at at a time, and one heavy one."""

    def __init__(self, at_once: int = 2) -> None:
        self._threads = ThreadPoolExecutor(at_once, thread_name_prefix="pictures")
        self._heavy = ThreadPoolExecutor(1, thread_name_prefix="heavy-pictures")

    async def clean(self, file: BinaryIO, into: BinaryIO, *, validate: bool = False) -> Cleaned:
        """See ``Images``."""
        return await self._done(self._threads, lambda: cleaning.cleaned(file, into, validate=validate))

    async def is_black(self, file: BinaryIO, picture: Picture) -> bool:
        """See ``Images``."""
        return await self._done(self._threads_for(picture), lambda: looking.is_black(file))

    async def inspect(self, file: BinaryIO) -> Picture | None:
        """What the file is by its container; None if it is no PNG, JPEG, WebP or GIF.

        Raises:
            PictureUnfit: it is an animation, or too large to be decoded.
        """
        return await self._done(self._threads, lambda: looking.inspected(file))

    async def for_screening(self, file: BinaryIO, picture: Picture) -> bytes:
        """The file's bytes, or a smaller copy where it is beyond the screener's limits, or not seen alike by all.

        Raises:
            OutputUnfit: the picture cannot be decoded to its end.
        """
        return await self._done(self._threads_for(picture), lambda: looking.for_screening(file, picture))

    def alone(self) -> Images:
        """The same, with each picture decoded in a process of its own."""
        from shared.adapters.media.images.alone import Alone  # noqa: PLC0415  # for a message that may have ended workers

        return Alone()

    def _threads_for(self, picture: Picture) -> ThreadPoolExecutor:
        heavy = 4 * picture.width * picture.height > bounds.HEAVY_BYTES
        return self._heavy if heavy else self._threads

    async def _done(self, threads: ThreadPoolExecutor, look: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(threads, look)
