"""Reading a catalogue from TOML.

Rules of this file:
1. A catalogue is checked completely when it is read. An error names file, model and field. An unknown field is an error
   too, because it may be a typo.
2. A second file overrides the first, table by table and field by field: it changes a price, adds a model, hides one.
   With ``replace = true`` it replaces the first file.
3. A model without prices is unpriced, and one with ``marks`` is a draft. Neither is offered, whatever its status says.
   An entry cannot give itself one of these two statuses.
4. A model that may lose money says why: ``allow_loss`` needs ``loss_reason``, and neither is there without the other.
"""

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import fields
from datetime import date
from typing import Any

from shared.core.catalog import reading
from shared.core.catalog.catalog import COUNTED, QUALITIES, Catalog, CreditsPer, Instead, Model, Shape, Status
from shared.core.catalog.mapping import Input
from shared.core.catalog.reading import CatalogError, Table
from shared.core.catalog.settable_file import read_settable
from shared.core.catalog.sizes import Sizing
from shared.core.catalog.tiers import Tier
from shared.core.modality import InputKind, Modality
from shared.core.money.pricing import Price, Unit
from shared.core.provider.guarantees import PROVIDERS, REPLICATE, ProviderName
from shared.core.requests.fields import FIELD, MODALITIES, WRITTEN

#: Replicate's owner/name, with a version of 64 hex digits if it is not an official model.
_REPLICATE = re.compile(r"[\w.-]+/[\w.-]+(:[0-9a-f]{64})?", re.ASCII)


#: The known fields of a model and of an input.
_MODEL_FIELDS = {item.name for item in fields(Model)} - {"name", "provider", "target", "inherits"} | set(PROVIDERS)
_INPUT_FIELDS = {item.name for item in fields(Input)} - {"name", "kind", "low", "high"} | {"type", "from", "to"}

#: Inputs that are filled by a rule (mapping.py), not by a field.
_MAPPED_BY_RULE = {"megapixels"}

_KIND = re.compile(r"[a-z]{1,20}", re.ASCII)


#: The highest surcharge: eleven times the price is surely a typing error.
_MOST_PERCENT = 1000

_RATIO = re.compile(r"[1-9]\d?:[1-9]\d?", re.ASCII)
_PAGE = re.compile(r"https://[^\s\x00-\x1f\x7f]{1,500}", re.ASCII)


def parse_catalog(text: str, file: str = "catalog.toml", over: str = "", over_file: str = "") -> Catalog:
    """Read a catalogue, and another that overrides it. Raises CatalogError for the first problem."""
    return build_catalog(*reading.read_toml(text, file, over, over_file))


def build_catalog(raw: Table, file: str = "catalog.toml") -> Catalog:
    """A catalogue from decoded TOML, checked completely. Raises CatalogError for the first problem."""
    reading.check_known(file, raw, ("version", "replace", "models", "names", "instead"))
    tables = raw.get("models")
    if not isinstance(tables, dict) or not tables:
        raise CatalogError(f"{file}: no model in it")
    models = {name: _model(f"{file}: model {name}", name, table) for name, table in tables.items()}
    for model in models.values():
        _check_links(f"{file}: model {model.name}", model, models)
    names = {name: _name_of(file, name, of, models) for name, of in reading.subtable(file, raw, "names").items()}
    tables = reading.subtable(file, raw, "instead")
    instead = {name: _instead(f"{file}: instead, {name}", table, models) for name, table in tables.items()}
    return Catalog(str(raw.get("version", "")), models, names=names, instead=instead)


def _name_of(file: str, name: str, of: object, models: Mapping[str, Model]) -> str:
    if not isinstance(of, str) or of not in models:
        raise CatalogError(f"{file}: names, {name}: must be a model of the catalogue")
    return of


def _instead(where: str, table: Any, models: Mapping[str, Model]) -> Instead:
    if not isinstance(table, dict):
        raise CatalogError(f"{where}: must be a table of models and why")
    reading.check_known(where, table, ("models", "why"))
    listed = reading.names(where, table, "models")
    if not listed or (unknown := [name for name in listed if name not in models]):
        raise CatalogError(f"{where}, models: must be models of the catalogue{f', not {unknown[0]}' if listed else ''}")
    return Instead(listed, reading.text(where, table, "why"))


def _check_links(where: str, model: Model, models: Mapping[str, Model]) -> None:
    """Check fallbacks, successors and versions: they exist, make the same modality, and form no loop.

    A fallback that is not offered is skipped, so that an operator can hide a model with one line of their own file.
    """
    _check_fallbacks(where, model, models)
    if model.version_entry:
        _check_version_entry(f"{where}, version_entry", models.get(model.version_entry), model)
    _check_successor(where, model, models)


