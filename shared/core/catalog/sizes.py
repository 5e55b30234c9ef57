"""Sizes: what a user asks for as a shape and as pixels, as the size that a model has.

Rules of this file:
1. A size is honoured by the nearest size that the model has. A ratio is a choice: a model has it or it has not.
2. A ratio decides the shape, the sides decide how large. One side and a ratio are two sides. Sides of another shape
   than the ratio are left out and told. So is a resolution beside sides, which say it already.
3. ``custom`` says that the sides are the size, also to a model that has no such word.
"""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

from shared.core.requests.messages import GenerationRequest

Value = str | int | float | bool | list[str]

#: A size in the event, under the words asked, sent and made.
GenerationView = Mapping[str, Mapping[str, int | str] | None]

#: Both sides of a picture of which nothing was said: one megapixel, as the model families make it by themselves.
_USUAL_SIDE = 1024

#: How far, by the logarithm, sides may be from the ratio beside them: 1366 x 768 is 16:9, and so is 1920 x 1088.
_SAME_SHAPE = 0.02

#: The word by which a model is told that the sides count.
CUSTOM = "custom"

_RATIO = re.compile(r"(\d{1,5})[:x/](\d{1,5})", re.ASCII)


@dataclass(frozen=True, slots=True)
class Sizing:
    """How a model takes a size: by a ratio, perhaps with megapixels; or by width and height.

    Width and height are each within ``low`` and ``high`` and a multiple of ``step``. ``step`` 0: by ratio alone.
    """

    low: int = 0
    high: int = 0
    step: int = 0

    @property
    def free(self) -> bool:
        """Whether width and height may be chosen."""
        return self.step > 0


class Choices(Protocol):
    """What is needed of an input here."""

    @property
    def choices(self) -> tuple[str | int, ...]:
        """What may be said."""

    def spelled(self, value: Value) -> Value:
        """A value as the model spells it."""


class Shaped(Protocol):
    """What is needed of a model here."""

    @property
    def inputs(self) -> Mapping[str, Choices]:
        """Its inputs by name."""

    @property
    def sizing(self) -> Sizing | None:
        """How it takes a size; None: it takes none."""


class Pixels(Protocol):
    """What is needed of an output here; both are 0 for what is no picture."""

    @property
    def width(self) -> int:
        """Pixels across."""

    @property
    def height(self) -> int:
        """Pixels down."""


@dataclass(frozen=True, slots=True)
class Sized:
    """The inputs by which a model is told the size; the fields it has no use for; or what is wrong."""

    values: Mapping[str, Value] = field(default_factory=dict)
    unused: tuple[str, ...] = ()
    problem: str = ""


def sized(model: Shaped, request: GenerationRequest) -> Sized:
    """The size that was asked for as the model takes it; nothing if none was, or the model has its own."""
    size = _sized(model, request)
    if "width" in size.values and request.resolution is not None and "resolution" in model.inputs:
        return replace(size, unused=(*size.unused, "resolution"))  # it goes with a ratio only
    return size


def _sized(model: Shaped, request: GenerationRequest) -> Sized:
    sizing, ratio, sides = model.sizing, request.aspect_ratio, (request.width, request.height)
    if sizing is None:
        return Sized()
    if ratio is not None and ratio.strip().lower() == CUSTOM:
        return (
            _by_sides(model, sizing, *sides)
            if all(sides)
            else Sized(problem="aspect_ratio custom needs width and height")
        )
    if ratio is not None:
        return _by_ratio(model, sizing, ratio, *sides)
    return _by_sides(model, sizing, *sides) if any(sides) else Sized()


def told(
    request: GenerationRequest | None, inputs: Mapping[str, Value], outputs: Sequence[Pixels]
) -> GenerationView | None:
    """The size that was asked for, as the model was told it, and as the first picture has it; None where none was."""
    fields = ("aspect_ratio", "width", "height", "resolution")
    asked = {name: value for name in fields if request is not None and (value := getattr(request, name)) is not None}
    if not asked:
        return None
    names = (*fields, "megapixels")
    sent = {name: value for name in names if isinstance(value := inputs.get(name), (int, str))}
    made = next(({"width": each.width, "height": each.height} for each in outputs if each.width), None)
    return {"asked": asked, "sent": sent, "made": made}


