"""What a request would cost and take, before it is made: at least, likely, at most.

Rules of this file:
1. Credits are those of a generation that succeeds with all its outputs: what fails is not charged. At most is what is
   held.
2. USD at most is the worst case of the whole chain, as a limit in USD counts it. At least is what the cheapest of the
   chain charges in any case. Likely is what was measured for this model; else what its prices say, if they leave
   nothing open; else the middle of what the catalogue says of the machine's run. Otherwise it is not known.
3. Seconds are measured, from opening to end, of generations that succeeded on the model. Nothing else is said of them:
   where none was measured they are not known.
4. Measurements are of what the credits count. So a training is measured by its hundred steps, and what was sold at
   another price is left out, because nobody knows how much it was.
"""

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import accumulate

from shared.core.catalog.catalog import Catalog, CreditsPer, Model, asked, unit_credits
from shared.core.catalog.choosing import Quote
from shared.core.catalog.margin import megapixels
from shared.core.modality import Modality
from shared.core.money.pricing import Unit
from shared.core.money.usage import Used
from shared.core.requests.messages import GenerationRequest

#: The units whose number a request leaves open.
_OPEN = (Unit.GPU_SECOND, Unit.MILLION_TOKENS_IN, Unit.MILLION_TOKENS_OUT)


class Basis(StrEnum):
    """What a likely cost rests on."""

    MEASURED = "measured"
    PRICES = "prices"
    CATALOG = "catalog"  # the machine's run, as the catalogue says it
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Spread:
    """At least, likely, at most. None: not known."""

    least: int | None = None
    likely: int | None = None
    most: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """A quote with what it would cost and take. ``measured`` is of how many generations."""

    quote: Quote
    credits: Spread
    usd_micros: Spread
    seconds: Spread
    basis: Basis
    measured: int


@dataclass(slots=True)
class Measured:
    """What was measured of a model. It keeps counts, not generations."""

    model: Model
    generations: int = 0
    _units: int = 0
    _cost_usd_micros: int = 0
    _seconds: Counter[int] = field(default_factory=Counter)

    def add(self, used: Used) -> None:
        """Count a generation, if it succeeded on this model at its price of today."""
        units, rest = divmod(used.unit_credits, self.model.credits or 1)
        if used.model != self.model.name or not used.succeeded or not units or rest or used.took_s is None:
            return
        self.generations += 1
        self._units += units * used.outputs
        self._cost_usd_micros += used.cost_usd_micros
        trains = self.model.modality is Modality.TRAINING
        self._seconds[math.ceil(used.took_s / units) if trains else used.took_s] += 1

    def cost_usd_micros(self, units: int) -> int | None:
        """What this many units cost, by the mean."""
        return math.ceil(self._cost_usd_micros * units / self._units) if self._units else None

    def seconds(self, units: int) -> Spread:
        """The shortest, the middle and the longest; of a training, for this many units."""
        if not self.generations:
            return Spread()
        times = units if self.model.modality is Modality.TRAINING else 1
        ordered = sorted(self._seconds)
        reached = accumulate(self._seconds[each] for each in ordered)
        middle = next(each for each, sum_ in zip(ordered, reached, strict=True) if sum_ * 2 >= self.generations)
        return Spread(ordered[0] * times, middle * times, ordered[-1] * times)


def estimate(catalog: Catalog, request: GenerationRequest, quoted: Quote, measured: Measured) -> Estimate:
    """What a request that was quoted would cost and take. Pure: the measurements are given."""
    model, outputs = quoted.model, quoted.outputs
    units = _units(model, request)
    chain = [catalog.models[name] for name in quoted.chain]
    each = [unit_credits(link, request) * outputs for link in chain]
    least = [_least_usd_micros(link, request, outputs, _units(link, request)) for link in chain]
    likely, basis = _likely_usd_micros(model, least[0], units * outputs, measured)
    most = max(quoted.worst_cost_usd_micros, *least)
    return Estimate(
        quote=quoted,
        credits=Spread(min(each), each[0], quoted.hold_credits),
        usd_micros=Spread(min(least), likely, most),
        seconds=measured.seconds(units),
        basis=basis,
        measured=measured.generations,
    )


def _units(model: Model, request: GenerationRequest) -> int:
    """How many of what the credits count one output is."""
    return 1 if model.credits_per is CreditsPer.OUTPUT else unit_credits(model, request) // model.credits


def _likely_usd_micros(model: Model, least: int, units: int, measured: Measured) -> tuple[int | None, Basis]:
    mean = measured.cost_usd_micros(units)
    if mean is not None:
        return mean, Basis.MEASURED
    left_open = {price.unit for price in model.prices} & set(_OPEN)
    if not left_open:
        return least, Basis.PRICES
    if left_open == {Unit.GPU_SECOND} and model.least_run_s:
        second = sum(price.usd_micros for price in model.prices if price.unit is Unit.GPU_SECOND)
        return least + (model.run_s - model.least_run_s) * units * second // 2, Basis.CATALOG
    return None, Basis.UNKNOWN


def _least_usd_micros(model: Model, request: GenerationRequest, outputs: int, units: int) -> int:
    """What the prices charge in any case, in USD micros. A picture whose size is not known counts as one megapixel."""
    pictures = len(request.pictures)
    counts: Mapping[Unit, float] = {
        Unit.IMAGE: outputs,
        Unit.RUN: 1,
        Unit.SECOND: asked(model, request, "duration_s"),
        Unit.GPU_SECOND: model.least_run_s * units * outputs,
        Unit.MEGAPIXEL_IN: pictures,
        Unit.MEGAPIXEL_OUT: outputs * _megapixels(request),
        Unit.MILLION_TOKENS_IN: 0,
        Unit.MILLION_TOKENS_OUT: 0,
    }
    return math.ceil(sum(price.usd_micros * counts[price.unit] for price in model.prices))


def _megapixels(request: GenerationRequest) -> float:
    """The requested size; one megapixel if none is."""
    sides = (request.width or 0) * (request.height or 0) / 1_000_000
    return sides or float(megapixels(request.resolution or "")) or 1.0