def _check_fallbacks(where: str, model: Model, models: Mapping[str, Model]) -> None:
    for name in model.fallback:
        if name not in models:
            raise CatalogError(f"{where}, fallback: {name} is not in the catalogue")
        if models[name] is model or models[name].modality != model.modality:
            raise CatalogError(f"{where}, fallback: {name} must be another model that makes {model.modality}")
        if models[name].kind != model.kind:
            raise CatalogError(f"{where}, fallback: {name} must be of the same kind, {model.kind or 'none'}")


def _check_successor(where: str, model: Model, models: Mapping[str, Model]) -> None:
    seen, successor_of = {model.name}, model
    while successor_of.status is Status.RETIRED:
        if successor_of.successor not in models or models[successor_of.successor].modality != model.modality:
            raise CatalogError(f"{where}, successor: must be a model of the catalogue that makes {model.modality}")
        successor_of = models[successor_of.successor]
        if successor_of.kind != model.kind:
            raise CatalogError(
                f"{where}, successor: {successor_of.name} must be of the same kind, {model.kind or 'none'}"
            )
        if successor_of.name in seen:
            raise CatalogError(f"{where}, successor: leads back to {successor_of.name}")
        seen.add(successor_of.name)
    if not successor_of.offered and model.status is Status.RETIRED:
        raise CatalogError(f"{where}, successor: {successor_of.name} is {successor_of.status}")


def _check_version_entry(where: str, entry: Model | None, trainer: Model) -> None:
    """Check what a trainer's versions inherit: a priced entry that may run. It may be hidden."""
    if trainer.output is not Shape.VERSION:
        raise CatalogError(f"{where}: only a model whose output is a version makes one")
    if entry is None or entry.modality is Modality.TRAINING:
        raise CatalogError(f"{where}: must be an entry of the catalogue that is no trainer")
    if entry.status not in (Status.ACTIVE, Status.HIDDEN) or not entry.prices or entry.marks:
        raise CatalogError(f"{where}: {entry.name} must have a price and no marks, and be active or hidden")


def _model(where: str, name: str, table: Any) -> Model:
    if not isinstance(table, dict):
        raise CatalogError(f"{where}: must be a table")
    reading.check_known(where, table, _MODEL_FIELDS)
    modality = Modality(reading.word(where, table, "modality", MODALITIES))
    (provider, target), inputs = _provider_and_target(where, table), _inputs(where, table)
    prices, marks = tuple(_prices(where, table)) if "prices" in table else (), _marks(where, table)
    model = Model(
        name=name,
        provider=provider,
        target=target,
        modality=modality,
        kind=_kind(where, table),
        status=_status(where, table, priced=bool(prices), marked=bool(marks)),
        successor=reading.text(where, table, "successor"),
        tier=Tier.named(reading.word(where, table, "tier", [tier.label for tier in Tier])),
        quality=reading.word(where, table, "quality", QUALITIES),
        credits=reading.whole(where, table, "credits", 1, 1_000_000) if prices or "credits" in table else 0,
        credits_per=reading.choice(where, table, "credits_per", CreditsPer, CreditsPer.OUTPUT),
        prices=prices,
        price_date=_date(where, table) if prices or "price_date" in table else None,
        price_page=_page(where, table),
        expected_s=reading.whole(where, table, "expected_s", 1, 86_400),
        # Replicate accepts 5 s to 24 h (replicate.com/docs/topics/predictions/lifecycle).
        cancel_after_s=reading.whole(where, table, "cancel_after_s", 5, 86_400),
        output=reading.choice(where, table, "output", Shape, None),
        sizing=_sizing(where, table.get("sizing")),
        inputs=inputs,
        fallback=reading.names(where, table, "fallback"),
        prompt_characters=_characters(where, table),
        output_bytes=reading.whole(where, table, "output_bytes", 1, 2**31) if "output_bytes" in table else 0,
        black_is_refusal=reading.flag(where, table, "black_is_refusal"),
        inputs_source=reading.text(where, table, "inputs_source"),
        **_training(where, table),
        marks=marks,
        settable=read_settable(where, table, inputs),
        **_money(where, table),
    )
    _check_inputs(where, model)
    return model


def _training(where: str, table: Table) -> dict[str, Any]:
    """What only a trainer has."""
    return {
        "hundred_steps_s": reading.whole(where, {"hundred_steps_s": 0, **table}, "hundred_steps_s", 0, 86_400),
        "version_entry": reading.text(where, table, "version_entry"),
    }


def _kind(where: str, table: Table) -> str:
    kind = reading.text(where, table, "kind")
    if kind and not _KIND.fullmatch(kind):
        raise CatalogError(f"{where}, kind: must be a word of at most 20 small letters, such as music")
    return kind


#: The statuses that an entry may have; the others follow from it (rule 3).
_WRITTEN_STATUSES = (Status.ACTIVE, Status.RETIRED, Status.HIDDEN)


