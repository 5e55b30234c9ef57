"""The moves of credits: pure functions from an account to the account after it, with the ledger entries.

Rules of this file:
1. What fell due while nobody used the account (allowance, expiry) is posted before a move, in the same transaction.
   What a move gives back to a bucket that has expired meanwhile expires after it, in the same transaction. ``brought``
   is the account with what is due, so whoever shows a balance calls it and saves nothing.
2. Hold, then capture or release. A hold is resolved once, in one move: part of it is captured, the rest is released.
3. The time of a move is never before that of the move before it: clocks of workers differ.
4. A move of credits is made in the order of arrival. An amount is checked before anything is made.
5. Entries leave here with their number, and without a digest (sealing.py).
"""

from dataclasses import dataclass
from datetime import datetime

from shared.core.keys import Key, row_key
from shared.core.money import allowance as allowances
from shared.core.money.account import Account, Hold, User, moved, own_use, used
from shared.core.money.allowance import Allowance
from shared.core.money.buckets import (
    DEFAULT_PRIORITY,
    MOST_BUCKETS,
    Buckets,
    Change,
    Changes,
    Terms,
    bucket_of,
    check_amount,
    expired,
    held,
    refunded,
    resolved,
    spend,
    taken,
    taken_of_held,
)
from shared.core.money.credits import MOST_SUM, Sums, whole
from shared.core.money.entries import BY_PLAN, BY_SYSTEM, BY_USER, LedgerEntry, Move
from shared.core.money.limits import (
    Approval,
    Checked,
    Cost,
    Effect,
    Ground,
    Limit,
    Notice,
    Scope,
    both,
    check,
    laid_over,
)
from shared.core.values import replace


@dataclass(frozen=True, slots=True, kw_only=True)
class Posting:
    """When a move is made, by whom and why, and the allowance of the account's plan, which may be due."""

    at: datetime
    by: str = BY_SYSTEM
    why: str = ""
    allowance: Allowance | None = None


@dataclass(frozen=True, slots=True)
class Moved:
    """What to save in one transaction: the account and the user after a move, and its entries."""

    account: Account
    entries: tuple[LedgerEntry, ...] = ()
    user: User | None = None
    notices: tuple[Notice, ...] = ()


def brought(account: Account, posting: Posting) -> Moved:
    """The account with the allowance and the expiry that are due (rule 1)."""
    at, so_far = max(posting.at, account.moved_at), Moved(account)
    settled = allowances.due(account.running, posting.allowance, account.buckets, account.zone, at)
    if settled:
        sums = Sums(granted=settled.granted, available=settled.granted - settled.expired, expired=settled.expired)
        system = Posting(at=at, by=BY_PLAN)
        so_far = post(so_far, Move.ALLOWANCE, settled.period, system, sums, settled.changes)
        so_far = replace(so_far, account=replace(so_far.account, running=settled.running))
    elif posting.allowance is None and account.running is not None:
        lapsed = allowances.without_allowance(account.running, at)
        so_far = so_far if lapsed is account.running else Moved(replace(account, running=lapsed))
    return _without_expired(so_far, at)


def grant(
    account: Account,
    amount: int,
    *,
    grant_id: str,
    posting: Posting,
    expires_at: datetime | None = None,
    priority: int = DEFAULT_PRIORITY,
) -> Moved:
    """Give ``amount`` credits in a bucket of their own. Raises ValueError, with the rule, if that cannot be."""
    check_amount("amount", amount)
    if expires_at is not None and expires_at <= posting.at:
        raise ValueError("expires_at must be in the future")
    so_far = brought(account, posting)
    if len(so_far.account.buckets) >= MOST_BUCKETS:
        raise ValueError(f"an account has at most {MOST_BUCKETS} buckets with credits: wait until one is spent")
    at = _time(so_far.account, posting)
    terms = Terms(f"grant:{grant_id}", at, expires_at, priority)
    said = said_of_grant(amount, priority, expires_at)
    sums = Sums(granted=amount, available=amount)
    return post(so_far, Move.GRANT, grant_id, posting, sums, (Change(terms, amount),), asked=said)


def said_of_grant(amount: int, priority: int, expires_at: datetime | None) -> str:
    """What a grant's entry says was asked."""
    until = f", until {expires_at.isoformat()}" if expires_at else ""
    return f"{amount} credits, priority {priority}{until}"


def said_of_refund(amount: int, key: Key) -> str:
    """What a refund's entry says was asked."""
    return f"{amount} credits of {row_key(key)}"


def said_of_correction(change: Sums, bucket_id: str) -> str:
    """What a correction's entry says was asked. Raises ValueError for a change that is no whole number."""
    change.check(-MOST_SUM)
    names = ("available", "held", "captured", "expired", "revoked")
    said = ", ".join(f"{name} {getattr(change, name):+}" for name in names if getattr(change, name))
    return f"{said} in {bucket_id}" if bucket_id else said


