"""Image files: what they are by their bytes, and a copy that Content Safety takes.

Rules of this file:
1. A name or a content type that somebody gave is never looked at.
2. ``inspect`` reads the header only. ``for_screening`` decodes the whole picture, because what cannot be decoded must
   not be stored, and most broken files have a sound header.
3. One frame: of an animation the screener would see a part only, so it is refused.
4. What can be seen through is shown as whoever gets it might see it: on white, on black, and bare, as a model sees it
   that knows no transparency. Else a picture could hide in its own transparent parts.
5. Pictures have threads of their own, two of them. Not those of ``asyncio.to_thread``: the C library keeps what is
   freed for the thread that had it, so that each thread that ever decoded a large picture costs up to 64 MB for good.
"""

import asyncio
import io
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import BinaryIO, TypeVar

# Without the plugin Pillow imports all forty that it has when a WebP, or what may be one, is opened first: 18 ms.
from PIL import (
    Image,
    UnidentifiedImageError,
    WebPImagePlugin,  # noqa: F401 - it registers itself
)

from shared.core.reasons import Reason, Refusal
from shared.ports import OutputUnfit, Picture

#: Pillow's name of a format -> content type, extension.
_FORMATS = {
    "PNG": ("image/png", "png"),
    "JPEG": ("image/jpeg", "jpg"),
    "WEBP": ("image/webp", "webp"),
    "GIF": ("image/gif", "gif"),
}

#: A bound on what a header may promise: 64 megapixels are 256 MB decoded, four times what any model paints.
MOST_PIXELS = 64_000_000

#: Content Safety's limits for an image: 4 MB, 50 to 7200 px a side
#: (learn.microsoft.com/azure/ai-services/content-safety/overview).
SCREENED_BYTES = 4 * 1024 * 1024
SCREENED_SIDES = (50, 7200)

#: The longest side of a copy made for screening, tried in turn until it is small enough. At 1024 px even noise is.
_COPY_SIDES = (2048, 1024)

#: Whatever Pillow raises on a file that is not what it should be.
_UNREADABLE = (
    OSError,
    SyntaxError,
    ValueError,
    EOFError,
    UnidentifiedImageError,
    Image.DecompressionBombError,
    Image.DecompressionBombWarning,
)


T = TypeVar("T")


class PillowImages:
    """ports.Images with Pillow. At most ``at_once`` pictures are looked at at a time, for each may need 256 MB."""

    def __init__(self, at_once: int = 2) -> None:
        self._threads = ThreadPoolExecutor(at_once, thread_name_prefix="pictures")

    async def inspect(self, file: BinaryIO) -> Picture | None:
        """What the file is by its header; None if it is no PNG, JPEG, WebP or GIF, or one too large to be decoded.

        Raises:
            OutputUnfit: it is an animation.
        """
        return await self._done(lambda: _inspected(file))

    async def for_screening(self, file: BinaryIO, picture: Picture) -> bytes:
        """The file's bytes, or a smaller copy where it is beyond the screener's limits.

        Raises:
            OutputUnfit: the picture cannot be decoded to its end.
        """
        return await self._done(lambda: _for_screening(file, picture))

    async def _done(self, look: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, look)


def _inspected(file: BinaryIO) -> Picture | None:
    try:
        file.seek(0)
        with Image.open(file, formats=tuple(_FORMATS)) as image:
            width, height = image.size
            kind = _FORMATS.get(image.format or "")
            animated = getattr(image, "is_animated", False)
    except _UNREADABLE:
        return None
    if animated:
        text = "The result is an animation, and only single pictures can be checked and stored. Nothing was charged."
        raise OutputUnfit(Refusal(Reason.OUTPUT_INVALID, text))
    if kind is None or not 0 < width * height <= MOST_PIXELS:
        return None
    content_type, extension = kind
    return Picture(content_type, extension, width, height)


def _for_screening(file: BinaryIO, picture: Picture) -> bytes:
    try:
        file.seek(0)
        with Image.open(file, formats=tuple(_FORMATS)) as image:
            size_bytes = _size_of(file)
            low, high = SCREENED_SIDES
            fits = low <= min(picture.width, picture.height) and max(picture.width, picture.height) <= high
            if not fits or size_bytes > SCREENED_BYTES or _is_see_through(image):
                return _copy(image)
            if image.format == "PNG" and not image.has_transparency_data:
                image.verify()  # the checksum of every part: a tenth of what decoding costs
            else:
                image.load()
    except _UNREADABLE:
        raise OutputUnfit(Refusal.of(Reason.OUTPUT_INVALID)) from None
    file.seek(0)
    return file.read()


def _size_of(file: BinaryIO) -> int:
    stands = file.tell()
    size_bytes = file.seek(0, io.SEEK_END)
    file.seek(stands)
    return size_bytes


def _is_see_through(image: Image.Image) -> bool:
    """Whether any of it is: most pictures that could be are opaque all over."""
    return image.has_transparency_data and image.convert("RGBA").getchannel("A").getextrema()[0] != 255


def _copy(image: Image.Image) -> bytes:
    """A JPEG within the screener's limits, as it looks; with all its looks where it has several."""
    see_through, original = _is_see_through(image), image.size
    copied = b""
    for longest in _COPY_SIDES:
        scale = min(1.0, longest / max(original) / (2 if see_through else 1))
        # A side below 50 px is stretched: the shape of a strip matters less than that it is seen at all.
        width, height = (max(SCREENED_SIDES[0], round(side * scale)) for side in original)
        if not see_through:
            image.draft("RGB", (width, height))  # a JPEG can be decoded at half its size and less
        looks = _looks if see_through else _look
        buffer = io.BytesIO()
        looks(image, (width, height)).save(buffer, "JPEG", quality=85)
        copied = buffer.getvalue()
        if len(copied) <= SCREENED_BYTES:
            break
    return copied


def _look(image: Image.Image, size: tuple[int, int]) -> Image.Image:
    return (image if image.mode == "RGB" else image.convert("RGB")).resize(size)  # a copy may be 256 MB


def _looks(image: Image.Image, size: tuple[int, int]) -> Image.Image:
    """Of this size each: on white and on black, side by side, and bare below them."""
    width, height = size
    whole = Image.new("RGB", (2 * width, 2 * height), "white")
    whole.paste("black", (width, 0, 2 * width, height))
    layer = image.convert("RGBA")
    # Scaled, the colours of what is wholly transparent are lost, as they should be here; bare they are kept.
    shown, bare = layer.resize(size), layer.convert("RGB").resize(size)
    for left in (0, width):
        whole.paste(shown, (left, 0), mask=shown.getchannel("A"))
    whole.paste(bare, (0, height))
    return whole
