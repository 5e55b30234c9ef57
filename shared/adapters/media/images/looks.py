"""Makes the copy for the screener: a picture as viewers and models would see it, small enough for the screener.

Rules of this file:
1. The copy is made as a viewer would show the picture: with its orientation, colours, sixteen-bit samples, palette,
   inks (CMYK).
2. If viewers may show a picture differently, the copy has each look. A transparent picture is shown on white, on black,
   and with alpha ignored, as a model without transparency sees it. A picture with a colour profile is shown with the
   profile, and without it, as a model without profiles sees it. Otherwise content could be hidden in transparent
   pixels, or by a gamma that makes it nearly white.
3. The whole picture is reduced in strips, so that there is never a second one in memory. All other steps work on the
   small one.
"""

import io
from collections.abc import Iterator
from dataclasses import dataclass

from PIL import Image

from shared.adapters.media.images import colours
from shared.adapters.media.images.reading import Reading
from shared.core.values import replace

#: Content Safety's limits for an image: 4 MB, 50 to 7200 px a side
#: (learn.microsoft.com/azure/ai-services/content-safety/overview).
SCREENED_BYTES = 4 * 1024 * 1024
SCREENED_SIDES = (50, 7200)

#: The longest side of a copy in pixels, tried in turn until its file is small enough. At 1024 px even noise is.
COPY_SIDES = (2048, 1024)

#: Pixels of one strip: 1 MiB with four bytes each. Larger strips leave holes in the heap, which count as memory too.
_STRIP_PIXELS = 250_000

#: Modes that need no conversion.
_READY = ("L", "RGB", "CMYK")

#: Maximum of pixels whose alpha is checked at once. It takes as many bytes of memory.
_MOST_AT_ONCE = 4096 * 4096

#: The transposition for each value of the EXIF orientation.
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


@dataclass(frozen=True, slots=True)
class Small:
    """The reduced picture. ``bare`` is without alpha; ``layer`` has it (RGBA), and is None for an opaque picture."""

    bare: Image.Image
    layer: Image.Image | None


def is_plain(reading: Reading, image: Image.Image | None) -> bool:
    """Whether every viewer shows the file alike. ``image`` is the decoded picture, or None if it is not needed yet."""
    if reading.depth_bits > 8 or reading.orientation != 1:
        return False
    if image is not None and (image.mode in ("CMYK", "I;16") or is_see_through(reading, image)):
        return False
    return not reading.profile


def is_see_through(reading: Reading, image: Image.Image) -> bool:
    """Whether any pixel is transparent. Most pictures with an alpha channel are opaque."""
    if not reading.see_through:
        return False
    if image.mode == "RGBA" and image.width * image.height <= _MOST_AT_ONCE:
        return _least_alpha(image) != 255  # opaque
    return any(_least_alpha(_with_alpha(strip)) != 255 for _, strip in _strips(image, 1))  # opaque


def _least_alpha(strip: Image.Image) -> float:
    least = strip.getchannel("A").getextrema()[0]
    return least if isinstance(least, (int, float)) else 0


def in_plain_colours(reading: Reading) -> Reading:
    """The reading without its profile if that has no visible effect. Most profiles are sRGB."""
    if not reading.profile or colours.is_seen(reading.profile):
        return reading
    return replace(reading, profile=b"")