def checked(
    account: Account,
    user: User | None,
    limits: tuple[Limit, ...],
    cost: Cost,
    at: datetime,
    approvals: tuple[Approval, ...] = (),
    *,
    only: Effect | None = None,
) -> tuple[Checked, Checked]:
    """The limits' answers for the account's use and for the user's. ``limits`` are the plan's.

    A limit of the account replaces the plan's of the same scope and id, and one of the user replaces both. ``only``
    leaves out limits of another effect. Without a ``user`` it is the one with the account's id, who shares the
    account's memory of warnings: the second answer's is that of both.
    """
    at, mine = max(at, account.moved_at), user.limits if user else account.own_limits
    every = laid_over(limits, account.limits, mine)
    if only is not None:
        every = tuple([limit for limit in every if limit.effect is only])
    of_account = check(
        [limit for limit in every if limit.scope is not Scope.USER],
        Ground(account.usage, account.warned, account.zone, at),
        cost,
        approvals,
    )
    usage, warned = (user.usage, user.warned) if user else (own_use(account), of_account.warned)
    on_user = [limit for limit in every if limit.scope is Scope.USER]
    return of_account, check(on_user, Ground(usage, warned, account.zone, at), cost, approvals)


def hold(
    account: Account,
    user: User | None,
    cost: Cost,
    *,
    key: Key,
    posting: Posting,
    limits: tuple[Limit, ...] = (),
) -> tuple[Hold, Moved]:
    """Set credits aside for a generation. The caller has checked before; a balance below zero raises ValueError."""
    whole("amount", cost.credits, 0, MOST_SUM)
    so_far = brought(account, posting)
    account, user = so_far.account, user_for(user, key)
    at, parts = _time(account, posting), spend(account.buckets, cost.credits)
    answers = checked(account, user, limits, cost, at, only=Effect.WARN)
    facts = {"usd_micros": cost.usd_micros, **_of(key)}
    sums = Sums(available=-cost.credits, held=cost.credits)
    by = replace(posting, by=BY_USER)
    so_far = post(so_far, Move.HOLD, row_key(key), by, sums, held(parts), **facts)
    after, entry, notices = so_far.account, so_far.entries[-1], both(*answers).notices
    if notices:
        after = replace(after, warned=answers[1 if user is None else 0].warned)
    if user is not None:
        user = replace(user, usage=used(user.usage, entry, account.zone), warned=answers[1].warned)
    return Hold(parts, at, cost.usd_micros), Moved(after, so_far.entries, user, notices)


def resolve(
    account: Account,
    user: User | None,
    ends: Hold,
    captured: int,
    *,
    cost_usd_micros: int,
    key: Key,
    posting: Posting,
) -> Moved:
    """End a hold: ``captured`` of its credits are spent, the rest is available again, or has expired meanwhile.

    In the windows, what the generation really cost at the provider replaces the worst case.
    """
    amount = ends.credits
    if not 0 <= captured <= amount:
        raise ValueError(f"cannot capture {captured} of {amount} held credits")
    so_far = brought(account, posting)
    sums = Sums(available=amount - captured, held=-amount, captured=captured)
    changes = resolved(ends.parts, captured)
    facts = {"usd_micros": cost_usd_micros - ends.worst_cost_usd_micros, "held_at": ends.at, **_of(key)}
    so_far = post(so_far, Move.RESOLVE, row_key(key), posting, sums, changes, **facts)
    user, entry = user_for(user, key), so_far.entries[-1]
    if user is not None:
        user = replace(user, usage=used(user.usage, entry, account.zone))
    return replace(_without_expired(so_far, entry.at), user=user)


def refund(
    account: Account,
    ended: Hold,
    captured: int,
    amount: int,
    *,
    refund_id: str,
    key: Key,
    posting: Posting,
) -> Moved:
    """Give back ``amount`` of the credits that an ended generation captured, to the buckets that they came from.

    ``captured`` is what is left of the capture after refunds before. No window changes.
    """
    check_amount("amount", amount)
    if amount > captured:
        raise ValueError(f"cannot refund {amount} credits: {captured} of this generation's are captured")
    so_far = brought(account, posting)
    sums, changes = Sums(available=amount, captured=-amount), refunded(ended.parts, captured, amount)
    said = said_of_refund(amount, key)
    so_far = post(so_far, Move.REFUND, refund_id, posting, sums, changes, asked=said, **_of(key))
    return _without_expired(so_far, so_far.entries[-1].at)


