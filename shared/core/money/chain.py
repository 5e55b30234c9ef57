"""The chain of an account's ledger: the bytes of an entry's digest, and the walk that names the first misfit.

Rules of this file:
1. The bytes of a digest are specified in docs/ledger.md, with test vectors. Whoever changes them raises ``VERSION``: an
   entry that was written stays verifiable for ever.
2. Ids of accounts and users, the id of an entry, who did it and why are in the digest as keyed digests only. The texts
   stand beside them, and can be erased without breaking the chain.
3. ``verify`` needs no key. It reads what is saved: the keyed digests, the changes, the links. Whoever has the key
   checks the texts too (``misnamed``).
4. An entry is sealed once, by whoever saves it: only there its place in the chain is certain.
"""

import hashlib
import hmac
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum

from shared.core.values import replace

#: The first field of the bytes: what they are, and in which form.
VERSION = "darkroom.entry.1"

#: What the first entry of an account has as the digest of the one before.
NOTHING_BEFORE = "0" * 64

#: The sums of an account, in the order of the bytes. Each entry has the change of each.
SUMS = ("granted", "available", "held", "captured", "expired", "revoked")


class By(StrEnum):
    """The class of who did a move."""

    USER = "user"
    OPERATOR = "operator"
    PLAN = "plan"
    SYSTEM = "system"


class Named(StrEnum):
    """The kinds of texts that stand in digests, or in signed heads, as keyed digests."""

    ACCOUNT = "account"
    USER = "user"
    ENTRY = "entry"
    BUCKET = "bucket"
    BY = "by"
    WHY = "why"
    ASKED = "asked"


@dataclass(frozen=True, slots=True, kw_only=True)
class BucketChange:
    """The change of one bucket in one entry, and the bucket's terms. ``expires_at`` is None if it never expires."""

    bucket_id: str
    available: int = 0
    held: int = 0
    priority: int
    granted_at: datetime
    expires_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What an entry's digest is made of.

    ``account``, ``entry``, ``user``, ``who``, ``why`` and ``asked`` are keyed digests. They and ``generation_id`` are
    empty, and ``held_at`` is None, where there is none.
    """

    account: str
    seq: int
    previous: str
    move: str
    entry: str
    at: datetime
    granted: int = 0
    available: int = 0
    held: int = 0
    captured: int = 0
    expired: int = 0
    revoked: int = 0
    buckets: tuple[BucketChange, ...] = ()
    user: str = ""
    generation_id: str = ""
    by: By = By.SYSTEM
    who: str = ""
    why: str = ""
    asked: str = ""
    superseded: bool = False
    usd_micros: int = 0
    held_at: datetime | None = None

    @property
    def sums(self) -> tuple[int, ...]:
        """The changes of the six sums, in the order of ``SUMS``."""
        return (self.granted, self.available, self.held, self.captured, self.expired, self.revoked)


@dataclass(frozen=True, slots=True)
class Chained:
    """An entry as it is saved: its facts, and the digest that it was given."""

    facts: Facts
    digest: str


@dataclass(frozen=True, slots=True)
class LedgerRef:
    """An entry, as a receipt names it."""

    move: str
    seq: int
    digest: str


def keyed(key: bytes, kind: Named, text: str) -> str:
    """The keyed digest that stands for a text (HMAC-SHA256, hex). Empty for no text. The kind keeps kinds apart."""
    return hmac.digest(key, f"{kind}:{text}".encode(), "sha256").hex() if text else ""


def entry_bytes(facts: Facts) -> bytes:
    """The bytes of an entry's digest: fields in a fixed order, each with its length before it (docs/ledger.md)."""
    fields = [
        VERSION,
        facts.account,
        str(facts.seq),
        facts.previous,
        facts.move,
        facts.entry,
        micros(facts.at),
        *map(str, facts.sums),
        str(len(facts.buckets)),
    ]
    for change in sorted(facts.buckets, key=lambda each: each.bucket_id.encode()):
        fields += (change.bucket_id, str(change.available), str(change.held))
        fields += (str(change.priority), micros(change.granted_at), maybe_micros(change.expires_at))
    fields += (facts.user, facts.generation_id, facts.by.value, facts.who, facts.why, facts.asked)
    fields += (str(int(facts.superseded)), str(facts.usd_micros), maybe_micros(facts.held_at))
    return framed(fields)


