"""Looks again at what waits for an approval, after a change that may have made the approval unnecessary.

Rules of this file:
1. Whoever changes limits or a plan asks for the looks, after the change is saved. A command that a crash has cut off
   asks for them with its next delivery. What is missed is looked at when its limit's window ends.
2. A look is a check like any other. It opens only what no limit asks an approval for any more.
"""

from shared.core.requests.messages import Check
from shared.ports import Dependencies, Envelope


async def reconsider(deps: Dependencies, account_id: str, command_id: str) -> None:
    """Send a check for each generation of an account, or of all accounts (""), that waits for an approval."""
    for row in await deps.index.awaiting_approval(account_id):
        await deps.messenger.send(Check(row.key), Envelope(row.key.named("look", command_id)))
