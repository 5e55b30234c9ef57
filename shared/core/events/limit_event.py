"""The event that a ``warn`` limit has reached 50, 80 or 100 % of its window."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from shared.core.keys import Key
from shared.core.money.limits import Notice, Scope, warning


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitEvent:
    """The event of one step of a ``warn`` limit: one for each step, window and amount of the limit.

    ``key`` is the generation whose hold has reached the step; None for a limit of the app, which is nobody's in
    particular. The id names whose limit it is, and not the generation.
    """

    key: Key | None
    notice: Notice
    at: datetime

    @property
    def outcome(self) -> str:
        """``limit_warned``: of no generation's end."""
        return "limit_warned"

    @property
    def event_id(self) -> str:
        """The event's stable id. It differs from every generation's, because no valid id is empty."""
        limit, step, until = self.notice.limit, self.notice.step, f"{self.notice.until:%Y%m%dT%H%M%SZ}"
        return "/".join(("limit", "", *self._whose, limit.limit_id, until, str(limit.amount), str(step)))

    def to_json(self) -> dict[str, Any]:
        """The CloudEvent in structured JSON mode."""
        limit, (account_id, user_id) = self.notice.limit, self._whose
        return {
            "specversion": "1.0",
            "id": self.event_id,
            "source": "/darkroom",
            "type": "darkroom.limit.warned",
            "subject": "/".join(each for each in (account_id, user_id) if each) or "app",
            "time": self.at.isoformat(),
            "datacontenttype": "application/json",
            "data": {
                "generation_id": self.key.generation_id if self.key else None,
                "user_id": self.key.user_id if self.key else None,
                "account_id": self.key.account_id if self.key else None,
                "limit": {"id": limit.limit_id, "scope": limit.scope.value, "window": limit.window.value},
                "percent": self.notice.step,
                "used": self.notice.used,
                "amount": limit.amount,
                "unit": limit.unit.value,
                "until": self.notice.until.isoformat(),
                "text": warning(self.notice),
            },
        }

    @property
    def _whose(self) -> tuple[str, str]:
        """The account and the user that have the limit. Empty is nobody: the app, or the account itself."""
        if self.key is None or self.notice.limit.scope is Scope.APP:
            return "", ""
        return self.key.account_id, self.key.user_id if self.notice.limit.scope is Scope.USER else ""