def framed(fields: Iterable[str]) -> bytes:
    """Each text as UTF-8 with its length in four bytes before it, so that no two lists make the same bytes."""
    parts: list[bytes] = []
    for text in fields:
        encoded = text.encode()
        size = len(encoded)
        parts.append(_SIZES[size] if size < len(_SIZES) else size.to_bytes(4, "big"))
        parts.append(encoded)
    return b"".join(parts)


#: The four bytes of the usual lengths: an entry has some forty fields, and a night walks millions of entries.
_SIZES = tuple(size.to_bytes(4, "big") for size in range(256))


def micros(at: datetime) -> str:
    """A time in UTC with six decimals, always: ``2026-11-28T22:44:45.000000Z``. Raises ValueError without a zone."""
    if at.tzinfo is None:
        raise ValueError("a time of the ledger needs a zone")
    in_utc = at if at.tzinfo is UTC else at.astimezone(UTC)
    return in_utc.isoformat(timespec="microseconds").removesuffix("+00:00") + "Z"


def maybe_micros(at: datetime | None) -> str:
    """The same, and empty without a time."""
    return micros(at) if at else ""


def sealed(facts: Facts) -> Chained:
    """The entry with its digest."""
    return Chained(facts, hashlib.sha256(entry_bytes(facts)).hexdigest())


def follow(entries: Sequence[Facts], *, seq: int, previous: str) -> tuple[Chained, ...]:
    """Give new entries their numbers, links and digests, after the entry of this number and digest."""
    chained: list[Chained] = []
    for facts in entries:
        seq += 1
        link = sealed(replace(facts, seq=seq, previous=previous))
        previous = link.digest
        chained.append(link)
    return tuple(chained)


def misnamed(key: bytes, facts: Facts, texts: Mapping[Named, str]) -> Named | None:
    """The first text that does not fit its keyed digest. An erased text (empty) fits any."""
    stands = {
        Named.ACCOUNT: facts.account,
        Named.USER: facts.user,
        Named.ENTRY: facts.entry,
        Named.BY: facts.who,
        Named.WHY: facts.why,
        Named.ASKED: facts.asked,
    }
    for kind, text in texts.items():
        if text and not hmac.compare_digest(keyed(key, kind, text), stands[kind]):
            return kind
    return None


class Flaw(StrEnum):
    """Why an entry does not fit."""

    CHANGED = "changed"
    MISSING = "missing"
    INSERTED = "inserted"
    REORDERED = "reordered"
    SUMS = "sums"
    REWRITTEN = "rewritten"  # whole in itself, but not what was signed


