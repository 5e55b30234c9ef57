"""How a request becomes a model's input.

Rules of this file:
1. Only inputs that a model lists are sent: Replicate refuses some unknown keys and ignores others.
2. A field that a model cannot honour is never changed silently. It is mapped to the nearest possible value (sizes.py),
   or left out and named (a negative prompt), or refused with the field and its range (numbers).
3. Files, the duration, the number of outputs and the destination are never left out. A model without such an input
   refuses the request, because it would make something else and charge for it.
4. ``Readings.misses`` lists everything that keeps a model from honouring a request. A model that the request did not
   name serves only if that list is empty.
5. ``PNG``, ``jpeg`` and ``16x9`` are spellings of a choice. They are sent in the model's spelling.
6. A text for a chat model, or for any model with a template in the catalogue, cannot speak as anyone else in the chat
   (chat_template.py).
7. A prompt is sent whole or not at all. Its length counts as a field: a model that does not take it misses it. A system
   prompt that a template puts before the prompt counts with it, because both share the model's one text.
8. What a request sets under ``inputs`` is sent as it is, if the entry lists it (settable.py).
"""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from shared.core.catalog.chat_template import plain
from shared.core.catalog.settable import Settable, problems
from shared.core.catalog.sizes import Sizing, Value, in_lowest_terms, sided, sized
from shared.core.modality import InputKind, Modality
from shared.core.reasons import Reason, Refusal, counted
from shared.core.requests.field_patterns import INPUT_PREFIX
from shared.core.requests.fields import FIELDS, PICTURES, WRITTEN
from shared.core.requests.messages import GenerationRequest
from shared.core.values import replace

Inputs = Mapping[str, Value]


@dataclass(frozen=True, slots=True, kw_only=True)
class Input:
    """One input of a model: its kind, its range, and the request field that fills it.

    ``value`` is always sent, whatever the request says. ``default`` is the model's own default, and is not sent.
    ``implied``: the model makes nothing else (six seconds, 720p), so the field's value is checked and not sent. If
    ``multiplies``, the input's number multiplies the price: a step of two pictures is two steps. A value that is not
    the default adds ``surcharge_percent`` to it. A prompt may have templates: ``template`` with ``{prompt}``, and
    ``system_template`` that also has ``{system_prompt}``, for a request with one and a model without an input for it.
    """

    name: str
    kind: InputKind
    field: str = ""
    choices: tuple[str | int, ...] = ()
    low: float = -math.inf
    high: float = math.inf
    required: bool = False
    template: str = ""
    system_template: str = ""
    value: Value | None = None
    default: Value | None = None
    implied: bool = False
    multiplies: bool = False
    surcharge_percent: int = 0

    def spelled(self, value: Value) -> Value:
        """A value in the model's spelling: ``PNG``, ``jpeg``, ``1mp`` are the choices png, jpg, 1 MP, and 3.0 is 3."""
        if self.kind is InputKind.WHOLE and isinstance(value, float) and value.is_integer():
            return int(value)
        if not isinstance(value, str) or value in self.choices:
            return value
        meant = spelling(value)
        return next((each for each in self.choices if isinstance(each, str) and spelling(each) == meant), value)

    def nearest(self, value: object) -> tuple[str | int | float, ...]:
        """What could replace an invalid value: the nearest number, or all choices."""
        if not isinstance(value, (int, float)):
            return self.choices
        numbers: list[float] = [each for each in self.choices if isinstance(each, int)] or [self.low, self.high]
        return (min(numbers, key=lambda each: abs(each - value)),)

    def problem(self, value: object) -> str:
        """What is wrong with a value: the request's field and the rule. Empty if it is valid."""
        if self.choices and value not in self.choices:
            return f"{self.field} must be one of {', '.join(map(str, self.choices))}"
        if self.kind is InputKind.IMAGES and isinstance(value, list) and len(value) > self.high:
            several = "one picture" if self.high == 1 else f"{self.high:g} pictures"
            return f"{self.field} and image_urls must be at most {several} together"
        if self.kind in (InputKind.WHOLE, InputKind.REAL) and not (
            isinstance(value, (int, float)) and self.low <= value <= self.high
        ):
            return f"{self.field} must be from {self.low:g} to {self.high:g}"
        if self.kind is InputKind.WHOLE and not isinstance(value, int):
            return f"{self.field} must be a whole number"
        return ""


