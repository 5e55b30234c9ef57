"""The chain of a ledger: the bytes of an entry's digest are those of docs/ledger.md, and what does not fit is named."""

import hashlib
import hmac
import json
import struct
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.core.money import chain
from shared.core.money.chain import BucketChange, By, Chained, Facts, Flaw, Misfit, Named, Point, keyed

VECTORS: list[dict[str, Any]] = json.loads((Path(__file__).parent / "ledger_vectors.json").read_text(encoding="utf-8"))
KEY = bytes.fromhex(VECTORS[0]["key"])
AT = datetime(2026, 11, 28, 22, 44, 45, 120000, tzinfo=UTC)


def read(vector: dict[str, Any]) -> Facts:
    """The facts of a vector, as this project makes them."""
    key, texts = bytes.fromhex(vector["key"]), vector["texts"]
    return Facts(
        account=keyed(key, Named.ACCOUNT, texts["account"]),
        seq=vector["seq"],
        previous=vector["previous"],
        move=vector["move"],
        entry=keyed(key, Named.ENTRY, texts["entry"]),
        at=datetime.fromisoformat(vector["at"]),
        **vector["changes"],
        buckets=tuple(bucket(change) for change in vector["buckets"]),
        user=keyed(key, Named.USER, texts["user"]),
        generation_id=vector["generation_id"],
        by=By(vector["by"]),
        who=keyed(key, Named.BY, texts["by"]),
        why=keyed(key, Named.WHY, texts["why"]),
        asked=keyed(key, Named.ASKED, texts["asked"]),
        superseded=vector["superseded"],
        usd_micros=vector["usd_micros"],
        held_at=datetime.fromisoformat(vector["held_at"]) if vector["held_at"] else None,
    )


def bucket(change: dict[str, Any]) -> BucketChange:
    """The change of a bucket in a vector."""
    times = {name: datetime.fromisoformat(change[name]) for name in ("granted_at", "expires_at") if change[name]}
    return BucketChange(**{**change, "expires_at": None, **times})


def from_the_page(vector: dict[str, Any]) -> bytes:
    """The bytes of a vector, written from docs/ledger.md alone: nothing of the project's code is used.

    What has no key, such as a line of ``account ledger``, has the keyed digests.
    """
    key = bytes.fromhex(vector.get("key", ""))

    def stand_in(kind: str) -> bytes:
        text: str = vector["texts"][kind]
        if text == "" or not key:
            return bytes(vector["keyed"][kind], "ascii")
        return hmac.new(key, kind.encode("ascii") + b":" + text.encode("utf-8"), hashlib.sha256).hexdigest().encode()

    changes = vector["changes"]
    row = [b"darkroom.entry.1", stand_in("account"), b"%d" % vector["seq"], vector["previous"].encode()]
    row += [vector["move"].encode(), stand_in("entry"), vector["at"].encode()]
    row += [b"%d" % changes[n] for n in ("granted", "available", "held", "captured", "expired", "revoked")]
    row.append(b"%d" % len(vector["buckets"]))
    for bucket in sorted(vector["buckets"], key=lambda each: each["bucket_id"].encode("utf-8")):
        row += [bucket["bucket_id"].encode("utf-8"), b"%d" % bucket["available"], b"%d" % bucket["held"]]
        row += [b"%d" % bucket["priority"], bucket["granted_at"].encode(), bucket["expires_at"].encode()]
    row += [stand_in("user"), vector["generation_id"].encode("utf-8"), vector["by"].encode()]
    row += [stand_in("by"), stand_in("why"), stand_in("asked")]
    row += [b"1" if vector["superseded"] else b"0", b"%d" % vector["usd_micros"], vector["held_at"].encode()]
    return b"".join(struct.pack(">I", len(field)) + field for field in row)


@pytest.mark.parametrize("vector", VECTORS, ids=[vector["name"] for vector in VECTORS])
def test_the_vectors_are_what_the_code_and_the_page_make(vector: dict[str, Any]) -> None:
    """Two implementations that share no code make the same bytes, and both make the vector's digest."""
    facts = read(vector)
    assert chain.entry_bytes(facts).hex() == from_the_page(vector).hex() == vector["bytes"]
    assert chain.sealed(facts).digest == hashlib.sha256(from_the_page(vector)).hexdigest() == vector["digest"]
    assert from_the_page({name: value for name, value in vector.items() if name != "key"}) == from_the_page(vector)


