"""The event that says what became of an account command."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any


class CommandOutcome(StrEnum):
    """What became of a command."""

    APPLIED = "applied"  # it is done, by this message or by an earlier one of the same id
    REFUSED = "refused"  # it changed nothing
    SUPERSEDED = "superseded"  # a newer command for the same setting counts; it changed nothing
    FAILED = "failed"  # it was dead-lettered; the same message again completes it


class CommandReason(StrEnum):
    """Why a command was not applied. A code never changes."""

    INVALID_COMMAND = "INVALID_COMMAND"
    IDEMPOTENCY_MISMATCH = "IDEMPOTENCY_MISMATCH"
    NO_ACCOUNT = "NO_ACCOUNT"
    NOT_ENOUGH_CREDITS = "NOT_ENOUGH_CREDITS"
    UNKNOWN_PLAN = "UNKNOWN_PLAN"
    NOT_POSSIBLE = "NOT_POSSIBLE"
    NEWER_COMMAND = "NEWER_COMMAND"
    DEAD_LETTERED = "DEAD_LETTERED"


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandAnswer:
    """What became of a command, and why if it was not applied. ``text`` is a sentence; it may be empty if it was."""

    outcome: CommandOutcome
    reason: CommandReason | None = None
    text: str = ""

    @property
    def made_nothing(self) -> bool:
        """Whether nothing is saved under the command's id. Then nothing may be made under it any more, either."""
        return self.reason in _MADE_NOTHING


#: Any other answer of a command that was recorded is read from what it has made.
_MADE_NOTHING = (CommandReason.NO_ACCOUNT, CommandReason.UNKNOWN_PLAN, CommandReason.NOT_POSSIBLE)

APPLIED = CommandAnswer(outcome=CommandOutcome.APPLIED)


def refused(reason: CommandReason, text: str) -> CommandAnswer:
    """The answer that a command changed nothing, with its sentence."""
    return CommandAnswer(outcome=CommandOutcome.REFUSED, reason=reason, text=text)


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandEvent:
    """The event of one command: CloudEvents 1.0, without its ``why``.

    The ids are as the message has them, even if they are no valid ids; None if they cannot be returned. ``digest`` is
    given for a message that is not the recorded command: its event must not pass for that command's.
    """

    account_id: str | int | None
    command_id: str | int | None
    kind: str
    by: str
    answer: CommandAnswer
    at: datetime
    digest: str = ""

    @property
    def outcome(self) -> str:
        """The outcome, as a subscription can filter by it."""
        return self.answer.outcome.value

    @property
    def event_id(self) -> str:
        """The event's stable id. It differs from every generation's, because no valid id is empty."""
        ids = (str(each or "") for each in (self.account_id, self.command_id))
        return "/".join(("command", "", *ids, self.outcome, *([self.digest] if self.digest else [])))

    def to_json(self) -> dict[str, Any]:
        """The CloudEvent in structured JSON mode."""
        answer = self.answer
        return {
            "specversion": "1.0",
            "id": self.event_id,
            "source": "/darkroom",
            "type": f"darkroom.account.command.{self.outcome}",
            "subject": str(self.account_id or ""),
            "time": self.at.isoformat(),
            "datacontenttype": "application/json",
            "data": {
                "account_id": self.account_id or None,
                "command_id": self.command_id,
                "type": self.kind or None,
                "by": self.by or None,
                "reason": {"code": answer.reason.value, "text": answer.text} if answer.reason else None,
                "note": None if answer.reason else answer.text or None,
            },
        }