def revoke(account: Account, amount: int, *, revoke_id: str, posting: Posting, grant_id: str = "") -> Moved:
    """Take back at most ``amount`` available credits, in the order of spending: of one grant, or of all buckets.

    It takes only what is available. The entry says how much that was, and ``asked`` how much was asked.
    """
    check_amount("amount", amount)
    so_far = brought(account, posting)
    buckets = so_far.account.buckets
    if grant_id:
        buckets = tuple(bucket for bucket in buckets if bucket.terms.bucket_id == f"grant:{grant_id}")
    changes = taken(buckets, amount)
    revoked = -sum(change.available for change in changes)
    said = f"{amount} credits" + (f" of grant {grant_id}" if grant_id else "")
    sums = Sums(available=-revoked, revoked=revoked)
    return post(so_far, Move.REVOKE, revoke_id, posting, sums, changes, asked=said)


def correct(
    account: Account,
    change: Sums,
    *,
    correction_id: str,
    posting: Posting,
    bucket_id: str = "",
    ledger_only: bool = False,
) -> Moved:
    """An operator's compensating entry. ``granted`` follows from the other sums.

    What is taken is taken in the order of spending, or of the bucket that is named; what is added is added to the named
    bucket, or is a bucket of its own. ``ledger_only``: the account was right and its ledger was not, so that only the
    entry is made.
    """
    said = said_of_correction(change, bucket_id)
    others = change.available + change.held + change.captured + change.expired + change.revoked
    sums = replace(change, granted=others)
    so_far = Moved(account) if ledger_only else brought(account, posting)
    at = _time(account, posting)
    bucket = bucket_of(so_far.account.buckets, bucket_id)
    terms = bucket.terms if bucket else Terms(bucket_id or f"correction:{correction_id}", at)
    if not ledger_only:
        buckets = (bucket,) if bucket else so_far.account.buckets
        changes = _corrected(buckets, change, terms)
        return post(so_far, Move.CORRECTION, correction_id, posting, sums, changes, asked=said)
    changes = (Change(terms, change.available, change.held),)
    made = entry_of(account, Move.CORRECTION, correction_id, posting, sums, changes, asked=said)
    return Moved(replace(account, seq=made.seq, moved_at=made.at), (made,))


def ended_unopened(account: Account, *, key: Key, posting: Posting) -> Moved:
    """A generation of this account ended without a hold: an entry of zero credits, so that the feed has no gaps."""
    return post(brought(account, posting), Move.ENDED_UNOPENED, row_key(key), posting, Sums(), (), **_of(key))


def post(
    so_far: Moved, move: Move, entry_id: str, posting: Posting, sums: Sums, changes: Changes, **facts: object
) -> Moved:
    """Add one entry and apply it. Every other function of the money ends here."""
    entry = entry_of(so_far.account, move, entry_id, posting, sums, changes, **facts)
    return replace(so_far, account=moved(so_far.account, entry), entries=(*so_far.entries, entry))


def entry_of(
    account: Account, move: Move, entry_id: str, posting: Posting, sums: Sums, changes: Changes, **facts: object
) -> LedgerEntry:
    """The account's next entry."""
    return LedgerEntry(
        account_id=account.account_id,
        seq=account.seq + 1,
        move=move,
        entry_id=entry_id,
        at=_time(account, posting),
        granted=sums.granted,
        available=sums.available,
        held=sums.held,
        captured=sums.captured,
        expired=sums.expired,
        revoked=sums.revoked,
        buckets=changes,
        by=posting.by,
        why=posting.why,
        **facts,  # type: ignore[arg-type]  # checked by the callers' types
    )


def user_for(user: User | None, key: Key) -> User | None:
    """The user's row, or a new one; None for a user whose account has the same id."""
    if key.user_id == key.account_id:
        return None
    return user or User(account_id=key.account_id, user_id=key.user_id)


def _time(account: Account, posting: Posting) -> datetime:
    return max(posting.at, account.moved_at)


def _without_expired(so_far: Moved, at: datetime) -> Moved:
    """One entry for all buckets that have expired. There is no other of its number."""
    account = so_far.account
    changes = expired(account.buckets, at)
    if not changes:
        return so_far
    gone = -sum(change.available for change in changes)
    sums = Sums(available=-gone, expired=gone)
    return post(so_far, Move.EXPIRE, f"{account.seq + 1}", Posting(at=at), sums, changes)


def _corrected(buckets: Buckets, change: Sums, terms: Terms) -> Changes:
    """The buckets' part of a correction."""
    new = Change(terms, max(0, change.available), max(0, change.held))
    less = taken(buckets, max(0, -change.available))
    if -sum(each.available for each in less) < -change.available:
        raise ValueError("the available credits would be negative")
    return (*less, *taken_of_held(buckets, max(0, -change.held)), *([new] if new.available or new.held else ()))


def _of(key: Key) -> dict[str, str]:
    return {"user_id": key.user_id, "generation_id": key.generation_id}
