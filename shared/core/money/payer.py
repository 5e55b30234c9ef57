"""Who pays for a generation, and why it may not open.

Rules of this file:
1. A transition gets the account, its user's row and what the account's plan says as one value, and never looks up a
   plan itself.
2. What is due (allowance, expiry) is reckoned in before anything is refused.
3. The order of refusals: a suspension, the balance, then limits, the app's among them. A limit that asks for an
   approval refuses nothing: the generation waits (lifecycle/approval.py).
"""

from dataclasses import dataclass
from datetime import datetime

from shared.core.keys import Key
from shared.core.money import moves
from shared.core.money.account import Account, Hold, Standing, User
from shared.core.money.allowance import Allowance
from shared.core.money.limits import (
    Approval,
    Checked,
    Cost,
    Effect,
    Exceeded,
    Ground,
    Limit,
    Notice,
    both,
    check,
    sentence,
)
from shared.core.money.moves import Moved, Posting, user_for
from shared.core.reasons import Reason, Refusal, counted


@dataclass(frozen=True, slots=True)
class AppGround:
    """The app's limits, and what all instances use together as far as this one knows."""

    limits: tuple[Limit, ...]
    ground: Ground

    def check(self, cost: Cost, approvals: tuple[Approval, ...] = (), only: Effect | None = None) -> Checked:
        """Check a generation of this cost. ``only`` leaves out limits of another effect."""
        every = [each for each in self.limits if only in (None, each.effect)]
        return check(every, self.ground, cost, approvals)


@dataclass(frozen=True, slots=True)
class Payer:
    """An account, the row of the user that asks (None: the account has the user's id), and the plan's terms.

    ``app`` is None where the app has no limits, and where nothing opens.
    """

    account: Account
    user: User | None = None
    allowance: Allowance | None = None
    limits: tuple[Limit, ...] = ()
    app: AppGround | None = None

    def posting(self, now: datetime) -> Posting:
        """When a move is made, and the allowance that may be due."""
        return Posting(at=now, allowance=self.allowance)

    def hold(self, cost: Cost, key: Key, now: datetime) -> tuple[Hold, Moved]:
        """Set credits aside for a generation."""
        return moves.hold(self.account, self.user, cost, key=key, posting=self.posting(now), limits=self.limits)

    def app_notices(self, cost: Cost) -> tuple[Notice, ...]:
        """The steps of the app's limits that a generation of this cost reaches."""
        return self.app.check(cost, only=Effect.WARN).notices if self.app else ()

    def resolve(self, ends: Hold, captured: int, cost_usd_micros: int, key: Key, now: datetime) -> Moved:
        """End a generation's hold."""
        return moves.resolve(
            self.account, self.user, ends, captured, cost_usd_micros=cost_usd_micros, key=key, posting=self.posting(now)
        )

    def ended_unopened(self, key: Key, now: datetime) -> Moved:
        """Post the end of a generation that never opened."""
        return moves.ended_unopened(self.account, key=key, posting=self.posting(now))


def refusal(payer: Payer | None, cost: Cost, key: Key, now: datetime) -> Refusal | None:
    """Why a generation of this cost cannot open at this time; None if it can."""
    if payer is None:
        said = f"This needs up to {counted(cost.credits, 'credit')}, and this account was never given any."
        return Refusal(Reason.NO_CREDITS, f"{said} Add credits and send it again with a new id.")
    if payer.account.standing is Standing.SUSPENDED:
        return Refusal(Reason.ACCOUNT_SUSPENDED, f"This account is suspended: {payer.account.suspended_for}")
    account = moves.brought(payer.account, payer.posting(now)).account
    if account.available < cost.credits:
        waiting = f" ({account.held} more held for what is still running)" if account.held else ""
        said = f"This needs up to {counted(cost.credits, 'credit')}; available: {account.available}{waiting}."
        return Refusal(Reason.NO_CREDITS, f"{said} Add credits and send it again with a new id.")
    checked = both(*moves.checked(account, user_for(payer.user, key), payer.limits, cost, now))
    checked = both(checked, payer.app.check(cost)) if payer.app else checked
    if checked.blocked:
        return Refusal(Reason.OVER_LIMIT, sentence(checked.blocked))
    return None


def to_approve(payer: Payer, cost: Cost, key: Key, now: datetime, approvals: tuple[Approval, ...]) -> Exceeded | None:
    """The first limit that asks for an approval of this cost, and that none of ``approvals`` overrides."""
    user = user_for(payer.user, key)
    answers = moves.checked(payer.account, user, payer.limits, cost, now, approvals, only=Effect.APPROVE)
    asks = both(*answers).to_approve
    if payer.app:
        asks += payer.app.check(cost, approvals, Effect.APPROVE).to_approve
    return next(iter(asks), None)
