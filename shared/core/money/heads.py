"""The signed heads of ledgers: how far a chain had come, and what it was.

Rules of this file:
1. A head is signed only of a chain that was walked to it and found whole. It has the sums and buckets up to there, so
   that the next walk begins where this one ended.
2. It names the account and the buckets by their keyed digests. Heads may be published.
3. The newest head of an account is the first in the order of names: a checkpoint is found by one listing of one name.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from shared.core.money.chain import SUMS, NameBucket, Named, Point, keyed, micros
from shared.core.money.signed import Document

#: The form of a head's facts.
VERSION = "darkroom.head.1"

#: Names count down from here, so that the newest is the first. No ledger is so long.
_MOST_SEQ = 10**16 - 1

#: So many names of buckets are remembered by one walk.
_MOST_KNOWN = 1000

#: What stands in a head.
_FACTS = {"version", "account", "seq", "digest", "sums", "buckets", "at"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """The head of one ledger. ``account`` is the account's keyed digest; ``sums`` are in the order of SUMS.

    ``buckets`` are those that were not empty: keyed digest of the id, available, held; in the order of the digests.
    """

    account: str
    seq: int
    digest: str
    sums: tuple[int, ...]
    buckets: tuple[tuple[str, int, int], ...] = ()
    at: datetime

    @property
    def name(self) -> str:
        """The head's name in its container."""
        return f"{folder(self.account)}{_MOST_SEQ - self.seq:016d}.json"

    @property
    def point(self) -> Point:
        """Where a walk goes on after this head. It names buckets as ``bucket_names`` does."""
        buckets = {name: (available, held) for name, available, held in self.buckets}
        return Point(account=self.account, seq=self.seq, digest=self.digest, sums=self.sums, buckets=buckets)

    def facts(self) -> dict[str, Any]:
        """What is signed, but for the key's id."""
        return {
            "version": VERSION,
            "account": self.account,
            "seq": self.seq,
            "digest": self.digest,
            "sums": dict(zip(SUMS, self.sums, strict=True)),
            "buckets": [list(each) for each in self.buckets],
            "at": micros(self.at),
        }


def folder(account: str) -> str:
    """The beginning of the names of an account's heads."""
    return f"heads/{account}/"


def bucket_names(key: bytes) -> NameBucket:
    """Names buckets as heads do, each reckoned once."""
    known: dict[str, str] = {}

    def named(bucket_id: str) -> str:
        if bucket_id not in known:
            if len(known) >= _MOST_KNOWN:
                known.clear()
            known[bucket_id] = keyed(key, Named.BUCKET, bucket_id)
        return known[bucket_id]

    return named


def head_of(point: Point, at: datetime) -> Head:
    """The head of a chain that was walked to this point. ValueError for a chain without entries: it has none.

    The walk has named buckets as ``bucket_names`` does.
    """
    if not point.seq:
        raise ValueError("a ledger without entries has no head")
    buckets = tuple(sorted((name, *left) for name, left in point.buckets.items()))
    return Head(account=point.account, seq=point.seq, digest=point.digest, sums=point.sums, buckets=buckets, at=at)


def read(document: Document) -> Head:
    """The head of a document. ValueError, with what is wrong, if it is no head."""
    facts = document.facts
    if facts.get("version") != VERSION or set(facts) != _FACTS:
        raise ValueError(f"it is no {VERSION}")
    texts = {name: _text(facts, name) for name in ("account", "digest", "at")}
    try:
        at = datetime.fromisoformat(texts["at"])
        head = Head(
            account=texts["account"],
            seq=_integer(facts, "seq", 1),
            digest=texts["digest"],
            sums=_sums(facts["sums"]),
            buckets=_buckets(facts["buckets"]),
            at=at,
        )
        if head.facts() == facts:
            return head
    except ValueError:
        pass
    raise ValueError(f"it is no {VERSION}")


def signed_digests(heads: Iterable[Head]) -> Mapping[int, str]:
    """The digests by number, as ``chain.verify`` takes them. Their signatures were verified before."""
    return {head.seq: head.digest for head in heads}


def _text(facts: Mapping[str, Any], name: str) -> str:
    value = facts[name]
    if not isinstance(value, str):
        raise ValueError(f"{name} must be a text")  # noqa: TRY004  # it is a stranger's value and not a caller's type
    return value


def _buckets(raw: object) -> tuple[tuple[str, int, int], ...]:
    if not isinstance(raw, list) or not all(isinstance(each, list) and len(each) == 3 for each in raw):
        raise ValueError("buckets must be a list of [digest, available, held]")
    return tuple((_text({"name": each[0]}, "name"), _credits(each[1]), _credits(each[2])) for each in raw)


def _credits(value: object) -> int:
    return _integer({"credits": value}, "credits", 0)


def _integer(facts: Mapping[str, Any], name: str, low: int) -> int:
    value = facts.get(name)
    if type(value) is not int or not low <= value <= 2**63 - 1:
        raise ValueError(f"{name} must be an integer from {low}")
    return value


def _sums(raw: object) -> tuple[int, ...]:
    if not isinstance(raw, Mapping) or set(raw) != set(SUMS):
        raise ValueError("sums must be the six of an account")
    return tuple(_integer(raw, name, 0) for name in SUMS)
