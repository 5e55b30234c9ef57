"""The catalogue: the models on offer, which of them serves a request, and what that costs.

Rules of this file:
1. The data is in catalog.toml (read by file.py). mapping.py turns a request into a model's input.
2. A request names a model, or a modality and perhaps a quality class, or nothing: then the account's plan decides
   (plans.toml). Its tier says which models it includes.
3. A retired model is served by its successor, unless the request allows no fallback. A hidden model is never offered,
   nor is one without a price (unpriced), nor one of whose entry somebody must still confirm a value (draft).
4. A model that the request did not name (the plan's, the quality's, a successor, a fallback) serves only if it honours
   every field of the request (Readings.misses). If none does, the refusal says what could be requested instead.
5. Credits are integers. The price of one output is fixed when an attempt opens: per output, or per requested second,
   token or step.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum

from shared.core.catalog.mapping import Input, Readings
from shared.core.catalog.shortfall import nearest_model, nearest_names, unserved
from shared.core.catalog.sizes import Sizing
from shared.core.catalog.tiers import Tier
from shared.core.events.generation_event import ChosenBy, PassedOver
from shared.core.keys import Key
from shared.core.modality import Modality
from shared.core.money.limits import Cost
from shared.core.money.plans import Plan
from shared.core.money.pricing import Asked, Price, worst_cost_usd_micros
from shared.core.provider.guarantees import PROVIDERS, ProviderName, Providers
from shared.core.reasons import Reason, Refusal, counted
from shared.core.requests.messages import GenerationRequest

#: The quality classes, from the cheapest to the best.
QUALITIES = ("economy", "standard", "premium")

#: The modality of a request that names none.
DEFAULT_MODALITY = "image"


class Status(StrEnum):
    """Whether a model is on offer."""

    ACTIVE = "active"
    RETIRED = "retired"  # gone at the provider: its successor serves
    HIDDEN = "hidden"  # in the catalogue, but not offered
    UNPRICED = "unpriced"  # known, but without a price that has a source; file.py reads it from the entry
    DRAFT = "draft"  # an entry with an open mark; file.py reads it from the entry


class CreditsPer(StrEnum):
    """What a model's credits are charged for."""

    OUTPUT = "output"
    SECOND = "second"  # of the requested duration
    THOUSAND_TOKENS = "thousand_tokens"  # of max_tokens; a begun thousand counts whole
    HUNDRED_STEPS = "hundred_steps"  # of a training; a begun hundred counts whole


class Shape(StrEnum):
    """The form in which a model returns its result."""

    LIST = "list"  # of files
    SINGLE = "single"  # one file
    OBJECT = "object"  # files by name
    CHUNKS = "chunks"  # a text in parts
    VERSION = "version"  # of a training: the model's new version, and its weights as a file


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """One model. ``target`` is its name at its ``provider``: owner/name, with ``:version`` if it needs one.

    ``fallback`` names the models to try after it. ``output_bytes`` is the largest output accepted (0: as all).
    ``black_is_refusal``: its built-in checker returns a black image in place of one that it refuses.
    ``kind`` separates models of a modality that cannot replace each other (music, speech). Empty: all can.
    ``version_entry``: the entry from which the versions that this trainer makes inherit. ``inherits``: the entry from
    which this version does (training/versions.py).
    ``hundred_steps_s``: the longest that a hundred steps of a training take. 0: it is not known.
    ``price_page`` is where the price was read on ``price_date`` (None: there is no price), ``inputs_source`` where the
    inputs were. ``marks``: the places of the entry that somebody must still confirm, with the reason.
    """

    name: str
    provider: ProviderName
    target: str
    modality: Modality
    kind: str
    status: Status
    successor: str
    tier: Tier
    quality: str
    credits: int
    credits_per: CreditsPer
    prices: tuple[Price, ...]
    price_date: date | None
    expected_s: int
    cancel_after_s: int
    output: Shape
    sizing: Sizing | None
    inputs: Mapping[str, Input]
    fallback: tuple[str, ...]
    prompt_characters: tuple[int, int]
    output_bytes: int
    black_is_refusal: bool = False
    price_page: str = ""
    inputs_source: str = ""
    version_entry: str = ""
    inherits: str = ""
    hundred_steps_s: int = 0
    marks: Mapping[str, str] = field(default_factory=dict)

    @property
    def offered(self) -> bool:
        """Whether a request may use it."""
        return self.status is Status.ACTIVE