def spelling(text: str) -> str:
    """A choice in a form in which case, blanks, a leading dot and the two names of JPEG make no difference."""
    bare = "".join(text.split()).lower().removeprefix(".")
    ratio = in_lowest_terms(bare)
    return "{}:{}".format(*ratio) if ratio else {"jpeg": "jpg"}.get(bare, bare)


class Taker(Protocol):
    """What this file needs of a model."""

    @property
    def name(self) -> str:
        """Darkroom's name for it."""

    @property
    def modality(self) -> str:
        """What it makes: a modality."""

    @property
    def inputs(self) -> Mapping[str, Input]:
        """Its inputs by name."""

    @property
    def settable(self) -> Mapping[str, Settable]:
        """What a request may set of it beyond our fields, by name."""

    @property
    def sizing(self) -> Sizing | None:
        """How it takes a size. None: it takes none."""

    @property
    def prompt_characters(self) -> tuple[int, int]:
        """The least and the most characters of a prompt."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mapped:
    """A request as one model takes it: its input, the number of outputs, and the fields that it does not use."""

    inputs: Inputs
    outputs: int
    ignored_fields: tuple[str, ...]


def pictures_taken(model: Taker, request: GenerationRequest) -> tuple[str, ...]:
    """The request's pictures for which the model has an input, by address."""
    taken = {address for item in model.inputs.values() for address in _pictures(item, request)}
    ours = (address for address in request.pictures if address in taken)
    return tuple(dict.fromkeys([*ours, *set_pictures(model, request)]))


def set_pictures(model: Taker, request: GenerationRequest) -> list[str]:
    """The pictures of the request's ``inputs``, by address."""
    given = (request.inputs.get(item.name) for item in model.settable.values() if item.kind.is_picture)
    several = (value if isinstance(value, list) else [value] for value in given)
    return [address for addresses in several for address in addresses if isinstance(address, str)]


def kinds(model: Taker) -> dict[str, InputKind]:
    """The kind of each input that a model may get, by name."""
    filled = {item.name: item.kind for item in model.inputs.values()}
    return filled | {item.name: item.kind for item in model.settable.values()}


def _pictures(item: Input, request: GenerationRequest) -> list[str]:
    """The pictures that fill an input: that of its field and, if it takes several, those that follow the first."""
    if not item.kind.is_picture or item.value is not None:
        return []
    first: str | None = getattr(request, item.field, None)
    more = request.image_urls or () if item.kind is InputKind.IMAGES and item.field == "image_url" else ()
    return [*([first] if first else []), *more]


def file_kinds(model: Taker, request: GenerationRequest) -> set[InputKind]:
    """The input kinds of the request's file on this model: audio, an archive, or none."""
    if request.input_file is None:
        return set()
    return {item.kind for item in model.inputs.values() if item.kind.is_file}


def references(inputs: Inputs) -> list[str]:
    """The names of the stored inputs that a model's input refers to."""
    values = (each for value in inputs.values() for each in (value if isinstance(value, list) else [value]))
    return [
        value.removeprefix(INPUT_PREFIX)
        for value in values
        if isinstance(value, str) and value.startswith(INPUT_PREFIX)
    ]


#: Request fields that steer Darkroom, so they are never reported as ignored.
_STEERING = {"key", "unknown_fields", "digest", *(field.name for field in FIELDS if field.steers)}

#: Fields without which a model would make something else, or charge another price (rule 3).
_NEVER_LEFT_OUT = (*PICTURES, "lora_weights", "input_file", "duration_s", "destination")


@dataclass(frozen=True, slots=True)
class Miss:
    """A field that a model does not honour: the rule that it breaks, and possible values.

    ``rule`` is empty if the model has no input for the field and would leave it out.
    """

    field: str
    rule: str = ""
    nearest: tuple[str | int | float, ...] = ()


