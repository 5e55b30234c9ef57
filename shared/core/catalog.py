"""The catalogue: the models that are offered, and how a request becomes a model's input and a price.

Rules of this file:
1. The data is in catalog.toml; a catalogue is checked whole when it is read, and an error names file, model and field.
2. Only inputs that a model lists are ever sent: Replicate refuses some unknown keys and ignores others.
3. What a user asks and a model cannot do is either mapped to the nearest thing it can (sizes), or left out and
   named (a negative prompt), or refused with the field and its range (numbers); never silently changed.
4. Prices are integers of credits per output, fixed when the generation opens.
"""

import math
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from shared.core.credits import Plan
from shared.core.messages import GenerationRequest
from shared.core.reasons import Reason, Refusal

Inputs = Mapping[str, str | int | float | bool]


class CatalogError(ValueError):
    """The catalogue cannot be used; the text names the file, the model and the field."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Input:
    """One input of a model: its kind (text, image, choice, whole, real), its range, the request field that fills it."""

    name: str
    kind: str
    field: str
    choices: tuple[str, ...] = ()
    low: float = -math.inf
    high: float = math.inf

    def problem(self, value: object) -> str:
        """What is wrong with a value, naming the request's field and the rule; empty if nothing is."""
        if self.kind == "choice" and value not in self.choices:
            return f"{self.field} must be one of {', '.join(self.choices)}"
        if self.kind in ("whole", "real") and not (isinstance(value, (int, float)) and self.low <= value <= self.high):
            return f"{self.field} must be from {self.low:g} to {self.high:g}"
        return ""


@dataclass(frozen=True, slots=True)
class Sizing:
    """Free width and height, each within bounds and a multiple of ``step``. A model without it takes aspect ratios."""

    low: int
    high: int
    step: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """One model that is offered. ``replicate`` is owner/name; ``fallback`` names the models tried after it."""

    name: str
    replicate: str
    modality: str
    tier: Plan
    quality: str
    credits: int
    price_usd_micros: int
    price_date: date
    expected_s: int
    cancel_after_s: int
    sizing: Sizing | None
    inputs: Mapping[str, Input]
    fallback: tuple[str, ...] = ()
    prompt_characters: tuple[int, int] = (3, 500)


@dataclass(frozen=True, slots=True)
class Catalog:
    """All models by name, and which one serves whom by default."""

    version: str
    models: Mapping[str, Model]
    default_models: Mapping[Plan, str]

    @classmethod
    def parse(cls, text: str, file: str = "catalog.toml") -> "Catalog":
        """Read a catalogue from TOML; CatalogError on the first thing that is wrong."""
        try:
            raw = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            raise CatalogError(f"{file}: not TOML: {error}") from error
        models = {name: _model(file, name, table) for name, table in raw.get("models", {}).items()}
        if not models:
            raise CatalogError(f"{file}: no model in it")
        defaults = {Plan.named(plan): name for plan, name in raw.get("default_models", {}).items()}
        for plan in Plan:
            if defaults.get(plan) not in models:
                raise CatalogError(f"{file}: default_models.{plan.label} must name a model of the catalogue")
        for model in models.values():
            for name in model.fallback:
                if name not in models:
                    raise CatalogError(f"{file}: model {model.name}, fallback: {name} is not in the catalogue")
        return cls(str(raw.get("version", "")), models, defaults)

    def find(self, name: str) -> Model | None:
        """A model by our name or by Replicate's owner/name."""
        return self.models.get(name) or next((m for m in self.models.values() if m.replicate == name), None)

    def chain(self, model: Model, request: GenerationRequest, plan: Plan) -> Iterator[Model]:
        """The model and those that may be tried after it for this request and plan, in order."""
        yield model
        if not request.allow_fallback:
            return
        for name in model.fallback:
            fallback = self.models[name]
            if takes_image(model, request) and not takes_image(fallback, request):
                continue  # a picture made without the one that was given is another picture
            if fallback.tier <= plan and not isinstance(inputs_of(fallback, request, seed=0), Refusal):
                yield fallback


