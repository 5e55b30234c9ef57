"""The settings of accounts and users: name, zone, approvers, plan, limits, suspension.

Rules of this file:
1. Everything can be set without granting a credit, and taken away again. An account exists from its first command.
2. An older command is recorded as superseded and changes nothing (account.py, rule 4). ``set_account`` has several
   settings, and each is compared by itself.
3. A plan change says what becomes of the running allowance (allowance.py, rule 5), in the same entry. That alone moves
   credits, in the order of arrival.
4. A limit that is removed leaves its stamp, so that an older ``set_limit`` which comes later does not bring it back.
   Stamps are never forgotten, so their number is bounded: a command with an id that would be one too many is refused.
5. A limit that is changed warns anew, because its steps are others (limits.py). The same limit set again does not.
6. A new zone is for the next window and the next period. What runs keeps its end.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from shared.core.keys import is_id
from shared.core.money import allowance as allowances
from shared.core.money.account import Account, Stamps, Standing, User, is_newer, stamped
from shared.core.money.allowance import Allowance, Becomes
from shared.core.money.credits import Sums
from shared.core.money.entries import Move
from shared.core.money.limits import Limit, Scope, check_room, laid_over
from shared.core.money.moves import Moved, Posting, brought, post
from shared.core.money.windows import Span, zone_of
from shared.core.values import replace

#: The longest name of an account and the longest reason of a suspension, in characters.
MOST_NAME, MOST_REASON = 100, 300

#: An account has at most this many approvers.
MOST_APPROVERS = 20


@dataclass(frozen=True, slots=True)
class Order:
    """What decides between two commands for one setting: when each was issued, then its id.

    A time later than that at which the command was enqueued counts as that: a wrong clock must not win for ever.
    """

    issued_at: datetime
    command_id: str

    @classmethod
    def of(cls, issued_at: datetime, command_id: str, enqueued_at: datetime) -> "Order":
        """The order of a command that was enqueued at a time."""
        return cls(min(issued_at, enqueued_at), command_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What ``set_account`` sets. None changes nothing; an empty name, no approvers and UTC take a setting away."""

    name: str | None = None
    zone: str | None = None
    approvers: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        if self.name is not None:
            _text("name", self.name, MOST_NAME)
        if self.zone is not None:
            zone_of(self.zone)
        if self.approvers is not None:
            if len(self.approvers) > MOST_APPROVERS:
                raise ValueError(f"an account has at most {MOST_APPROVERS} approvers")
            if not all(is_id(each) for each in self.approvers):
                raise ValueError("approvers must be ids of users")
        if not dict(self.given()):
            raise ValueError("set_account needs a name, a zone or approvers")

    def given(self) -> Iterator[tuple[str, object]]:
        """The settings that are not None, by name."""
        for name in ("name", "zone", "approvers"):
            if (value := getattr(self, name)) is not None:
                yield name, value


def set_account(account: Account, settings: Settings, *, order: Order, posting: Posting) -> Moved:
    """Set the name, the zone and the approvers, or some of them."""
    so_far = brought(account, posting)
    account, changed = so_far.account, 0
    for name, value in settings.given():
        if is_newer(account.stamps, name, order.issued_at, order.command_id):
            stamps = stamped(account.stamps, name, order.issued_at, order.command_id)
            account = replace(account, stamps=stamps, **{name: value})  # type: ignore[arg-type]  # of Settings
            changed += 1
    said = "; ".join(f"{name} {_shown(value)}" for name, value in settings.given())
    return _recorded(replace(so_far, account=account), Move.SET_ACCOUNT, order, posting, said, superseded=not changed)


def set_plan(
    account: Account, plan: str, becomes: Becomes, new: Allowance | None, *, order: Order, posting: Posting
) -> Moved:
    """Change the plan. ``posting`` has the allowance of the plan before, ``new`` is that of the plan after.

    An account that begins with this command had no plan before, so nothing of the default plan is due.
    """
    if not is_id(plan):
        raise ValueError("plan must be the name of a plan")
    said = f"plan {plan}, allowance {becomes}"
    so_far = brought(account, posting) if account.seq else Moved(account)
    account = so_far.account
    if not is_newer(account.stamps, "plan", order.issued_at, order.command_id):
        return _recorded(so_far, Move.SET_PLAN, order, posting, said, superseded=True)
    at = max(posting.at, account.moved_at)
    place = (account.buckets, account.zone)
    settled = allowances.plan_changed(account.running, new, becomes, place, at, order.command_id)
    sums = Sums(granted=settled.granted, available=settled.granted - settled.expired, expired=settled.expired)
    after = post(so_far, Move.SET_PLAN, order.command_id, posting, sums, settled.changes, asked=said)
    stamps = stamped(account.stamps, "plan", order.issued_at, order.command_id)
    changed = replace(after.account, plan=plan, running=settled.running, stamps=stamps)
    begun = brought(changed, replace(posting, allowance=new))
    return replace(begun, entries=(*after.entries, *begun.entries))


