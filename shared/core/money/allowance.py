"""The allowance of a plan: credits for each calendar week or month, in the account's zone.

Rules of this file:
1. A period's allowance is granted once. Its ledger id is the start of the period, and no two periods of an account
   begin at the same time: a period begins when the one before has ended, or later.
2. What is unused at the end of a period expires, except for at most ``rollover_credits``, which move into the bucket of
   the next period. What is held then is not unused: it expires when it is given back.
3. Several periods that nobody used are one grant: of what they would have left.
4. A period that begins late, because the one before ended within it (another zone, another length), is granted in
   proportion to what is left of it, rounded up.
5. A plan change says what becomes of the running allowance. ``kept``: nothing, and the new plan's begins with the next
   period. ``prorated``: each plan gives its share of its part of the period, rounded down, so that no number of changes
   makes credits; what was given beyond that expires as far as it is available, and the rest of it is taken off the
   new plan's share. ``ended``: all that is available of it
   expires, and the new plan's begins with the next period.
6. A period in which the plan had no allowance, or was gone, is not owed: nothing of it rolls over. The account knows
   that from any move after the end of its last period. What nobody moved is what the plan says when it moves again.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from shared.core.money.buckets import Bucket, Buckets, Change, Changes, Terms, taken
from shared.core.money.credits import MOST_CREDITS, MOST_SUM, whole
from shared.core.money.windows import Span, calendar_period, zone_of
from shared.core.values import replace

#: The ids of allowances' buckets begin with this, and no other bucket's does.
PREFIX = "allowance:"

#: More than any buckets have.
_ALL = MOST_SUM


class Becomes(StrEnum):
    """What becomes of the running allowance when the plan changes."""

    KEPT = "kept"
    PRORATED = "prorated"
    ENDED = "ended"


class Period(StrEnum):
    """How often an allowance is granted. A period is one of the calendar, in the account's zone."""

    MONTHLY = "monthly"
    WEEKLY = "weekly"

    @property
    def span(self) -> Span:
        """The calendar's window that it is."""
        return Span.MONTH if self is Period.MONTHLY else Span.WEEK


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowance:
    """The credits that a plan grants in each period. ``rollover_credits``: how many unused ones stay at most."""

    credits: int
    period: Period
    rollover_credits: int = 0

    def __post_init__(self) -> None:
        whole("credits", self.credits, 1, MOST_CREDITS)
        whole("rollover_credits", self.rollover_credits, 0, MOST_CREDITS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """The last period that was granted. After its end the next one is due.

    ``credits`` are given for ``whole_s`` seconds. ``got`` are the credits that were given for the time from ``since``
    to ``end``. ``lapsed``: the account moved after the end, while its plan had no allowance (rule 6).
    """

    end: datetime
    since: datetime
    whole_s: int
    credits: int
    got: int
    lapsed: bool = False


@dataclass(frozen=True, slots=True)
class Settled:
    """What an allowance does to an account: the changes of its buckets and sums, and the period that runs then."""

    changes: Changes
    granted: int
    expired: int
    running: Running | None
    period: str = ""


def due(
    running: Running | None, allowance: Allowance | None, buckets: Buckets, zone: str, at: datetime
) -> Settled | None:
    """The allowance that is due at this time; None if there is none."""
    if allowance is None or (running is not None and at < running.end):
        return None
    first, end = calendar_period(allowance.period.span, at, zone_of(zone))
    start = max(first, running.end) if running else first
    share = _share(allowance.credits, end - start, end - first)
    unused = taken([bucket for bucket in _of_allowances(buckets) if _over(bucket, at)], _ALL)
    left = -sum(change.available for change in unused)
    carried = _carried(allowance, running, min(left, allowance.rollover_credits), start, zone)
    kept = min(left, carried)
    period = f"{start:%Y-%m-%dT%H:%M}Z"
    new = Change(Terms(f"{PREFIX}{period}", start, end), share + carried)
    return Settled(
        changes=(*unused, new),
        granted=share + carried - kept,
        expired=left - kept,
        running=Running(end=end, since=start, whole_s=_s(end - first), credits=allowance.credits, got=share),
        period=period,
    )


def without_allowance(running: Running, at: datetime) -> Running:
    """The last period of an account that moves at this time, while its plan has no allowance (rule 6)."""
    return running if running.lapsed or at < running.end else replace(running, lapsed=True)


def plan_changed(
    running: Running | None,
    new: Allowance | None,
    becomes: Becomes,
    account: tuple[Buckets, str],
    at: datetime,
    name: str,
) -> Settled:
    """What a plan change does to the running allowance (rule 5). What was due before was granted before.

    ``account`` has its buckets and its zone; ``name`` makes the id of a bucket that begins with this change.
    """
    buckets, zone = account
    runs = running is not None and at < running.end
    if becomes is Becomes.KEPT or (not runs and (becomes is Becomes.ENDED or new is None)):
        return Settled((), 0, 0, running)
    changes, debt = _taken_back(running, becomes, buckets, at) if running and runs else ((), 0)
    expired = -sum(change.available for change in changes)
    if becomes is Becomes.ENDED or new is None:
        after = replace(running, since=at, credits=0, got=debt) if running else None
        return Settled(changes, 0, expired, after)
    first, end = calendar_period(new.period.span, at, zone_of(zone))
    share = new.credits * _s(end - at) // _s(end - first)
    granted = max(0, share - debt)
    if granted:
        changes = (*changes, Change(Terms(f"{PREFIX}plan:{name}", at, end), granted))
    after = Running(end=end, since=at, whole_s=_s(end - first), credits=new.credits, got=max(share, debt))
    return Settled(changes, granted, expired, after)


def _taken_back(running: Running, becomes: Becomes, buckets: Buckets, at: datetime) -> tuple[Changes, int]:
    """What expires of the running allowance, and how much of what was given beyond its share is spent already."""
    mine = _of_allowances(buckets)
    earned = running.credits * _s(at - running.since) // running.whole_s
    beyond = max(0, running.got - earned)
    changes = taken(mine, _ALL if becomes is Becomes.ENDED else beyond)
    return changes, max(0, beyond + sum(change.available for change in changes))


def _of_allowances(buckets: Buckets) -> list[Bucket]:
    return [bucket for bucket in buckets if bucket.terms.bucket_id.startswith(PREFIX)]


def _over(bucket: Bucket, at: datetime) -> bool:
    return bucket.terms.expires_at is not None and bucket.terms.expires_at <= at


def _carried(allowance: Allowance, running: Running | None, carried: int, start: datetime, zone: str) -> int:
    """What rolls over into the period that begins at ``start``, if nobody used the periods since the last one."""
    most, end = allowance.rollover_credits, running.end if running and not running.lapsed else start
    while end < start and carried < most:
        first, following = calendar_period(allowance.period.span, end, zone_of(zone))
        carried = min(most, carried + _share(allowance.credits, following - end, following - first))
        end = following
    return carried


def _share(credits_: int, part: timedelta, whole_period: timedelta) -> int:
    return -(-credits_ * _s(part) // _s(whole_period))


def _s(span: timedelta) -> int:
    return span.days * 86_400 + span.seconds
