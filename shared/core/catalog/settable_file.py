"""Reading an entry's settable inputs: the table ``settable`` of a model in the catalogue's file.

Rules of this file:
1. An entry states the worst price of each input. Leaving it out is an error: an input of unknown price would be sold at
   a loss.
2. An input is listed once: not if a field of a request has its name, and not if a field fills it already.
3. No entry lists a secret, and none lists weights as free text. One that changes the model's own safety says so.
"""

import math
import re
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from shared.core.catalog import reading
from shared.core.catalog.input_names import changes_safety, holds_secret, names_weights
from shared.core.catalog.reading import CatalogError, Table
from shared.core.catalog.settable import Settable
from shared.core.modality import InputKind
from shared.core.requests.field_types import Inputs
from shared.core.requests.fields import FIELD

_KINDS = tuple(kind for kind in InputKind if not kind.is_file)
_FIELDS = {item.name for item in fields(Settable)} - {"name", "kind", "low", "high", "choice_percent"}
_FIELDS |= {"type", "from", "to"}

#: The most that an input can raise a price: a hundredfold.
_MOST_PERCENT = 10_000


def read_settable(where: str, table: Table, filled: Mapping[str, object]) -> Mapping[str, Settable]:
    """The settable inputs of an entry. ``filled`` are the inputs that our fields fill. Raises CatalogError."""
    tables = reading.subtable(where, table, "settable")
    return {name: _settable(f"{where}, settable.{name}", name, raw, filled) for name, raw in tables.items()}


def _settable(where: str, name: str, raw: Any, filled: Mapping[str, object]) -> Settable:
    if not isinstance(raw, dict) or raw.get("type") not in _KINDS:
        raise CatalogError(f"{where}: type must be one of {', '.join(_KINDS)}")
    reading.check_known(where, raw, _FIELDS)
    kind = InputKind(raw["type"])
    loosens = reading.flag(where, raw, "loosens_safety")
    _check_name(where, name, kind, filled, loosens=loosens)
    choices = _choices(where, kind, raw)
    percent, by_choice = _percent(where, raw, choices)
    low, high = _bounds(where, kind, raw)
    texts = kind is InputKind.TEXT
    item = Settable(
        name=name,
        kind=kind,
        choices=choices,
        low=low,
        high=high,
        most_characters=reading.whole(where, raw, "most_characters", 1, _RULE.characters) if texts else 0,
        default=raw.get("default"),
        price_percent=percent,
        choice_percent=by_choice,
        loosens_safety=loosens,
    )
    if item.default is not None and (problem := item.problem(item.default)):
        raise CatalogError(f"{where}: default breaks a rule: {problem}")
    return item


def _rule() -> Inputs:
    rule = FIELD["inputs"].type
    if not isinstance(rule, Inputs):
        raise TypeError("the field inputs is not of the type Inputs")
    return rule


#: What a request may have under ``inputs`` at all.
_RULE = _rule()


def _check_name(where: str, name: str, kind: InputKind, filled: Mapping[str, object], *, loosens: bool) -> None:
    if not re.fullmatch(_RULE.name_pattern, name):
        raise CatalogError(f"{where}: the name must be letters, digits and _")
    if name in FIELD:
        raise CatalogError(f"{where}: is a field of a request, so it belongs to inputs")
    if name in filled:
        raise CatalogError(f"{where}: is filled by a field already, in inputs")
    if holds_secret(name):
        raise CatalogError(f"{where}: holds a secret, which no request may set")
    if names_weights(name) and kind in (InputKind.TEXT, InputKind.IMAGE, InputKind.IMAGES):
        raise CatalogError(f"{where}: an address of weights cannot be set, because nobody screens what is there")
    if changes_safety(name) and not loosens:
        raise CatalogError(f"{where}: changes the model's own safety, so it needs loosens_safety = true")


def _choices(where: str, kind: InputKind, raw: Table) -> tuple[str | int, ...]:
    choices = raw.get("choices", [])
    plain = isinstance(choices, list) and all(type(each) in (str, int) for each in choices)
    if not plain or len(set(choices)) != len(choices) or bool(choices) != (kind is InputKind.CHOICE):
        raise CatalogError(f"{where}, choices: must be a list of texts or whole numbers, each once, for a choice only")
    return tuple(choices)


def _percent(where: str, raw: Table, choices: tuple[str | int, ...]) -> tuple[int, Mapping[str | int, int]]:
    """The worst price in percent: of the input, or of each of its choices.

    More than the choices may be in the table: `catalog check` takes choices away that the model no longer has.
    """
    given = raw.get("price_percent")
    if not isinstance(given, dict):
        return reading.whole(where, raw, "price_percent", 100, _MOST_PERCENT), {}
    if not choices or any(str(choice) not in given for choice in choices):
        raise CatalogError(f"{where}, price_percent: must be a whole number, or a table with one for each choice")
    each = {choice: reading.whole(where, given, str(choice), 100, _MOST_PERCENT) for choice in choices}
    return max(each.values()), each


def _bounds(where: str, kind: InputKind, raw: Table) -> tuple[float, float]:
    """The bounds of a number, or of how many pictures a list has. Both must be there for a number."""
    if kind not in (InputKind.WHOLE, InputKind.REAL, InputKind.IMAGES):
        if "from" in raw or "to" in raw:
            raise CatalogError(f"{where}: from and to are for numbers and lists")
        return -math.inf, math.inf
    if kind is InputKind.IMAGES:
        return 1, reading.whole(where, raw, "to", 1, _RULE.several)
    low, high = (reading.number(where, raw, bound, math.inf) for bound in ("from", "to"))
    if not -_RULE.limit <= low <= high <= _RULE.limit:
        raise CatalogError(f"{where}: a number needs from and to, and from must not be beyond to")
    return low, high
