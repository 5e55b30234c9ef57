"""The row of the open index that stands before a generation does."""

from datetime import timedelta

from shared.core.keys import Key
from shared.ports import Dependencies, OpenRow


async def open_row(deps: Dependencies, key: Key, expected_s: int) -> None:
    """Write the index row of a generation that is about to open (or to be refused)."""
    now = deps.now()
    row = OpenRow(
        key=key,
        due_at=now + timedelta(seconds=expected_s + deps.timing.check_after_s),
        expires_at=now + timedelta(seconds=expected_s + deps.timing.output_life_s),
        written_at=now,
    )
    await deps.index.put(row)
