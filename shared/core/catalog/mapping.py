"""How a request becomes a model's input.

Rules of this file:
1. Only inputs that a model lists are ever sent: Replicate refuses some unknown keys and ignores others.
2. What a user asks and a model cannot do is either mapped to the nearest thing it can (sizes.py), or left out and
   named (a negative prompt), or refused with the field and its range (numbers); never silently changed.
3. What is brought (a picture, a file), how long and how many it is to be, and where it goes, are never left out: a
   model that has no use for it refuses, for it would make something else and charge for it.
4. ``misses_of`` is the whole of what keeps a model from honouring a request. A model that was not named serves only
   where it is empty.
5. ``PNG``, ``jpeg`` and ``16x9`` are spellings of a choice, and are sent as the model spells it.
6. A text for a model that chats cannot speak as anybody else in the chat (chat_template.py).
"""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Protocol

from shared.core.catalog.chat_template import plain
from shared.core.catalog.sizes import Sizing, Value, in_lowest_terms, sized
from shared.core.modality import InputKind, Modality
from shared.core.reasons import Reason, Refusal
from shared.core.requests.fields import FIELDS
from shared.core.requests.messages import GenerationRequest

Inputs = Mapping[str, Value]

#: How a request refers to an input that was screened and stored. No address of a user's looks so: they are https.
INPUT_PREFIX = "input:"


@dataclass(frozen=True, slots=True, kw_only=True)
class Input:
    """One input of a model: its kind, its range, the request field that fills it.

    ``value`` is sent always, whatever a request says. ``default`` is the model's own, and not sent. A prompt may have
    templates: ``template`` with ``{prompt}`` in it, ``system_template`` with ``{system_prompt}`` too, for a request
    that has one and a model that takes it in no other way.
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

    def spelled(self, value: Value) -> Value:
        """A value as the model spells it: ``PNG``, ``jpeg`` and ``1mp`` are the choices png, jpg and 1 MP."""
        if not isinstance(value, str) or value in self.choices:
            return value
        meant = _spelling(value)
        return next((each for each in self.choices if isinstance(each, str) and _spelling(each) == meant), value)

    def nearest(self, value: object) -> tuple[str | int | float, ...]:
        """What could be said instead of a value that is a problem: the nearest number, or all words."""
        if not isinstance(value, (int, float)):
            return self.choices
        numbers: list[float] = [each for each in self.choices if isinstance(each, int)] or [self.low, self.high]
        return (min(numbers, key=lambda each: abs(each - value)),)

    def problem(self, value: object) -> str:
        """What is wrong with a value, naming the request's field and the rule; empty if nothing is."""
        if self.choices and value not in self.choices:
            return f"{self.field} must be one of {', '.join(map(str, self.choices))}"
        if self.kind in (InputKind.WHOLE, InputKind.REAL) and not (
            isinstance(value, (int, float)) and self.low <= value <= self.high
        ):
            return f"{self.field} must be from {self.low:g} to {self.high:g}"
        return ""


def _spelling(text: str) -> str:
    """What is left of a choice when upper case, blanks, a leading dot and the two names of JPEG make no difference."""
    bare = "".join(text.split()).lower().removeprefix(".")
    ratio = in_lowest_terms(bare)
    return "{}:{}".format(*ratio) if ratio else {"jpeg": "jpg"}.get(bare, bare)


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
    return request.image_url is not None and any(item.kind.is_picture for item in model.inputs.values())


def file_kinds(model: Taker, request: GenerationRequest) -> set[InputKind]:
    """What the file that the request names is to the model: audio, an archive, or nothing."""
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


#: Request fields that steer Darkroom, and so are never "ignored".
_STEERING = {"key", "unknown_fields", *(field.name for field in FIELDS if field.steers)}

#: What makes another thing, or another bill, where it is left out (rule 3).
_NEVER_LEFT_OUT = ("image_url", "input_file", "duration_s", "destination")


