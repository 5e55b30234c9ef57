"""The pictures: mountains under a sky whose colours come from the prompt, the same for the same prompt and seed.

    sky gradient -> sun or moon -> ridges, the far ones pale, the near ones dark -> what it is, in words -> (marker)

Rules: `render` is pure and slow (tens of milliseconds), so the server runs it in a worker thread; what was rendered is
kept. No colour comes near a marker's (markers.py): saturation stays under 0.75. A plain picture is one colour,
whatever the prompt says: a load test pays for each shape once. Where a size in bytes is asked for, a plain PNG is noise
to that size, and has as many pixels as that takes.
"""

import colorsys
import hashlib
import io
import math
import random
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import Final

from PIL import Image, ImageDraw, ImageFilter, ImageFont

from replicate_simulator.markers import Colour, draw_marker
from replicate_simulator.models import PictureFormat

#: Content type of each `output_format`.
CONTENT_TYPES: Final[Mapping[str, str]] = {"webp": "image/webp", "jpg": "image/jpeg", "png": "image/png"}

# Hues (0 to 1) of the upper sky, the horizon and the ridges, for words that have a colour of their own.
_MOODS: Final[Mapping[str, tuple[float, float, float]]] = {
    "sunset": (0.75, 0.06, 0.72),
    "sunrise": (0.60, 0.10, 0.65),
    "night": (0.66, 0.62, 0.64),
    "forest": (0.50, 0.20, 0.36),
    "sea": (0.57, 0.50, 0.55),
    "desert": (0.58, 0.09, 0.05),
    "snow": (0.58, 0.54, 0.60),
}
_DARK_WORDS: Final = frozenset({"night", "midnight", "dark", "moon", "stars"})
_RIDGES: Final = 5
# Pillow's own font has the letters of ASCII.
_ASCII: Final = 127
# The most pictures kept: 64 of about 100 kB (WebP) are little, and of 2 MB (PNG) still bearable.
_KEPT: Final = 64


@dataclass(frozen=True, slots=True)
class Scene:
    """What to paint; `marker` is a category and a severity of markers.py, `size_bytes` is for a plain PNG."""

    prompt: str
    seed: int
    index: int
    marker: tuple[str, int] | None = None
    plain: bool = False
    size_bytes: int = 0
    model: str = ""


@dataclass(frozen=True, slots=True)
class _Mood:
    """Hues and brightness (0 to 1) of one picture."""

    sky: float
    horizon: float
    ridges: float
    brightness: float


@lru_cache(maxsize=_KEPT)
def render(scene: Scene, form: PictureFormat) -> bytes:
    """Returns the encoded picture."""
    if scene.plain and scene.size_bytes and form.extension == "png":
        return _noise(scene.size_bytes, form)
    size = form.width, form.height
    picture = Image.new("RGB", size, _rgb(0.58, 0.4, 0.7)) if scene.plain else _written(_paint(scene, size), scene)
    if scene.marker is not None:
        draw_marker(picture, *scene.marker)
    return _encoded(picture, form)


