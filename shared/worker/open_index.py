"""The index row that must exist before its generation does."""

from datetime import timedelta

from shared.core.keys import Key
from shared.ports import Dependencies, OpenRow


async def open_row(deps: Dependencies, key: Key, expected_s: int, waits_s: int = 0) -> None:
    """Write the index row of a generation that is about to open (or to be refused).

    ``expected_s`` is how long its model is expected to take, in seconds; 0 if nothing will run.
    ``waits_s`` is for how long it may wait for an approval before that.
    """
    await deps.index.put(row_for(deps, key, expected_s, waits_s))


def row_for(deps: Dependencies, key: Key, expected_s: int, waits_s: int = 0) -> OpenRow:
    """That row."""
    now = deps.now()
    return OpenRow(
        key=key,
        due_at=now + timedelta(seconds=expected_s + deps.timing.check_after_s),
        expires_at=now + timedelta(seconds=expected_s + waits_s + deps.timing.output_life_s),
        written_at=now,
    )
