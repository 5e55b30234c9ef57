"""PURE: what an input asks for: how large a picture, how long a film or a sound, in which file format."""

import math
import re
from collections.abc import Mapping
from typing import Any, Final

from replicate_simulator.models import SIZES, Model, PictureFormat
from replicate_simulator.schemas import Order

#: Both sides of a picture of which nothing is said.
_USUAL_SIDE: Final = 1024
#: What the sides of a picture are rounded to where the model says nothing of it.
_GRID: Final = 16
#: Nothing that is painted here has more: it would take a second.
_MOST_MEGAPIXELS: Final = 4.0
#: The longest side of a film, in pixels: it is to be looked at, not to be watched.
_FILM_SIDE: Final = 320
#: Seconds where neither the input nor the model says any: MiniMax's films, MusicGen's music.
_USUAL_S: Final[Mapping[str, float]] = {"video": 6, "audio": 8}
#: How long a word takes to be spoken.
_WORD_S: Final = 0.4

_RATIO: Final = re.compile(r"(\d{1,3}):(\d{1,3})")
_MEGAPIXELS: Final = re.compile(r"(\d+(?:\.\d+)?)(?: ?MP)?")


def picture_format(model: Model, given: Mapping[str, Any]) -> PictureFormat:
    """Returns the picture that a checked input asks this model for."""
    values = model.given(given)
    width, height = _sides(values, model.step)
    quality = values.get("output_quality")
    return PictureFormat(width, height, _picture_extension(model, values), 80 if quality is None else int(quality))


def film_format(order: Order) -> PictureFormat:
    """Returns what a frame of a film looks like: small, in the asked shape."""
    values = order.target.model.given(order.input)
    width, height = _of_ratio(values) or SIZES["16:9"]
    scale = _FILM_SIDE / max(width, height)
    return PictureFormat(_stepped(width * scale, 2), _stepped(height * scale, 2), "jpg", 70)


def extension_of(order: Order) -> str:
    """Returns the extension of the files that a prediction makes, without a dot."""
    model = order.target.model
    match model.modality:
        case "video":
            return "mp4"
        case "audio":
            return "mp3" if model.given(order.input).get("output_format") == "mp3" else "wav"
        case "training":
            return "tar"
        case _:
            return picture_format(model, order.input).extension


def lasts_s(order: Order) -> float:
    """Returns how many seconds of film or sound an order asks for."""
    model = order.target.model
    asked = model.given(order.input).get(model.duration)
    found = re.match(r"\d+(?:\.\d+)?", str(asked))
    if found is not None and float(found[0]) > 0:
        return float(found[0])
    if model.modality == "audio" and model.output == "object":  # speech
        return max(1.0, round(_WORD_S * len(str(order.input.get("prompt", "")).split()), 2))
    return _USUAL_S.get(model.modality, 0)


def _picture_extension(model: Model, values: Mapping[str, Any]) -> str:
    asked = values.get("output_format")
    if asked is None:
        known = model.inputs["output_format"].enum if "output_format" in model.inputs else ()
        asked = "webp" if "webp" in known else "png"
    return {"jpeg": "jpg"}.get(asked, asked)


def _sides(values: Mapping[str, Any], step: int) -> tuple[int, int]:
    ratio = values.get("aspect_ratio")
    if ratio == "custom" or (ratio is None and "width" in values):
        width, height = values.get("width") or _USUAL_SIDE, values.get("height") or _USUAL_SIDE
        return _stepped(width, step), _stepped(height, step)
    width, height = _of_ratio(values) or (_USUAL_SIDE, _USUAL_SIDE)
    scale = math.sqrt(_megapixels(values))
    return (width, height) if scale == 1 else (_stepped(width * scale, _GRID), _stepped(height * scale, _GRID))


def _of_ratio(values: Mapping[str, Any]) -> tuple[int, int] | None:
    """Returns one megapixel in the asked ratio; None where none is asked for, or that of a picture which went in."""
    ratio = str(values.get("aspect_ratio"))
    if ratio in SIZES:
        return SIZES[ratio]
    found = _RATIO.fullmatch(ratio)
    if found is None or not int(found[1]) or not int(found[2]):
        return None
    root = math.sqrt(int(found[1]) / int(found[2]))
    return _stepped(_USUAL_SIDE * root, _GRID), _stepped(_USUAL_SIDE / root, _GRID)


def _megapixels(values: Mapping[str, Any]) -> float:
    """Reads "0.25", "2 MP" and the like; 1 where there is nothing of the kind."""
    for name in ("megapixels", "output_megapixels", "resolution"):
        found = _MEGAPIXELS.fullmatch(str(values.get(name)))
        if found is not None:
            return min(float(found[1]) or 1.0, _MOST_MEGAPIXELS)
    return 1.0


def _stepped(pixels: float, step: int) -> int:
    return max(step, round(pixels / step) * step)
