"""The limits of an account as they are shown: the plan's, its own, and those of one user.

Rules of this file:
1. A limit that another one replaces is not shown, because it does not hold.
2. What a limit for each user counts belongs to one user. So it is shown for the user that is named. Of an account that
   nobody else uses, that is the user with its id.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from shared.core.money.account import Account, own_use
from shared.core.money.limits import Ground, Limit, Scope, Unit, free_again, laid_over
from shared.core.money.windows import UNUSED, Span, Usage
from shared.ports import Dependencies
from shared.views.times import moment

HEADS = ("LIMIT", "FOR", "PER", "UNIT", "USED", "OF", "EFFECT", "FREE AGAIN")


@dataclass(frozen=True, slots=True)
class Whose:
    """One user of an account: what it uses, and its own limits."""

    user_id: str
    usage: Usage
    limits: tuple[Limit, ...]


@dataclass(frozen=True, slots=True)
class LimitNow:
    """A limit that holds. ``used`` is None for what is in flight, and for users of whom none is named."""

    limit: Limit
    user_id: str
    used: int | None
    free_at: datetime | None

    def row(self) -> tuple[str, ...]:
        """The row of the table."""
        limit, used = self.limit, "" if self.used is None else str(self.used)
        whose = f"user {self.user_id}" if self.user_id else "each user"
        free = "never" if not limit.amount else moment(self.free_at) if self.free_at else ""
        effect = "wait" if limit.window is Span.IN_FLIGHT else limit.effect
        scope = whose if limit.scope is Scope.USER else limit.scope
        return (limit.limit_id, scope, limit.window, limit.unit, used, str(limit.amount), effect, free)

    def as_json(self) -> dict[str, Any]:
        """The limit with its numbers by name."""
        limit = self.limit
        return {
            "limit_id": limit.limit_id,
            "scope": limit.scope,
            "user_id": self.user_id or None,
            "window": limit.window,
            "unit": limit.unit,
            "effect": limit.effect,
            "amount": limit.amount,
            "used": self.used,
            "free_at": self.free_at.isoformat() if self.free_at else None,
        }


async def whose_of(account: Account, user_id: str | None, deps: Dependencies) -> Whose | None:
    """The user who is named, or whose limits they are anyway (rule 2)."""
    if user_id == account.account_id or (user_id is None and account.own is None):
        return Whose(account.account_id, own_use(account), account.own_limits)
    if user_id is None:
        return None
    user, _ = await deps.store.load_user(account.account_id, user_id)
    return Whose(user_id, user.usage, user.limits) if user else Whose(user_id, UNUSED, ())


def limits_now(account: Account, whose: Whose | None, deps: Dependencies) -> list[LimitNow]:
    """The limits that hold now, each with what it counts."""
    plan, now = deps.plans.find(account.plan), deps.now()
    every = laid_over(plan.limits if plan else (), account.limits, whose.limits if whose else ())
    return [_now(each, account, whose, now) for each in every]


def _now(limit: Limit, account: Account, whose: Whose | None, now: datetime) -> LimitNow:
    of_user = limit.scope is Scope.USER
    user_id, usage = "", account.usage
    if of_user and whose is not None:
        user_id, usage = whose.user_id, whose.usage
    if limit.window is Span.IN_FLIGHT or (of_user and whose is None):
        return LimitNow(limit, user_id, None, None)
    used = usage.counted(limit.window, now)[limit.unit is Unit.USD]
    return LimitNow(limit, user_id, used, free_again(limit, Ground(usage, (), account.zone, now)))
