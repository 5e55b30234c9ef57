"""Image files: finds their type by their bytes, cleans them, and makes the copy that Content Safety sees.

Rules of this file:
1. A file name or content type from outside is never used.
2. ``inspect`` reads the container only. ``for_screening`` decodes the whole picture, because a picture that cannot be
   decoded must not be stored, and most broken files have a sound header.
3. An animation is refused, because the screener would see only a part of it.
4. Pictures are processed on threads of their own: two for light pictures, and one for heavy ones, so that these come
   one at a time. The threads of ``asyncio.to_thread`` are not used. The C library keeps freed memory for the thread
   that had it, so each thread that ever decoded a large picture would cost up to 64 MB for good.

    containers  walkers that find what a viewer needs     cleaning   writes only that
    manifests   validates manifests of provenance         bounds     the largest pictures that are accepted
    reading     walkers that find what a decoder needs (png, jpeg, gif, webp)
    decoding    decodes all pixels                        looks      the screener's copy, as viewers show it (colours)
    looking     the operations on one picture             alone      the same in a process with a memory limit
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
    """ports.Images with Pillow. At most ``at_once`` light pictures, and one heavy one, are processed at a time."""

    def __init__(self, at_once: int = 2) -> None:
        self._threads = ThreadPoolExecutor(at_once, thread_name_prefix="pictures")
        self._heavy = ThreadPoolExecutor(1, thread_name_prefix="heavy-pictures")

    async def clean(self, file: BinaryIO, into: BinaryIO, *, validate: bool = False) -> Cleaned:
        """Implements ``Images``."""
        return await self._run(self._threads, lambda: cleaning.cleaned(file, into, validate=validate))

    async def is_black(self, file: BinaryIO, picture: Picture) -> bool:
        """Implements ``Images``."""
        return await self._run(self._threads_for(picture), lambda: looking.is_black(file))

    async def inspect(self, file: BinaryIO) -> Picture | None:
        """The type and size of a picture, by its container. None if the file is not a PNG, JPEG, WebP or GIF.

        Raises:
            PictureUnfit: it is an animation, or beyond a bound of bounds.py.
        """
        return await self._run(self._threads, lambda: looking.inspected(file))

    async def for_screening(self, file: BinaryIO, picture: Picture) -> bytes:
        """The bytes for the screener: the file's own, or a copy.

        A copy is made if the file is beyond the screener's limits, or if viewers may show it differently.

        Raises:
            OutputUnfit: the picture cannot be decoded completely, or is not the inspected one.
            PictureUnfit: it is beyond a bound that only a complete read shows.
        """
        return await self._run(self._threads_for(picture), lambda: looking.for_screening(file, picture))

    def alone(self) -> Images:
        """An ``Images`` that decodes each picture in a process of its own."""
        from shared.adapters.media.images.alone import Alone  # noqa: PLC0415  # only for messages that may have crashed a worker

        return Alone()

    def _threads_for(self, picture: Picture) -> ThreadPoolExecutor:
        heavy = 4 * picture.width * picture.height > bounds.HEAVY_BYTES
        return self._heavy if heavy else self._threads

    async def _run(self, threads: ThreadPoolExecutor, look: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(threads, look)
