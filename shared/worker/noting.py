"""Notes which accounts moved on which day, for the audit and for the app's limits.

Rules of this file:
1. An account is noted before its move is saved. A crash between both leaves a row too many, never one too few.
2. An instance notes an account once a day and remembers it, so a move costs no request more.
"""

from shared.ports import Dependencies


async def note_move(deps: Dependencies, account_id: str) -> None:
    """Write the row of an account that is about to move today, unless this instance has. Raises Unavailable."""
    day = deps.now().date()
    if deps.noted_today.has(account_id, day):
        return
    await deps.moved.note(account_id, day)
    deps.noted_today.add(account_id, day)