def small(reading: Reading, image: Image.Image) -> Small:
    """Reduce the picture to the largest size of a copy. After that the large one is no longer needed."""
    see_through = is_see_through(reading, image)
    size = copy_size(reading, COPY_SIDES[0] // (2 if see_through or reading.profile else 1))
    return _small(image, size, see_through=see_through)


def copy(reading: Reading, found: Small) -> bytes:
    """Make the copy: a JPEG within the screener's limits that shows all looks."""
    copied = b""
    for longest in COPY_SIDES:
        if longest != COPY_SIDES[0]:
            size = copy_size(reading, longest // (2 if found.layer or reading.profile else 1))
            found = Small(found.bare.resize(size), found.layer.resize(size) if found.layer else None)
        buffer = io.BytesIO()
        _sheet(_looks(reading, found)).save(buffer, "JPEG", quality=85)
        copied = buffer.getvalue()
        if len(copied) <= SCREENED_BYTES:
            break
    return copied


def copy_size(reading: Reading, longest: int) -> tuple[int, int]:
    """The size of one look, before it is turned. A side below 50 px is stretched, the screener's minimum."""
    scale = min(1.0, longest / max(reading.width, reading.height))
    width, height = (max(SCREENED_SIDES[0], round(side * scale)) for side in (reading.width, reading.height))
    return width, height


def _looks(reading: Reading, found: Small) -> list[Image.Image]:
    shown = colours.applied(found.bare, reading.profile)
    bare = found.bare if found.bare.mode == "RGB" else found.bare.convert("RGB")
    grounds: list[Image.Image] = []
    if found.layer is not None:
        layer = found.layer.convert("RGB")
        layer = colours.applied(layer, reading.profile) or layer
        for ground in ("white", "black"):
            whole = Image.new("RGB", layer.size, ground)
            whole.paste(layer, mask=found.layer.getchannel("A"))
            grounds.append(whole)
    elif shown is not None:
        grounds.append(shown)
    turn = _TURNS.get(reading.orientation)
    return [look.transpose(turn) if turn is not None else look for look in (*grounds, bare)]


def _sheet(looks: list[Image.Image]) -> Image.Image:
    """Join the looks into one picture: the first two side by side, a third below them."""
    if len(looks) == 1:
        return looks[0]
    width, height = looks[0].size
    whole = Image.new("RGB", (2 * width, -(-len(looks) // 2) * height), "white")
    for index, look in enumerate(looks):
        whole.paste(look, (index % 2 * width, index // 2 * height))
    return whole


def _small(image: Image.Image, size: tuple[int, int], *, see_through: bool) -> Small:
    """Reduce the picture to a size: first in strips by an integer factor, then exactly."""
    factor = max(1, round(min(image.width / size[0], image.height / size[1])))
    if factor == 1 and not see_through and image.mode in _READY:
        return Small(image.resize(size), None)
    reduced = (-(-image.width // factor), -(-image.height // factor))
    bare: Image.Image | None = None
    layer = Image.new("RGBA", reduced) if see_through else None
    for top, strip in _strips(image, factor):
        if layer is not None:
            strip = _with_alpha(strip)  # noqa: PLW2901  # the same strip in another mode
            layer.paste(strip.reduce(factor), (0, top // factor))
        part = _eight_bits(strip).reduce(factor)
        bare = bare or Image.new(part.mode, reduced)
        bare.paste(part, (0, top // factor))
    if bare is None:
        raise ValueError("a picture without rows")
    # Scaling drops the colours of fully transparent pixels, as viewers do. ``bare`` keeps them.
    return Small(bare.resize(size), layer.resize(size) if layer is not None else None)


def _strips(image: Image.Image, factor: int) -> Iterator[tuple[int, Image.Image]]:
    """Strips from top to bottom, each with its first row. Their height is a multiple of ``factor``."""
    rows = max(factor, _STRIP_PIXELS // image.width // factor * factor)
    for top in range(0, image.height, rows):
        yield top, image.crop((0, top, image.width, min(image.height, top + rows)))


def _eight_bits(strip: Image.Image) -> Image.Image:
    """The colours of a strip without its transparency, in eight bits a sample: L, RGB or CMYK."""
    if strip.mode == "I;16":
        return Image.frombytes("L", strip.size, strip.tobytes()[1::2])  # the upper byte of each sample
    if strip.mode in _READY:
        return strip
    if strip.mode == "P" and "transparency" in strip.info:
        strip = strip.convert("RGBA")
    return strip.convert("L" if strip.mode in ("1", "LA") else "RGB")


def _with_alpha(strip: Image.Image) -> Image.Image:
    """The strip as RGBA. The key colour in ``info`` is in eight bits a sample."""
    if strip.mode == "RGBA":
        return strip
    key = strip.info.get("transparency")
    if strip.mode in ("1", "I;16"):
        strip = _eight_bits(strip)
        strip.info["transparency"] = key
    return strip.convert("RGBA")
