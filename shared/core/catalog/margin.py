"""The margin: what a model's credits are sold for, and what is left of it after the worst that they pay for.

Rules of this file:
1. credits = ceil(worst cost in USD / (USD of a credit * (1 - margin))). All is integers: USD micros and per cent.
2. A credit is proposed as sold for 0.01 USD with a margin of a fifth, where nothing else is said.
3. The worst cost is that of what the credits count: an output, a second of it, a thousand tokens, a hundred steps. An
   input picture counts as one megapixel, a character of the prompt as one token, and a machine runs for ``run_s``.
   Without that it runs until it is canceled.
4. A model's own least margin takes precedence over that of a plan. Without either it is 0: nothing loses money.
5. A model below the least margin is not offered to the plan. The app starts all the same. ``allow_loss`` lets a model
   through, for a reason that the entry gives.
6. Nothing of this is loaded where a credit has no price (CREDIT_USD).
"""

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction

from shared.core.catalog.catalog import Catalog, CreditsPer, Model, Status
from shared.core.catalog.mapping import Input
from shared.core.modality import InputKind
from shared.core.money.plans import Plan, Plans
from shared.core.money.pricing import Unit
from shared.core.money.usage import usd
from shared.core.reasons import counted
from shared.core.values import replace

#: What a credit is sold for, and the share of it that is kept, where no setting says so.
USUAL_CREDIT_USD_MICROS = 10_000
USUAL_MARGIN_PERCENT = 20

_MEGAPIXELS = re.compile(r"(\d+(?:\.\d+)?) ?mp", re.ASCII)
_KILOPIXELS = re.compile(r"(\d)k", re.ASCII)

#: The kilopixels of a word such as "4K" are those of a square.
_KILO = 1024