@dataclass(frozen=True, slots=True)
class Miss:
    """A field of a request that a model does not honour: the rule that it breaks, and what could be said instead.

    ``rule`` is empty where the model has no use for the field and would leave it out.
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


def misses_of(model: Taker, request: GenerationRequest) -> tuple[Miss, ...]:
    """All that keeps a model from honouring a request, whatever our own seed will be; empty: it does."""
    return _read(model, request, seed_of(model, request, 0))[1]


@dataclass(frozen=True, slots=True)
class Readings:
    """One request as models take it, before a seed is chosen. Each model reads it once, however often it is asked."""

    request: GenerationRequest
    _done: dict[str, tuple[dict[str, Value], tuple[Miss, ...]]] = field(default_factory=dict)

    def misses(self, model: Taker) -> tuple[Miss, ...]:
        """See ``misses_of``."""
        return self._of(model)[1]

    def mapped(self, model: Taker) -> Mapped | Refusal:
        """See ``inputs_of``; the seed is the user's, or a place for ours."""
        return _mapped(model, self.request, *self._of(model))

    def _of(self, model: Taker) -> tuple[dict[str, Value], tuple[Miss, ...]]:
        if model.name not in self._done:
            self._done[model.name] = _read(model, self.request, seed_of(model, self.request, 0))
        return self._done[model.name]


def _read(model: Taker, request: GenerationRequest, seed: int) -> tuple[dict[str, Value], tuple[Miss, ...]]:
    """What is sent, and what is not honoured."""
    if model.modality is Modality.TEXT:
        system = plain(request.system_prompt) if request.system_prompt else request.system_prompt
        request = replace(request, prompt=plain(request.prompt), system_prompt=system)
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
        values[item.name] = [str(value)] if item.kind is InputKind.IMAGES else value
    if (request.num_outputs or 1) > 1 and all(item.field != "num_outputs" for item in model.inputs.values()):
        misses.append(Miss("num_outputs", "num_outputs must be 1", (1,)))
    told = {miss.field for miss in misses}
    misses += [Miss(field) for field in _left_out(model, request, size.unused) if field not in told]
    return values, tuple(misses)


def _prompt_misses(model: Taker, request: GenerationRequest) -> tuple[Miss, ...]:
    low, high = model.prompt_characters
    if "prompt" not in model.inputs or low <= len(request.prompt.strip()) <= high:
        return ()
    return (Miss("prompt", f"prompt must be {low} to {high} characters long"),)


def seed_of(model: Taker, request: GenerationRequest, ours: int) -> int:
    """The user's seed as it is, or ours as the model takes it: not all take 32 bits."""
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
    # A size goes as it was fitted, or not at all.
    if sizes and item.field in ("width", "height", "aspect_ratio"):
        return None
    given: Value | None = getattr(request, item.field, None)
    return given


def _filled(template: str, request: GenerationRequest) -> str:
    """A template with the request's texts. In one go: what a user writes is never taken for a place to be filled."""
    texts = {"{prompt}": request.prompt, "{system_prompt}": request.system_prompt or ""}
    return re.sub(r"\{(?:system_)?prompt\}", lambda place: texts[place[0]], template)


def _left_out(model: Taker, request: GenerationRequest, unused: tuple[str, ...]) -> list[str]:
    """The fields that were given and that a model has no use for."""
    given = {name for name in GenerationRequest.__dataclass_fields__ if getattr(request, name) not in (None, "")}
    used = {item.field for item in model.inputs.values()}
    if any(item.system_template for item in model.inputs.values()):
        used.add("system_prompt")
    if request.num_outputs == 1:
        used.add("num_outputs")
    if model.sizing is not None:
        used |= {"width", "height", "aspect_ratio"}
    if any(item.kind is InputKind.ARCHIVE for item in model.inputs.values()):
        used.add("destination")
    return sorted(given - _STEERING - (used - set(unused)))
