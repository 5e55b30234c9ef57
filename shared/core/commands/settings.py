"""Which setting a command sets, and which of two commands for one setting counts.

Rules of this file:
1. Deferring reorders messages. So a setting belongs to the command that was issued last, in whatever order they arrive.
   Equal times: the greater id.
2. A time later than the message counts as the message's, so that a clock that is wrong cannot win for ever.
3. Moves of credits set nothing. They are made in the order in which they arrive.
"""

import hashlib
from dataclasses import dataclass
from datetime import datetime
from typing import assert_never

from shared.core.commands.acts import (
    AccountCommand,
    Act,
    Approve,
    Deny,
    Grant,
    Pause,
    Reactivate,
    Refund,
    RemoveLimit,
    Resume,
    Revoke,
    SetAccount,
    SetLimit,
    SetPlan,
    Suspend,
)

#: The longest name of a setting, which is part of a RowKey.
_NAME_CHARACTERS = 200


@dataclass(frozen=True, slots=True, order=True)
class Stamp:
    """The command of a setting: when it was issued, then its id. The greater one counts."""

    issued_at: datetime
    command_id: str


def stamp_of(command: AccountCommand, came_at: datetime) -> Stamp:
    """The stamp of a command whose message was enqueued at ``came_at``."""
    issued_at = came_at if command.issued_at is None else min(command.issued_at, came_at)
    return Stamp(issued_at, command.command_id)


def settings_of(act: Act) -> tuple[str, ...]:
    """The names of the settings that an act sets. Each is unique within its account; none for a move of credits."""
    match act:
        case Grant() | Revoke() | Refund() | Approve() | Deny():
            return ()
        case SetAccount():
            return tuple(name for name in ("name", "zone", "approvers") if getattr(act, name) is not None)
        case SetPlan():
            return ("plan",)
        case Suspend() | Reactivate():
            return ("state",)
        case (
            SetLimit(limit_id=limit_id, scope=scope, user_id=user_id)
            | RemoveLimit(limit_id=limit_id, scope=scope, user_id=user_id)
        ):
            return (_named("limit", scope or "account", user_id or "", limit_id),)
        case Pause(scope=scope, user_id=user_id, model=model) | Resume(scope=scope, user_id=user_id, model=model):
            about = _digest(model) if model else user_id or ""
            return (_named("pause", scope or "account", about),)
        case _:
            assert_never(act)


def _named(*ids: str) -> str:
    """A name joined from ids by a character that none of them has, with a digest in their place if it is too long."""
    joined = ";".join(ids)
    return joined if len(joined) <= _NAME_CHARACTERS else f"{ids[0]};;{_digest(joined)}"


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
