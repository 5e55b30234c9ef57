"""The event that asks for an approval."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from shared.core.keys import Key
from shared.core.lifecycle.approval import Asked


@dataclass(frozen=True, slots=True, kw_only=True)
class ApprovalEvent:
    """The event that a generation waits for an approval: who may give it, past which limit, at what cost, until when.

    Its id and time are the same however often it is sent; each time that an approval is asked anew has its own.
    ``until`` counts the pauses that were known when it was sent, so of two with one id it may differ.
    """

    key: Key
    asked: Asked
    until: datetime
    approvers: tuple[str, ...]
    at: datetime
    text: str
    metadata: Mapping[str, str]

    @property
    def outcome(self) -> str:
        """``approval_needed``: of no generation's end."""
        return "approval_needed"

    @property
    def event_id(self) -> str:
        """The event's stable id."""
        return self.key.named("approval", "needed", self.asked.asks)

    def to_json(self) -> dict[str, Any]:
        """The CloudEvent in structured JSON mode."""
        return {
            "specversion": "1.0",
            "id": self.event_id,
            "source": "/darkroom",
            "type": "darkroom.approval.needed",
            "subject": str(self.key),
            "time": self.at.isoformat(),
            "datacontenttype": "application/json",
            "data": {
                **self.key.properties,
                "limit": {"id": self.asked.limit_id, "scope": self.asked.scope.value},
                "credits": self.asked.credits,
                "until": self.until.isoformat(),
                "approvers": list(self.approvers),
                "reason": {"code": "APPROVAL_NEEDED", "text": self.text},
                "metadata": dict(self.metadata),
            },
        }