def test_the_page_shows_the_first_vector() -> None:
    """As it stands in the file of vectors, without its bytes."""
    page = (Path(__file__).parents[2] / "docs" / "ledger.md").read_text(encoding="utf-8")
    (shown,) = [json.loads(block.partition("```")[0]) for block in page.split("```json\n")[1:]]
    assert shown == {name: value for name, value in VECTORS[0].items() if name != "bytes"}


def test_the_vectors_are_one_chain() -> None:
    """Each has the digest of the one before it, and the walk finds them whole."""
    assert [vector["previous"] for vector in VECTORS] == [chain.NOTHING_BEFORE, *(v["digest"] for v in VECTORS[:-1])]
    walked = chain.verify([chain.sealed(read(vector)) for vector in VECTORS], {})
    assert isinstance(walked, Point)
    assert (walked.seq, walked.digest) == (len(VECTORS), VECTORS[-1]["digest"])


def change_of(bucket_id: str, available: int = 0, held: int = 0, **terms: Any) -> BucketChange:
    """The change of a bucket that was granted at ``AT`` and never expires."""
    return BucketChange(
        bucket_id=bucket_id, available=available, held=held, **{"priority": 100, "granted_at": AT, **terms}
    )


FIRST = Facts(
    account="a" * 64,
    seq=1,
    previous=chain.NOTHING_BEFORE,
    move="grant",
    entry="b" * 64,
    at=AT,
    granted=9,
    available=9,
    buckets=(change_of("b1", 4), change_of("b2", 5)),
    user="c" * 64,
    generation_id="one",
    by=By.OPERATOR,
    who="d" * 64,
    why="e" * 64,
    asked="6" * 64,
)

OTHERS: dict[str, Any] = {
    "account": "f" * 64,
    "seq": 2,
    "previous": "1" * 64,
    "move": "hold",
    "entry": "2" * 64,
    "at": AT + timedelta(microseconds=1),
    "granted": 8,
    "available": 8,
    "held": 1,
    "captured": 1,
    "expired": 1,
    "revoked": 1,
    "buckets": (change_of("b1", 5), change_of("b2", 4)),
    "user": "",
    "generation_id": "",
    "by": By.USER,
    "who": "",
    "why": "",
    "asked": "",
    "superseded": True,
    "usd_micros": 1,
    "held_at": AT,
}

#: Another value of each fact of a bucket's change.
OTHER_TERMS: dict[str, Any] = {
    "bucket_id": "b0",
    "available": 5,
    "held": 1,
    "priority": 1,
    "granted_at": AT + timedelta(seconds=1),
    "expires_at": AT + timedelta(days=1),
}


def test_every_fact_is_in_the_digest() -> None:
    """A change of any field of an entry is another digest."""
    assert set(OTHERS) == set(Facts.__dataclass_fields__)
    digests = {chain.sealed(replace(FIRST, **{name: value})).digest for name, value in OTHERS.items()}
    assert len(digests | {chain.sealed(FIRST).digest}) == len(OTHERS) + 1
    assert set(OTHER_TERMS) == set(BucketChange.__dataclass_fields__)
    changes = [replace(FIRST.buckets[0], **{name: value}) for name, value in OTHER_TERMS.items()]
    digests = {chain.sealed(replace(FIRST, buckets=(change, FIRST.buckets[1]))).digest for change in changes}
    assert len(digests | {chain.sealed(FIRST).digest}) == len(OTHER_TERMS) + 1


@given(st.lists(st.text(max_size=3), max_size=5), st.lists(st.text(max_size=3), max_size=5))
def test_two_lists_of_texts_never_make_the_same_bytes(one: list[str], other: list[str]) -> None:
    """However the texts are cut: each has its length before it."""
    try:
        assert (chain.framed(one) == chain.framed(other)) == (one == other)
    except UnicodeEncodeError:  # a half of a pair is no text in UTF-8
        assert any("\ud800" <= letter <= "\udfff" for letter in "".join(one + other))


def test_a_time_is_its_moment_whatever_its_zone() -> None:
    """The same moment in another zone is the same digest; six decimals always; a time without a zone is refused."""
    there = FIRST.at.astimezone(timezone(timedelta(hours=5, minutes=30)))
    assert chain.sealed(replace(FIRST, at=there)).digest == chain.sealed(FIRST).digest
    assert chain.micros(AT.replace(microsecond=0)) == "2026-11-28T22:44:45.000000Z"
    assert chain.micros(datetime(7, 1, 2, tzinfo=UTC)) == "0007-01-02T00:00:00.000000Z"
    with pytest.raises(ValueError, match="needs a zone"):
        chain.micros(AT.replace(tzinfo=None))