@dataclass(frozen=True, slots=True)
class Catalog:
    """All models by name, and what each of the ``providers`` guarantees."""

    version: str
    models: Mapping[str, Model]
    providers: Providers = field(default_factory=lambda: PROVIDERS)

    def find(self, name: str) -> Model | None:
        """The model with this name: ours, or Replicate's owner/name with or without its version. None if unknown."""
        if name in self.models:
            return self.models[name]
        named = (m for m in self.models.values() if name in (m.target, m.target.partition(":")[0]))
        return next(named, None)

    def get_model_for_plan(self, plan: Plan, modality: str = DEFAULT_MODALITY) -> Model | None:
        """The plan's default model for a modality. None if its tier includes no offered model of the modality."""
        return self.models.get(plan.default_models.get(modality, ""))

    def cheapest(self, modality: str, quality: str, tier: Tier = Tier.PREMIUM) -> Model | None:
        """The cheapest model of a quality class that a tier includes, by the credits for one default output."""
        offered = (model for model in self.offered(modality) if model.quality == quality and model.tier <= tier)
        return min(offered, key=lambda model: unit_credits(model, _NOTHING_SAID), default=None)

    def offered(self, modality: str) -> Iterator[Model]:
        """All models of a modality that are on offer."""
        return (m for m in self.models.values() if m.modality == modality and m.status is Status.ACTIVE)

    def successor_of(self, model: Model) -> Model:
        """The model itself or, if it is retired, the model that serves in its place."""
        while model.status is Status.RETIRED:
            model = self.models[model.successor]
        return model

    def chain(self, model: Model, readings: Readings, tier: Tier) -> Iterator[Model]:
        """The model and the models that may be tried after it for this request and tier, in order."""
        yield model
        if not readings.request.allow_fallback:
            return
        for name in model.fallback:
            fallback = self.models[name]
            if fallback.status is not Status.ACTIVE:
                continue
            if fallback.tier <= tier and not readings.misses(fallback):
                yield fallback


#: An empty request: every model uses its own defaults for it.
_NOTHING_SAID = GenerationRequest(key=Key("", ""))

#: What a price counts: the field of the request, and how much of it is one unit.
COUNTED: Mapping[CreditsPer, tuple[str, int]] = {
    CreditsPer.SECOND: ("duration_s", 1),
    CreditsPer.THOUSAND_TOKENS: ("max_tokens", 1000),
    CreditsPer.HUNDRED_STEPS: ("training_steps", 100),
}


def calculate_cost(model: Model, outputs: int = 1, *, counted: int = 0) -> int:
    """The price of ``outputs`` outputs in credits. ``counted``: the seconds, tokens or steps, if they are priced."""
    if model.credits_per is CreditsPer.OUTPUT:
        return model.credits * outputs
    _, of = COUNTED[model.credits_per]
    return model.credits * max(1, math.ceil(counted / of)) * outputs


