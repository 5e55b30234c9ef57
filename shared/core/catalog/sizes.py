"""Sizes: turns a requested shape and size in pixels into a size that the model has.

Rules of this file:
1. A size is mapped to the nearest size that the model has. A ratio is a choice: the model has it or not.
2. A ratio decides the shape; width and height decide how large. One side and a ratio give both sides. Sides of another
   shape than the ratio are left out and reported. So is a resolution beside sides, because they already say it.
3. A resolution such as ``1920x1080`` is a width and a height. Any other is a word, and the model has it or not.
4. ``custom`` means that the sides are the size, even for a model without that word.
"""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from shared.core.requests.messages import GenerationRequest
from shared.core.values import replace

Value = str | int | float | bool | list[str]

#: The size in the event, under the keys asked, sent and made.
GenerationView = Mapping[str, Mapping[str, int | str] | None]

#: Both sides of an image if none is requested: one megapixel, the default of most model families.
_USUAL_SIDE = 1024

#: How far sides may differ from the ratio beside them (natural logarithm): 1366 x 768 is 16:9, and so is 1920 x 1088.
_SAME_SHAPE = 0.02

#: The aspect ratio that makes a model use width and height.
CUSTOM = "custom"

_SIDES = re.compile(r"(\d{2,4})[x×](\d{2,4})", re.ASCII)  # noqa: RUF001  # people write the sign too
_RATIO = re.compile(r"(\d{1,5})[:x/](\d{1,5})", re.ASCII)


@dataclass(frozen=True, slots=True)
class Sizing:
    """How a model takes a size: by a ratio, perhaps with megapixels; or by width and height.

    Width and height are each within ``low`` and ``high`` and a multiple of ``step``. ``step`` 0: by ratio only.
    """

    low: int = 0
    high: int = 0
    step: int = 0

    @property
    def free(self) -> bool:
        """Whether width and height can be chosen."""
        return self.step > 0


class Choices(Protocol):
    """What this file needs of an input."""

    @property
    def choices(self) -> tuple[str | int, ...]:
        """The allowed values."""

    def spelled(self, value: Value) -> Value:
        """A value in the model's spelling."""


class Shaped(Protocol):
    """What this file needs of a model."""

    @property
    def inputs(self) -> Mapping[str, Choices]:
        """Its inputs by name."""

    @property
    def sizing(self) -> Sizing | None:
        """How it takes a size. None: it takes none."""


class Pixels(Protocol):
    """What this file needs of an output. Both sides are 0 if it is not an image."""

    @property
    def width(self) -> int:
        """Pixels across."""

    @property
    def height(self) -> int:
        """Pixels down."""


@dataclass(frozen=True, slots=True)
class Sized:
    """The inputs that give the model the size, and the fields that they do not use; or what is wrong."""

    values: Mapping[str, Value] = field(default_factory=dict)
    unused: tuple[str, ...] = ()
    problem: str = ""


def sized(model: Shaped, request: GenerationRequest) -> Sized:
    """The requested size as the model takes it. Empty if none was requested, or the model's size is fixed."""
    size = _sized(model, request)
    if "width" in size.values and request.resolution is not None and "resolution" in model.inputs:
        return replace(size, unused=(*size.unused, "resolution"))  # it applies to a ratio only
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


def view(
    request: GenerationRequest | None, inputs: Mapping[str, Value], outputs: Sequence[Pixels]
) -> GenerationView | None:
    """The size as requested, as sent to the model, and of the first image made. None if none was requested."""
    fields = ("aspect_ratio", "width", "height", "resolution")
    asked = {name: value for name in fields if request is not None and (value := getattr(request, name)) is not None}
    if not asked:
        return None
    names = (*fields, "megapixels")
    sent = {name: value for name in names if isinstance(value := inputs.get(name), (int, str))}
    made = next(({"width": each.width, "height": each.height} for each in outputs if each.width), None)
    return {"asked": asked, "sent": sent, "made": made}


def _by_sides(model: Shaped, sizing: Sizing, width: int | None, height: int | None) -> Sized:
    """The size of two sides, or of one side and the default for the other."""
    width, height = width or _USUAL_SIDE, height or _USUAL_SIDE
    if sizing.free:
        return Sized(_custom(model, width, height, sizing))
    choices = tuple(str(choice) for choice in model.inputs["aspect_ratio"].choices)
    return Sized({"aspect_ratio": nearest_ratio(width, height, choices), **_megapixels(model, width * height)})


def _by_ratio(model: Shaped, sizing: Sizing, ratio: str, width: int | None, height: int | None) -> Sized:
    """The size of a ratio, and of the sides if they have its shape."""
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
    """The requested sides, a missing one calculated from the shape. None if there are none."""
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
    # The geometric mean of 0.25 and 1 megapixel separates the two.
    return {"megapixels": "0.25" if pixels < 0.5 * 1024 * 1024 else "1"}


def in_lowest_terms(text: str) -> tuple[int, int] | None:
    """A ratio such as ``4:3``, ``16x9`` or ``1920:1080`` in its lowest terms. None if the text is not a ratio."""
    match = _RATIO.fullmatch(text)
    across, down = (int(match[1]), int(match[2])) if match else (0, 0)
    if not across or not down:
        return None
    common = math.gcd(across, down)
    across, down = across // common, down // common
    return (across, down) if max(across, down) <= 100 else None


def sided(text: str) -> tuple[int, int] | None:
    """The sides of a resolution such as ``1920x1080``. None: no size, or one that no request has."""
    match = _SIDES.fullmatch("".join(text.split()).lower())
    sides = (int(match[1]), int(match[2])) if match else (0, 0)
    return sides if all(64 <= side <= 8192 for side in sides) else None


def nearest_ratio(width: int, height: int, ratios: tuple[str, ...]) -> str:
    """The ratio of ``ratios`` ("4:3", ...) that is nearest to the requested shape, by the logarithm."""
    want = math.log(width / height)

    def distance(ratio: str) -> float:
        across, down = ratio.split(":")
        return abs(math.log(int(across) / int(down)) - want)

    return min((ratio for ratio in ratios if ":" in ratio), key=distance)


def _fitted(width: int, height: int, sizing: Sizing) -> tuple[int, int]:
    """The requested shape scaled into the model's bounds, each side a multiple of its step."""
    scale = min(1.0, sizing.high / max(width, height))
    scale = max(scale, sizing.low / min(width, height))

    def side(length: int) -> int:
        stepped = round(length * scale / sizing.step) * sizing.step
        return max(sizing.low, min(sizing.high, stepped))

    return side(width), side(height)
