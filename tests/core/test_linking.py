"""From a saved entry to its digest, and the walk over a ledger: every fact counts, an erased name breaks nothing."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

import pytest

from shared.core.money import buckets, chain, linking
from shared.core.money.account import Account
from shared.core.money.chain import By, Flaw, Misfit, Named, Point, keyed
from shared.core.money.linking import StandIns
from shared.worker import walking
from shared.worker.walking import compared, walk

KEY = bytes(range(32))
AT = datetime(2026, 11, 28, tzinfo=UTC)


@dataclass(frozen=True)
class Terms:
    """A bucket's terms."""

    bucket_id: str = "grant:welcome"
    granted_at: datetime = AT
    expires_at: datetime | None = None
    priority: int = 100


@dataclass(frozen=True)
class Change:
    """A bucket's change."""

    terms: Terms = field(default_factory=Terms)
    available: int = 0
    held: int = 0


@dataclass(frozen=True)
class Entry:
    """A ledger entry, with all that is saved of one."""

    account_id: str = "acme"
    seq: int = 1
    move: str = "grant"
    entry_id: str = "welcome"
    at: datetime = AT
    granted: int = 0
    available: int = 0
    held: int = 0
    captured: int = 0
    expired: int = 0
    revoked: int = 0
    buckets: tuple[Change, ...] = ()
    by: str = "operator:eve"
    why: str = "a gift"
    asked: str = "9 credits"
    superseded: bool = False
    user_id: str = "ada"
    generation_id: str = "one"
    usd_micros: int = 0
    held_at: datetime | None = None
    previous: str = ""
    digest: str = ""
    stand_ins: StandIns = field(default=linking.UNSEALED)


def ledger(count: int) -> list[Entry]:
    """A grant of each credit after the other, sealed."""
    entries: list[Entry] = []
    for seq in range(1, count + 1):
        entries.append(sealed(seq, entries[-1].digest if entries else ""))
    return entries


@cache  # each ledger begins as the others do
def sealed(seq: int, previous: str) -> Entry:
    """The grant of one credit, sealed to the entry before it."""
    buckets = (Change(Terms(f"grant:{seq}"), available=1),)
    entry = Entry(seq=seq, entry_id=str(seq), granted=1, available=1, buckets=buckets, previous=previous)
    saved = linking.stand_ins(KEY, entry)
    return replace(entry, digest=linking.digest_of(entry, saved), stand_ins=saved)


def account_of(seq: int, head: str, credits: int, held: int = 0) -> Account:  # noqa: A002  # the app's word
    """The account of such a ledger: each credit is a bucket, and the first ``held`` are held."""
    made = tuple(
        buckets.Bucket(buckets.Terms(f"grant:{each}", AT), int(each > held), int(each <= held))
        for each in range(1, credits + 1)
    )
    left = credits - held
    return Account(account_id="acme", granted=credits, available=left, held=held, seq=seq, head=head, buckets=made)


async def read(entries: list[Entry]) -> AsyncIterator[Any]:
    """As a store yields them."""
    for each in entries:
        yield each


def test_names_stand_in_the_facts_as_keyed_digests() -> None:
    """None of the texts is in the bytes; who did it is a class and a keyed digest of the name."""
    entry = Entry()
    facts = linking.facts_of(entry, linking.stand_ins(KEY, entry))
    assert (facts.by, facts.who) == (By.OPERATOR, keyed(KEY, Named.BY, "eve"))
    assert facts.previous == chain.NOTHING_BEFORE
    written = chain.entry_bytes(facts)
    assert not [text for text in linking.texts_of(entry).values() if text and text.encode() in written]


@pytest.mark.parametrize(
    ("by", "stands"),
    [
        ("user", (By.USER, "")),
        ("plan", (By.PLAN, "")),
        ("operator:a:b", (By.OPERATOR, "a:b")),
        ("somebody", (By.SYSTEM, "somebody")),
        ("", (By.SYSTEM, "")),
    ],
)
def test_who_did_it_is_a_class_and_a_name(by: str, stands: tuple[By, str]) -> None:
    """A class that is not known here is no class: all of it is the name."""
    entry = Entry(by=by)
    facts = linking.facts_of(entry, linking.stand_ins(KEY, entry))
    assert (facts.by, facts.who) == (stands[0], keyed(KEY, Named.BY, stands[1]))


