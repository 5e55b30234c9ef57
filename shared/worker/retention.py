"""Deletes what has been kept for its time."""

from datetime import timedelta

from shared.core.metric import Metric
from shared.ports import Dependencies

#: Inputs are deleted with their generation. At this age no open generation can still need one that was left over,
#: unless it waits for an approval, which may take ``approve_within_s`` longer.
_INPUT_LIFE = timedelta(days=2)


async def sweep(deps: Dependencies) -> int:
    """Delete refused outputs and abandoned inputs that have been kept long enough. Returns how many were deleted."""
    now = deps.now()
    kept = timedelta(days=deps.limits.quarantine_days)
    swept = await deps.input_files.sweep_inputs(now - _INPUT_LIFE - timedelta(seconds=deps.limits.approve_within_s))
    swept += await deps.quarantine.sweep_refused(now - kept)
    deps.telemetry.count(Metric.SWEPT, swept)
    return swept
