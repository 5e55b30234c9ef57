"""The index row that must exist before its generation does, and when something of a generation is lost.

Rules of this file:
1. What has no prediction has nothing to lose. So however long it waits or is paused, its row expires an hour after it
   should be looked at next: only if nobody looks, the alert of what is open too long fires.
"""

from datetime import datetime, timedelta

from shared.core.keys import Key
from shared.core.lifecycle.generation import AnyGeneration, Generation
from shared.core.lifecycle.state import State
from shared.ports import Dependencies, OpenRow


async def open_row(deps: Dependencies, key: Key, expected_s: int, before: AnyGeneration | None = None) -> None:
    """Write the index row of a generation that is about to open (or to be refused).

    ``expected_s`` is how long its model is expected to take, in seconds; 0 if nothing will run. ``before`` is what is
    saved of it.
    """
    await deps.index.put(row_for(deps, key, expected_s, before))


def row_for(deps: Dependencies, key: Key, expected_s: int, before: AnyGeneration | None = None) -> OpenRow:
    """That row. Its age is that of the generation."""
    now = deps.now()
    return OpenRow(
        key=key,
        due_at=now + timedelta(seconds=expected_s + deps.timing.check_after_s),
        expires_at=now + timedelta(seconds=expected_s + deps.timing.output_life_s),
        written_at=before.opened_at if before else now,
    )


def keeps_until(deps: Dependencies, due_at: datetime) -> datetime:
    """Until when nothing is lost of a generation that has no prediction, and is looked at next at ``due_at``."""
    return due_at + timedelta(seconds=deps.timing.output_life_s)


def lost_at(deps: Dependencies, generation: AnyGeneration, due_at: datetime) -> datetime:
    """When outputs of a generation may be lost that is looked at next at ``due_at``.

    Those of an attempt are kept for ``output_life_s`` from when it should be done.
    """
    if not isinstance(generation, Generation) or generation.state is State.WAITING:
        return keeps_until(deps, due_at)
    attempt = generation.attempt
    return keeps_until(deps, attempt.submitted_at + timedelta(seconds=attempt.expected_s))
