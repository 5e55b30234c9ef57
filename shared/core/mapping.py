"""How a request becomes a model's input.

Rules of this file:
1. Only inputs that a model lists are ever sent: Replicate refuses some unknown keys and ignores others.
2. What a user asks and a model cannot do is either mapped to the nearest thing it can (sizes), or left out and
   named (a negative prompt), or refused with the field and its range (numbers); never silently changed.
3. A text for a model that chats cannot speak as anybody else in the chat (chat_template.py).
"""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Protocol

from shared.core.chat_template import plain
from shared.core.messages import GenerationRequest
from shared.core.reasons import Reason, Refusal

Value = str | int | float | bool | list[str]
Inputs = Mapping[str, Value]

#: The kinds of input there are. An image is one address, images are a list of them; audio and archive are files that
#: the app has put into its own storage.
KINDS = ("text", "image", "images", "audio", "archive", "choice", "whole", "real", "flag")

#: How a request refers to an input that was screened and stored. No address of a user's looks so: they are https.
INPUT_PREFIX = "input:"

#: Both sides of a picture of which nothing was said: one megapixel, as the model families make it by themselves.
_USUAL_SIDE = 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Input:
    """One input of a model: its kind, its range, the request field that fills it.

    ``value`` is sent always, whatever a request says. ``default`` is the model's own, and not sent. A prompt may have
    templates: ``template`` with ``{prompt}`` in it, ``system_template`` with ``{system_prompt}`` too, for a request
    that has one and a model that takes it in no other way.
    """

    name: str
    kind: str
    field: str = ""
    choices: tuple[str | int, ...] = ()
    low: float = -math.inf
    high: float = math.inf
    required: bool = False
    template: str = ""
    system_template: str = ""
    value: Value | None = None
    default: Value | None = None

    def problem(self, value: object) -> str:
        """What is wrong with a value, naming the request's field and the rule; empty if nothing is."""
        if self.choices and value not in self.choices:
            return f"{self.field} must be one of {', '.join(map(str, self.choices))}"
        if self.kind in ("whole", "real") and not (isinstance(value, (int, float)) and self.low <= value <= self.high):
            return f"{self.field} must be from {self.low:g} to {self.high:g}"
        return ""


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


class Taker(Protocol):
    """What is needed of a model here."""

    @property
    def name(self) -> str:
        """Our name of it."""

    @property
    def modality(self) -> str:
        """What it makes."""

    @property
    def inputs(self) -> Mapping[str, Input]:
        """Its inputs by name."""

    @property
    def sizing(self) -> Sizing | None:
        """How it takes a size; None: it takes none."""

    @property
    def prompt_characters(self) -> tuple[int, int]:
        """How long a prompt may be."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mapped:
    """A request as one model takes it: its input, how many outputs, and the fields it has no use for."""

    inputs: Inputs
    outputs: int
    ignored_fields: tuple[str, ...]


def takes_image(model: Taker, request: GenerationRequest) -> bool:
    """Whether the request brings an image that the model has an input for."""
    return request.image_url is not None and any(item.kind in ("image", "images") for item in model.inputs.values())


def takes_file(model: Taker, request: GenerationRequest) -> bool:
    """Whether the request names a file that the model has an input for."""
    return bool(file_kinds(model, request))


def file_kinds(model: Taker, request: GenerationRequest) -> set[str]:
    """What the file that the request names is to the model: audio, an archive, or nothing."""
    if request.input_file is None:
        return set()
    return {item.kind for item in model.inputs.values() if item.kind in ("audio", "archive")}


def references(inputs: Inputs) -> list[str]:
    """The names of the stored inputs that a model's input refers to."""
    values = (each for value in inputs.values() for each in (value if isinstance(value, list) else [value]))
    return [
        value.removeprefix(INPUT_PREFIX)
        for value in values
        if isinstance(value, str) and value.startswith(INPUT_PREFIX)
    ]


#: Request fields that steer Darkroom, and so are never "ignored".
_STEERING = {"key", "model", "modality", "quality", "max_credits", "allow_fallback", "metadata"}


