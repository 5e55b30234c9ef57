"""The price of a draft: what was read on a page, and the credits that follow from it.

Rules of this file:
1. A price is kept with the page where it was read and the day. Neither is ever proposed.
2. Credits pay for the worst case of one output, second, thousand tokens or hundred steps (margin.py). The price of a
   machine's second says nothing without how many of them one output takes at worst: then credits must be given.
3. The proposed credits are for what the operator sells a credit for (CREDIT_USD), else for 0.01 USD. They leave the
   entry's own least margin, else the greatest of a fifth and those of the plans whose tier includes the model.
4. Each input picture counts as one megapixel, a size without a number as one: as margin.py reckons.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal, InvalidOperation
from fractions import Fraction
from typing import Any

from shared.core.catalog.drafting.draft import Draft
from shared.core.catalog.margin import USUAL_CREDIT_USD_MICROS, USUAL_MARGIN_PERCENT, credits_for, megapixels
from shared.core.catalog.reading import CatalogError, margin_percent
from shared.core.catalog.tiers import Tier
from shared.core.modality import InputKind, Modality
from shared.core.money.pricing import Price, Unit
from shared.core.values import replace

#: What credits are counted by, for a price in these units, if the entry has an input that is counted.
_PER: Mapping[Unit, tuple[str, str]] = {
    Unit.SECOND: ("second", "duration_s"),
    Unit.MILLION_TOKENS_OUT: ("thousand_tokens", "max_tokens"),
    Unit.MILLION_TOKENS_IN: ("thousand_tokens", "max_tokens"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Priced:
    """What an operator says of a model's price. ``run_s``: the machine's seconds that one output takes at worst.

    ``credit_usd_micros`` is what the operator sells a credit for, and ``plan_margins`` are the least margins of the
    plans in per cent, each with its tier.
    """

    prices: tuple[Price, ...]
    page: str
    day: date
    credits: int | None = None
    run_s: int | None = None
    credit_usd_micros: int = USUAL_CREDIT_USD_MICROS
    plan_margins: tuple[tuple[Tier, int], ...] = ()


def read_price(text: str) -> Price:
    """A price such as ``0.04/image``: USD for a unit. Raises CatalogError."""
    amount, _, unit = text.partition("/")
    try:
        micros = Decimal(amount) * 1_000_000
    except InvalidOperation:
        micros = Decimal(0)
    if unit in tuple(Unit) and micros.is_finite() and micros == micros.to_integral_value() and 0 < micros <= 10**12:
        return Price(Unit(unit), int(micros))
    said = "a price must be USD for a unit, such as 0.04/image, with at most six decimals"
    raise CatalogError(f"{said}; units are {', '.join(Unit)}")


def priced(draft: Draft, given: Priced) -> Draft:
    """The draft with its price, and with credits. Raises CatalogError if they cannot be calculated."""
    per = _per(draft.table, given.prices)
    credits = given.credits if given.credits is not None else _proposed(draft, given, per)  # noqa: A001  # the entry's word
    table = {name: value for name, value in draft.table.items() if name not in ("inputs", "credits_per")}
    table |= {"credits": credits, **({"credits_per": per} if per else {})}
    table |= {"run_s": given.run_s} if given.run_s is not None and _by_machine(given) else {}
    table |= {
        "prices": [{"unit": price.unit.value, "usd_micros": price.usd_micros} for price in given.prices],
        "price_date": given.day,
        "price_page": given.page,
    }
    return replace(draft, table={**table, "inputs": draft.table.get("inputs", {})})


def _per(table: Mapping[str, Any], prices: Sequence[Price]) -> str:
    """What credits are counted by. Empty: by output."""
    inputs = table.get("inputs", {})
    counted = {each.get("field", name): each for name, each in inputs.items()}

    def has(field: str) -> bool:
        return isinstance(counted.get(field, {}).get("default"), int)

    for price in prices:
        per, field = _PER.get(price.unit, ("", ""))
        if price.unit is Unit.GPU_SECOND and table.get("modality") == Modality.TRAINING:
            per, field = "hundred_steps", "training_steps"
        elif price.unit is Unit.GPU_SECOND and table.get("modality") in (Modality.AUDIO, Modality.VIDEO):
            per, field = "second", "duration_s"
        if per and has(field):
            return per
    return ""


def _by_machine(given: Priced) -> bool:
    return any(price.unit is Unit.GPU_SECOND for price in given.prices)


def _proposed(draft: Draft, given: Priced, per: str) -> int:
    table = draft.table
    if _by_machine(given) and given.run_s is None:
        of = per.replace("_", " ") or "output"
        said = f"{draft.name}: the machine is paid by the second. Say --run-s, its seconds for one {of} at worst"
        raise CatalogError(f"{said}, or --credits")
    if per != "second" and any(price.unit is Unit.SECOND for price in given.prices):
        raise CatalogError(f"{draft.name}: a price by the second needs an input for the duration, with a default")
    counts: Mapping[Unit, Fraction] = {
        Unit.IMAGE: Fraction(1),
        Unit.RUN: Fraction(1),
        Unit.SECOND: Fraction(1),
        Unit.GPU_SECOND: Fraction(given.run_s or 0),
        Unit.MEGAPIXEL_IN: Fraction(most_pictures(table)),
        Unit.MEGAPIXEL_OUT: most_megapixels(table),
        Unit.MILLION_TOKENS_IN: Fraction(table.get("prompt_characters", [3, 500])[1], 1_000_000),
        Unit.MILLION_TOKENS_OUT: Fraction(1000, 1_000_000),
    }
    worst = sum((price.usd_micros * counts[price.unit] for price in given.prices), Fraction(0))
    own = margin_percent(draft.name, table)
    return credits_for(math.ceil(worst), given.credit_usd_micros, _least_margin(table, given) if own is None else own)


def _least_margin(table: Mapping[str, Any], given: Priced) -> int:
    """The greatest of a fifth and the margins of the plans that include the model. A wrong tier counts as free."""
    tier = next((each for each in Tier if each.label == table.get("tier")), Tier.FREE)
    return max([USUAL_MARGIN_PERCENT, *(percent for plan, percent in given.plan_margins if tier <= plan)])


def most_pictures(table: Mapping[str, Any]) -> int:
    """How many pictures go in at most. A list without a bound counts as one: its price is a mistake."""
    inputs = table.get("inputs", {}).values()
    lists = sum(int(each.get("to", 1)) for each in inputs if each.get("type") == InputKind.IMAGES)
    return lists + sum(1 for each in inputs if each.get("type") == InputKind.IMAGE)


def most_megapixels(table: Mapping[str, Any]) -> Fraction:
    """The largest size that can be requested, by sides or by a word such as "2 MP" or "4K"; else one megapixel."""
    sizes = [Fraction(1)]
    sizing = table.get("sizing")
    if isinstance(sizing, Mapping):
        sizes.append(Fraction(sizing["to"] ** 2, 1_000_000))
    for name, each in table.get("inputs", {}).items():
        if each.get("field", name) != "resolution":
            continue
        sizes += [megapixels(str(choice)) for choice in each.get("choices", [])]
    return max(sizes)
