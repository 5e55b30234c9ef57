"""The catalogue: the models on offer, which of them may follow another, and what they cost in credits.

Rules of this file:
1. The data is in catalog.toml (read by file.py). mapping.py turns a request into a model's input, and choosing.py
   chooses the model of a request.
2. A hidden model is never offered, nor is one without a price (unpriced), nor one of whose entry somebody must still
   confirm a value (draft).
3. Where a credit has a price (CREDIT_USD), a model whose margin is below the least one of a plan is not offered to that
   plan (margin.py). The refusal says so, without a number.
4. Credits are integers. The price of one output is fixed when an attempt opens: per output, or per requested second,
   token or step.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum

from shared.core.catalog.mapping import Input, Readings, set_pictures
from shared.core.catalog.settable import Settable, raised, raised_prices, same_kinds
from shared.core.catalog.sizes import Sizing
from shared.core.catalog.tiers import Tier
from shared.core.keys import Key
from shared.core.modality import Modality
from shared.core.money.plans import Plan
from shared.core.money.pricing import Asked, Price, worst_cost_usd_micros
from shared.core.provider.guarantees import PROVIDERS, ProviderName, Providers
from shared.core.reasons import Reason, Refusal
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
    BELOW_MARGIN = "below_margin"  # its credits leave less than the margin that a plan needs; margin.py finds it


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
    ``kind`` separates models of a modality that cannot replace each other (music, speech): none stands for another.
    ``version_entry``: the entry from which the versions that this trainer makes inherit. ``inherits``: the entry from
    which this version does (training/versions.py).
    ``hundred_steps_s``: the longest that a hundred steps of a training take. 0: it is not known.
    ``price_page`` is the page of the price (empty: not known), true on ``price_date`` (None: there is no price).
    ``inputs_source`` is where the inputs were read. ``settable``: what a request may set beyond our fields.
    ``marks``: the places of the entry that somebody must still confirm, with the reason.
    ``run_s`` is how long its machine runs at most for what the credits count, ``least_run_s`` at least (0: not known).
    ``min_margin_percent`` takes precedence over that of a plan. ``allow_loss``: it is offered whatever its margin is,
    for ``loss_reason``.
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
    settable: Mapping[str, Settable] = field(default_factory=dict)
    run_s: int = 0
    least_run_s: int = 0
    min_margin_percent: int | None = None
    allow_loss: bool = False
    loss_reason: str = ""

    @property
    def offered(self) -> bool:
        """Whether a request may use it."""
        return self.status is Status.ACTIVE


@dataclass(frozen=True, slots=True)
class Instead:
    """What to name in place of a name that guides use and that is no model here, and why."""

    models: tuple[str, ...]
    why: str = ""


@dataclass(frozen=True, slots=True)
class Routing:
    """How requests get their models where neither they nor their plan say it: settings of the app.

    ``cheapest``: the cheapest of the default's quality serves in place of the default. ``fallback``: a model that is
    retired or fails may be followed by another.
    """

    cheapest: bool = False
    fallback: bool = True


@dataclass(frozen=True, slots=True)
class Catalog:
    """All models by name, and what each of the ``providers`` guarantees.

    ``names`` are other names of models. ``instead`` are names that are refused with the models to ask for.
    ``credit_usd_micros`` is what a credit is sold for (0: not set), and then ``by_plan`` is this catalogue as each plan
    sees it: what is below its margin is not offered.
    """

    version: str
    models: Mapping[str, Model]
    providers: Providers = field(default_factory=lambda: PROVIDERS)
    names: Mapping[str, str] = field(default_factory=dict)
    instead: Mapping[str, Instead] = field(default_factory=dict)
    routing: Routing = Routing()
    credit_usd_micros: int = 0
    by_plan: Mapping[str, "Catalog"] = field(default_factory=dict)

    def sold_to(self, plan: str) -> "Catalog":
        """The catalogue as a plan sees it."""
        return self.by_plan.get(plan, self)

    def find(self, name: str) -> Model | None:
        """The model with this name: ours, one of ``names``, or Replicate's owner/name with or without its version.

        None if it is unknown.
        """
        own = name if name in self.models else self.names.get(name, "")
        if own in self.models:
            return self.models[own]
        named = (m for m in self.models.values() if name in (m.target, m.target.partition(":")[0]))
        return next(named, None)

    def get_model_for_plan(self, plan: Plan, modality: str = DEFAULT_MODALITY) -> Model | None:
        """The plan's default model for a modality. None if its tier includes no offered model of the modality."""
        return self.models.get(plan.default_models.get(modality, ""))

    def cheapest(self, modality: str, quality: str, tier: Tier = Tier.PREMIUM) -> Model | None:
        """The cheapest model of a quality class that a tier includes, for one default output (``price_rank``)."""
        offered = (model for model in self.offered(modality) if model.quality == quality and model.tier <= tier)
        return min(offered, key=lambda model: price_rank(model, _NOTHING_SAID), default=None)

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
        if not readings.request.allow_fallback or not self.routing.fallback:
            return
        for name in model.fallback:
            fallback = self.models[name]
            if fallback.status is not Status.ACTIVE or not same_kinds(model, fallback, readings.request.inputs):
                continue
            if fallback.tier <= tier and not readings.misses(fallback):
                yield fallback


#: The models that a request may name, and that are not offered.
KNOWN_ONLY = (Status.UNPRICED, Status.DRAFT, Status.BELOW_MARGIN)

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
    dearer = -(-base * (100 + _surcharge_percent(model, request)) // 100)
    return raised(model, request.inputs, dearer)


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


def too_long(model: Model, request: GenerationRequest) -> Refusal | None:
    """The refusal of a training that would be stopped before its end, with the most steps that would not be."""
    scale = model.hundred_steps_s * _times(model, request) * (100 + _surcharge_percent(model, request))
    if asked(model, request, "training_steps") * scale <= model.cancel_after_s * 10_000:
        return None
    most, stopped = model.cancel_after_s * 10_000 // scale, f"it is stopped after {model.cancel_after_s:,} s"
    given = "with this batch_size and gradient_checkpointing"
    said = f"training_steps must be at most {most:,} for {model.name} {given}: {stopped}"
    return Refusal(Reason.INVALID_REQUEST, said)


def price_rank(model: Model, request: GenerationRequest, outputs: int = 1) -> tuple[int, int, int, str]:
    """What is least for the model to choose: its credits, then its USD for as long as it usually runs, then its time.

    The name decides the rest, so that the order of a file never does.
    """
    usd_micros = worst_cost_of(model, request, outputs, longest_s=model.expected_s)
    return unit_credits(model, request), usd_micros, model.expected_s, model.name


def worst_cost_of(model: Model, request: GenerationRequest, outputs: int, longest_s: int | None = None) -> int:
    """The most that one prediction can cost at the provider, if it runs for ``longest_s`` (None: until its cancel).

    Of a chain only one costs: a failed one is free.
    """
    asks = Asked(
        outputs=outputs,
        sides=(request.width or 0, request.height or 0),
        seconds=asked(model, request, "duration_s"),
        inputs=len(request.pictures) + len(set_pictures(model, request)) + bool(request.input_file),
        text_bytes=sum(len(text.encode(errors="replace")) for text in request.written_texts),
        tokens=asked(model, request, "max_tokens"),
        longest_s=model.cancel_after_s if longest_s is None else longest_s,
    )
    return worst_cost_usd_micros(raised_prices(model, request.inputs, model.prices), asks)