def test_the_order_of_buckets_says_nothing() -> None:
    """The same changes of buckets in another order are the same digest."""
    assert chain.sealed(replace(FIRST, buckets=FIRST.buckets[::-1])).digest == chain.sealed(FIRST).digest


def test_a_kind_of_text_never_stands_for_another() -> None:
    """A user and an account of the same id have different keyed digests; no text has none; another key is another."""
    digests = {keyed(KEY, kind, "ada") for kind in Named}
    assert len(digests) == len(Named)
    assert all(len(digest) == 64 for digest in digests)
    assert keyed(KEY, Named.WHY, "") == ""
    assert keyed(b"another", Named.USER, "ada") not in digests


def test_a_text_that_does_not_fit_its_digest_is_found_and_an_erased_one_fits() -> None:
    """Whoever has the key checks the names beside the digests."""
    facts = read(VECTORS[1])
    texts = {Named(kind): text for kind, text in VECTORS[1]["texts"].items()}
    assert chain.misnamed(KEY, facts, texts) is None
    for kind in texts:
        assert chain.misnamed(KEY, facts, {**texts, kind: "mallory"}) is kind
        assert chain.misnamed(KEY, facts, {**texts, kind: ""}) is None


def history(count: int) -> list[Chained]:
    """A grant, and holds and captures of one credit each after it."""
    new = [replace(FIRST, granted=99, available=99, buckets=(change_of("b1", 99),))]
    for number in range(1, count):
        held = 1 if number % 2 else -1
        left = replace(FIRST, move="hold", granted=0, available=-1, held=1, generation_id=f"g{number // 2}")
        taken = replace(left, move="resolve", available=0, held=-1, captured=1)
        change = change_of("b1", min(0, -held), held)
        new.append(replace(left if held == 1 else taken, buckets=(change,)))
    return list(chain.follow(new, seq=0, previous=chain.NOTHING_BEFORE))


WHOLE = history(9)
HEADS = {each.facts.seq: each.digest for each in WHOLE if each.facts.seq in {4, 9}}


def again(entries: list[Chained]) -> list[Chained]:
    """The entries numbered and sealed anew: what somebody does who may write the table and knows the rules."""
    return list(chain.follow([each.facts for each in entries], seq=0, previous=chain.NOTHING_BEFORE))


def flaw(entries: list[Chained]) -> tuple[int, Flaw] | None:
    """What a whole walk says of the entries."""
    walked = chain.verify(entries, HEADS)
    found = walked if isinstance(walked, Misfit) else chain.ended(walked, HEADS)
    return (found.seq, found.flaw) if found else None


def test_a_whole_chain_fits() -> None:
    """Every entry fits, and the sums of the walk are those of the account."""
    walked = chain.verify(WHOLE, HEADS)
    assert isinstance(walked, Point)
    assert (walked.seq, walked.digest) == (9, WHOLE[-1].digest)
    assert dict(zip(chain.SUMS, walked.sums, strict=True)) == {
        "granted": 99,
        "available": 95,
        "held": 0,
        "captured": 4,
        "expired": 0,
        "revoked": 0,
    }
    assert walked.buckets == {"b1": (95, 0)}
    assert flaw(WHOLE) is None


def _changed(chained: Chained, /, **changes: Any) -> Chained:
    return replace(chained, facts=replace(chained.facts, **changes))


FORGERIES: dict[str, tuple[Callable[[list[Chained]], list[Chained]], tuple[int, Flaw]]] = {
    "a fact changed": (lambda e: [*e[:4], _changed(e[4], move="grant"), *e[5:]], (5, Flaw.CHANGED)),
    "a link changed": (lambda e: [*e[:4], _changed(e[4], previous="0" * 64), *e[5:]], (5, Flaw.CHANGED)),
    "a digest changed": (lambda e: [*e[:4], replace(e[4], digest="0" * 64), *e[5:]], (5, Flaw.CHANGED)),
    "changed and sealed anew": (
        lambda e: [*e[:4], chain.sealed(replace(e[4].facts, user="9" * 64)), *e[5:]],
        (5, Flaw.CHANGED),
    ),
    "one taken out": (lambda e: [*e[:4], *e[5:]], (5, Flaw.MISSING)),
    "the first taken out": (lambda e: e[1:], (1, Flaw.MISSING)),
    "the last taken out": (lambda e: e[:-1], (9, Flaw.MISSING)),
    "everything taken out": (lambda _: [], (1, Flaw.MISSING)),
    "one twice": (lambda e: [*e[:5], e[4], *e[5:]], (5, Flaw.INSERTED)),
    "one put in, with a number of its own": (
        lambda e: [*e[:4], chain.sealed(replace(e[4].facts, previous="9" * 64)), *e[4:]],
        (5, Flaw.INSERTED),
    ),
    "two exchanged": (lambda e: [*e[:4], e[5], e[4], *e[6:]], (6, Flaw.REORDERED)),
    "of another account": (
        lambda e: [*e[:4], chain.sealed(replace(e[4].facts, account="9" * 64)), *e[5:]],
        (5, Flaw.INSERTED),
    ),
    "rewritten to the end": (
        lambda e: again([*e[:5], *e[7:]]),
        (8, Flaw.MISSING),
    ),
    "rewritten to the end, as long as before": (
        lambda e: again([*e[:4], _changed(e[4], user="9" * 64), *e[5:]]),
        (5, Flaw.REWRITTEN),
    ),
    "rewritten from the start": (
        lambda e: again([_changed(e[0], user="9" * 64), *e[1:]]),
        (1, Flaw.REWRITTEN),
    ),
}