def inputs_of(model: Taker, request: GenerationRequest, *, seed: int) -> Mapped | Refusal:
    """The model's input for a request with this seed, or a refusal that names the field and its range."""
    return _mapped(model, request, *_read(model, request, seed))


def _mapped(model: Taker, request: GenerationRequest, values: Inputs, misses: tuple[Miss, ...]) -> Mapped | Refusal:
    broken = next((miss for miss in misses if miss.rule), None)
    if broken is not None:
        return Refusal(Reason.INVALID_REQUEST, f"{broken.rule} for {model.name}")
    left_out = {miss.field for miss in misses}
    brought = next((field for field in _NEVER_LEFT_OUT if field in left_out), None)
    if brought is not None:
        said = f"{brought} is not taken by {model.name}: leave it out, or ask for a model that takes it"
        return Refusal(Reason.INVALID_REQUEST, said)
    return Mapped(inputs=values, outputs=request.num_outputs or 1, ignored_fields=tuple(sorted(left_out)))


@dataclass(frozen=True, slots=True)
class Readings:
    """One request as each model takes it, before a seed is chosen. The mapping to a model is calculated once."""

    request: GenerationRequest
    _done: dict[str, tuple[dict[str, Value], tuple[Miss, ...]]] = field(default_factory=dict)

    def misses(self, model: Taker) -> tuple[Miss, ...]:
        """Everything that keeps a model from honouring the request, for any seed of ours. Empty: it honours it."""
        return self._of(model)[1]

    def mapped(self, model: Taker) -> Mapped | Refusal:
        """What ``inputs_of`` returns for this model, with the user's seed or a placeholder for ours."""
        return _mapped(model, self.request, *self._of(model))

    def _of(self, model: Taker) -> tuple[dict[str, Value], tuple[Miss, ...]]:
        if model.name not in self._done:
            self._done[model.name] = _read(model, self.request, seed_of(model, self.request, 0))
        return self._done[model.name]


def _read(model: Taker, request: GenerationRequest, seed: int) -> tuple[dict[str, Value], tuple[Miss, ...]]:
    """The input values to send, and the fields that are not honoured."""
    request = _with_sides(model, _disarmed(model, request))
    misses = list(_prompt_misses(model, request))
    size = sized(model, request)
    if size.problem:
        misses.append(Miss("aspect_ratio", size.problem))
    values = dict(size.values)
    for item in model.inputs.values():
        if item.value is None and item.field in size.unused:
            continue
        value = _value(item, values.get(item.name), request, seed, sizes=model.sizing is not None)
        if value is None or value == "":
            if item.required:
                misses.append(Miss(item.field, f"{item.field} is needed"))
            continue
        if item.value is None:
            value = item.spelled(value)
            if rule := item.problem(value):
                misses.append(Miss(item.field, rule, item.nearest(value)))
        if not item.implied:
            values[item.name] = value
    if (request.num_outputs or 1) > 1 and all(item.field != "num_outputs" for item in model.inputs.values()):
        misses.append(Miss("num_outputs", "num_outputs must be 1", (1,)))
    with_rule = {miss.field for miss in misses}
    misses += [Miss("inputs", rule) for rule in problems(model, request.inputs)]
    values |= _set(model, request)
    misses += [Miss(field) for field in _left_out(model, request, size.unused) if field not in with_rule]
    return values, tuple(misses)


def _templates(model: Taker) -> tuple[str, ...]:
    """Its templates that are in the catalogue."""
    written = (text for each in model.inputs.values() for text in (each.template, each.system_template))
    return tuple(text for text in written if text)


def _chats(model: Taker) -> bool:
    """Whether it writes, or its template is in the catalogue."""
    return model.modality is Modality.TEXT or bool(_templates(model))


def _disarmed(model: Taker, request: GenerationRequest) -> GenerationRequest:
    """The request without marks of a chat, for a model that writes or whose template is in the catalogue (rule 6)."""
    if not _chats(model):
        return request
    own = _templates(model)
    written = {name: getattr(request, name) for name in WRITTEN}
    texts: dict[str, Any] = {name: plain(text, own) for name, text in written.items() if isinstance(text, str)}
    return replace(request, **texts)


