"""What can be commanded about an account: one frozen type for each act, and the command around it.

Rules of this file:
1. An act has the fields of its command in the table (fields.py), by the same names, repeated for the type checker. A
   test compares them.
2. None means that the command does not have the field.
3. Only the queue of account commands loads this file. The road of a picture never does.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from typing import Any, ClassVar, get_args


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """Give the account credits. The first grant opens the account."""

    kind: ClassVar[str] = "grant"
    credits: int
    expires_at: datetime | None = None
    priority: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Revoke:
    """Take back credits that are available: at most so many, of one grant or of all."""

    kind: ClassVar[str] = "revoke"
    credits: int
    grant_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Refund:
    """Give back captured credits of a generation that has ended."""

    kind: ClassVar[str] = "refund"
    credits: int
    generation_id: str
    user_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SetAccount:
    """Set the account's name, time zone or approvers."""

    kind: ClassVar[str] = "set_account"
    name: str | None = None
    zone: str | None = None
    approvers: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SetPlan:
    """Set the account's plan. ``allowance`` says what becomes of the running one."""

    kind: ClassVar[str] = "set_plan"
    plan: str
    allowance: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SetLimit:
    """Set a limit of the account, of one of its users, or of the whole app."""

    kind: ClassVar[str] = "set_limit"
    limit_id: str
    window: str
    credits: int | None = None
    usd_micros: int | None = None
    generations: int | None = None
    effect: str | None = None
    scope: str | None = None
    user_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoveLimit:
    """Remove a limit."""

    kind: ClassVar[str] = "remove_limit"
    limit_id: str
    scope: str | None = None
    user_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Suspend:
    """Refuse the account's new requests, with this reason."""

    kind: ClassVar[str] = "suspend"
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Reactivate:
    """End a suspension."""

    kind: ClassVar[str] = "reactivate"


@dataclass(frozen=True, slots=True, kw_only=True)
class Approve:
    """Allow a generation that waits for approval, up to this many credits, past one limit."""

    kind: ClassVar[str] = "approve"
    generation_id: str
    limit_id: str
    max_credits: int
    user_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Deny:
    """Refuse a generation that waits for approval."""

    kind: ClassVar[str] = "deny"
    generation_id: str
    reason: str | None = None
    user_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Pause:
    """Create nothing until a time: for an account, a user, a model or the whole app."""

    kind: ClassVar[str] = "pause"
    scope: str | None = None
    user_id: str | None = None
    model: str | None = None
    until: datetime | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Resume:
    """End a pause."""

    kind: ClassVar[str] = "resume"
    scope: str | None = None
    user_id: str | None = None
    model: str | None = None


Act = (
    Grant
    | Revoke
    | Refund
    | SetAccount
    | SetPlan
    | SetLimit
    | RemoveLimit
    | Suspend
    | Reactivate
    | Approve
    | Deny
    | Pause
    | Resume
)

#: Every act by the ``type`` of its command.
ACTS: Mapping[str, type[Act]] = {each.kind: each for each in get_args(Act)}


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountCommand:
    """One command. The same id and the same content are the same command.

    ``account_id`` is empty for a command about the whole app. ``by`` says who gave it, ``why`` for what reason.
    ``issued_at`` orders the commands for one setting; None: when it was enqueued. ``digest`` is that of its content.
    """

    command_id: str
    account_id: str
    by: str
    act: Act
    why: str = ""
    issued_at: datetime | None = None
    digest: str

    def to_json(self) -> dict[str, Any]:
        """The message that ``parse_command`` reads back, without absent fields."""
        head = {
            "type": self.act.kind,
            "command_id": self.command_id,
            "account_id": self.account_id or None,
            "by": self.by,
            "why": self.why or None,
            "issued_at": self.issued_at,
        }
        own = {field.name: getattr(self.act, field.name) for field in fields(self.act)}
        return {name: _plain(value) for name, value in (head | own).items() if value is not None}


def _plain(value: object) -> object:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat()
    return list(value) if isinstance(value, tuple) else value


@dataclass(frozen=True, slots=True, kw_only=True)
class MalformedCommand:
    """A message that is no command. ``text`` says why.

    The ids are given as far as they can be returned to the sender: a text or a number that is no valid id too.
    """

    text: str
    raw: bytes
    account_id: str | int | None = None
    command_id: str | int | None = None
    kind: str = ""