def credits_for(
    worst_usd_micros: int,
    credit_usd_micros: int = USUAL_CREDIT_USD_MICROS,
    margin_percent: int = USUAL_MARGIN_PERCENT,
) -> int:
    """The least credits that pay for a cost and leave the margin; at least one.

    Raises:
        ValueError: a credit is sold for nothing, or the margin is not from 0 to 99 per cent.
    """
    if credit_usd_micros < 1 or not 0 <= margin_percent < 100:
        raise ValueError("a credit must be sold for more than nothing, and the margin must be 0 to 99 per cent")
    kept_of_hundred = credit_usd_micros * (100 - margin_percent)
    return max(1, -(-worst_usd_micros * 100 // kept_of_hundred))


@dataclass(frozen=True, slots=True, kw_only=True)
class Margin:
    """The arithmetic of one model for one plan, of what its credits count. ``loss_reason``: it may lose money, and why.

    ``bounded`` is false if only the cancellation bounds the run of its machine.
    """

    model: str
    plan: str
    per: CreditsPer
    cost_usd_micros: int
    credits: int
    sold_usd_micros: int
    least_percent: int
    bounded: bool = True
    loss_reason: str = ""

    @property
    def percent(self) -> int:
        """The margin in per cent of what the credits are sold for, rounded down. Negative: it loses money."""
        return (self.sold_usd_micros - self.cost_usd_micros) * 100 // self.sold_usd_micros

    @property
    def enough(self) -> bool:
        """Whether the least margin is left. It is compared without rounding."""
        return self.sold_usd_micros * (100 - self.least_percent) >= self.cost_usd_micros * 100

    @property
    def offered(self) -> bool:
        """Whether the plan is offered the model."""
        return self.enough or bool(self.loss_reason)

    @property
    def needed_credits(self) -> int:
        """The credits that would leave the least margin."""
        return credits_for(self.cost_usd_micros, self.sold_usd_micros // self.credits, self.least_percent)

    @property
    def arithmetic(self) -> str:
        """The margin as a sentence with all its numbers."""
        per = "" if self.per is CreditsPer.OUTPUT else f" per {self.per.replace('_', ' ')}"
        sell = f"{counted(self.credits, 'credit')} {'sells' if self.credits == 1 else 'sell'} for"
        said = f"costs {usd(self.cost_usd_micros)} USD{per} at worst, {sell}"
        return f"{said} {usd(self.sold_usd_micros)}: {self.percent} %, at least {self.least_percent} %"


def margin_of(model: Model, plan: Plan, credit_usd_micros: int) -> Margin:
    """The margin of a priced model for a plan."""
    own, plans = model.min_margin_percent, plan.min_margin_percent
    return Margin(
        model=model.name,
        plan=plan.name,
        per=model.credits_per,
        cost_usd_micros=worst_unit_usd_micros(model),
        credits=model.credits,
        sold_usd_micros=model.credits * credit_usd_micros,
        least_percent=own if own is not None else plans or 0,
        bounded=bool(model.run_s) or all(price.unit is not Unit.GPU_SECOND for price in model.prices),
        loss_reason=model.loss_reason if model.allow_loss else "",
    )


def margins(catalog: Catalog, plans: Plans, credit_usd_micros: int) -> Iterator[Margin]:
    """The margin of each model on offer, and of what trained versions inherit, for each plan whose tier includes it."""
    inherited = {model.version_entry for model in catalog.models.values() if model.offered}
    for plan in plans.values():
        for model in catalog.models.values():
            if (model.offered or model.name in inherited) and model.tier <= plan.tier:
                yield margin_of(model, plan, credit_usd_micros)


def sold(catalog: Catalog, plans: Plans, credit_usd_micros: int) -> Catalog:
    """The catalogue where a credit is sold for this, with what each plan is offered of it."""
    below: dict[str, set[str]] = {name: set() for name in plans}
    for margin in margins(catalog, plans, credit_usd_micros):
        if not margin.offered:
            below[margin.plan].add(margin.model)
    whole = replace(catalog, credit_usd_micros=credit_usd_micros)
    return replace(whole, by_plan={plan: _without(whole, names) for plan, names in below.items() if names})


def _without(catalog: Catalog, names: set[str]) -> Catalog:
    models: Mapping[str, Model] = {
        name: replace(model, status=Status.BELOW_MARGIN) if name in names else model
        for name, model in catalog.models.items()
    }
    return replace(catalog, models=models)


def worst_unit_usd_micros(model: Model) -> int:
    """The most that one of what the credits count can cost, in USD micros (rule 3)."""
    each = model.credits_per
    seconds = 1 if each is CreditsPer.SECOND else _most(model, "duration_s")
    tokens = 1000 if each is CreditsPer.THOUSAND_TOKENS else _most(model, "max_tokens")
    counts: Mapping[Unit, Fraction] = {
        Unit.IMAGE: Fraction(1),
        Unit.RUN: Fraction(1),
        Unit.SECOND: Fraction(seconds),
        Unit.GPU_SECOND: Fraction(model.run_s or model.cancel_after_s),
        Unit.MEGAPIXEL_IN: Fraction(sum(map(_pictures, model.inputs.values()))),
        Unit.MEGAPIXEL_OUT: _most_megapixels(model),
        Unit.MILLION_TOKENS_IN: Fraction(model.prompt_characters[1], 1_000_000),
        Unit.MILLION_TOKENS_OUT: Fraction(tokens, 1_000_000),
    }
    return math.ceil(sum(price.usd_micros * counts[price.unit] for price in model.prices))


def _pictures(item: Input) -> int:
    """How many pictures an input takes at most. One that is not bounded counts as one: its price is a mistake."""
    if item.value is not None or not item.kind.is_picture:
        return 0
    return int(item.high) if item.kind is InputKind.IMAGES and math.isfinite(item.high) else 1


def _most(model: Model, field: str) -> int:
    """The most that a request can set a counted field to; the default if it has no bound."""
    numbers = [
        each
        for item in model.inputs.values()
        if item.field == field
        for each in (*item.choices, item.default, *((int(item.high),) if math.isfinite(item.high) else ()))
        if isinstance(each, int)
    ]
    return max(numbers, default=0)


def _most_megapixels(model: Model) -> Fraction:
    """The largest size that can be requested, by sides or by a word such as "2 MP" or "4K"; else one megapixel."""
    sizing = model.sizing
    sides = Fraction(sizing.high**2, 1_000_000) if sizing and sizing.free else Fraction(1)
    words = (str(each) for item in model.inputs.values() if item.field == "resolution" for each in item.choices)
    return max(Fraction(1), sides, *(megapixels(word) for word in words))


def megapixels(word: str) -> Fraction:
    """The megapixels that a word such as "2 MP" or "4K" says; 0 if it says none."""
    if found := _MEGAPIXELS.fullmatch(word.lower()):
        return Fraction(found[1])
    found = _KILOPIXELS.fullmatch(word.lower())
    return Fraction((int(found[1]) * _KILO) ** 2, 1_000_000) if found else Fraction(0)