def unit_credits(model: Model, request: GenerationRequest) -> int:
    """The price of one output for this request, in credits."""
    field, _ = COUNTED.get(model.credits_per, ("", 1))
    base = calculate_cost(model, counted=asked(model, request, field)) * _times(model, request)
    return -(-base * (100 + _surcharge_percent(model, request)) // 100)


def _surcharge_percent(model: Model, request: GenerationRequest) -> int:
    """What is added to the price for fields that make it dearer, and are not at their default."""
    dearer = (item for item in model.inputs.values() if item.surcharge_percent)
    return sum(item.surcharge_percent for item in dearer if getattr(request, item.field) not in (None, item.default))


def _times(model: Model, request: GenerationRequest) -> int:
    """How often the price counts: the product of all inputs that multiply it, as requested or by default."""
    return math.prod(max(1, asked(model, request, item.field)) for item in model.inputs.values() if item.multiplies)


def asked(model: Model, request: GenerationRequest, field: str) -> int:
    """The requested amount of a counted field: the request's number, or the model's default (0: none)."""
    counted = next((item for item in model.inputs.values() if item.field == field), None)
    if counted is None:
        return 0
    value = getattr(request, field)
    if value is None:
        value = counted.default
    return value if isinstance(value, int) else 0


def worst_case_credits(links: tuple[Model, ...], request: GenerationRequest, outputs: int) -> int:
    """The most that a request can cost over a chain of models, in credits."""
    return max(unit_credits(link, request) for link in links) * outputs


def _too_long(model: Model, request: GenerationRequest) -> Refusal | None:
    """The refusal of a training that would be stopped before its end, with the most steps that would not be."""
    scale = model.hundred_steps_s * _times(model, request) * (100 + _surcharge_percent(model, request))
    if asked(model, request, "training_steps") * scale <= model.cancel_after_s * 10_000:
        return None
    most, stopped = model.cancel_after_s * 10_000 // scale, f"it is stopped after {model.cancel_after_s:,} s"
    given = "with this batch_size and gradient_checkpointing"
    said = f"training_steps must be at most {most:,} for {model.name} {given}: {stopped}"
    return Refusal(Reason.INVALID_REQUEST, said)


def _worst_cost_usd_micros(model: Model, request: GenerationRequest, outputs: int) -> int:
    """The most that one prediction can cost at the provider. Of a chain only one costs: a failed one is free."""
    asks = Asked(
        outputs=outputs,
        sides=(request.width or 0, request.height or 0),
        seconds=asked(model, request, "duration_s"),
        inputs=len(request.pictures) + bool(request.input_file),
        text_bytes=sum(len(text.encode(errors="replace")) for text in request.written_texts),
        tokens=asked(model, request, "max_tokens"),
        longest_s=model.cancel_after_s,
    )
    return worst_cost_usd_micros(model.prices, asks)


@dataclass(frozen=True, slots=True, kw_only=True)
class Quote:
    """The model that will serve a request and why, and the most that it can cost over the whole fallback chain.

    ``plan`` names the plan that it was made for; it may not hold for another. ``ignored_fields`` are the fields that
    the model does not use.
    """

    model: Model
    chain: tuple[str, ...]
    outputs: int
    hold_credits: int
    worst_cost_usd_micros: int = 0
    plan: str
    ignored_fields: tuple[str, ...] = ()
    chosen_by: ChosenBy
    passed_over: tuple[PassedOver, ...] = ()

    @property
    def cost(self) -> Cost:
        """What is held for it, and what it may cost at the provider."""
        return Cost(self.hold_credits, self.worst_cost_usd_micros)


@dataclass(frozen=True, slots=True)
class _Choice:
    model: Model
    by: ChosenBy
    passed_over: tuple[PassedOver, ...] = ()


def quote(catalog: Catalog, request: GenerationRequest, plan: Plan) -> Quote | Refusal:
    """Choose and price the model for a request of this plan, or refuse it with the reason."""
    readings = Readings(request)
    choice = _named(catalog, readings, plan.tier) if request.model is not None else _fitting(catalog, readings, plan)
    if isinstance(choice, Refusal):
        return choice
    mapped = _too_long(choice.model, request) or readings.mapped(choice.model)
    if isinstance(mapped, Refusal):
        return mapped
    limit = request.max_credits

    def affordable(link: Model) -> bool:
        if link is not choice.model and _too_long(link, request):
            return False
        return limit is None or unit_credits(link, request) * mapped.outputs <= limit

    if not affordable(choice.model):
        costs = unit_credits(choice.model, request) * mapped.outputs
        said = f"This would cost {counted(costs, 'credit')} with {choice.model.name}, and max_credits is {limit}."
        return Refusal(Reason.OVER_LIMIT, f"{said} Raise max_credits or ask for less.")
    links = tuple(link for link in catalog.chain(choice.model, readings, plan.tier) if affordable(link))
    return Quote(
        model=choice.model,
        chain=tuple(link.name for link in links),
        outputs=mapped.outputs,
        hold_credits=worst_case_credits(links, request, mapped.outputs),
        worst_cost_usd_micros=max(_worst_cost_usd_micros(link, request, mapped.outputs) for link in links),
        plan=plan.name,
        ignored_fields=mapped.ignored_fields,
        chosen_by=choice.by,
        passed_over=choice.passed_over,
    )


def _named(catalog: Catalog, readings: Readings, tier: Tier) -> _Choice | Refusal:
    """The model that the request names, or its successor."""
    request = readings.request
    named = catalog.find(request.model or "")
    if named is None or named.status is Status.HIDDEN:
        return _unknown(catalog, request.model or "")
    if named.status in (Status.UNPRICED, Status.DRAFT):
        return _not_offered_yet(catalog, named)
    if request.modality not in (None, named.modality):
        return Refusal(Reason.INVALID_REQUEST, f"modality must be {named.modality} for {named.name}, or left out")
    successor_of = catalog.successor_of(named)
    if successor_of is named:
        return _Choice(named, ChosenBy.REQUEST) if named.tier <= tier else Refusal.of(Reason.PLAN_TOO_LOW)
    if named.modality is Modality.TRAINING or not request.allow_fallback:
        # Another trainer makes another version, and takes hours and dollars for it: nobody gets it unasked.
        return Refusal(
            Reason.MODEL_RETIRED,
            f"{named.name} is no longer offered. Ask for {successor_of.name}"
            + ("." if named.modality is Modality.TRAINING else ", or allow a fallback."),
        )
    if successor_of.tier > tier:
        return Refusal.of(Reason.PLAN_TOO_LOW)
    if readings.misses(successor_of):
        why = unserved([successor_of], [], readings)
        return Refusal(
            why.reason, f"{named.name} is no longer offered, and for {successor_of.name} in its place: {why.text}"
        )
    return _Choice(successor_of, ChosenBy.SUCCESSOR, (PassedOver(named.name, Reason.MODEL_RETIRED),))


def _unknown(catalog: Catalog, name: str) -> Refusal:
    """The refusal of an unknown model, with the names closest to it. Hidden models are never suggested."""
    known = {each.name: each.target.partition(":")[0] for each in catalog.models.values() if each.offered}
    near = nearest_names(name, known)
    if not near:
        return Refusal.of(Reason.UNKNOWN_MODEL)
    return Refusal(Reason.UNKNOWN_MODEL, f"This model is not offered. The nearest names are {' and '.join(near)}.")


def _not_offered_yet(catalog: Catalog, model: Model) -> Refusal:
    """The refusal of a model that is known but not offered, with the offered one that takes most of what it takes."""
    offered = [each for each in catalog.offered(model.modality) if each.kind == model.kind]
    near = nearest_model(model, offered)
    said = f"{model.name} is known, but not offered here"
    return Refusal(Reason.UNKNOWN_MODEL, f"{said}. The nearest that is offered is {near}." if near else f"{said}.")


def _fitting(catalog: Catalog, readings: Readings, plan: Plan) -> _Choice | Refusal:
    """A model for a request that names none: of its quality class or plan, and one that honours every field."""
    request = readings.request
    modality = request.modality or ("training" if request.destination else DEFAULT_MODALITY)
    offered = list(catalog.offered(modality))
    default = catalog.get_model_for_plan(plan, modality)
    if not offered:
        return Refusal(Reason.INVALID_REQUEST, f"nothing of the modality {modality} is offered here")
    if default is None:
        return Refusal.of(Reason.PLAN_TOO_LOW)
    by, matches = ChosenBy.PLAN, [model for model in offered if model.kind == default.kind]
    if request.quality is None and not readings.misses(default):
        return _Choice(default, by)
    if request.quality is not None:
        by, matches = ChosenBy.QUALITY, [model for model in offered if model.quality == request.quality.lower()]
    if not matches:
        has = ", ".join(quality for quality in QUALITIES if any(model.quality == quality for model in offered))
        return Refusal(Reason.INVALID_REQUEST, f"quality must be one of {has}")
    allowed = [model for model in matches if model.tier <= plan.tier]
    if not allowed:
        return Refusal.of(Reason.PLAN_TOO_LOW)
    fit = [model for model in allowed if not readings.misses(model)]
    if fit:
        return _Choice(min(fit, key=lambda model: unit_credits(model, request)), by)
    return unserved(allowed, [model for model in matches if model.tier > plan.tier], readings)
