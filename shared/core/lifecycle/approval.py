"""What a generation that waits for an approval was asked, and what was decided.

Rules of this file:
1. An approval is asked for one limit at a time and for a cost. It is saved with the generation, also after the end, so
   that a command that is delivered twice finds its own decision.
2. A decision names its limit and the most credits. It counts for that limit and no other. If the cost is higher, or
   another limit asks, the generation waits again.
3. Operators decide, and about its own limits the account's approvers. Whoever may send commands is believed about who
   decided.
"""

from dataclasses import dataclass
from datetime import datetime

from shared.core.money.account import Account
from shared.core.money.limits import Approval, Scope

#: How an operator is named in ``by``. Anybody else must be an approver of the account.
OPERATOR_PREFIX = "operator:"


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What one command decided. ``most_credits`` is None if it denied."""

    command_id: str
    by: str
    at: datetime
    limit_id: str
    scope: Scope
    most_credits: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """An approval that was asked for: for which limit and cost, since when and until when.

    ``asks`` counts how often one was. The times are those of the first; ``again_at`` is when the last one was asked, if
    that is another. ``until`` counts no pause, so it is shown to nobody (worker/approving.py, rule 5).
    """

    limit_id: str
    scope: Scope
    credits: int
    asked_at: datetime
    until: datetime
    asks: int = 1
    decisions: tuple[Decision, ...] = ()
    again_at: datetime | None = None

    @property
    def pending(self) -> bool:
        """Whether nobody has decided what is asked now."""
        return not any(each.most_credits is None or self._is_met_by(each) for each in self.decisions)

    @property
    def last_asked_at(self) -> datetime:
        """When the last one was asked."""
        return self.again_at or self.asked_at

    @property
    def denied(self) -> bool:
        """Whether it was denied."""
        return any(each.most_credits is None for each in self.decisions)

    @property
    def approvals(self) -> tuple[Approval, ...]:
        """The approvals that were given: what limits are checked with."""
        return tuple(
            Approval(each.limit_id, each.most_credits, each.scope)
            for each in self.decisions
            if each.most_credits is not None
        )

    @property
    def approved_at(self) -> datetime | None:
        """When it was approved, if it was: the last time."""
        return max((each.at for each in self.decisions if each.most_credits is not None), default=None)

    def decision_of(self, command_id: str) -> Decision | None:
        """What a command has decided, if it was applied before."""
        return next((each for each in self.decisions if each.command_id == command_id), None)

    def _is_met_by(self, decision: Decision) -> bool:
        same = (decision.limit_id, decision.scope) == (self.limit_id, self.scope)
        return same and decision.most_credits is not None and decision.most_credits >= self.credits


def may_decide(account: Account | None, asked: Asked | None, by: str) -> bool:
    """Whether somebody may decide what is asked: an operator, or an approver of the account unless the app asks."""
    if by.startswith(OPERATOR_PREFIX):
        return True
    of_app = asked is not None and asked.scope is Scope.APP
    return not of_app and account is not None and by in account.approvers
