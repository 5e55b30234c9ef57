"""The operations on one picture. They block, so callers run them on a thread or in a process of their own."""

from typing import BinaryIO, cast

from PIL import Image

from shared.adapters.media.images import bounds, decoding, looks
from shared.adapters.media.images.looks import COPY_SIDES, SCREENED_BYTES, SCREENED_SIDES
from shared.adapters.media.images.reading import Broken, Reading
from shared.core.reasons import Reason, Refusal
from shared.ports import OutputUnfit, Picture, PictureUnfit

#: Format -> content type, file extension.
_FORMATS = {
    "PNG": ("image/png", "png"),
    "JPEG": ("image/jpeg", "jpg"),
    "WEBP": ("image/webp", "webp"),
    "GIF": ("image/gif", "gif"),
}

#: A JPEG that is screened unchanged is decoded only to prove that it is complete. The smallest size proves that too.
_PROOF_SIZE = (1, 1)

#: The highest value of a colour, of 255, in a black picture. Lossy compression may add as much.
_BLACK = 4

#: How many bands of a mode are colours. The alpha band is ignored.
_COLOURS = {"1": 1, "L": 1, "LA": 1, "I;16": 1, "RGB": 3, "RGBA": 3}

_ANIMATION = "It is an animation, and only single pictures can be checked and stored."


def inspected(file: BinaryIO) -> Picture | None:
    """Implements ``PillowImages.inspect``."""
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


def for_screening(file: BinaryIO, picture: Picture) -> bytes:
    """Implements ``PillowImages.for_screening``."""
    file.seek(0)
    content = file.read()
    try:
        reading = decoding.read(content, whole=True)
        if reading is not None and (reading.width, reading.height) == (picture.width, picture.height):
            # The bounds are checked again, because only a whole walk counts a JPEG's scans: with several of them a
            # decoder holds all coefficients.
            if why := bounds.refused(reading):
                raise PictureUnfit(why)
            return _for_screener(content, decoding.guarded(lambda: looks.in_plain_colours(reading)))
    except Broken:
        pass  # refused below, like a picture that is not the inspected one
    raise OutputUnfit(Refusal.of(Reason.OUTPUT_INVALID)) from None


def is_black(file: BinaryIO) -> bool:
    """Implements ``PillowImages.is_black``. The picture is not converted to another mode, so it is not copied."""
    file.seek(0)
    try:
        reading = decoding.read(file.read(), whole=True)
        if reading is None or bounds.refused(reading):
            return False
        image = decoding.decoded(reading, _PROOF_SIZE)
        return decoding.guarded(lambda: max(_brightest(image), default=_BLACK + 1) <= _BLACK)
    except Broken:
        return False


def _brightest(image: Image.Image) -> list[float]:
    """The highest value of each colour, of 255. Empty if the mode does not show it (CMYK, several palette entries)."""
    if image.mode == "P":
        lowest, highest = cast("tuple[int, int]", image.getextrema())
        return list((image.getpalette("RGB") or [])[3 * lowest : 3 * lowest + 3]) if lowest == highest else []
    if image.mode not in _COLOURS:
        return []
    found = image.getextrema()
    bands = cast("list[tuple[float, float]]", found if isinstance(found[0], tuple) else [found])
    of = 257 if image.mode == "I;16" else 1
    return [highest / of for _, highest in bands[: _COLOURS[image.mode]]]


def _for_screener(content: bytes, reading: Reading) -> bytes:
    """The bytes for the screener: the file's own if within the limits and shown alike by all viewers, or a copy."""
    low, high = SCREENED_SIDES
    fits = low <= min(reading.width, reading.height) and max(reading.width, reading.height) <= high
    fits = fits and len(content) <= SCREENED_BYTES
    if fits and not reading.unproved and not reading.see_through and looks.is_plain(reading, None):
        return content
    plain = fits and looks.is_plain(reading, None)
    found = decoding.guarded(lambda: _small(reading, plain=plain))
    return content if found is None else decoding.guarded(lambda: looks.copy(reading, found))


def _small(reading: Reading, *, plain: bool) -> looks.Small | None:
    """Decode the picture and make it small. None if ``plain`` is confirmed by decoding, so that no copy is needed.

    The large picture is freed when this returns.
    """
    image = decoding.decoded(reading, _PROOF_SIZE if plain else _drafted(reading))
    if plain and looks.is_plain(reading, image):
        return None
    if plain and reading.form == "JPEG":  # a CMYK picture: it is known only now, and was decoded too small
        image = decoding.decoded(reading, _drafted(reading))
    return looks.small(reading, image)


def _drafted(reading: Reading) -> tuple[int, int]:
    """How large a JPEG is decoded for a copy: nearly as large at the least, less if its coefficients are held too."""
    small = bool(reading.profile) or reading.peak_bytes > bounds.HEAVY_BYTES
    width, height = looks.copy_size(reading, COPY_SIDES[1 if small else 0])
    return width * 3 // 4, height * 3 // 4