def _status(where: str, table: Table, *, priced: bool, marked: bool) -> Status:
    written = Status(reading.word(where, {"status": "active", **table}, "status", _WRITTEN_STATUSES))
    if written is not Status.ACTIVE:
        return written
    if marked:
        return Status.DRAFT
    return written if priced else Status.UNPRICED


def _marks(where: str, table: Table) -> Mapping[str, str]:
    marks = reading.subtable(where, table, "marks")
    if not all(isinstance(why, str) for why in marks.values()):
        raise CatalogError(f"{where}, marks: must be a table of places and reasons")
    return dict(marks)


def _page(where: str, table: Table) -> str:
    page = reading.text(where, table, "price_page")
    if page and not _PAGE.fullmatch(page):
        raise CatalogError(f"{where}, price_page: must be the https address of a page")
    return page


def _money(where: str, table: Table) -> dict[str, Any]:
    """What the margin of a model rests on, beside its price."""
    return {
        "run_s": _run_s(where, table, "run_s"),
        "least_run_s": _run_s(where, table, "least_run_s"),
        "min_margin_percent": reading.margin_percent(where, table),
        "allow_loss": reading.flag(where, table, "allow_loss"),
        "loss_reason": reading.text(where, table, "loss_reason").strip(),
    }


def _run_s(where: str, table: Table, name: str) -> int:
    """A run of the machine in seconds: not longer than Replicate lets one run. 0: it is left out."""
    return reading.whole(where, table, name, 1, 86_400) if name in table else 0


def _check_money(where: str, model: Model) -> None:
    if (model.run_s or model.least_run_s) and all(price.unit is not Unit.GPU_SECOND for price in model.prices):
        raise CatalogError(f"{where}, run_s: nothing is paid by the second of the machine (gpu_second)")
    if model.least_run_s > model.run_s:
        raise CatalogError(f"{where}, least_run_s: must be at most run_s")
    if model.allow_loss != bool(model.loss_reason):
        raise CatalogError(
            f"{where}, allow_loss: needs loss_reason, which says why; neither is there without the other"
        )


def _check_inputs(where: str, model: Model) -> None:
    _check_money(where, model)
    if model.status is not Status.RETIRED and not model.inputs:
        raise CatalogError(f"{where}, inputs: there are none")
    if model.sizing is not None:
        _check_sizing(f"{where}, sizing", model.sizing, model.inputs)
    counted, _ = COUNTED.get(model.credits_per, ("", 0))
    given = [item for item in model.inputs.values() if item.field == counted]
    if counted and model.status is not Status.RETIRED and not any(isinstance(item.default, int) for item in given):
        raise CatalogError(f"{where}, credits_per: needs an input of the field {counted} with a default")
    if model.modality is Modality.TRAINING and model.status is not Status.RETIRED and ":" not in model.target:
        raise CatalogError(f"{where}, replicate: a trainer needs its version")


def _check_sizing(where: str, sizing: Sizing, inputs: Mapping[str, Input]) -> None:
    """Check that the model has inputs for every size that sizes.py may send it."""
    ratio = inputs.get("aspect_ratio")
    if sizing.free and not {"width", "height"} <= inputs.keys():
        raise CatalogError(f"{where}: needs the inputs width and height")
    if sizing.free and ratio is not None and "custom" not in ratio.choices:
        raise CatalogError(f"{where}: needs the choice custom of the input aspect_ratio")
    if sizing.free:
        return
    if ratio is None or not any(":" in str(choice) for choice in ratio.choices):
        raise CatalogError(f"{where}: needs the input aspect_ratio, with choices such as 4:3")
    for choice in ratio.choices:
        if ":" in str(choice) and not _RATIO.fullmatch(str(choice)):
            raise CatalogError(f"{where}: {choice} is no ratio such as 4:3")


def _inputs(where: str, table: Table) -> Mapping[str, Input]:
    tables = reading.subtable(where, table, "inputs")
    return {key: _input(f"{where}, inputs.{key}", key, raw) for key, raw in tables.items()}


