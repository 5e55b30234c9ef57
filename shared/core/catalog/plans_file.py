"""Reading the plans from TOML.

Rules of this file:
1. The plans are checked completely when they are read, and with the catalogue that they are for. An error names file,
   plan, field and what is allowed. An unknown field is an error too, because it may be a typing error.
2. A second file overrides the first, as a second catalogue does (reading.py): it changes a limit, adds a plan. With
   ``replace = true`` it replaces the first file, and that is the way to remove a plan.
3. A plan names a default model for every modality of which its tier includes an offered model. Otherwise a request
   that names no model would be served or refused by chance.
4. A setting (DEFAULT_IMAGE_MODEL and its siblings) fills in where a plan names none. It never lifts a tier: its model
   serves where the plan includes it, else the first of its fallbacks that the plan includes.
"""

import re
from collections.abc import Iterator, Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Any

from shared.core.catalog import reading
from shared.core.catalog.catalog import Catalog, Model
from shared.core.catalog.reading import CatalogError, Table
from shared.core.catalog.tiers import Tier
from shared.core.money.allowance import Allowance, Period
from shared.core.money.credits import MOST_CREDITS
from shared.core.money.limits import Effect, Limit, Scope, Unit
from shared.core.money.plans import Plan, Plans
from shared.core.money.windows import Span
from shared.core.requests.fields import MODALITIES

#: The name of a plan stands in rows, events and command lines.
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}", re.ASCII)

#: The most limits of a plan: each is checked with every hold.
MOST_LIMITS = 32

#: The most of an amount in USD micros: a million USD.
MOST_USD_MICROS = 10**12

#: The most generations in flight, and the highest weight. A larger number is a typing error.
MOST_CONCURRENCY, MOST_WEIGHT = 100_000, 1_000


class _Scope(StrEnum):
    """Whose use a plan's limit counts: that of the whole account, or that of each of its users."""

    ACCOUNT = "account"
    USER = "user"


_PLAN_FIELDS = ("tier", "default_models", "allowance", "limits", "concurrency", "weight", "min_margin_percent")
_ALLOWANCE_FIELDS = ("credits", "period", "rollover_credits")
_LIMIT_FIELDS = ("window", "unit", "amount", "effect", "scope")


#: The names of the models that fill in where a plan names none, by modality (rule 4). An empty name fills in nothing.
Defaults = Mapping[str, str]


def parse_plans(
    text: str,
    catalog: Catalog,
    file: str = "plans.toml",
    over: str = "",
    over_file: str = "",
    defaults: Defaults = MappingProxyType({}),
) -> Plans:
    """Read the plans for a catalogue, and a file that overrides them. Raises CatalogError for the first problem."""
    return build_plans(*reading.read_toml(text, file, over, over_file), catalog, defaults)


def build_plans(raw: Table, file: str, catalog: Catalog, defaults: Defaults = MappingProxyType({})) -> Plans:
    """The plans from decoded TOML, checked completely. Raises CatalogError for the first problem."""
    usual = {modality: _usual(modality, name, catalog) for modality, name in defaults.items() if name}
    reading.check_known(file, raw, ("version", "replace", "default", "plans"))
    tables = reading.subtable(file, raw, "plans")
    if not tables:
        raise CatalogError(f"{file}: no plan in it")
    plans = {name: _plan(f"{file}: plan {name}", name, table, catalog, usual) for name, table in tables.items()}
    return Plans(str(raw.get("version", "")), plans, reading.word(file, raw, "default", list(plans)))


def _usual(modality: str, name: str, catalog: Catalog) -> Model:
    """The model that a setting names by any of its names; for a retired one its successor."""
    found = catalog.find(name)
    model = catalog.successor_of(found) if found else None
    if model is None or not model.offered or model.modality != modality:
        offered = ", ".join(each.name for each in catalog.offered(modality)) or "left out: nothing of it is offered"
        raise CatalogError(f"DEFAULT_{modality.upper()}_MODEL: must be one of {offered}")
    return model