def _with_sides(model: Taker, request: GenerationRequest) -> GenerationRequest:
    """Use a resolution such as ``1920x1080`` as sides, unless the request has sides or the model offers that value."""
    sides = sided(request.resolution or "")
    if sides is None or model.sizing is None or request.width or request.height:
        return request
    choices = [each for item in model.inputs.values() if item.field == "resolution" for each in item.choices]
    if request.resolution in choices:
        return request
    return replace(request, width=sides[0], height=sides[1], resolution=None)


def _set(model: Taker, request: GenerationRequest) -> dict[str, Value]:
    """The request's ``inputs``. A chat model's texts are disarmed as its prompt is."""
    chats, templates = _chats(model), _templates(model)
    own = {name: value for name, value in request.inputs.items() if name in model.settable}
    texts = {name: plain(value, templates) for name, value in own.items() if chats and isinstance(value, str)}
    return {**own, **texts}


def _prompt_misses(model: Taker, request: GenerationRequest) -> tuple[Miss, ...]:
    """The prompt, if it is too short or too long for the model (rule 7)."""
    taken = next((item for item in model.inputs.values() if item.field == "prompt"), None)
    if taken is None:
        return ()
    low, high = model.prompt_characters
    with_system = request.system_prompt if taken.system_template else None
    length = len(request.prompt) + len(with_system or "")
    if len(request.prompt.strip()) >= low and length <= high:
        return ()
    what = "prompt and system_prompt have" if with_system else "prompt has"
    rule = f"{what} {counted(length, 'character')}, and must have {low} to {high}"
    return (Miss("prompt", rule, (high if length > high else low,)),)


def seed_of(model: Taker, request: GenerationRequest, ours: int) -> int:
    """The user's seed unchanged, or ours within the model's range: not every model takes 32 bits."""
    taken = model.inputs.get("seed")
    if request.seed is not None:
        return request.seed
    if taken is None or taken.low <= ours <= taken.high:
        return ours
    low = max(0, taken.low)
    return int(low + ours % (taken.high - low + 1))


def _value(item: Input, fitted: Value | None, request: GenerationRequest, seed: int, *, sizes: bool) -> Value | None:
    if item.value is not None:
        return item.value
    if item.name == "seed":
        return seed
    template = item.system_template if request.system_prompt else item.template
    if template:
        return _filled(template, request)
    if fitted is not None:
        return fitted
    if item.kind is InputKind.IMAGES:
        return _pictures(item, request) or None
    # A size is sent as sizes.py fitted it, or not at all.
    if sizes and item.field in ("width", "height", "aspect_ratio"):
        return None
    given: Value | None = getattr(request, item.field, None)
    if item.kind is InputKind.WEIGHTS and isinstance(given, str) and not given.startswith("https:"):
        return given.replace(":", "/")  # the form in which models of Replicate load a version of another
    return given


def _filled(template: str, request: GenerationRequest) -> str:
    """A template filled with the request's texts in one pass, so that a placeholder in a user's text is not filled."""
    texts = {"{prompt}": request.prompt, "{system_prompt}": request.system_prompt or ""}
    return re.sub(r"\{(?:system_)?prompt\}", lambda place: texts[place[0]], template)


def _left_out(model: Taker, request: GenerationRequest, unused: tuple[str, ...]) -> list[str]:
    """The fields that the request has and the model does not use."""
    given = {name for name in GenerationRequest.__dataclass_fields__ if getattr(request, name) not in (None, "")}
    used = {item.field for item in model.inputs.values()}
    if any(item.system_template for item in model.inputs.values()):
        used.add("system_prompt")
    if request.num_outputs == 1:
        used.add("num_outputs")
    if any(item.kind is InputKind.IMAGES and item.field == "image_url" for item in model.inputs.values()):
        used.add("image_urls")
    if model.sizing is not None:
        used |= {"width", "height", "aspect_ratio"}
    if any(item.kind is InputKind.ARCHIVE for item in model.inputs.values()):
        used.add("destination")
    return sorted(given - _STEERING - (used - set(unused)))
