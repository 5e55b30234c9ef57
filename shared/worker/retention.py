"""Deletes what has been kept for its time."""

from datetime import timedelta

from shared.core.metric import Metric
from shared.core.switches import began
from shared.ports import Dependencies

#: Inputs are deleted with their generation. At this age no open generation can still need one that was left over,
#: unless it waits for an approval, which may take ``approve_within_s`` longer. Pauses are not counted.
_INPUT_LIFE = timedelta(days=2)


async def sweep(deps: Dependencies) -> int:
    """Delete refused outputs and abandoned inputs that have been kept long enough. Returns how many were deleted."""
    now = deps.now()
    kept = timedelta(days=deps.limits.quarantine_days)
    needed = _INPUT_LIFE + timedelta(seconds=deps.limits.approve_within_s)
    switches = await deps.recent_switches.get(deps.switches, now)
    swept = await deps.input_files.sweep_inputs(began(switches, needed, now))
    swept += await deps.quarantine.sweep_refused(now - kept)
    deps.telemetry.count(Metric.SWEPT, swept)
    return swept
