"""Decodes whole pictures. Whatever a decoder raises becomes Broken.

Rules of this file:
1. A picture is decoded completely, because one that cannot be must not be stored, and most broken files have a sound
   header.
2. Pillow's file plugins are called by name, so that none guesses the format and no other is imported.
3. A whole picture is held once, in the mode that it was decoded to. Callers convert it to other modes in strips.
"""

import logging
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from PIL import GifImagePlugin, Image, JpegImagePlugin, PngImagePlugin, WebPImagePlugin

from shared.adapters.media.images import gif, jpeg, png, webp
from shared.adapters.media.images.reading import Broken, Pieces, Reading

T = TypeVar("T")

logger = logging.getLogger("darkroom.images")

_PLUGINS = {
    "PNG": PngImagePlugin.PngImageFile,
    "JPEG": JpegImagePlugin.JpegImageFile,
    "GIF": GifImagePlugin.GifImageFile,
    "WEBP": WebPImagePlugin.WebPImageFile,
}


def read(content: bytes, *, whole: bool) -> Reading | None:
    """Read a file's container; returns None if it is not one of the four formats.

    With ``whole`` it is walked to its end, and a PNG's pixels are inflated.

    Raises:
        Broken: the container is not sound.
    """
    view = memoryview(content)
    with _broken_for_anything():
        if content.startswith(png.SIGNATURE):
            return png.read(view, whole=whole)
        if content.startswith(jpeg.SIGNATURE):
            return jpeg.read(view, whole=whole)
        if content.startswith(gif.SIGNATURES):
            return gif.read(view, whole=whole)
        if content[:4] == b"RIFF" and content[8:12] == b"WEBP":
            return webp.read(view, whole=whole)
    return None


def decoded(reading: Reading, at_least: tuple[int, int]) -> Image.Image:
    """Decode a whole picture. A JPEG is decoded at the smallest size that is not smaller than ``at_least``.

    Raises:
        Broken: it cannot be decoded completely.
    """
    with _broken_for_anything():
        if reading.form == "WEBP" and (image := webp.decode(reading)) is not None:
            return image
        image = _PLUGINS[reading.form](Pieces(reading.pieces))  # type: ignore[arg-type, abstract]  # a file, a class
        if image.size != (reading.width, reading.height):
            raise Broken("the library sees another size")
        if reading.form == "JPEG":
            image.draft(image.mode, at_least)
            jpeg.decode(image, reading.pieces)
        else:
            image.load()
        if reading.key is not None:  # Pillow does not scale the colour to eight bits
            image.info["transparency"] = reading.key
        return image


def guarded(work: Callable[[], T]) -> T:
    """Run work on a decoded picture. Its errors become Broken too, because the same library raises them."""
    with _broken_for_anything():
        return work()


@contextmanager
def _broken_for_anything() -> Iterator[None]:
    """Turn whatever a decoder raises on untrusted bytes into Broken.

    Decoders have raised OSError, SyntaxError, EOFError, IndexError, KeyError, AssertionError, TypeError, OverflowError,
    MemoryError, struct.error and zlib.error, and may raise anything.
    """
    try:
        yield
    except Broken:
        raise
    except (struct.error, IndexError) as error:
        raise Broken("a part is shorter than it must be") from error
    except Exception as error:
        logger.warning("a picture could not be decoded: %s", type(error).__name__)
        raise Broken("a decoder gave up") from error
