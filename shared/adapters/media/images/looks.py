"""Looks: a picture as those who get it would see it, small enough for the screener.

Rules of this file:
1. What a viewer does to the pixels is done here: orientation, colours, sixteen bits, palettes, inks.
2. Where viewers differ, each look is shown. What can be seen through: on white, on black, and bare, as a model sees it
   that knows no transparency. What brings colours of its own: with them, and without, as a model sees it that knows
   none. Else a picture could hide in its own transparent parts, or in a gamma that makes it near white.
3. The whole picture is made smaller in strips, so that there is never a second one; all else is done to the small one.
"""

import io
from collections.abc import Iterator
from dataclasses import dataclass, replace

from PIL import Image

from shared.adapters.media.images import colours
from shared.adapters.media.images.reading import Reading

#: Content Safety's limits for an image: 4 MB, 50 to 7200 px a side
#: (learn.microsoft.com/azure/ai-services/content-safety/overview).
SCREENED_BYTES = 4 * 1024 * 1024
SCREENED_SIDES = (50, 7200)

#: The longest side of a copy made for screening, tried in turn until it is small enough. At 1024 px even noise is.
COPY_SIDES = (2048, 1024)

#: Pixels of one strip: 1 MiB in four bytes each. Larger ones leave holes in the heap that count as well.
_STRIP_PIXELS = 250_000

#: Modes in which nothing has to be done for a viewer's eyes.
_READY = ("L", "RGB", "CMYK")

#: Pixels whose alpha is looked at as one: as many bytes more.
_MOST_AT_ONCE = 4096 * 4096

#: What a viewer does for each value of the EXIF orientation.
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
    """The picture made smaller: in its own colours, and with its transparency where it has any."""

    bare: Image.Image
    layer: Image.Image | None


def is_plain(reading: Reading, image: Image.Image | None) -> bool:
    """Whether every decoder sees the same in the file itself. ``image`` is there if it had to be decoded for that."""
    if reading.depth_bits > 8 or reading.orientation != 1:  # bits of a sample
        return False
    if image is not None and (image.mode in ("CMYK", "I;16") or is_see_through(reading, image)):
        return False
    return not reading.profile


def is_see_through(reading: Reading, image: Image.Image) -> bool:
    """Whether any of it is: most pictures that could be are opaque all over."""
    if not reading.see_through:
        return False
    if image.mode == "RGBA" and image.width * image.height <= _MOST_AT_ONCE:
        return _least_alpha(image) != 255  # opaque
    return any(_least_alpha(_with_alpha(strip)) != 255 for _, strip in _strips(image, 1))  # opaque


def _least_alpha(strip: Image.Image) -> float:
    least = strip.getchannel("A").getextrema()[0]
    return least if isinstance(least, (int, float)) else 0


def in_plain_colours(reading: Reading) -> Reading:
    """Without its profile where that changes nothing that can be seen: most are sRGB."""
    if not reading.profile or colours.is_seen(reading.profile):
        return reading
    return replace(reading, profile=b"")


def small(reading: Reading, image: Image.Image) -> Small:
    """The picture as small as a copy may be at the most: whoever has it needs the large one no more."""
    see_through = is_see_through(reading, image)
    size = copy_size(reading, COPY_SIDES[0] // (2 if see_through or reading.profile else 1))
    return _small(image, size, see_through=see_through)


def copy(reading: Reading, found: Small) -> bytes:
    """A JPEG within the screener's limits, with all its looks where it has several."""
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
    """The size of one look before it is turned. A side below 50 px is stretched, for it must be seen at all."""
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
    """One picture of all: the first two side by side, a third below them."""
    if len(looks) == 1:
        return looks[0]
    width, height = looks[0].size
    whole = Image.new("RGB", (2 * width, -(-len(looks) // 2) * height), "white")
    for index, look in enumerate(looks):
        whole.paste(look, (index % 2 * width, index // 2 * height))
    return whole


def _small(image: Image.Image, size: tuple[int, int], *, see_through: bool) -> Small:
    """Of this size: by whole numbers in strips first, then exactly."""
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
    # Scaled, the colours of what is wholly transparent are lost, as they should be; bare they are kept.
    return Small(bare.resize(size), layer.resize(size) if layer is not None else None)


def _strips(image: Image.Image, factor: int) -> Iterator[tuple[int, Image.Image]]:
    """Strips from the top, each of a multiple of ``factor`` rows, with the row it begins at."""
    rows = max(factor, _STRIP_PIXELS // image.width // factor * factor)
    for top in range(0, image.height, rows):
        yield top, image.crop((0, top, image.width, min(image.height, top + rows)))


def _eight_bits(strip: Image.Image) -> Image.Image:
    """The colours of a strip without its transparency, in eight bits a sample: L, RGB or CMYK."""
    if strip.mode == "I;16":
        return Image.frombytes("L", strip.size, strip.tobytes()[1::2])  # the upper byte of each
    if strip.mode in _READY:
        return strip
    if strip.mode == "P" and "transparency" in strip.info:
        strip = strip.convert("RGBA")
    return strip.convert("L" if strip.mode in ("1", "LA") else "RGB")


def _with_alpha(strip: Image.Image) -> Image.Image:
    """The strip as RGBA; a key of its transparency is a colour in eight bits."""
    if strip.mode == "RGBA":
        return strip
    key = strip.info.get("transparency")
    if strip.mode in ("1", "I;16"):
        strip = _eight_bits(strip)
        strip.info["transparency"] = key
    return strip.convert("RGBA")
