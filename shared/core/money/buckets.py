"""Credits in buckets: each grant is a bucket with a priority and perhaps an expiry.

Rules of this file:
1. Buckets are spent by priority (the lowest number first), then by expiry (the earliest first, never last), then by
   age. A tuple of buckets is always in this order, so that no move sorts it.
2. A bucket is live while it has available or held credits. Others are not kept.
3. A hold names its parts: how much of which bucket, in the order of spending. A capture takes the parts in that order.
   A release and a refund give back to the same buckets, so a part has all that is needed to make its bucket again.
4. Expiry takes available credits only, never held ones. They expire when they are given back.
5. Every move is a tuple of changes. ``changed`` is the only function that applies them, to an account and in a replay.
"""

from bisect import bisect
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

from shared.core.money.credits import MOST_CREDITS, whole

#: An account has at most this many live buckets. A grant beyond it is refused; a refund is not.
MOST_BUCKETS = 100

#: The priority of a grant that names none, and the highest number. The lowest is spent first.
DEFAULT_PRIORITY, LAST_PRIORITY = 100, 1000

#: Sorts behind every expiry.
_NEVER = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Terms:
    """What a bucket keeps for its whole life: its id, its place in the order of spending, and its end."""

    bucket_id: str
    granted_at: datetime
    expires_at: datetime | None = None
    priority: int = DEFAULT_PRIORITY

    def __post_init__(self) -> None:
        whole("priority", self.priority, 0, LAST_PRIORITY)

    @property
    def order(self) -> tuple[int, datetime, datetime, str]:
        """Rule 1, as a key to sort by. The id decides between two grants of one time."""
        return (self.priority, self.expires_at or _NEVER, self.granted_at, self.bucket_id)


@dataclass(frozen=True, slots=True)
class Bucket:
    """A live bucket: its terms, and its available and held credits."""

    terms: Terms
    available: int
    held: int = 0

    def __post_init__(self) -> None:
        if min(self.available, self.held) < 0 or self.available + self.held == 0:
            raise ValueError(f"bucket {self.terms.bucket_id!r} cannot have {self.available} + {self.held} credits")


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a hold: credits of one bucket."""

    terms: Terms
    credits: int


@dataclass(frozen=True, slots=True)
class Change:
    """The change of one bucket by one ledger entry."""

    terms: Terms
    available: int = 0
    held: int = 0


Buckets = tuple[Bucket, ...]
Parts = tuple[Part, ...]
Changes = tuple[Change, ...]


def spend(buckets: Buckets, amount: int) -> Parts:
    """The parts of a hold of ``amount`` credits, in the order of spending. Raises ValueError if there are too few."""
    parts = []
    for bucket in buckets:
        if amount == 0:
            break
        if taken := min(bucket.available, amount):
            parts.append(Part(bucket.terms, taken))
            amount -= taken
    if amount:
        raise ValueError(f"{amount} credits of the hold are not available: a balance would be negative")
    return tuple(parts)


def held(parts: Parts) -> Changes:
    """The changes of a hold."""
    return tuple(Change(part.terms, -part.credits, part.credits) for part in parts)


def resolved(parts: Parts, captured: int) -> Changes:
    """The changes of a resolve: the parts lose ``captured`` credits in their order, and the rest is available again."""
    changes = []
    for part in parts:
        taken = min(part.credits, captured)
        captured -= taken
        changes.append(Change(part.terms, part.credits - taken, -part.credits))
    return tuple(changes)


def refunded(parts: Parts, captured: int, amount: int) -> Changes:
    """The changes of a refund of ``amount`` of the ``captured`` credits: what was captured last is given back first.

    So an account looks after it as if that much less had been captured.
    """
    kept, changes = captured - amount, []
    for part in parts:
        before, after = min(part.credits, captured), min(part.credits, kept)
        captured, kept = captured - before, kept - after
        if before > after:
            changes.append(Change(part.terms, before - after))
    return tuple(changes)


def expired(buckets: Buckets, now: datetime) -> Changes:
    """The changes that expiry makes at this time (rule 4)."""
    over = [bucket for bucket in buckets if (end := bucket.terms.expires_at) is not None and end <= now]
    return tuple([Change(bucket.terms, -bucket.available) for bucket in over if bucket.available])


def taken(buckets: Iterable[Bucket], amount: int) -> Changes:
    """The changes that take at most ``amount`` available credits, in the order of spending."""
    changes = []
    for bucket in buckets:
        if part := min(bucket.available, amount):
            changes.append(Change(bucket.terms, -part))
            amount -= part
    return tuple(changes)


def taken_of_held(buckets: Buckets, amount: int) -> Changes:
    """The changes that take ``amount`` held credits, in the order of spending. Raises ValueError if there are fewer."""
    changes = []
    for bucket in buckets:
        if part := min(bucket.held, amount):
            changes.append(Change(bucket.terms, 0, -part))
            amount -= part
    if amount:
        raise ValueError(f"{amount} of these credits are not held: a balance would be negative")
    return tuple(changes)


def changed(buckets: Buckets, changes: Changes) -> Buckets:
    """The buckets after the changes. A bucket that is not live any more is made again, in its place in the order."""
    for change in changes:
        place = _place(buckets, change.terms.bucket_id)
        if place is None:
            new = Bucket(change.terms, change.available, change.held) if change.available or change.held else None
            place = rest = bisect(buckets, change.terms.order, key=_order)
        else:
            old, rest = buckets[place], place + 1
            available, held_credits = old.available + change.available, old.held + change.held
            new = Bucket(old.terms, available, held_credits) if available or held_credits else None
        buckets = (*buckets[:place], *((new,) if new else ()), *buckets[rest:])
    return buckets


def bucket_of(buckets: Buckets, bucket_id: str) -> Bucket | None:
    """The live bucket of this id."""
    place = _place(buckets, bucket_id)
    return None if place is None else buckets[place]


def parts_sum(parts: Parts) -> int:
    """The credits of all parts together."""
    return sum(part.credits for part in parts)


def check_amount(name: str, amount: object) -> int:
    """Check an amount of credits that a person or an app names."""
    return whole(name, amount, 1, MOST_CREDITS)


def _place(buckets: Buckets, bucket_id: str) -> int | None:
    for place, bucket in enumerate(buckets):
        if bucket.terms.bucket_id == bucket_id:
            return place
    return None


def _order(bucket: Bucket) -> tuple[int, datetime, datetime, str]:
    return bucket.terms.order
