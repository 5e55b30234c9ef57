"""From a ledger entry as it is saved to the facts of its digest.

Rules of this file:
1. The keyed digests are reckoned once, when the entry is sealed, and are saved with it: ``StandIns``. A walk reads them
   and needs no key, and an erased name leaves its stand-in behind.
2. ``by`` is a class, and perhaps a name after a colon: ``operator:eve``. The class is in the digest as it is, the name
   as a keyed digest.
"""

import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from shared.core.money.chain import NOTHING_BEFORE, SUMS, BucketChange, By, Chained, Facts, Named, keyed, sealed


class Terms(Protocol):
    """What an entry says of a bucket."""

    @property
    def bucket_id(self) -> str:
        """Its id."""

    @property
    def granted_at(self) -> datetime:
        """Since when it is there."""

    @property
    def expires_at(self) -> datetime | None:
        """Its end, if it has one."""

    @property
    def priority(self) -> int:
        """Its place in the order of spending."""


class Change(Protocol):
    """The change of one bucket."""

    @property
    def terms(self) -> Terms:
        """The bucket."""

    @property
    def available(self) -> int:
        """The change of its available credits."""

    @property
    def held(self) -> int:
        """The change of its held credits."""


class Entry(Protocol):
    """A ledger entry, with its texts. ``previous`` is empty for an account's first."""

    @property
    def account_id(self) -> str:
        """The account that pays."""

    @property
    def seq(self) -> int:
        """Its number."""

    @property
    def entry_id(self) -> str:
        """Its id among the moves of its kind."""

    @property
    def at(self) -> datetime:
        """When it was made, aware."""

    @property
    def by(self) -> str:
        """Who did it."""

    @property
    def why(self) -> str:
        """The reason that was given."""

    @property
    def asked(self) -> str:
        """What was asked, in words."""

    @property
    def superseded(self) -> bool:
        """Whether a newer command came first."""

    @property
    def user_id(self) -> str:
        """The user; empty if it is nobody's."""

    @property
    def generation_id(self) -> str:
        """The generation; empty if it belongs to none."""

    @property
    def usd_micros(self) -> int:
        """The change of what counts as cost at the provider."""

    @property
    def held_at(self) -> datetime | None:
        """The time of the hold that it ends."""

    @property
    def previous(self) -> str:
        """The digest of the entry before."""

    @property
    def digest(self) -> str:
        """Its own digest."""

    @property
    def stand_ins(self) -> "StandIns | None":
        """What stands in the digest for its texts. None if it was never sealed."""

    @property
    def move(self) -> str:
        """Its kind."""

    @property
    def buckets(self) -> Sequence[Change]:
        """The changes of buckets."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StandIns:
    """The keyed digests of an entry's texts, as they are saved with it."""

    account: str
    entry: str
    user: str = ""
    who: str = ""
    why: str = ""
    asked: str = ""


#: What an entry has that was never sealed.
UNSEALED = StandIns(account="", entry="")


def stand_ins(key: bytes, entry: Entry) -> StandIns:
    """The keyed digests of an entry's texts."""
    texts = texts_of(entry)
    return StandIns(
        account=keyed(key, Named.ACCOUNT, texts[Named.ACCOUNT]),
        entry=keyed(key, Named.ENTRY, texts[Named.ENTRY]),
        user=keyed(key, Named.USER, texts[Named.USER]),
        who=keyed(key, Named.BY, texts[Named.BY]),
        why=keyed(key, Named.WHY, texts[Named.WHY]),
        asked=keyed(key, Named.ASKED, texts[Named.ASKED]),
    )


def texts_of(entry: Entry) -> Mapping[Named, str]:
    """The texts beside an entry's keyed digests, by kind (``chain.misnamed``)."""
    return {
        Named.ACCOUNT: entry.account_id,
        Named.ENTRY: entry.entry_id,
        Named.USER: entry.user_id,
        Named.BY: class_and_name(entry.by)[1],
        Named.WHY: entry.why,
        Named.ASKED: entry.asked,
    }


def facts_of(entry: Entry, saved: StandIns) -> Facts:
    """The facts of an entry's digest."""
    return Facts(
        account=saved.account,
        seq=entry.seq,
        previous=entry.previous or NOTHING_BEFORE,
        move=str(entry.move),
        entry=saved.entry,
        at=entry.at,
        **{name: getattr(entry, name) for name in SUMS},
        buckets=tuple(
            BucketChange(
                bucket_id=change.terms.bucket_id,
                available=change.available,
                held=change.held,
                priority=change.terms.priority,
                granted_at=change.terms.granted_at,
                expires_at=change.terms.expires_at,
            )
            for change in entry.buckets
        ),
        user=saved.user,
        generation_id=entry.generation_id,
        by=class_and_name(entry.by)[0],
        who=saved.who,
        why=saved.why,
        asked=saved.asked,
        superseded=entry.superseded,
        usd_micros=entry.usd_micros,
        held_at=entry.held_at,
    )


def is_what_was_asked(key: bytes, entry: Entry, saved: StandIns | None, asked: str) -> bool:
    """Whether this is what was asked, though the text of it was erased."""
    if entry.asked or saved is None:
        return entry.asked == asked
    return hmac.compare_digest(saved.asked, keyed(key, Named.ASKED, asked))


def digest_of(entry: Entry, saved: StandIns) -> str:
    """The digest of an entry whose number and link are right."""
    return sealed(facts_of(entry, saved)).digest


def chained(entry: Entry) -> Chained:
    """A saved entry, as ``chain.verify`` takes it. One that was never sealed has a digest that fits nothing."""
    return Chained(facts_of(entry, entry.stand_ins or UNSEALED), entry.digest)


def class_and_name(by: str) -> tuple[By, str]:
    """Who did it. What has no class that is known here is named whole, and counts as the system's."""
    kind, _, name = by.partition(":")
    try:
        return By(kind), name
    except ValueError:
        return By.SYSTEM, by