def test_every_fact_of_an_entry_is_in_its_digest() -> None:
    """Another value of any field is another digest; its own digest is not in it."""
    other: dict[str, Any] = {
        **dict.fromkeys(("account_id", "entry_id", "move", "by", "why", "asked", "user_id", "generation_id"), "x"),
        **dict.fromkeys(("seq", "usd_micros", *chain.SUMS), 7),
        "at": AT + timedelta(seconds=1),
        "held_at": AT,
        "superseded": True,
        "previous": "1" * 64,
        "buckets": (Change(available=1),),
    }
    assert set(other) == set(Entry.__dataclass_fields__) - {"digest", "stand_ins"}

    def digest(entry: Entry) -> str:
        return linking.digest_of(entry, linking.stand_ins(KEY, entry))

    made = {digest(replace(Entry(), **{name: value})) for name, value in other.items()}
    assert len(made | {digest(Entry())}) == len(other) + 1
    assert digest(replace(Entry(), digest="y")) == digest(Entry())


@pytest.mark.parametrize("count", [0, 1, walking.PAGE, walking.PAGE + 1, 2 * walking.PAGE + 7])
async def test_a_whole_ledger_fits_however_many_pages_it_has(count: int) -> None:
    """To its last entry, and with the sums that the account has."""
    entries = ledger(count)
    walked = await walk(read(entries), {}, key=KEY)
    assert isinstance(walked, Point)
    assert walked.seq == count
    head = entries[-1].digest if entries else ""
    assert compared(walked, account_of(count, head, count)) is None


async def test_erased_names_break_nothing() -> None:
    """The texts are gone, the stand-ins stay: the chain fits, with the key and without."""
    entries = [replace(each, user_id="", by="operator:", why="", asked="") for each in ledger(9)]
    for key in (KEY, b""):
        walked = await walk(read(entries), {}, key=key)
        assert isinstance(walked, Point)
        assert walked.seq == 9


@pytest.mark.parametrize("name", ["user_id", "why", "asked", "entry_id", "account_id", "by"])
async def test_a_changed_name_is_found_with_the_key(name: str) -> None:
    """The digest does not change with it, because only its stand-in is in the digest."""
    entries = ledger(9)
    entries[3] = replace(entries[3], **{name: "operator:mallory"})  # type: ignore[arg-type]
    found = await walk(read(entries), {}, key=KEY)
    assert isinstance(found, Misfit)
    assert (found.seq, found.flaw) == (4, Flaw.CHANGED)
    assert "beside it" in found.text


async def test_the_first_misfit_is_named_on_any_page() -> None:
    """A missing entry, a changed stand-in, a head that is not there: each by its number; of two the first."""
    last = 2 * walking.PAGE + 3
    entries = ledger(last)
    for index in (0, walking.PAGE - 1, walking.PAGE, last - 2):
        found = await walk(read([*entries[:index], *entries[index + 1 :]]), {}, key=KEY)
        assert isinstance(found, Misfit)
        assert (found.seq, found.flaw) == (index + 1, Flaw.MISSING)
    twice = list(entries)
    twice[700] = replace(twice[700], stand_ins=StandIns(account="0" * 64, entry="0" * 64))
    del twice[900]
    found = await walk(read(twice), {})
    assert isinstance(found, Misfit)
    assert (found.seq, found.flaw) == (701, Flaw.CHANGED)
    found = await walk(read(entries), {last + 1: "0" * 64}, key=KEY)
    assert isinstance(found, Misfit)
    assert (found.seq, found.flaw) == (last + 1, Flaw.MISSING)


async def test_an_account_that_is_elsewhere_than_its_ledger_is_named() -> None:
    """Ahead of it, behind it, with another digest, or with another sum."""
    entries = ledger(3)
    walked = await walk(read(entries), {})
    assert isinstance(walked, Point)
    head = entries[-1].digest
    other = replace(account_of(3, head, 3), buckets=(buckets.Bucket(buckets.Terms("other", AT), 3),))
    for account, expected in (
        (account_of(4, "0" * 64, 3), (4, Flaw.MISSING)),
        (account_of(2, entries[1].digest, 3), (3, Flaw.INSERTED)),
        (account_of(3, "0" * 64, 3), (3, Flaw.CHANGED)),
        (account_of(3, head, 3, held=1), (3, Flaw.SUMS)),
        (other, (3, Flaw.SUMS)),
    ):
        found = compared(walked, account)
        assert found is not None
        assert (found.seq, found.flaw) == expected
