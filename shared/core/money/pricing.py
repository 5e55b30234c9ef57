"""What a prediction cost at the provider: an estimate from the model's price and what the provider measured.

Rules of this file:
1. A price is counted in its own unit. The seconds of a processor are counted only where they are what is paid for:
   by them a model that is paid by the output would seem many times dearer than it is.
2. What was measured goes before what was asked; what is neither is not counted, but a picture whose size is not known
   has one megapixel. It is an estimate, never a bill.
3. Money is whole USD micros, rounded up; a price of tokens is for a million of them.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum


class Unit(StrEnum):
    """What a provider counts, and has its prices for."""

    IMAGE = "image"
    SECOND = "second"  # of video or sound that was made
    RUN = "run"
    GPU_SECOND = "gpu_second"  # of the processor that the model ran on
    MEGAPIXEL_IN = "megapixel_in"
    MEGAPIXEL_OUT = "megapixel_out"
    MILLION_TOKENS_IN = "million_tokens_in"
    MILLION_TOKENS_OUT = "million_tokens_out"


#: What the provider has measured of a prediction, by the unit: whole or broken numbers from 0 on.
Measured = Mapping[Unit, float]


@dataclass(frozen=True, slots=True)
class Price:
    """So much for each unit. A model may have several: a run, and what goes in, and what comes out."""

    unit: Unit
    usd_micros: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """What is known of a prediction's result beside the metrics: how much was made, of what was asked."""

    outputs: int
    #: Of all outputs together; 0 where they are no pictures.
    megapixels: float = 0.0
    #: The duration that was asked for; 0 where there is none.
    seconds: int = 0
    #: How many pictures went in. Their size is not known: one megapixel each.
    inputs: int = 0


def cost_usd_micros(prices: Iterable[Price], measured: Measured, made: Made) -> int:
    """What a finished prediction cost, as far as can be told."""
    return math.ceil(sum(price.usd_micros * _count(price.unit, measured, made) / _of(price.unit) for price in prices))


def canceled_cost_usd_micros(prices: Iterable[Price], measured: Measured) -> int:
    """What a prediction cost that was canceled: the processor's time up to then, and nothing else for sure."""
    seconds = measured.get(Unit.GPU_SECOND, 0)
    return math.ceil(sum(price.usd_micros * seconds for price in prices if price.unit is Unit.GPU_SECOND))


def _count(unit: Unit, measured: Measured, made: Made) -> float:
    if unit in measured:
        return measured[unit]
    asked: Mapping[Unit, float] = {
        Unit.IMAGE: made.outputs,
        Unit.SECOND: made.seconds,
        Unit.RUN: 1,
        Unit.MEGAPIXEL_IN: made.inputs,
        Unit.MEGAPIXEL_OUT: made.megapixels or made.outputs,
    }
    return asked.get(unit, 0)


def _of(unit: Unit) -> int:
    """How many of what is counted have the price. Divided by last: the product of whole numbers is exact."""
    return 1_000_000 if unit in (Unit.MILLION_TOKENS_IN, Unit.MILLION_TOKENS_OUT) else 1
