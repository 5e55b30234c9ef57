"""The signed heads of ledgers: how far a chain had come, and what it was.

Rules of this file:
1. A head is signed only of a chain that was walked to it and found whole. It has the sums up to there, so that the next
   walk begins where this one ended.
2. It names the account by its keyed digest. Heads may be published.
3. The newest head of an account is the first in the order of names: a checkpoint is found by one listing of one name.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from shared.core.money.chain import SUMS, Point, micros
from shared.core.money.signed import Document

#: The form of a head's facts.
VERSION = "darkroom.head.1"

#: Names count down from here, so that the newest is the first. No ledger is so long.
_MOST_SEQ = 10**16 - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """The head of one ledger. ``account`` is the account's keyed digest; ``sums`` are in the order of SUMS."""

    account: str
    seq: int
    digest: str
    sums: tuple[int, ...]
    at: datetime

    @property
    def name(self) -> str:
        """The head's name in its container."""
        return f"{folder(self.account)}{_MOST_SEQ - self.seq:016d}.json"

    @property
    def point(self) -> Point:
        """Where a walk goes on after this head."""
        return Point(account=self.account, seq=self.seq, digest=self.digest, sums=self.sums, buckets=None)

    def facts(self) -> dict[str, Any]:
        """What is signed, but for the key's id."""
        return {
            "version": VERSION,
            "account": self.account,
            "seq": self.seq,
            "digest": self.digest,
            "sums": dict(zip(SUMS, self.sums, strict=True)),
            "at": micros(self.at),
        }


def folder(account: str) -> str:
    """The beginning of the names of an account's heads."""
    return f"heads/{account}/"


def head_of(point: Point, at: datetime) -> Head:
    """The head of a chain that was walked to this point. ValueError for a chain without entries: it has none."""
    if not point.seq:
        raise ValueError("a ledger without entries has no head")
    return Head(account=point.account, seq=point.seq, digest=point.digest, sums=point.sums, at=at)


def read(document: Document) -> Head:
    """The head of a document. ValueError, with what is wrong, if it is no head."""
    facts = document.facts
    if facts.get("version") != VERSION or set(facts) != {"version", "account", "seq", "digest", "sums", "at"}:
        raise ValueError(f"it is no {VERSION}")
    texts = {name: _text(facts, name) for name in ("account", "digest", "at")}
    try:
        at = datetime.fromisoformat(texts["at"])
        head = Head(
            account=texts["account"],
            seq=_integer(facts, "seq", 1),
            digest=texts["digest"],
            sums=_sums(facts["sums"]),
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


def _integer(facts: Mapping[str, Any], name: str, low: int) -> int:
    value = facts.get(name)
    if type(value) is not int or not low <= value <= 2**63 - 1:
        raise ValueError(f"{name} must be an integer from {low}")
    return value


def _sums(raw: object) -> tuple[int, ...]:
    if not isinstance(raw, Mapping) or set(raw) != set(SUMS):
        raise ValueError("sums must be the six of an account")
    return tuple(_integer(raw, name, 0) for name in SUMS)
