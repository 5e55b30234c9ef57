"""What an input of a model means: the field of a request that fills it, or why it is not sent.

Rules of this file:
1. An input with the name and the type of a request's field is that field. Every other meaning is a guess, and says why.
2. A field fills one input. The first rule that fits wins, and within a rule the model's own order.
3. An input that turns off or loosens the model's safety, and one that holds a secret, is never sent.
4. An input without a meaning is not sent. If the model requires it, the entry cannot be offered.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from shared.core.catalog.drafting.published import PublishedInput
from shared.core.catalog.input_names import changes_safety, holds_secret
from shared.core.modality import InputKind
from shared.core.requests.field_types import Flag, Number, Text
from shared.core.requests.fields import FIELD, PICTURES

_MOST_PICTURES = re.compile(r"\b(?:maximum|at most|up to|1-)(?: of)? ?(\d{1,2})\b", re.ASCII)
_PICTURE = re.compile(r"(^|_)(image|images|img|picture|photo|frame)($|_)", re.ASCII)
_LAST_FRAME = re.compile(r"^(end|last|tail|final)_(image|frame)(_image)?$", re.ASCII)
_FIRST_FRAME = re.compile(r"^(start|first|initial|init)_(image|frame)(_image)?$", re.ASCII)


@dataclass(frozen=True, slots=True)
class Meaning:
    """The entry's table for one input. ``why`` is the reason of a guess; empty if the meaning is certain."""

    table: Mapping[str, Any]
    why: str = ""


@dataclass(frozen=True, slots=True)
class Meanings:
    """The inputs to send by name, in the order of the schema, and the reason for each that is not sent."""

    sent: Mapping[str, Meaning]
    left_out: Mapping[str, str]


#: The kinds with bounds, and those whose default is the entry's.
_NUMBERS = (InputKind.WHOLE, InputKind.REAL)
_WITH_DEFAULT = (*_NUMBERS, InputKind.FLAG, InputKind.CHOICE)

#: What models call their one picture.
_PICTURE_NAMES = frozenset({"image", "input_image", "img", "picture"})


@dataclass(frozen=True, slots=True)
class _Rule:
    """A rule: the inputs that it fits, the field that fills them, and the kind that the entry gives them."""

    field: str
    kind: str
    fits: Callable[[PublishedInput], bool]
    why: str = "its name says so"


def meanings(inputs: Mapping[str, PublishedInput]) -> Meanings:
    """What each input means, by the rules of this file."""
    left_out = {each.name: why for each in inputs.values() if (why := _never_sent(each))}
    found: dict[str, Meaning] = {}
    taken: set[str] = set()
    for rule in _RULES:
        for each in inputs.values():
            if each.name in left_out or each.name in found or rule.field in taken or not rule.fits(each):
                continue
            certain = each.name == rule.field
            found[each.name] = Meaning(_table(each, rule), "" if certain else f"taken as {rule.field}: {rule.why}")
            taken.add(rule.field)
    for each in inputs.values():
        if each.name not in found and each.name not in left_out:
            left_out[each.name] = "no field of a request means the same"
    return Meanings({name: found[name] for name in inputs if name in found}, left_out)


def _never_sent(each: PublishedInput) -> str:
    if each.format == "password" or holds_secret(each.name):
        return "it holds a secret"
    if changes_safety(each.name):
        return "it changes the model's own safety"
    if each.description.lower().startswith("deprecated"):
        return "the model calls it deprecated"
    return ""


def _table(each: PublishedInput, rule: _Rule) -> Mapping[str, Any]:
    """The entry's table: its type, the field if it has another name, its bounds and the model's default."""
    kind = InputKind.WHOLE.value if rule.kind == InputKind.REAL and each.type == "integer" else rule.kind
    table: dict[str, Any] = {"type": kind}
    if rule.field != each.name:
        table["field"] = rule.field
    if each.choices:
        table["choices"] = list(each.choices)
    elif rule.kind in _NUMBERS:
        table |= _bounds(each, rule)
    if rule.kind == InputKind.IMAGES and (most := _MOST_PICTURES.search(each.description.lower())):
        table["to"] = int(most[1])
    if each.required and rule.field != "prompt":
        table["required"] = True
    if each.default is not None and rule.kind in _WITH_DEFAULT and rule.field != "seed":
        table["default"] = each.default
    if rule.field == "trigger_word" and isinstance(each.default, str):
        table["default"] = each.default
    return table


def _bounds(each: PublishedInput, rule: _Rule) -> Mapping[str, float]:
    """The model's bounds, within those of the field: no request has a number beyond these."""
    field = FIELD[rule.field].type
    if not isinstance(field, Number):
        return {}
    low = field.low if each.low is None else max(field.low, each.low)
    high = field.high if each.high is None else min(field.high, each.high)
    if isinstance(each.default, (int, float)) and not isinstance(each.default, bool):
        low, high = min(low, each.default), max(high, each.default)
    return {"from": low, "to": high}


def _named(names: Iterable[str], *types: str) -> Callable[[PublishedInput], bool]:
    """Whether an input has one of the names and a fitting type; an unpublished type fits."""
    allowed = frozenset(names)
    return lambda each: each.name in allowed and each.type in (*types, "")


