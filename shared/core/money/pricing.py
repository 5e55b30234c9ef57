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

Metrics = Mapping[str, float | str | bool]


class Unit(StrEnum):
    """What a provider counts (replicate.com/docs/billing)."""

    IMAGE = "image"
    SECOND = "second"  # of video or sound that was made
    RUN = "run"
    GPU_SECOND = "gpu_second"  # of the processor that the model ran on
    MEGAPIXEL_IN = "megapixel_in"
    MEGAPIXEL_OUT = "megapixel_out"
    MILLION_TOKENS_IN = "million_tokens_in"
    MILLION_TOKENS_OUT = "million_tokens_out"


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


#: The names under which Replicate's metrics have the count of a unit, the newest first
#: (replicate/cog-flux billing/metrics.py, and predictions as they were seen; FLUX.2 counts megapixels).
_MEASURED: Mapping[Unit, tuple[str, ...]] = {
    Unit.IMAGE: ("image_output_count", "image_count"),
    Unit.SECOND: ("video_output_duration_seconds", "audio_output_duration_seconds"),
    Unit.GPU_SECOND: ("predict_time",),
    Unit.MEGAPIXEL_IN: ("image_input_megapixel_count",),
    Unit.MEGAPIXEL_OUT: ("image_output_megapixel_count",),
    Unit.MILLION_TOKENS_IN: ("token_input_count", "input_token_count"),
    Unit.MILLION_TOKENS_OUT: ("token_output_count", "output_token_count"),
}

#: All of these names.
MEASURED_NAMES: tuple[str, ...] = tuple(name for names in _MEASURED.values() for name in names)


def cost_usd_micros(prices: Iterable[Price], metrics: Metrics, made: Made) -> int:
    """What a finished prediction cost, as far as can be told."""
    return math.ceil(sum(price.usd_micros * _count(price.unit, metrics, made) / _of(price.unit) for price in prices))


def canceled_cost_usd_micros(prices: Iterable[Price], metrics: Metrics) -> int:
    """What a prediction cost that was canceled: the processor's time up to then, and nothing else for sure."""
    return math.ceil(
        sum(
            price.usd_micros * (_measured(price.unit, metrics) or 0)
            for price in prices
            if price.unit is Unit.GPU_SECOND
        )
    )


def _count(unit: Unit, metrics: Metrics, made: Made) -> float:
    measured = _measured(unit, metrics)
    if measured is not None:
        return measured
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


def _measured(unit: Unit, metrics: Metrics) -> float | None:
    """A count in the metrics; what is no number there, or a negative one, was not measured."""
    for name in _MEASURED.get(unit, ()):
        value = metrics.get(name)
        if isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value < 1e9:
            return float(value)
    return None
