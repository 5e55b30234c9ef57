"""The choice of a model: which one serves a request, which may follow it, and the most that this costs.

Rules of this file:
1. A request names a model, or a modality and perhaps a quality class, or nothing: then the account's plan decides
   (plans.toml). Its tier says which models it includes.
2. A retired model is served by its successor, unless the request allows no fallback.
3. A model that the request did not name (the plan's, the quality's, a successor, a fallback) serves only if it honours
   every field of the request (Readings.misses). If none does, the refusal says what could be requested instead.
"""

from dataclasses import dataclass

from shared.core.catalog.catalog import (
    DEFAULT_MODALITY,
    QUALITIES,
    Catalog,
    Model,
    Status,
    unit_credits,
    worst_case_credits,
    worst_cost_of,
)
from shared.core.catalog.mapping import Readings
from shared.core.catalog.shortfall import nearest_model, nearest_names, unserved
from shared.core.catalog.tiers import Tier
from shared.core.events.generation_event import ChosenBy, PassedOver
from shared.core.money.limits import Cost
from shared.core.money.plans import Plan
from shared.core.reasons import Reason, Refusal, counted
from shared.core.requests.messages import GenerationRequest


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
    mapped = readings.mapped(choice.model)
    if isinstance(mapped, Refusal):
        return mapped
    limit = request.max_credits

    def affordable(link: Model) -> bool:
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
        worst_cost_usd_micros=max(worst_cost_of(link, request, mapped.outputs) for link in links),
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
    if not request.allow_fallback:
        return Refusal(
            Reason.MODEL_RETIRED,
            f"{named.name} is no longer offered. Ask for {successor_of.name}, or allow a fallback.",
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
