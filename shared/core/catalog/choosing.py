"""The choice of a model: which one serves a request, which may follow it, and the most that this costs.

Rules of this file:
1. A request names a model, or a modality and perhaps a quality class, or nothing: then the account's plan decides
   (plans.toml). Its tier says which models it includes.
2. A retired model is served by its successor, unless the request allows no fallback.
3. A model that the request did not name (the plan's, the quality's, a successor, a fallback) serves only if it honours
   every field of the request (Readings.misses). If none does, the refusal says what could be requested instead.
4. Of several that do, the one of the fewest credits serves; of these the cheapest in USD; of these the fastest.
5. Models of another kind never stand for one another. The request's ``kind`` counts, else that of the plan's default.
6. A name is never guessed: it is a model's, another name in the catalogue, or refused with what to ask for.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from shared.core.catalog.catalog import (
    DEFAULT_MODALITY,
    KNOWN_ONLY,
    QUALITIES,
    Catalog,
    Model,
    Status,
    price_rank,
    too_long,
    unit_credits,
    worst_case_credits,
    worst_cost_of,
)
from shared.core.catalog.mapping import Readings
from shared.core.catalog.shortfall import nearest_model, nearest_names, unserved
from shared.core.catalog.tiers import Tier
from shared.core.events.generation_event import ChosenBy, PassedOver
from shared.core.modality import Modality
from shared.core.money.limits import Cost
from shared.core.money.plans import Plan
from shared.core.reasons import Reason, Refusal, counted
from shared.core.requests.messages import GenerationRequest
from shared.core.values import replace


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


#: A model of these is answered for itself, also where its name stands among those that are refused.
_ANSWERED = (Status.ACTIVE, Status.RETIRED, Status.BELOW_MARGIN)


@dataclass(frozen=True, slots=True)
class _Choice:
    model: Model
    by: ChosenBy
    passed_over: tuple[PassedOver, ...] = ()


def quote(catalog: Catalog, request: GenerationRequest, plan: Plan) -> Quote | Refusal:
    """Choose and price the model for a request of this plan, or refuse it with the reason."""
    catalog = catalog.sold_to(plan.name)
    readings = Readings(request)
    choice = _named(catalog, readings, plan.tier) if request.model is not None else _fitting(catalog, readings, plan)
    if isinstance(choice, Refusal):
        return choice
    mapped = too_long(choice.model, request) or readings.mapped(choice.model)
    if isinstance(mapped, Refusal):
        return mapped
    limit = request.max_credits

    def affordable(link: Model) -> bool:
        if link is not choice.model and too_long(link, request):
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
        worst_cost_usd_micros=max(worst_cost_of(link, request, mapped.outputs) for link in links),
        plan=plan.name,
        ignored_fields=mapped.ignored_fields,
        chosen_by=choice.by,
        passed_over=choice.passed_over,
    )


def _named(catalog: Catalog, readings: Readings, tier: Tier) -> _Choice | Refusal:
    """The model that the request names, or its successor."""
    request = readings.request
    name = request.model or ""
    named = catalog.find(name)
    known = named.name if named else name
    if known in catalog.instead and (
        named is None or named.status not in (Status.ACTIVE, Status.RETIRED, Status.BELOW_MARGIN)
    ):
        return _named_instead(catalog, known)
    if named is None or named.status is Status.HIDDEN:
        return _unknown(catalog, name)
    if named.status in KNOWN_ONLY:
        return _not_offered_yet(catalog, named)
    if request.modality not in (None, named.modality):
        return Refusal(Reason.INVALID_REQUEST, f"modality must be {named.modality} for {named.name}, or left out")
    if request.kind is not None and _kind_of(request) != named.kind:
        rule = f"must be {named.kind} for {named.name}, or left out" if named.kind else f"is not taken by {named.name}"
        return Refusal(Reason.INVALID_REQUEST, f"kind {rule}")
    if named.status is Status.RETIRED:
        return _succeeding(catalog, readings, named, tier)
    return _Choice(named, ChosenBy.REQUEST) if named.tier <= tier else Refusal.of(Reason.PLAN_TOO_LOW)


def _succeeding(catalog: Catalog, readings: Readings, named: Model, tier: Tier) -> _Choice | Refusal:
    """The successor of a retired model, if the request allows it, the plan includes it, and it honours every field."""
    successor_of = catalog.successor_of(named)
    if not successor_of.offered:
        return _not_offered_yet(catalog, successor_of)
    gone = f"{named.name} is no longer offered"
    # Another trainer makes another version, and takes hours and dollars for it: nobody gets it unasked.
    if not catalog.routing.fallback or named.modality is Modality.TRAINING:
        return Refusal(Reason.MODEL_RETIRED, f"{gone}. Ask for {successor_of.name}.")
    if not readings.request.allow_fallback:
        return Refusal(Reason.MODEL_RETIRED, f"{gone}. Ask for {successor_of.name}, or allow a fallback.")
    if successor_of.tier > tier:
        needs = f"needs a plan of the tier {successor_of.tier.label}"
        return Refusal(Reason.PLAN_TOO_LOW, f"{gone}, and {successor_of.name} in its place {needs}.")
    if readings.misses(successor_of):
        why = unserved([successor_of], [], readings)
        return Refusal(why.reason, f"{gone}, and for {successor_of.name} in its place: {why.text}")
    return _Choice(successor_of, ChosenBy.SUCCESSOR, (PassedOver(named.name, Reason.MODEL_RETIRED),))


def _named_instead(catalog: Catalog, name: str) -> Refusal:
    """The refusal of a name that guides use and that is no model here, with the offered ones to ask for."""
    instead = catalog.instead[name]
    offered = [each for each in instead.models if catalog.models[each].offered]
    said = f"{name} is not offered here{f': {instead.why}' if instead.why else ''}."
    return Refusal(Reason.UNKNOWN_MODEL, f"{said} Ask for {' or '.join(offered)}." if offered else said)


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
    if model.status is Status.BELOW_MARGIN:
        reason, said = Reason.BELOW_MARGIN, f"{model.name} is not offered here: its price in credits is too low for it"
    else:
        reason, said = Reason.UNKNOWN_MODEL, f"{model.name} is known, but not offered here"
    return Refusal(reason, f"{said}. The nearest that is offered is {near}." if near else f"{said}.")


def _kind_of(request: GenerationRequest) -> str:
    return (request.kind or "").strip().lower()


def _modality_of(catalog: Catalog, request: GenerationRequest) -> str:
    """The modality of a request that names no model: its own, that of its kind or destination, else the usual one."""
    if request.modality or request.destination:
        return request.modality or Modality.TRAINING
    kind = _kind_of(request)
    of_kind = {model.modality for model in catalog.models.values() if model.offered and kind and model.kind == kind}
    return of_kind.pop() if len(of_kind) == 1 else DEFAULT_MODALITY


def _fitting(catalog: Catalog, readings: Readings, plan: Plan) -> _Choice | Refusal:
    """A model for a request that names none: of its kind, its quality class or plan, that honours every field."""
    request = readings.request
    modality = _modality_of(catalog, request)
    offered = list(catalog.offered(modality))
    default = catalog.get_model_for_plan(plan, modality)
    if default is not None and not default.offered and not _replaceable(default, offered, plan):
        return _not_offered_yet(catalog, default)
    if not offered:
        return Refusal(Reason.INVALID_REQUEST, f"nothing of the modality {modality} is offered here")
    if default is None:
        return Refusal.of(Reason.PLAN_TOO_LOW)
    kind = _kind_of(request) or default.kind
    of_kind = [model for model in offered if model.kind == kind]
    if not of_kind:
        return _no_such_kind(modality, offered)
    if request.quality is not None:
        return _of_quality(of_kind, request.quality.lower(), readings, plan)
    if catalog.routing.cheapest and default.kind == kind:
        alike = [model for model in of_kind if model.quality == default.quality and model.tier <= plan.tier]
        if fit := _cheapest(alike, readings):
            return _Choice(fit, ChosenBy.PLAN)
    if default.kind == kind and default.offered and not readings.misses(default):
        return _Choice(default, ChosenBy.PLAN)
    choice = _chosen(of_kind, (), ChosenBy.PLAN, readings, plan)
    if isinstance(choice, Refusal) or default.offered or default.kind != kind:
        return choice
    return replace(choice, passed_over=(PassedOver(default.name, Reason.BELOW_MARGIN),))


def _replaceable(default: Model, offered: Sequence[Model], plan: Plan) -> bool:
    """Whether the plan has another model of the kind of its default, which is below its margin."""
    return any(model.kind == default.kind and model.tier <= plan.tier for model in offered)


def _no_such_kind(modality: str, offered: Sequence[Model]) -> Refusal:
    kinds = sorted({model.kind for model in offered if model.kind})
    rule = f"kind must be one of {', '.join(kinds)}" if kinds else "kind is to be left out"
    return Refusal(Reason.INVALID_REQUEST, f"{rule} for the modality {modality}")


def _of_quality(of_kind: Sequence[Model], quality: str, readings: Readings, plan: Plan) -> _Choice | Refusal:
    """The cheapest model of a quality class."""
    matches = [model for model in of_kind if model.quality == quality]
    if not matches:
        has = ", ".join(each for each in QUALITIES if any(model.quality == each for model in of_kind))
        kind = of_kind[0].kind
        return Refusal(Reason.INVALID_REQUEST, f"quality must be one of {has}{f' for {kind}' if kind else ''}")
    others = [model for model in of_kind if model.quality != quality and model.tier <= plan.tier]
    return _chosen(matches, others, ChosenBy.QUALITY, readings, plan)


def _chosen(
    matches: Sequence[Model], others: Sequence[Model], by: ChosenBy, readings: Readings, plan: Plan
) -> _Choice | Refusal:
    """The cheapest of the plan that honours every field, or why there is none."""
    allowed = [model for model in matches if model.tier <= plan.tier]
    if not allowed:
        return Refusal.of(Reason.PLAN_TOO_LOW)
    if fit := _cheapest(allowed, readings):
        return _Choice(fit, by)
    beyond = [model for model in matches if model.tier > plan.tier]
    beyond.sort(key=lambda model: (model.tier, price_rank(model, readings.request)))
    return unserved(allowed, beyond, readings, others)


def _cheapest(models: Sequence[Model], readings: Readings) -> Model | None:
    """The cheapest of the models that honour every field."""
    fit = [model for model in models if not readings.misses(model)]
    request = readings.request
    return min(fit, key=lambda model: price_rank(model, request, request.num_outputs or 1), default=None)
