"""The records of account commands: which were given, and what became of them."""

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    # Only the queue of account commands loads them.
    from shared.core.commands.acts import AccountCommand
    from shared.core.events.command_event import CommandAnswer


@dataclass(frozen=True, slots=True)
class CommandRecord:
    """The record of one command. ``answer`` is None until it is decided, which was ``at`` then."""

    digest: str
    at: datetime
    answer: "CommandAnswer | None" = None


class Commands(Protocol):
    """The records, in the partition of the command's account."""

    async def claim(self, command: "AccountCommand", at: datetime) -> CommandRecord:
        """Record a command that is new. Returns the record of this id: the new one, or the one that is there."""

    async def settle(
        self, command: "AccountCommand", answer: "CommandAnswer", at: datetime, *, is_made: bool = False
    ) -> CommandRecord:
        """Add the answer to the record, unless it has one. Returns the record that counts.

        With an answer that the command made nothing, its move and its decision are forbidden in the same transaction:
        a worker that was taken for dead may still be about to make them. If they are made already, nothing is saved,
        and the record has no answer: look again what was made, and settle with ``is_made``. Raises Unavailable if
        others change the record all the time.
        """