def _own(name: str) -> Callable[[PublishedInput], bool]:
    """Whether an input is the field of this name, by its type too (rule 1)."""
    field = FIELD[name].type

    def fits(each: PublishedInput) -> bool:
        if each.name != name:
            return False
        match field:
            case Text(written=True):
                return each.type == "string" and not each.choices
            case Text():
                return bool(each.choices) and each.type in ("string", "")
            case Number(whole=True):
                return each.type == "integer"
            case Number():
                return each.type in ("number", "integer")
            case Flag():
                return each.type == "boolean"
            case _:
                return False

    return fits


def _kind_of(name: str) -> str:
    match FIELD[name].type:
        case Text(written=True):
            return "text"
        case Number(whole=True):
            return "whole"
        case Number():
            return "real"
        case Flag():
            return "flag"
        case _:
            return "choice"


def _is_address(each: PublishedInput) -> bool:
    return each.type == "string" and not each.choices and each.format in ("uri", "")


def _is_list(each: PublishedInput) -> bool:
    return each.type == "array" and each.of in ("string", "") and each.format in ("uri", "")


def _zipped(each: PublishedInput) -> bool:
    return _is_address(each) and bool(re.search(r"\bzip\b", each.description.lower()))


def _masks(each: PublishedInput) -> bool:
    return _is_address(each) and each.name in ("mask", "mask_image", "image_mask", "inpaint_mask")


def _last_frame(each: PublishedInput) -> bool:
    return _is_address(each) and bool(_LAST_FRAME.match(each.name))


def _first_frame(each: PublishedInput) -> bool:
    return _is_address(each) and bool(_FIRST_FRAME.match(each.name))


def _the_picture(each: PublishedInput) -> bool:
    return _is_address(each) and each.name in _PICTURE_NAMES


def _pictures(each: PublishedInput) -> bool:
    return _is_list(each) and bool(_PICTURE.search(each.name))


def _any_picture(each: PublishedInput) -> bool:
    helper = "strength" in each.name or each.name.startswith(("reference", "style", "end_", "last_"))
    return _is_address(each) and bool(_PICTURE.search(each.name)) and not helper


def _sound(each: PublishedInput) -> bool:
    return _is_address(each) and bool(re.search(r"(^|_)(audio|song|sound)($|_)", each.name))


def _words_for_size(each: PublishedInput) -> bool:
    words = all(isinstance(each, str) and not re.fullmatch(r"\d+\s*[x*]\s*\d+", each) for each in each.choices)
    return each.name == "size" and each.type in ("string", "") and bool(each.choices) and words


def _choices_of(*names: str) -> Callable[[PublishedInput], bool]:
    return lambda each: each.name in names and bool(each.choices) and each.type in ("string", "")


#: Fields whose input of the same name is certain. Addresses and files are not among them: no model names them as we do.
_SAME_NAME = tuple(
    name
    for name, field in FIELD.items()
    if field.modalities and name not in (*PICTURES, "input_file", "destination", "width", "height", "lora_weights")
)

_STEPS = ("steps", "num_steps", "inference_steps", "sampling_steps")
_RULES: tuple[_Rule, ...] = (
    *(_Rule(name, _kind_of(name), _own(name)) for name in _SAME_NAME),
    _Rule("width", "whole", _named(("width",), "integer")),
    _Rule("height", "whole", _named(("height",), "integer")),
    _Rule("lora_weights", "weights", _named(("lora_weights",), "string")),
    _Rule("prompt", "text", _named(("text", "text_prompt", "input_text", "text_input", "caption"), "string")),
    _Rule("input_file", "archive", _zipped, "it is a zip"),
    _Rule("image_url", "images", _pictures, "it is a list of pictures"),
    _Rule("image_url", "image", _first_frame, "it is the first frame"),
    _Rule("image_url", "image", _the_picture),
    _Rule("image_url", "image", _any_picture, "it is the first picture that it takes"),
    _Rule("mask_url", "image", _masks, "it is a mask"),
    _Rule("end_image_url", "image", _last_frame, "it is the last frame"),
    _Rule("input_file", "audio", _sound, "it is a sound"),
    _Rule("num_outputs", "whole", _named(("num_images", "number_of_images", "num_samples"), "integer")),
    _Rule("num_inference_steps", "whole", _named(_STEPS, "integer")),
    _Rule(
        "guidance_scale",
        "real",
        _named(("guidance", "cfg", "cfg_scale", "classifier_free_guidance"), "number", "integer"),
    ),
    _Rule("prompt_strength", "real", _named(("strength", "denoising_strength"), "number")),
    _Rule("output_format", "choice", _choices_of("format", "audio_format", "file_format")),
    _Rule("resolution", "choice", _words_for_size, "its choices are words for a size"),
    _Rule("duration_s", "whole", _named(("duration", "seconds", "duration_seconds", "num_seconds"), "integer")),
    _Rule("max_tokens", "whole", _named(("max_new_tokens", "max_length", "max_output_tokens"), "integer")),
    _Rule("temperature", "real", _named(("text_temp",), "number")),
    _Rule("fps", "whole", _named(("frames_per_second", "frame_rate", "framerate"), "integer")),
    _Rule("motion", "real", _named(("motion_bucket_id", "motion_strength"), "number", "integer")),
)
