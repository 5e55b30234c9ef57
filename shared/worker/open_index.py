"""The index row that must exist before its generation does."""

from datetime import timedelta

from shared.core.keys import Key
from shared.ports import Dependencies, OpenRow


async def open_row(deps: Dependencies, key: Key, expected_s: int) -> None:
    """Write the index row of a generation that is about to open (or to be refused).

    ``expected_s`` is how long its model is expected to take, in seconds; 0 if nothing will run.
    """
    now = deps.now()
    row = OpenRow(
        key=key,
        due_at=now + timedelta(seconds=expected_s + deps.timing.check_after_s),
        expires_at=now + timedelta(seconds=expected_s + deps.timing.output_life_s),
        written_at=now,
    )
    await deps.index.put(row)