def takes_image(model: Model, request: GenerationRequest) -> bool:
    """Whether the request brings an image that the model has an input for."""
    return request.image_url is not None and any(item.kind == "image" for item in model.inputs.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class Mapped:
    """A request as one model takes it: its input, how many outputs, and the fields it has no use for."""

    inputs: Inputs
    outputs: int
    ignored_fields: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Quote:
    """The model that will serve a request, and the most it can cost over the whole fallback chain."""

    model: Model
    chain: tuple[str, ...]
    outputs: int
    hold_credits: int


def quote(catalog: Catalog, request: GenerationRequest, plan: Plan) -> Quote | Refusal:
    """Choose the model for a request of this plan and price it, or say why not."""
    model = _chosen(catalog, request, plan)
    if isinstance(model, Refusal):
        return model
    mapped = inputs_of(model, request, seed=0)
    if isinstance(mapped, Refusal):
        return mapped
    limit = request.max_credits
    if limit is not None and model.credits * mapped.outputs > limit:
        return Refusal.of(Reason.OVER_LIMIT)
    chain = [
        link for link in catalog.chain(model, request, plan) if limit is None or link.credits * mapped.outputs <= limit
    ]
    worst = max(link.credits for link in chain) * mapped.outputs
    return Quote(model=model, chain=tuple(link.name for link in chain), outputs=mapped.outputs, hold_credits=worst)


def _chosen(catalog: Catalog, request: GenerationRequest, plan: Plan) -> Model | Refusal:
    if request.model is not None:
        named = catalog.find(request.model)
        if named is None:
            return Refusal.of(Reason.UNKNOWN_MODEL)
        return named if named.tier <= plan else Refusal.of(Reason.PLAN_TOO_LOW)
    if request.quality is None:
        return catalog.models[catalog.default_models[plan]]
    matches = [model for model in catalog.models.values() if model.quality == request.quality]
    if not matches:
        qualities = sorted({model.quality for model in catalog.models.values()})
        return Refusal(Reason.INVALID_REQUEST, f"quality must be one of {', '.join(qualities)}")
    allowed = [model for model in matches if model.tier <= plan]
    return min(allowed, key=lambda model: model.credits) if allowed else Refusal.of(Reason.PLAN_TOO_LOW)


#: Request fields that steer Darkroom or are mapped by rules of their own, and so are never "ignored".
_STEERING = {"key", "model", "quality", "max_credits", "allow_fallback", "metadata", "width", "height", "seed"}


def inputs_of(model: Model, request: GenerationRequest, *, seed: int) -> Mapped | Refusal:
    """The model's input for a request with this seed, or a refusal that names the field and its range."""
    low, high = model.prompt_characters
    if not low <= len(request.prompt.strip()) <= high:
        return Refusal(Reason.INVALID_REQUEST, f"prompt must be {low} to {high} characters long")
    values = _sized(model, request)
    asked = {name for name in GenerationRequest.__dataclass_fields__ if getattr(request, name) is not None} - _STEERING
    for item in model.inputs.values():
        value = values.get(item.name, getattr(request, item.field, None))
        if item.name == "seed":
            value = seed
        if value is None:
            continue
        if problem := item.problem(value):
            return Refusal(Reason.INVALID_REQUEST, f"{problem} for {model.name}")
        values[item.name] = value
    outputs = request.num_outputs or 1
    if outputs > 1 and "num_outputs" not in model.inputs:
        return Refusal(Reason.INVALID_REQUEST, f"num_outputs must be 1 for {model.name}")
    used = {item.field for item in model.inputs.values()} | ({"num_outputs"} if outputs == 1 else set())
    return Mapped(inputs=values, outputs=outputs, ignored_fields=tuple(sorted(asked - used)))


def _sized(model: Model, request: GenerationRequest) -> dict[str, str | int | float | bool]:
    """Width and height as the model takes a size; nothing if none was asked or an aspect ratio was."""
    if request.aspect_ratio is not None or (request.width is None and request.height is None):
        return {}
    # The one that was not said is the model families' usual default, 1024.
    width, height = request.width or 1024, request.height or 1024
    if model.sizing is not None:
        fitted = _fitted(width, height, model.sizing)
        return {"aspect_ratio": "custom", "width": fitted[0], "height": fitted[1]}
    choices = model.inputs["aspect_ratio"].choices
    sized: dict[str, str | int | float | bool] = {"aspect_ratio": nearest_ratio(width, height, choices)}
    if "megapixels" in model.inputs:
        # The geometric middle between 0.25 and 1 megapixel parts the two.
        sized["megapixels"] = "0.25" if width * height < 0.5 * 1024 * 1024 else "1"
    return sized


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


# Reading the file. Every error names where it is.


def _model(file: str, name: str, table: Any) -> Model:
    where = f"{file}: model {name}"
    if not isinstance(table, dict):
        raise CatalogError(f"{where}: must be a table")
    inputs = {key: _input(f"{where}, inputs.{key}", key, raw) for key, raw in table.get("inputs", {}).items()}
    if "prompt" not in inputs:
        raise CatalogError(f"{where}, inputs: prompt is missing")
    try:
        model = Model(
            name=name,
            replicate=_checked(where, table, "replicate", str),
            modality=_checked(where, table, "modality", str),
            tier=Plan.named(_checked(where, table, "tier", str)),
            quality=_checked(where, table, "quality", str),
            credits=_checked(where, table, "credits", int),
            price_usd_micros=_checked(where, table, "price_usd_micros", int),
            price_date=_checked(where, table, "price_date", date),
            expected_s=_checked(where, table, "expected_s", int),
            cancel_after_s=_checked(where, table, "cancel_after_s", int),
            sizing=_sizing(where, table.get("sizing")),
            inputs=inputs,
            fallback=tuple(table.get("fallback", ())),
            prompt_characters=tuple(table.get("prompt_characters", (3, 500))),
        )
    except ValueError as error:
        raise error if isinstance(error, CatalogError) else CatalogError(f"{where}: {error}") from error
    _bounded(where, model)
    return model


def _bounded(where: str, model: Model) -> None:
    if model.credits < 1:
        raise CatalogError(f"{where}, credits: must be at least 1")
    # Replicate takes 5 s to 24 h (replicate.com/docs/topics/predictions/lifecycle).
    if not 5 <= model.cancel_after_s <= 86_400:
        raise CatalogError(f"{where}, cancel_after_s: must be from 5 to 86400")
    if model.sizing is None and "aspect_ratio" not in model.inputs:
        raise CatalogError(f'{where}, sizing: "megapixels" needs the input aspect_ratio')


def _input(where: str, name: str, raw: Any) -> Input:
    if not isinstance(raw, dict) or raw.get("type") not in {"text", "image", "choice", "whole", "real"}:
        raise CatalogError(f"{where}: type must be one of text, image, choice, whole, real")
    if raw["type"] == "choice" and not raw.get("choices"):
        raise CatalogError(f"{where}: choices is missing")
    field = raw.get("field", name)
    mapped_by_rule = {"megapixels"}
    if field not in GenerationRequest.__dataclass_fields__ and name not in mapped_by_rule:
        raise CatalogError(f"{where}: field {field} is no field of a request")
    return Input(
        name=name,
        kind=raw["type"],
        field=field,
        choices=tuple(raw.get("choices", ())),
        low=raw.get("from", -math.inf),
        high=raw.get("to", math.inf),
    )


def _sizing(where: str, raw: Any) -> Sizing | None:
    if raw == "megapixels":
        return None
    try:
        return Sizing(raw["from"], raw["to"], raw["step"])
    except (KeyError, TypeError):
        raise CatalogError(f'{where}, sizing: must be "megapixels" or a table of from, to, step') from None


def _checked(where: str, table: Mapping[str, Any], field: str, kind: type) -> Any:
    value = table.get(field)
    if not isinstance(value, kind) or isinstance(value, bool):
        raise CatalogError(f"{where}, {field}: must be {kind.__name__}, not {value!r}")
    return value