def _plan(where: str, name: str, table: Any, catalog: Catalog, usual: Mapping[str, Model]) -> Plan:
    if not _NAME.fullmatch(name):
        raise CatalogError(f"{where}: its name must be 1 to 64 small letters, digits, - or _, no - or _ first")
    if not isinstance(table, dict):
        raise CatalogError(f"{where}: must be a table")
    reading.check_known(where, table, _PLAN_FIELDS)
    tier = Tier.named(reading.word(where, table, "tier", [tier.label for tier in Tier]))
    concurrency = reading.whole(where, table, "concurrency", 1, MOST_CONCURRENCY) if "concurrency" in table else None
    return Plan(
        name=name,
        tier=tier,
        default_models=_default_models(where, table, tier, catalog, usual),
        allowance=_allowance(where, table),
        limits=tuple(_limits(where, table)),
        concurrency=concurrency,
        weight=reading.whole(where, table, "weight", 1, MOST_WEIGHT) if "weight" in table else 1,
        min_margin_percent=reading.margin_percent(where, table),
    )


def _default_models(
    where: str, table: Table, tier: Tier, catalog: Catalog, usual: Mapping[str, Model]
) -> Mapping[str, str]:
    """The default models: see rules 3 and 4. Each is offered, and the tier includes it."""
    named = reading.subtable(where, table, "default_models")
    reading.check_known(f"{where}, default_models", named, MODALITIES)
    defaults: dict[str, str] = {}
    for modality in MODALITIES:
        allowed = [model.name for model in catalog.offered(modality) if model.tier <= tier]
        name = named.get(modality)
        if name is None and modality in usual:
            name = next((each for each in (usual[modality].name, *usual[modality].fallback) if each in allowed), None)
        if name is None and not allowed:
            continue  # requests of this plan are refused: the tier is too low, or nothing of the modality is offered
        if name not in allowed:
            choices = f"must be one of {', '.join(allowed)}" if allowed else "must be left out, as there is none"
            raise CatalogError(
                f"{where}, default_models.{modality}: {choices} (offered, and in the tier {tier.label} or below)"
            )
        defaults[modality] = name
    return defaults


def _allowance(where: str, table: Table) -> Allowance | None:
    if "allowance" not in table:
        return None
    raw, where = reading.subtable(where, table, "allowance"), f"{where}, allowance"
    reading.check_known(where, raw, _ALLOWANCE_FIELDS)
    given = "rollover_credits" in raw
    return Allowance(
        credits=reading.whole(where, raw, "credits", 1, MOST_CREDITS),
        period=reading.choice(where, raw, "period", Period, None),
        rollover_credits=reading.whole(where, raw, "rollover_credits", 0, MOST_CREDITS) if given else 0,
    )


def _limits(where: str, table: Table) -> Iterator[Limit]:
    listed = table.get("limits", [])
    if not isinstance(listed, list) or len(listed) > MOST_LIMITS:
        raise CatalogError(f"{where}, limits: must be a list of at most {MOST_LIMITS} tables")
    seen: set[tuple[str, ...]] = set()
    for number, raw in enumerate(listed, 1):
        limit = _limit(f"{where}, limit {number}", raw)
        same = (limit.window, limit.unit, limit.effect, limit.scope)
        if same in seen:
            raise CatalogError(f"{where}, limit {number}: {', '.join(same)} is there twice")
        seen.add(same)
        yield limit


def _limit(where: str, raw: Any) -> Limit:
    if not isinstance(raw, dict):
        raise CatalogError(f"{where}: must be a table of {', '.join(_LIMIT_FIELDS)}")
    reading.check_known(where, raw, _LIMIT_FIELDS)
    unit = reading.choice(where, raw, "unit", Unit, None)
    most = MOST_CREDITS if unit is Unit.CREDITS else MOST_USD_MICROS
    window, effect = (
        reading.choice(where, raw, "window", Span, None),
        reading.choice(where, raw, "effect", Effect, None),
    )
    if Span.IN_FLIGHT is window or Unit.GENERATIONS is unit:
        raise CatalogError(f"{where}: what may be in flight is the plan's concurrency, and no limit")
    return Limit(
        limit_id=f"plan-{window}-{unit}-{effect}",
        window=window,
        unit=unit,
        amount=reading.whole(where, raw, "amount", 1, most),
        effect=effect,
        scope=Scope(reading.choice(where, raw, "scope", _Scope, _Scope.ACCOUNT)),
    )