def inputs_of(model: Taker, request: GenerationRequest, *, seed: int) -> Mapped | Refusal:
    """The model's input for a request with this seed, or a refusal that names the field and its range."""
    if model.modality == "text":
        system = plain(request.system_prompt) if request.system_prompt else request.system_prompt
        request = replace(request, prompt=plain(request.prompt), system_prompt=system)
    low, high = model.prompt_characters
    if "prompt" in model.inputs and not low <= len(request.prompt.strip()) <= high:
        return Refusal(Reason.INVALID_REQUEST, f"prompt must be {low} to {high} characters long")
    values = _sized(model, request)
    if isinstance(values, Refusal):
        return values
    # A size goes as it was fitted, or not at all: beside a ratio the sides mean nothing.
    unsized = request if model.sizing is None else replace(request, width=None, height=None)
    for item in model.inputs.values():
        value = _value(item, values.get(item.name), unsized, seed)
        if value is None or value == "":
            if item.required:
                return Refusal(Reason.INVALID_REQUEST, f"{item.field} is needed for {model.name}")
            continue
        if item.value is None and (problem := item.problem(value)):
            return Refusal(Reason.INVALID_REQUEST, f"{problem} for {model.name}")
        values[item.name] = [str(value)] if item.kind == "images" else value
    outputs = request.num_outputs or 1
    if outputs > 1 and all(item.field != "num_outputs" for item in model.inputs.values()):
        return Refusal(Reason.INVALID_REQUEST, f"num_outputs must be 1 for {model.name}")
    return Mapped(inputs=values, outputs=outputs, ignored_fields=_ignored(model, request))


def seed_of(model: Taker, request: GenerationRequest, ours: int) -> int:
    """The user's seed as it is, or ours as the model takes it: not all take 32 bits."""
    taken = model.inputs.get("seed")
    if request.seed is not None:
        return request.seed
    if taken is None or taken.low <= ours <= taken.high:
        return ours
    low = max(0, taken.low)
    return int(low + ours % (taken.high - low + 1))


def _value(item: Input, sized: Value | None, request: GenerationRequest, seed: int) -> Value | None:
    if item.value is not None:
        return item.value
    if item.name == "seed":
        return seed
    template = item.system_template if request.system_prompt else item.template
    if template:
        return _filled(template, request)
    given: Value | None = sized if sized is not None else getattr(request, item.field, None)
    return given


def _filled(template: str, request: GenerationRequest) -> str:
    """A template with the request's texts. In one go: what a user writes is never taken for a place to be filled."""
    texts = {"{prompt}": request.prompt, "{system_prompt}": request.system_prompt or ""}
    return re.sub(r"\{(?:system_)?prompt\}", lambda place: texts[place[0]], template)


def _ignored(model: Taker, request: GenerationRequest) -> tuple[str, ...]:
    given = {name for name in GenerationRequest.__dataclass_fields__ if getattr(request, name) not in (None, "")}
    used = {item.field for item in model.inputs.values()}
    if any(item.system_template for item in model.inputs.values()):
        used.add("system_prompt")
    if request.num_outputs == 1:
        used.add("num_outputs")
    if model.sizing is not None:
        used |= {"width", "height", "aspect_ratio"}
    if any(item.kind == "archive" for item in model.inputs.values()):
        used.add("destination")
    return tuple(sorted(given - _STEERING - used))


def _sized(model: Taker, request: GenerationRequest) -> dict[str, Value] | Refusal:
    """The size that was asked for as the model takes it; nothing if none was, or the model has its own."""
    sizing, ratio = model.sizing, request.aspect_ratio
    if sizing is None:
        return {}
    if ratio is not None:
        if "aspect_ratio" in model.inputs:
            return {}  # the model takes ratios itself
        across, down = _ratio(ratio)
        if not across:
            return Refusal(Reason.INVALID_REQUEST, f"aspect_ratio must be such as 4:3 for {model.name}")
        return _custom(model, across, down, sizing)
    if request.width is None and request.height is None:
        return {}
    width, height = request.width or _USUAL_SIDE, request.height or _USUAL_SIDE
    if sizing.free:
        return _custom(model, width, height, sizing)
    choices = tuple(str(choice) for choice in model.inputs["aspect_ratio"].choices)
    sized: dict[str, Value] = {"aspect_ratio": nearest_ratio(width, height, choices)}
    if "megapixels" in model.inputs:
        # The geometric middle between 0.25 and 1 megapixel parts the two.
        sized["megapixels"] = "0.25" if width * height < 0.5 * 1024 * 1024 else "1"
    return sized


def _custom(model: Taker, width: int, height: int, sizing: Sizing) -> dict[str, Value]:
    fitted = _fitted(width, height, sizing)
    custom: dict[str, Value] = {"aspect_ratio": "custom"} if "aspect_ratio" in model.inputs else {}
    return {**custom, "width": fitted[0], "height": fitted[1]}


def _ratio(ratio: str) -> tuple[int, int]:
    """The sides of one megapixel in this ratio ("4:3"); zeros where it is none."""
    across, _, down = ratio.partition(":")
    if not (across.isdecimal() and down.isdecimal() and 0 < int(across) <= 100 and 0 < int(down) <= 100):
        return 0, 0
    root = math.sqrt(int(across) / int(down))
    return round(_USUAL_SIDE * root), round(_USUAL_SIDE / root)


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
