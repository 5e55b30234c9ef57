"""What a prediction cost at the provider: an estimate from the model's prices and the provider's measurements.

Rules of this file:
1. A price counts its own unit only. Processor seconds count only if the model is priced by them: otherwise a model that
   is priced by output would seem many times dearer than it is.
2. Prefer the provider's measured quantity, then the requested one, else zero. An image of unknown size counts as one
   megapixel. The result is an estimate, never a bill.
3. Money is whole USD micros, rounded up. A price of tokens is for a million of them.
4. The worst case counts each unit as high as a request lets it become: processor seconds as long as the prediction may
   run, a token for each byte of text, and ``MOST_MEGAPIXELS`` for an image whose sides are not requested.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum


class Unit(StrEnum):
    """What a provider counts and prices."""

    IMAGE = "image"
    SECOND = "second"  # of video or audio made
    RUN = "run"
    GPU_SECOND = "gpu_second"  # of the processor that ran the model
    MEGAPIXEL_IN = "megapixel_in"
    MEGAPIXEL_OUT = "megapixel_out"
    MILLION_TOKENS_IN = "million_tokens_in"
    MILLION_TOKENS_OUT = "million_tokens_out"


#: What the provider measured of a prediction, by unit: integers or floats, 0 or more.
Measured = Mapping[Unit, float]


@dataclass(frozen=True, slots=True)
class Price:
    """The price of one unit. A model may have several: for a run, for its inputs, for its outputs."""

    unit: Unit
    usd_micros: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """What Darkroom knows of a prediction's result without the provider's metrics."""

    outputs: int
    #: Of all outputs together; 0 if they are not images.
    megapixels: float = 0.0
    #: The requested duration; 0 if there is none.
    seconds: int = 0
    #: How many images went in. Their sizes are unknown: each counts as one megapixel.
    inputs: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What a request lets one prediction become. ``sides`` are (0, 0) if none are requested."""

    outputs: int
    sides: tuple[int, int]
    seconds: int
    inputs: int
    text_bytes: int
    tokens: int
    longest_s: int


#: No model makes a larger image unless its sides are requested.
MOST_MEGAPIXELS = 4


def worst_cost_usd_micros(prices: Iterable[Price], asked: Asked) -> int:
    """The most that one prediction can cost, in USD micros (rule 4)."""
    pixels = asked.sides[0] * asked.sides[1] or MOST_MEGAPIXELS * 1_000_000
    most = {
        Unit.IMAGE: asked.outputs * 1_000_000,
        Unit.SECOND: asked.seconds * 1_000_000,
        Unit.RUN: 1_000_000,
        Unit.GPU_SECOND: asked.longest_s * 1_000_000,
        Unit.MEGAPIXEL_IN: asked.inputs * 1_000_000,
        Unit.MEGAPIXEL_OUT: asked.outputs * pixels,
        Unit.MILLION_TOKENS_IN: asked.text_bytes,
        Unit.MILLION_TOKENS_OUT: asked.tokens,
    }
    return -(-sum(price.usd_micros * most[price.unit] for price in prices) // 1_000_000)


def cost_usd_micros(prices: Iterable[Price], measured: Measured, made: Made) -> int:
    """Estimate what a finished prediction cost, in USD micros."""
    return math.ceil(
        sum(price.usd_micros * _count(price.unit, measured, made) / _units_per_price(price.unit) for price in prices)
    )


def canceled_cost_usd_micros(prices: Iterable[Price], measured: Measured) -> int:
    """Estimate what a canceled prediction cost, in USD micros: only its processor time is certain to be charged."""
    seconds = measured.get(Unit.GPU_SECOND, 0)
    return math.ceil(sum(price.usd_micros * seconds for price in prices if price.unit is Unit.GPU_SECOND))


def _count(unit: Unit, measured: Measured, made: Made) -> float:
    if unit in measured:
        return measured[unit]
    requested: Mapping[Unit, float] = {
        Unit.IMAGE: made.outputs,
        Unit.SECOND: made.seconds,
        Unit.RUN: 1,
        Unit.MEGAPIXEL_IN: made.inputs,
        Unit.MEGAPIXEL_OUT: made.megapixels or made.outputs,
    }
    return requested.get(unit, 0)


def _units_per_price(unit: Unit) -> int:
    """How many units one price covers. The caller divides last, because a product of integers is exact."""
    return 1_000_000 if unit in (Unit.MILLION_TOKENS_IN, Unit.MILLION_TOKENS_OUT) else 1