def _written(picture: Image.Image, scene: Scene) -> Image.Image:
    """The picture with what it is on its lower edge: simulated, by which model, from which seed and prompt."""
    width, height = picture.size
    size = max(10, min(width, height) // 36)
    font = ImageFont.load_default(size)
    text = "".join(char if char.isprintable() and ord(char) < _ASCII else "?" for char in scene.prompt)
    lines = ["  ".join(filter(None, ["SIMULATED", scene.model, f"seed {scene.seed}"]))]
    most = max(8, width // max(1, round(size * 0.6)))
    lines += textwrap.wrap(text, most, max_lines=2, placeholder=" ...")
    draw = ImageDraw.Draw(picture)
    # Between the corners of the markers (markers.py), whose squares are an eighth of the shorter side.
    left, top = min(width, height) // 7, height - (len(lines) + 1) * round(size * 1.3)
    for number, line in enumerate(lines):
        place = (left, top + number * round(size * 1.3))
        draw.text(
            place, line, fill=(235, 235, 235), font=font, stroke_width=max(1, size // 10), stroke_fill=(30, 30, 30)
        )
    return picture


def _noise(size_bytes: int, form: PictureFormat) -> bytes:
    """A PNG of about so many bytes: rows of noise, which no compression makes smaller, below them plain ones."""
    scale = math.ceil(math.sqrt(size_bytes / (form.width * form.height * 3)))
    width, height = form.width * scale, form.height * scale
    rows = size_bytes // (width * 3)
    picture = Image.new("RGB", (width, height), _rgb(0.58, 0.4, 0.7))
    picture.paste(Image.frombytes("RGB", (width, rows), random.Random(0).randbytes(width * rows * 3)))
    out = io.BytesIO()
    picture.save(out, "PNG", compress_level=1)
    return out.getvalue()


def _paint(scene: Scene, size: tuple[int, int]) -> Image.Image:
    # Bytes, because a prompt may hold what UTF-8 cannot (half a surrogate pair).
    rng = random.Random(f"{scene.prompt}\0{scene.seed}\0{scene.index}".encode(errors="surrogatepass"))
    mood = _mood_of(scene.prompt, rng)
    picture = _sky(mood, size)
    picture = _with_light(picture, mood, rng)
    draw = ImageDraw.Draw(picture)
    for layer in range(_RIDGES):
        nearness = (layer + 1) / _RIDGES
        draw.polygon(_ridge(nearness, size, rng), fill=_ridge_colour(mood, nearness))
    return picture


def _mood_of(prompt: str, rng: random.Random) -> _Mood:
    """Returns the colours: of the first word that has some, else of the words' letters."""
    words = [word.strip(".,;:!?").lower() for word in prompt.split()]
    sky, horizon, ridges = next((_MOODS[word] for word in words if word in _MOODS), _hues_of(words))
    shift = rng.uniform(-0.03, 0.03)  # another seed, another hour of the day
    brightness = 0.45 if _DARK_WORDS.intersection(words) else rng.uniform(0.85, 1.0)
    return _Mood((sky + shift) % 1, (horizon + shift) % 1, (ridges + shift) % 1, brightness)


def _hues_of(words: list[str]) -> tuple[float, float, float]:
    digest = hashlib.sha256(" ".join(words).encode(errors="surrogatepass")).digest()
    return digest[0] / 255, digest[1] / 255, digest[2] / 255


def _sky(mood: _Mood, size: tuple[int, int]) -> Image.Image:
    """Paints a gradient of three colours: one pixel wide, then stretched."""
    stops = (
        _rgb(mood.sky, 0.70, 0.45 * mood.brightness),
        _rgb(mood.horizon, 0.50, 0.90 * mood.brightness),
        _rgb(mood.horizon, 0.25, 1.00 * mood.brightness),
    )
    column = Image.new("RGB", (1, len(stops)))
    column.putdata(stops)
    return column.resize((1, 256), Image.Resampling.BICUBIC).resize(size, Image.Resampling.BILINEAR)


def _with_light(picture: Image.Image, mood: _Mood, rng: random.Random) -> Image.Image:
    """Adds a sun, or at night a moon, with its glow: a small mask, blurred and stretched."""
    width, height = picture.size
    small = 128  # the glow has no detail, so its mask need not have any
    x, y = rng.uniform(0.25, 0.75) * small, rng.uniform(0.25, 0.5) * small
    radius_x = 0.07 * small * min(width, height) / width
    radius_y = 0.07 * small * min(width, height) / height
    glow = Image.new("L", (small, small))
    draw = ImageDraw.Draw(glow)
    draw.ellipse((x - 3 * radius_x, y - 3 * radius_y, x + 3 * radius_x, y + 3 * radius_y), fill=110)
    glow = glow.filter(ImageFilter.GaussianBlur(small / 9))
    light = _rgb(mood.horizon, 0.15, 1.0)
    picture.paste(light, mask=glow.resize(picture.size, Image.Resampling.BICUBIC))
    _disc(picture, (x * width / small, y * height / small), 0.06 * min(width, height), light)
    return picture


def _disc(picture: Image.Image, centre: tuple[float, float], radius: float, colour: Colour) -> None:
    """Paints a round disc with a smooth edge, drawn at four times its size."""
    side = int(2 * radius) + 1
    mask = Image.new("L", (4 * side, 4 * side))
    ImageDraw.Draw(mask).ellipse((0, 0, 4 * side - 1, 4 * side - 1), fill=235)
    corner = int(centre[0] - radius), int(centre[1] - radius)
    picture.paste(colour, corner, mask.resize((side, side), Image.Resampling.BOX))


def _ridge(nearness: float, size: tuple[int, int], rng: random.Random) -> list[tuple[float, float]]:
    """Returns the outline of a mountain range by midpoint displacement, closed along the lower edge."""
    width, height = size
    line = [rng.uniform(-1, 1), rng.uniform(-1, 1)]
    roughness = 0.8
    for _ in range(8):  # 257 points: enough for a broken edge at any width
        middles = [(a + b) / 2 + rng.uniform(-roughness, roughness) for a, b in pairwise(line)]
        line = [point for pair in zip(line, middles, strict=False) for point in pair] + [line[-1]]
        roughness *= 0.55
    base, relief = height * (0.42 + 0.45 * nearness), height * 0.13
    step = width / (len(line) - 1)
    outline = [(index * step, base - relief * value) for index, value in enumerate(line)]
    return [*outline, (width, height), (0, height)]


def _ridge_colour(mood: _Mood, nearness: float) -> Colour:
    return _rgb(mood.ridges, 0.20 + 0.40 * nearness, (0.75 - 0.60 * nearness) * mood.brightness)


def _rgb(hue: float, saturation: float, value: float) -> Colour:
    red, green, blue = colorsys.hsv_to_rgb(hue, saturation, value)
    return round(red * 255), round(green * 255), round(blue * 255)


def _encoded(picture: Image.Image, form: PictureFormat) -> bytes:
    out = io.BytesIO()
    quality = max(1, form.quality)  # the encoders take 0 for "not given"
    if form.extension == "webp":
        picture.save(out, "WEBP", quality=quality, method=2)  # methods over 2 cost twice the time for 5 % of the bytes
    elif form.extension == "jpg":
        picture.save(out, "JPEG", quality=quality)
    else:
        picture.save(out, "PNG", compress_level=3)
    return out.getvalue()