@pytest.mark.parametrize("name", FORGERIES)
def test_what_does_not_fit_is_named(name: str) -> None:
    """By the number of the first entry that does not fit, and by what was done to it."""
    forge, expected = FORGERIES[name]
    assert flaw(forge(list(WHOLE))) == expected


SUMS: dict[str, dict[str, Any]] = {
    "granted is not the sum": {"granted": 1},
    "a balance below zero": {"available": -100, "held": 100, "buckets": (change_of("b", held=100),)},
    "buckets are not the sum of available": {"available": -2, "granted": -1},
    "buckets are not the sum of held": {"held": 2, "granted": 1},
    "a bucket below zero": {"buckets": (change_of("b2", -1), change_of("b1", held=1))},
}


@pytest.mark.parametrize("name", SUMS)
def test_wrong_sums_are_named(name: str) -> None:
    """Even where the digests and links are right: whoever wrote the entry got them wrong."""
    entries = again([*WHOLE[:3], _changed(WHOLE[3], **SUMS[name]), *WHOLE[4:]])
    found = chain.verify(entries, {})
    assert isinstance(found, Misfit)
    assert (found.seq, found.flaw) == (4, Flaw.SUMS)
    assert str(found).startswith("entry 4: sums: ")


@given(st.lists(st.integers(1, 4), min_size=9, max_size=9))
def test_a_walk_in_pages_is_the_walk(sizes: list[int]) -> None:
    """Wherever the pages are cut, the point at the end is the same."""
    point: Point | Misfit = chain.START
    left = WHOLE
    for size in sizes:
        assert isinstance(point, Point)
        point, left = chain.verify(left[:size], HEADS, after=point), left[size:]
    assert isinstance(point, Point)
    assert chain.verify(left, HEADS, after=point) == chain.verify(WHOLE, HEADS)


def test_a_walk_names_buckets_as_its_caller_does_and_goes_on_from_any_point() -> None:
    """A head has other names for buckets. Sums and buckets go on from those of the point, and never below zero."""
    head = chain.verify(WHOLE[:4], {}, named=str.upper)
    assert isinstance(head, Point)
    walked = chain.verify(WHOLE[4:], HEADS, after=head, named=str.upper)
    assert isinstance(walked, Point)
    assert (walked.seq, walked.digest, walked.sums) == (9, WHOLE[-1].digest, (99, 95, 0, 4, 0, 0))
    assert walked.buckets == {"B1": (95, 0)}
    empty = chain.verify(WHOLE[4:], HEADS, after=replace(head, buckets={}), named=str.upper)
    assert isinstance(empty, Misfit)
    assert (empty.flaw, empty.text) == (Flaw.SUMS, "bucket B1 would be below zero")
    wrong = chain.verify(WHOLE[4:], HEADS, after=replace(head, sums=(99, 0, 0, 99, 0, 0)))
    assert isinstance(wrong, Misfit)
    assert (wrong.seq, wrong.flaw) == (5, Flaw.SUMS)


@given(st.data())
def test_any_single_change_of_a_saved_entry_is_found(data: st.DataObject) -> None:
    """Of any entry, in any field, to any other value: the walk does not end whole."""
    index = data.draw(st.integers(0, len(WHOLE) - 1))
    name = data.draw(st.sampled_from(sorted(OTHERS)))
    before = getattr(WHOLE[index].facts, name)
    if before == OTHERS[name]:
        return
    entries = list(WHOLE)
    entries[index] = _changed(WHOLE[index], **{name: OTHERS[name]})
    assert flaw(entries) is not None
    entries[index] = chain.sealed(entries[index].facts)
    assert flaw(entries) is not None