def _by_sides(model: Shaped, sizing: Sizing, width: int | None, height: int | None) -> Sized:
    """Two sides, or one against the usual one."""
    width, height = width or _USUAL_SIDE, height or _USUAL_SIDE
    if sizing.free:
        return Sized(_custom(model, width, height, sizing))
    choices = tuple(str(choice) for choice in model.inputs["aspect_ratio"].choices)
    return Sized({"aspect_ratio": nearest_ratio(width, height, choices), **_megapixels(model, width * height)})


def _by_ratio(model: Shaped, sizing: Sizing, ratio: str, width: int | None, height: int | None) -> Sized:
    """A ratio, and sides where they have its shape."""
    given = tuple(name for name, side in (("width", width), ("height", height)) if side)
    shape, takes = in_lowest_terms("".join(ratio.split()).lower()), model.inputs.get("aspect_ratio")
    if takes is None and shape is None:
        return Sized(problem="aspect_ratio must be such as 4:3")
    if shape is None or not _same_shape(shape, width, height):
        fitted, unused = None, given
    else:
        fitted, unused = _two_sides(shape, width, height), ()
    if takes is None and shape is not None:
        return Sized(_custom(model, *(fitted or _one_megapixel(shape)), sizing), unused)
    choice = takes.spelled(ratio) if takes is not None else ratio
    if takes is None or choice not in takes.choices or fitted is None:
        return Sized({"aspect_ratio": choice}, unused)
    if sizing.free:
        return Sized(_custom(model, *fitted, sizing), unused)
    return Sized({"aspect_ratio": choice, **_megapixels(model, fitted[0] * fitted[1])}, unused)


def _same_shape(shape: tuple[int, int], width: int | None, height: int | None) -> bool:
    if not width or not height:
        return True
    return abs(math.log(width / height) - math.log(shape[0] / shape[1])) <= _SAME_SHAPE


def _two_sides(shape: tuple[int, int], width: int | None, height: int | None) -> tuple[int, int] | None:
    """The sides that were given, the missing one by the shape; None where none was."""
    across, down = shape
    if width and height:
        return width, height
    if width:
        return width, max(1, round(width * down / across))
    return (max(1, round(height * across / down)), height) if height else None


def _one_megapixel(shape: tuple[int, int]) -> tuple[int, int]:
    root = math.sqrt(shape[0] / shape[1])
    return round(_USUAL_SIDE * root), round(_USUAL_SIDE / root)


def _custom(model: Shaped, width: int, height: int, sizing: Sizing) -> dict[str, Value]:
    fitted = _fitted(width, height, sizing)
    custom: dict[str, Value] = {"aspect_ratio": CUSTOM} if "aspect_ratio" in model.inputs else {}
    return {**custom, "width": fitted[0], "height": fitted[1]}


def _megapixels(model: Shaped, pixels: int) -> dict[str, Value]:
    if "megapixels" not in model.inputs:
        return {}
    # The geometric middle between 0.25 and 1 megapixel parts the two.
    return {"megapixels": "0.25" if pixels < 0.5 * 1024 * 1024 else "1"}


def in_lowest_terms(text: str) -> tuple[int, int] | None:
    """A ratio such as ``4:3``, ``16x9`` or ``1920:1080`` in its lowest terms; None for what is none."""
    match = _RATIO.fullmatch(text)
    across, down = (int(match[1]), int(match[2])) if match else (0, 0)
    if not across or not down:
        return None
    common = math.gcd(across, down)
    across, down = across // common, down // common
    return (across, down) if max(across, down) <= 100 else None


def nearest_ratio(width: int, height: int, ratios: tuple[str, ...]) -> str:
    """The ratio of ``ratios`` ("4:3", ...) that distorts the asked shape least, by the logarithm."""
    want = math.log(width / height)

    def distance(ratio: str) -> float:
        across, down = ratio.split(":")
        return abs(math.log(int(across) / int(down)) - want)

    return min((ratio for ratio in ratios if ":" in ratio), key=distance)


def _fitted(width: int, height: int, sizing: Sizing) -> tuple[int, int]:
    """The asked shape scaled into the model's bounds, each side a multiple of its step."""
    scale = min(1.0, sizing.high / max(width, height))
    scale = max(scale, sizing.low / min(width, height))

    def side(length: int) -> int:
        stepped = round(length * scale / sizing.step) * sizing.step
        return max(sizing.low, min(sizing.high, stepped))

    return side(width), side(height)