def _input(where: str, name: str, raw: Any) -> Input:
    if not isinstance(raw, dict) or raw.get("type") not in tuple(InputKind):
        raise CatalogError(f"{where}: type must be one of {', '.join(InputKind)}")
    reading.check_known(where, raw, _INPUT_FIELDS)
    kind, value, choices = InputKind(raw["type"]), raw.get("value"), raw.get("choices", [])
    field = "" if value is not None else raw.get("field", name)
    if not isinstance(choices, list) or (kind is InputKind.CHOICE and not choices) or not all(map(_is_plain, choices)):
        raise CatalogError(f"{where}: choices must be a list of what may be chosen")
    if value is not None and not _is_plain(value):
        raise CatalogError(f"{where}, value: must be a text, a number, true or false")
    if value is None and not _is_ours(field) and name not in _MAPPED_BY_RULE:
        raise CatalogError(f"{where}: field {field} is no field of a request")
    if value is None and kind is InputKind.TEXT and not choices and field not in WRITTEN:
        raise CatalogError(
            f"{where}: {field} is not screened, so its type must be choice: no model gets it as free text"
        )
    given = Input(
        name=name,
        kind=kind,
        field=field,
        choices=tuple(choices),
        low=reading.number(where, raw, "from", -math.inf),
        high=reading.number(where, raw, "to", math.inf),
        required=reading.flag(where, raw, "required"),
        template=reading.text(where, raw, "template"),
        system_template=reading.text(where, raw, "system_template"),
        value=value,
        default=raw.get("default"),
        multiplies=reading.flag(where, raw, "multiplies"),
        surcharge_percent=raw.get("surcharge_percent", 0),
        implied=reading.flag(where, raw, "implied"),
    )
    _check_price(where, given)
    if given.implied and not given.choices:
        raise CatalogError(f"{where}: implied needs choices: what the model makes")
    if given.low > given.high:
        raise CatalogError(f"{where}: from is beyond to")
    if given.default is not None and (problem := given.problem(given.default)):
        raise CatalogError(f"{where}: default breaks a rule: {problem}")
    return given


def _check_price(where: str, given: Input) -> None:
    """Check what an input adds to the price: no fraction, nothing below, and a default that adds nothing."""
    bounded = given.kind is InputKind.WHOLE and 1 <= given.low <= given.high < math.inf
    if given.multiplies and not bounded:
        raise CatalogError(f"{where}: only a whole number with bounds, from 1 on, multiplies the price")
    percent: object = given.surcharge_percent
    if not isinstance(percent, int) or isinstance(percent, bool) or not 0 <= percent <= _MOST_PERCENT:
        raise CatalogError(f"{where}, surcharge_percent: must be a whole number from 0 to {_MOST_PERCENT}")
    if percent and (given.value is not None or given.default is None):
        raise CatalogError(f"{where}, surcharge_percent: needs a field with a default, which costs nothing more")


def _is_plain(value: object) -> bool:
    return isinstance(value, (str, int, float))


def _is_ours(field: object) -> bool:
    return isinstance(field, str) and field in FIELD


def _sizing(where: str, raw: Any) -> Sizing | None:
    if raw is None or raw in ("megapixels", "ratio"):
        return Sizing() if raw else None
    try:
        sizing = Sizing(raw["from"], raw["to"], raw["step"])
    except (KeyError, TypeError):
        sizing = Sizing()
    if not (all(isinstance(n, int) for n in (sizing.low, sizing.high, sizing.step)) and 0 < sizing.low <= sizing.high):
        raise CatalogError(f'{where}, sizing: must be "megapixels", "ratio" or a table of from, to, step')
    if sizing.step < 1 or sizing.low % sizing.step or sizing.high % sizing.step:
        raise CatalogError(f"{where}, sizing: step must be at least 1, and from and to multiples of it")
    return sizing


def _prices(where: str, table: Table) -> Iterator[Price]:
    listed = table.get("prices")
    if not isinstance(listed, list) or not listed:
        raise CatalogError(f'{where}, prices: must be a list such as [{{ unit = "image", usd_micros = 3000 }}]')
    seen: set[Unit] = set()
    for raw in listed:
        unit = reading.choice(f"{where}, prices", raw if isinstance(raw, dict) else {}, "unit", Unit, None)
        reading.check_known(f"{where}, prices", raw, ("unit", "usd_micros"))
        if unit in seen:
            raise CatalogError(f"{where}, prices: {unit} is there twice")
        seen.add(unit)
        yield Price(unit, reading.whole(f"{where}, prices", raw, "usd_micros", 0, 10**12))


def _characters(where: str, table: Table) -> tuple[int, int]:
    given = table.get("prompt_characters", (3, 500))
    try:
        low, high = given
        good = type(low) is type(high) is int and 0 <= low <= high
    except (TypeError, ValueError):
        good, low, high = False, 0, 0
    if not good:
        raise CatalogError(f"{where}, prompt_characters: must be the least and the most, such as [3, 500]")
    return low, high


def _provider_and_target(where: str, table: Table) -> tuple[ProviderName, str]:
    """The provider and the model's name there: ``replicate = "owner/name"``."""
    value = table.get(REPLICATE)
    if not isinstance(value, str) or not _REPLICATE.fullmatch(value):
        raise CatalogError(f"{where}, {REPLICATE}: must be owner/name, or owner/name:version with 64 hex digits")
    return REPLICATE, value


def _date(where: str, table: Table) -> date:
    value = table.get("price_date")
    if type(value) is not date:  # a datetime is a date too
        raise CatalogError(f"{where}, price_date: must be a date such as 2026-07-01")
    return value
