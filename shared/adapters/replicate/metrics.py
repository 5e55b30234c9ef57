"""Reads Replicate's metrics as counts of what a price is for.

Rules of this file:
1. If a unit has several names, the newest name that holds a count decides.
2. A value that is not a number, is negative, or is 1e9 or more counts as not measured.
"""

from collections.abc import Mapping

from shared.core.money.pricing import Unit

#: The names of each unit's count in Replicate's metrics, the newest first. Source: replicate/cog-flux
#: billing/metrics.py, and predictions that we saw; FLUX.2 counts megapixels.
_NAMES: Mapping[Unit, tuple[str, ...]] = {
    Unit.IMAGE: ("image_output_count", "image_count"),
    Unit.SECOND: ("video_output_duration_seconds", "audio_output_duration_seconds"),
    Unit.GPU_SECOND: ("predict_time",),
    Unit.MEGAPIXEL_IN: ("image_input_megapixel_count",),
    Unit.MEGAPIXEL_OUT: ("image_output_megapixel_count",),
    Unit.MILLION_TOKENS_IN: ("token_input_count", "input_token_count"),
    Unit.MILLION_TOKENS_OUT: ("token_output_count", "output_token_count"),
}

#: All of these names.
MEASURED_NAMES: tuple[str, ...] = tuple(name for names in _NAMES.values() for name in names)


def measured_of(metrics: Mapping[str, object]) -> dict[Unit, float]:
    """The counts in a prediction's metrics. A unit that was not measured is absent."""
    counts = ((unit, _count(metrics, names)) for unit, names in _NAMES.items())
    return {unit: count for unit, count in counts if count is not None}


def _count(metrics: Mapping[str, object], names: tuple[str, ...]) -> float | None:
    for name in names:
        value = metrics.get(name)
        if isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value < 1e9:
            return float(value)
    return None
