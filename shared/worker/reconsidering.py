"""Looks again at what waits for an approval or a turn, after a change that may have made it unnecessary.

Rules of this file:
1. Whoever changes limits or a plan asks for the looks, after the change is saved. A command that a crash has cut off
   asks for them with its next delivery. What is missed is looked at when its limit's window ends.
2. A look is a check like any other. It opens only what no limit asks an approval for any more.
3. What waits for a turn goes on by the account's place (looking.py, rule 4).
"""

from shared.core.requests.messages import Check
from shared.ports import Dependencies, Envelope
from shared.worker.looking import renew_place


async def reconsider(deps: Dependencies, account_id: str, command_id: str) -> None:
    """Send a check for each generation of an account, or of all accounts (""), that waits for an approval.

    The place of an account is renewed.
    """
    if account_id:
        await renew_place(deps, account_id)
    for row in await deps.index.awaiting_approval(account_id):
        await deps.messenger.send(Check(row.key), Envelope(row.key.named("look", command_id)))
