"""The mark that makes a picture unsafe: the Replicate simulator draws it, the Content Safety simulator finds it.

Nothing on a laptop can judge a picture, so an unsafe one carries a solid square in a corner. Its colour says the
category, its corner the severity:

    severity 2: top left        severity 4: top right
    severity 6: bottom left     (the bottom right corner stays free)

Rules: the colours are full-strength ones that the simulator never paints. The square is a share of the picture, not a
number of pixels, so it survives scaling; only its middle is read, and with a tolerance, so it survives WebP and JPEG.
"""

from collections.abc import Iterable
from typing import Final

from PIL import Image, ImageStat

Colour = tuple[int, int, int]

#: Red, green, blue per category of Azure AI Content Safety: the corners of the colour cube that no landscape has.
COLOURS: Final[dict[str, Colour]] = {
    "Hate": (255, 0, 255),
    "SelfHarm": (0, 255, 255),
    "Sexual": (0, 255, 0),
    "Violence": (255, 255, 0),
}
#: The severities of `FourSeverityLevels`, except 0, and the corner of each: does the square touch right, bottom?
CORNERS: Final[dict[int, tuple[bool, bool]]] = {2: (False, False), 4: (True, False), 6: (False, True)}

# An eighth of the shorter side: 128 pixels of 1024, and still 6 of the 50 that Content Safety takes at least.
_SHARE: Final = 8
# Per channel. JPEG at quality 1 moves a solid colour by less than 45; two of the colours are 255 apart in a channel.
_TOLERANCE: Final = 64


def draw_marker(picture: Image.Image, category: str, severity: int) -> None:
    """Draws the square of a category (a key of COLOURS) and a severity (a key of CORNERS) into an RGB picture."""
    picture.paste(COLOURS[category], _square(picture.size, severity))


def find_markers(picture: Image.Image) -> dict[str, int]:
    """Returns the highest severity per category found in the corners; a category that is not there is left out."""
    found: dict[str, int] = {}
    for severity in CORNERS:
        left, top, right, bottom = _square(picture.size, severity)
        margin = (right - left) // 4  # the edges are where a codec smears
        middle = picture.crop((left + margin, top + margin, right - margin, bottom - margin)).convert("RGB")
        category = _category_of(ImageStat.Stat(middle).mean)
        if category is not None:
            found[category] = severity  # CORNERS ascends, so the last one is the highest
    return found


def _square(size: tuple[int, int], severity: int) -> tuple[int, int, int, int]:
    """Returns left, top, right, bottom of the square of this severity in a picture of this size."""
    width, height = size
    side = max(1, min(size) // _SHARE)
    at_right, at_bottom = CORNERS[severity]
    left = width - side if at_right else 0
    top = height - side if at_bottom else 0
    return left, top, left + side, top + side


def _category_of(mean: Iterable[float]) -> str | None:
    """Returns the category whose colour this is, within the tolerance."""
    channels = tuple(mean)
    for category, colour in COLOURS.items():
        if all(abs(seen - drawn) <= _TOLERANCE for seen, drawn in zip(channels, colour, strict=True)):
            return category
    return None
