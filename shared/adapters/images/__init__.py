"""Image files: what they are by their bytes, and a copy that Content Safety takes.

Rules of this file:
1. A name or a content type that somebody gave is never looked at.
2. ``inspect`` reads the container only. ``for_screening`` decodes the whole picture, because what cannot be decoded
   must not be stored, and most broken files have a sound header.
3. One frame: of an animation the screener would see a part only, so it is refused.
4. Pictures have threads of their own: two for light ones, one for heavy ones, of which there is one at a time. Not
   those of ``asyncio.to_thread``: the C library keeps what is freed for the thread that had it, so that each thread
   that ever decoded a large picture costs up to 64 MB for good.

    bounds    what is taken at all                reading   a container walked (png, jpeg, gif, webp)
    decoding  the pixels, to their end            looks     the copy, as whoever gets the picture sees it (colours)
    alone     one picture in a process of its own, with a limit of memory
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import BinaryIO, TypeVar

from shared.adapters.images import bounds, decoding, looks
from shared.adapters.images.looks import COPY_SIDES, SCREENED_BYTES, SCREENED_SIDES
from shared.adapters.images.reading import Broken, Reading
from shared.core.reasons import Reason, Refusal
from shared.ports import OutputUnfit, Picture, PictureUnfit

__all__ = ["SCREENED_BYTES", "SCREENED_SIDES", "PillowImages"]

#: The format -> content type, extension.
_FORMATS = {
    "PNG": ("image/png", "png"),
    "JPEG": ("image/jpeg", "jpg"),
    "WEBP": ("image/webp", "webp"),
    "GIF": ("image/gif", "gif"),
}

#: A JPEG that is shown as it is needs no pixels: the smallest size proves as much.
_PROOF_SIZE = (1, 1)

_ANIMATION = "It is an animation, and only single pictures can be checked and stored."

T = TypeVar("T")


class PillowImages:
    """ports.Images with Pillow. At most ``at_once`` light pictures are looked at at a time, and one heavy one."""

    def __init__(self, at_once: int = 2) -> None:
        self._threads = ThreadPoolExecutor(at_once, thread_name_prefix="pictures")
        self._heavy = ThreadPoolExecutor(1, thread_name_prefix="heavy-pictures")

    async def inspect(self, file: BinaryIO) -> Picture | None:
        """What the file is by its container; None if it is no PNG, JPEG, WebP or GIF.

        Raises:
            PictureUnfit: it is an animation, or too large to be decoded.
        """
        return await self._done(self._threads, lambda: _inspected(file))

    async def for_screening(self, file: BinaryIO, picture: Picture) -> bytes:
        """The file's bytes, or a smaller copy where it is beyond the screener's limits, or not seen alike by all.

        Raises:
            OutputUnfit: the picture cannot be decoded to its end.
        """
        heavy = 4 * picture.width * picture.height > bounds.HEAVY_BYTES
        return await self._done(self._heavy if heavy else self._threads, lambda: _for_screening(file, picture))

    async def _done(self, threads: ThreadPoolExecutor, look: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(threads, look)


def _inspected(file: BinaryIO) -> Picture | None:
    file.seek(0)
    try:
        reading = decoding.read(file.read(), whole=False)
    except Broken:
        return None
    if reading is None:
        return None
    if why := _ANIMATION if reading.animated else bounds.refused(reading):
        raise PictureUnfit(why)
    return Picture(*_FORMATS[reading.form], reading.width, reading.height)


def _for_screening(file: BinaryIO, picture: Picture) -> bytes:
    file.seek(0)
    content = file.read()
    try:
        reading = decoding.read(content, whole=True)
        if reading is not None and (reading.width, reading.height) == (picture.width, picture.height):
            # The whole walk knows more than the header: of several scans of a JPEG, all coefficients are held.
            if why := bounds.refused(reading):
                raise PictureUnfit(why)
            return _seen(content, decoding.guarded(lambda: looks.in_plain_colours(reading)))
    except Broken:
        pass  # as what is another picture than was inspected
    raise OutputUnfit(Refusal.of(Reason.OUTPUT_INVALID)) from None


def _seen(content: bytes, reading: Reading) -> bytes:
    """What the screener gets of a picture that is taken."""
    low, high = SCREENED_SIDES
    fits = low <= min(reading.width, reading.height) and max(reading.width, reading.height) <= high
    fits = fits and len(content) <= SCREENED_BYTES
    if fits and not reading.unproved and not reading.see_through and looks.is_plain(reading, None):
        return content
    plain = fits and looks.is_plain(reading, None)
    found = decoding.guarded(lambda: _small(reading, plain=plain))
    return content if found is None else decoding.guarded(lambda: looks.copy(reading, found))


def _small(reading: Reading, *, plain: bool) -> looks.Small | None:
    """The picture decoded and made small; None where it was ``plain`` and is so decoded. The large one is gone then."""
    image = decoding.decoded(reading, _PROOF_SIZE if plain else _drafted(reading))
    if plain and looks.is_plain(reading, image):
        return None
    if plain and reading.form == "JPEG":  # in inks: known only now, and decoded too small
        image = decoding.decoded(reading, _drafted(reading))
    return looks.small(reading, image)


def _drafted(reading: Reading) -> tuple[int, int]:
    """How large a JPEG is decoded for a copy: nearly as large at the least, less if its coefficients are held too."""
    small = bool(reading.profile) or reading.peak_bytes > bounds.HEAVY_BYTES
    width, height = looks.copy_size(reading, COPY_SIDES[1 if small else 0])
    return width * 3 // 4, height * 3 // 4
