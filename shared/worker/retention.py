"""What is deleted because it was kept long enough."""

from datetime import timedelta

from shared.ports import Dependencies

#: Inputs go with their generation. One whose request died before it opened is older than any open generation by then.
_INPUT_LIFE = timedelta(days=2)


async def sweep(deps: Dependencies) -> int:
    """Delete what was kept long enough: refused outputs, and inputs that nobody came back for. Returns how many."""
    now = deps.now()
    kept = timedelta(days=deps.limits.quarantine_days)
    swept = await deps.input_files.sweep_inputs(now - _INPUT_LIFE)
    swept += await deps.quarantine.sweep_refused(now - kept)
    deps.telemetry.count("darkroom.swept", swept)
    return swept
