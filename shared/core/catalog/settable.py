"""Settable inputs: what a request may set of a named model beyond our fields, under ``inputs``.

Rules of this file:
1. An entry lists each settable input with its kind, its bounds and its worst price. Any other is refused by name, also
   if the model itself has it: its effect on price and safety is not known here.
2. A value has exactly the type of its kind. ``true`` is no number, and a text is no number.
3. A text is no address: a model might fetch what nobody has screened. An address is a picture's; it is fetched,
   screened and stored like the request's own pictures.
4. The worst price is a percentage of the entry's price, for the input as a whole or for single choices. Several inputs
   multiply. The model's own default costs no more.
5. A percentage raises the provider's price of an image, a run, and a second of video. A megapixel, a token and a second
   of the machine cost the same each; there are only more of them, and they are counted.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from shared.core.catalog.input_names import changes_safety, holds_secret
from shared.core.modality import InputKind
from shared.core.money.pricing import Price, Unit
from shared.core.requests.field_patterns import INPUT_PREFIX
from shared.core.requests.field_types import InputValue
from shared.core.requests.fields import FIELD

#: What no text may have in it, or begin with (rule 3).
_SCHEME, _BEGINNINGS = "://", ("data:", "www.", "//", INPUT_PREFIX)

#: Units whose price an input can raise (rule 5).
_RAISED = frozenset({Unit.IMAGE, Unit.RUN, Unit.SECOND})


@dataclass(frozen=True, slots=True, kw_only=True)
class Settable:
    """One input of a model that a request may set.

    ``low`` and ``high`` bound a number, and how many pictures a list has. ``most_characters`` bounds a text.
    ``default`` is the model's own, and is not sent. ``price_percent`` is the worst price with this input, in percent of
    the entry's; ``choice_percent`` is that of single choices. ``loosens_safety``: it needs the policy too.
    """

    name: str
    kind: InputKind
    choices: tuple[str | int, ...] = ()
    low: float = -math.inf
    high: float = math.inf
    most_characters: int = 0
    default: InputValue | None = None
    price_percent: int = 100
    choice_percent: Mapping[str | int, int] = field(default_factory=dict)
    loosens_safety: bool = False

    def problem(self, value: InputValue) -> str:
        """What is wrong with a value: the input's name and the rule. Empty if it is valid."""
        rule = self._rule(value)
        return f"inputs.{self.name} must be {rule}" if rule else ""

    def percent(self, value: InputValue) -> int:
        """The worst price with this value, in percent of the entry's."""
        if value == self.default and type(value) is type(self.default):
            return 100
        return (
            self.choice_percent.get(value, self.price_percent) if isinstance(value, (str, int)) else self.price_percent
        )

    def _rule(self, value: InputValue) -> str:
        match self.kind:
            case InputKind.CHOICE:
                found = any(value == each and type(value) is type(each) for each in self.choices)
                return "" if found else f"one of {', '.join(map(str, self.choices))}"
            case InputKind.FLAG:
                return "" if isinstance(value, bool) else "true or false"
            case InputKind.WHOLE | InputKind.REAL:
                return self._number_rule(value)
            case InputKind.IMAGES:
                good = isinstance(value, list) and self.low <= len(value) <= self.high and all(map(_is_address, value))
                return "" if good else f"a list of {self.low:g} to {self.high:g} https addresses of pictures"
            case InputKind.IMAGE:
                return "" if _is_address(value) else "the https address of a picture"
            case _:
                return self._text_rule(value)

    def _number_rule(self, value: InputValue) -> str:
        types = (int,) if self.kind is InputKind.WHOLE else (int, float)
        good = isinstance(value, types) and not isinstance(value, bool) and self.low <= value <= self.high
        word = "a whole number" if self.kind is InputKind.WHOLE else "a number"
        return "" if good else f"{word} from {self.low:g} to {self.high:g}"

    def _text_rule(self, value: InputValue) -> str:
        if not isinstance(value, str) or len(value) > self.most_characters:
            return f"a text of at most {self.most_characters} characters"
        addressed = _SCHEME in value or value.strip().lower().startswith(_BEGINNINGS)
        return "a text, and no address" if addressed else ""


def _is_address(value: object) -> bool:
    """Whether a value is an address as a user writes it, or a reference of ours in its place."""
    return isinstance(value, str) and value.startswith(("https://", INPUT_PREFIX))


class Filled(Protocol):
    """What this file needs of an input that a field fills."""

    @property
    def field(self) -> str:
        """The request's field."""


class Setting(Protocol):
    """What this file needs of a model."""

    @property
    def inputs(self) -> Mapping[str, Filled]:
        """The inputs that our fields fill, by name."""

    @property
    def settable(self) -> Mapping[str, Settable]:
        """What a request may set of it, by name."""


def problems(model: Setting, inputs: Mapping[str, InputValue]) -> Iterator[str]:
    """What keeps a model from taking these inputs: each begins with the input's name."""
    for name, value in inputs.items():
        item = model.settable.get(name)
        problem = _unlisted(model, name) if item is None else item.problem(value)
        if problem:
            yield problem


def _unlisted(model: Setting, name: str) -> str:
    """Why an input that the entry does not list cannot be set, and what can be set instead."""
    filled = model.inputs.get(name)
    ours = name if name in FIELD else filled.field if filled is not None else ""
    if ours:
        return f"inputs.{name} must be set by the request's own field {ours}"
    if holds_secret(name):
        return f"inputs.{name} holds a secret, and cannot be set"
    if changes_safety(name):
        return f"inputs.{name} changes the model's own safety, and cannot be set"
    able = ", ".join(model.settable)
    return f"inputs.{name} must be one of those that can be set ({able})" if able else f"inputs.{name} cannot be set"


def same_kinds(model: Setting, other: Setting, inputs: Mapping[str, InputValue]) -> bool:
    """Whether another model lists the same inputs, each of the same kind."""
    both = ((model.settable.get(name), other.settable.get(name)) for name in inputs)
    return all(ours is not None and theirs is not None and ours.kind is theirs.kind for ours, theirs in both)


def picture_names(model: Setting) -> frozenset[str]:
    """The names of the settable inputs that are pictures."""
    return frozenset(item.name for item in model.settable.values() if item.kind.is_picture)


def loosening(model: Setting, inputs: Mapping[str, InputValue]) -> tuple[str, ...]:
    """The names of the inputs that loosen the model's own safety."""
    return tuple(name for name in inputs if name in model.settable and model.settable[name].loosens_safety)


def raised(model: Setting, inputs: Mapping[str, InputValue], amount: int) -> int:
    """A price with these inputs at their worst, rounded up."""
    numerator = denominator = 1
    for name, value in inputs.items():
        item = model.settable.get(name)
        if item is not None:
            numerator, denominator = numerator * item.percent(value), denominator * 100
    return -(-amount * numerator // denominator)


def raised_prices(model: Setting, inputs: Mapping[str, InputValue], prices: tuple[Price, ...]) -> tuple[Price, ...]:
    """The provider's prices with these inputs at their worst (rule 5)."""
    return tuple(
        Price(each.unit, raised(model, inputs, each.usd_micros)) if each.unit in _RAISED else each for each in prices
    )