def suspend(account: Account, reason: str, *, order: Order, posting: Posting) -> Moved:
    """Refuse new requests of the account, with this reason. What is open runs to its end."""
    if not reason.strip():
        raise ValueError("a suspension needs a reason")
    _text("reason", reason, MOST_REASON)
    return _stand(account, Standing.SUSPENDED, reason, Move.SUSPEND, order, posting)


def reactivate(account: Account, *, order: Order, posting: Posting) -> Moved:
    """End a suspension."""
    return _stand(account, Standing.ACTIVE, "", Move.REACTIVATE, order, posting)


def set_limit(account: Account, user: User | None, limit: Limit, *, order: Order, posting: Posting) -> Moved:
    """Set a limit of the account, or of one of its users. It replaces one of the same scope and id."""
    if limit.scope is Scope.APP:
        raise ValueError("a limit of the whole app is no limit of an account")
    if user is not None and limit.scope is not Scope.USER:
        raise ValueError("the limit of a user has the scope user")
    had, _ = _had(account, user)
    name = _limit_setting(account, user, limit.scope, limit.limit_id)
    amount = f"{limit.amount} {limit.unit}"
    in_flight = limit.window is Span.IN_FLIGHT
    does = f"at most {amount} in flight" if in_flight else f"{limit.effect} at {amount} per {limit.window}"
    said = f"limit {limit.limit_id}: {does} for the {limit.scope}"
    limits = tuple(sorted(laid_over(had, (limit,)), key=lambda each: (each.scope, each.limit_id)))
    return _limited(account, user, limits, name, Move.SET_LIMIT, order, posting, said)


def remove_limit(
    account: Account, user: User | None, scope: Scope, limit_id: str, *, order: Order, posting: Posting
) -> Moved:
    """Take a limit away. The id of no limit leaves everything as it is, but for its stamp, which takes its room."""
    had, _ = _had(account, user)
    limits = tuple(each for each in had if (each.scope, each.limit_id) != (scope, limit_id))
    name, said = _limit_setting(account, user, scope, limit_id), f"no limit {limit_id} for the {scope}"
    return _limited(account, user, limits, name, Move.REMOVE_LIMIT, order, posting, said)


def _limited(  # noqa: PLR0913, PLR0917  # each is a fact of the command
    account: Account,
    user: User | None,
    limits: tuple[Limit, ...],
    setting: str,
    move: Move,
    order: Order,
    posting: Posting,
    said: str,
) -> Moved:
    so_far, (_, stamps) = brought(account, posting), _had(account, user)
    check_room((stamp.setting for stamp in stamps if stamp.setting.startswith("limit:")), setting)
    of_user = {"user_id": user.user_id} if user else {}
    if not is_newer(stamps, setting, order.issued_at, order.command_id):
        return _recorded(so_far, move, order, posting, said, superseded=True, **of_user)
    stamps = stamped(stamps, setting, order.issued_at, order.command_id)
    own = _is_own(account, user)
    if user is not None and not own:
        so_far = replace(so_far, user=replace(user, limits=limits, stamps=stamps))
    else:
        account = replace(so_far.account, stamps=stamps)
        account = replace(account, own_limits=limits) if own else replace(account, limits=limits)
        so_far = replace(so_far, account=account)
    return _recorded(so_far, move, order, posting, said, superseded=False, **of_user)


def _stand(account: Account, standing: Standing, reason: str, move: Move, order: Order, posting: Posting) -> Moved:
    so_far = brought(account, posting)
    account, said = so_far.account, f"{standing}" + (f": {reason}" if reason else "")
    newer = is_newer(account.stamps, "standing", order.issued_at, order.command_id)
    if newer:
        stamps: Stamps = stamped(account.stamps, "standing", order.issued_at, order.command_id)
        so_far = replace(so_far, account=replace(account, standing=standing, suspended_for=reason, stamps=stamps))
    return _recorded(so_far, move, order, posting, said, superseded=not newer)


def _recorded(
    so_far: Moved, move: Move, order: Order, posting: Posting, said: str, *, superseded: bool, user_id: str = ""
) -> Moved:
    facts = {"asked": said, "superseded": superseded, "user_id": user_id}
    return post(so_far, move, order.command_id, posting, Sums(), (), **facts)


def _had(account: Account, user: User | None) -> tuple[tuple[Limit, ...], Stamps]:
    """The limits that a command is about, and the stamps beside them."""
    if user is not None and not _is_own(account, user):
        return user.limits, user.stamps
    return account.limits if user is None else account.own_limits, account.stamps


def _is_own(account: Account, user: User | None) -> bool:
    """Whether it is the user with the account's id, who has no row (account.py, rule 1)."""
    return user is not None and user.user_id == account.account_id


def _limit_setting(account: Account, user: User | None, scope: Scope, limit_id: str) -> str:
    return f"limit:{'own' if _is_own(account, user) else scope}:{limit_id}"


def _text(name: str, value: str, most: int) -> None:
    if len(value) > most or not (value.isprintable() or not value):
        raise ValueError(f"{name} must be at most {most} printable characters")


def _shown(value: object) -> str:
    return ", ".join(value) if isinstance(value, tuple) else str(value)