@dataclass(frozen=True, slots=True)
class Misfit:
    """The first entry that does not fit, by its number. The number 0 stands for the row of the account itself."""

    seq: int
    flaw: Flaw
    text: str

    def __str__(self) -> str:
        where = f"entry {self.seq}" if self.seq else "the account's row"
        return f"{where}: {self.flaw}: {self.text}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """How far a walk has come: the last entry that fits, and the sums up to it.

    ``buckets`` are those that are not empty: (available, held) by the name that the walk gives them.
    ``account`` is empty before the first entry.
    """

    account: str = ""
    seq: int = 0
    digest: str = NOTHING_BEFORE
    sums: tuple[int, ...] = (0,) * len(SUMS)
    buckets: Mapping[str, tuple[int, int]] = field(default_factory=dict)


START = Point()


#: Returns the name under which a walk counts a bucket: its id, or what stands for it.
NameBucket = Callable[[str], str]


def verify(
    entries: Iterable[Chained],
    heads: Mapping[int, str],
    *,
    after: Point = START,
    begun: int | None = None,
    named: NameBucket = str,
) -> Point | Misfit:
    """Walk entries in the order in which they are saved. Returns how far they fit, or the first that does not.

    ``heads`` are signed digests by number; the caller has checked the signatures. A long chain is walked page by page:
    each page begins ``after`` the point that the one before returned, and ``begun`` is the number after which the
    first page began. At its end call ``ended``. A walk that begins at a signed head names buckets as heads do
    (``named``).
    """
    page, point = list(entries), after
    first = after.seq if begun is None else begun
    for index, entry in enumerate(page):
        misfit = _out_of_place(point, page, index) or _unbalanced(point, entry.facts)
        if misfit:
            return misfit
        changed = _buckets_after(point.buckets, entry.facts, named)
        if wrong := next((name for name, left in changed.items() if min(left) < 0), None):
            return Misfit(entry.facts.seq, Flaw.SUMS, f"bucket {wrong} would be below zero")
        point = _advanced(point, entry, changed)
        if (signed := heads.get(point.seq)) is not None and signed != point.digest:
            since = max((seq for seq in heads if first <= seq < point.seq), default=first)
            what = f"the head that was signed has another digest; entries {since + 1} to {point.seq} are in question"
            return Misfit(since + 1, Flaw.REWRITTEN, what)
    return point


def ended(point: Point, heads: Mapping[int, str]) -> Misfit | None:
    """Whether a chain ended too early: a head was signed for an entry that is not there."""
    last = max(heads, default=0)
    if last <= point.seq:
        return None
    return Misfit(point.seq + 1, Flaw.MISSING, f"the ledger ends at {point.seq}, and a head was signed at {last}")


def _out_of_place(point: Point, page: Sequence[Chained], index: int) -> Misfit | None:
    """Whether the entry at this index is not the one that follows ``point``."""
    facts, awaited = page[index].facts, point.seq + 1
    if facts.seq <= point.seq:
        return Misfit(facts.seq, Flaw.INSERTED, f"a second entry has this number, after entry {point.seq}")
    if facts.seq > awaited:
        if any(each.facts.seq == awaited for each in page[index:]):
            return Misfit(facts.seq, Flaw.REORDERED, f"it stands before entry {awaited}")
        return Misfit(awaited, Flaw.MISSING, f"after entry {point.seq} comes {facts.seq}")
    if sealed(facts).digest != page[index].digest:
        return Misfit(facts.seq, Flaw.CHANGED, "its content does not make its digest")
    if point.account and facts.account != point.account:
        return Misfit(facts.seq, Flaw.INSERTED, "it is of another account")
    if facts.previous != point.digest:
        if any(each.facts.previous == point.digest for each in page[index + 1 : index + 2]):
            return Misfit(facts.seq, Flaw.INSERTED, f"the entry after it was made after entry {point.seq}")
        if not point.seq:
            return Misfit(facts.seq, Flaw.MISSING, "it was made after another entry, and there is none before it")
        return Misfit(point.seq, Flaw.CHANGED, f"entry {facts.seq} was made after another entry {point.seq}")
    return None


def _unbalanced(point: Point, facts: Facts) -> Misfit | None:
    """Whether an entry's sums cannot be."""
    if facts.granted != sum(facts.sums[1:]):
        return Misfit(facts.seq, Flaw.SUMS, "granted is not available + held + captured + expired + revoked")
    for name in ("available", "held"):
        if sum(getattr(change, name) for change in facts.buckets) != getattr(facts, name):
            return Misfit(facts.seq, Flaw.SUMS, f"the changes of its buckets are not its change of {name}")
    for name, before, change in zip(SUMS, point.sums, facts.sums, strict=True):
        if before + change < 0:
            return Misfit(facts.seq, Flaw.SUMS, f"{name} would be {before + change}")
    return None


def _buckets_after(
    before: Mapping[str, tuple[int, int]], facts: Facts, named: NameBucket
) -> dict[str, tuple[int, int]]:
    """The buckets that an entry changes, after it."""
    after: dict[str, tuple[int, int]] = {}
    for change in facts.buckets:
        name = named(change.bucket_id)
        available, held = after.get(name) or before.get(name, (0, 0))
        after[name] = (available + change.available, held + change.held)
    return after


def _advanced(point: Point, entry: Chained, changed: Mapping[str, tuple[int, int]]) -> Point:
    """The point after an entry that fits, and that has changed these buckets."""
    facts, buckets = entry.facts, point.buckets
    if changed:
        merged = {**buckets, **changed}
        buckets = {name: left for name, left in merged.items() if any(left)}
    sums = tuple(before + change for before, change in zip(point.sums, facts.sums, strict=True))
    return Point(account=facts.account, seq=facts.seq, digest=entry.digest, sums=sums, buckets=buckets)
