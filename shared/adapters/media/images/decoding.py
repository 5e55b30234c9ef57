"""Decoding: the whole picture, or Broken, whatever a decoder raises.

Rules of this file:
1. What cannot be decoded to its end must not be stored, and most broken files have a sound header.
2. The library's file plugins are called by their names: none of them guesses, and no other is imported.
3. A whole picture is held once, in the mode it was decoded to. Whoever needs another mode takes strips of it.
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
    """What a file is, by its bytes; None if it is none of the four formats.

    ``whole``: walked to its end, and a PNG's pixels inflated. Broken.
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
    """All of it, decoded; a JPEG at the smallest size that is no smaller than ``at_least``. Broken."""
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
        if reading.key is not None:  # the library does not scale it to the samples that it makes
            image.info["transparency"] = reading.key
        return image


def guarded(work: Callable[[], T]) -> T:
    """Work on what was decoded: the decoders are the same library. Broken."""
    with _broken_for_anything():
        return work()


@contextmanager
def _broken_for_anything() -> Iterator[None]:
    """Whatever a decoder raises on a stranger's bytes says that they are broken.

    It has raised OSError, SyntaxError, EOFError, IndexError, KeyError, AssertionError, TypeError, OverflowError,
    MemoryError, struct.error and zlib.error, and is free to raise what it likes.
    """
    try:
        yield
    except Broken:
        raise
    except (struct.error, IndexError) as error:
        raise Broken("a part is shorter than it must be") from error
    except Exception as error:
        logger.warning("a decoder gave up with %s", type(error).__name__)
        raise Broken("a decoder gave up") from error
