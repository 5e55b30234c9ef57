"""Deletes what has been kept for its time.

Rules of this file:
1. Inputs are deleted with their generation. What is left over was copied by a call that died, or could not be deleted
   when its generation ended.
2. No input of what is open is deleted, however long it waits: pauses can be renewed, and a wait for a turn has no
   bound. The open index says what is open. It is read only if something old is found, so no generation pays for it.
3. What was copied again since it was found is not deleted (ports/files.py): its generation may have opened since the
   index was read.
"""

from datetime import timedelta

from shared.core.metric import Metric
from shared.ports import Dependencies
from shared.worker.naming import output_prefix

#: No call that copied an input so long ago can still open its generation.
_INPUT_LIFE = timedelta(days=2)


async def sweep(deps: Dependencies) -> int:
    """Delete refused outputs and abandoned inputs that have been kept long enough. Returns how many were deleted."""
    now = deps.now()
    kept = timedelta(days=deps.limits.quarantine_days)
    swept = await deps.input_files.sweep_inputs(now - _INPUT_LIFE, _OpenNames(deps).have)
    swept += await deps.quarantine.sweep_refused(now - kept)
    deps.telemetry.count(Metric.SWEPT, swept)
    return swept


class _OpenNames:
    """The prefixes of the names that inputs of open generations have. They are read at the first question."""

    def __init__(self, deps: Dependencies) -> None:
        self._deps = deps
        self._prefixes: frozenset[str] | None = None

    async def have(self, name: str) -> bool:
        """Whether an input is of an open generation. Raises Unavailable."""
        if self._prefixes is None:
            self._prefixes = frozenset([output_prefix(key) async for key in self._deps.index.of_account()])
        return name[: name.rfind("/") + 1] in self._prefixes
