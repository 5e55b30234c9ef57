"""Signed documents and heads of ledgers: one form in bytes, and nothing of a stranger's raises but a ValueError."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dev.fakes.signing import fake_signer
from shared.adapters.signing import fits
from shared.core.money import chain, heads, signed
from shared.core.money.heads import Head
from shared.core.money.signed import Document, Signature

AT = datetime(2026, 11, 28, 3, 30, 0, 5, tzinfo=UTC)
HEAD = Head(account="a" * 64, seq=7, digest="b" * 64, sums=(9, 4, 3, 2, 0, 0), buckets=(("c" * 64, 4, 3),), at=AT)
SIGNED_BY = Signature("0123456789abcdef", "c" * 128)

#: What facts may hold: no float, no half of a surrogate pair.
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=5)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abcZ_"), inner, max_size=3),
    max_leaves=8,
)


def test_the_form_is_sorted_and_has_no_blanks() -> None:
    """Texts stay as they are but for what JSON must escape."""
    facts = {"b": [1, -2, True, None], "a": {"u": 'ü"\\\n\x1f\x7f/'}}
    assert signed.canonical(facts) == '{"a":{"u":"ü\\"\\\\\\n\\u001f\x7f/"},"b":[1,-2,true,null]}'.encode()


@pytest.mark.parametrize("wrong", [1.0, float("nan"), b"x", (1,), {"ü": 1}, {1: 1}, "\ud800", {"a": [{"b": 0.5}]}])
def test_what_has_no_canonical_form_is_refused(wrong: Any) -> None:
    """Before anything is signed."""
    with pytest.raises(ValueError, match=r"canonical form|ASCII"):
        signed.canonical({"a": wrong})


@given(st.dictionaries(st.sampled_from(["a", "b", "zz"]), VALUES))
def test_a_document_reads_back_however_it_is_laid_out(facts: dict[str, Any]) -> None:
    """Its own bytes, and the same with other blanks, escapes and another order."""
    raw = signed.document(facts, SIGNED_BY)
    document = Document(facts, SIGNED_BY)
    assert signed.read(raw) == document
    assert signed.read(json.dumps(dict(reversed(json.loads(raw).items())), indent=3).encode()) == document
    assert document.content == signed.content(facts, SIGNED_BY.key_id)


def _document(**changes: Any) -> bytes:
    return json.dumps({"a": 1, "key_id": "0" * 16, "signature": "0" * 128} | changes).encode()


STRANGE: dict[str, tuple[bytes, str]] = {
    "nothing": (b"", "no JSON"),
    "half": (_document()[:-1], "no JSON"),
    "a list": (b"[]", "no JSON object"),
    "not UTF-8": (b'{"a": "\xff"}', "not UTF-8"),
    "a float": (_document(a=1.5), "no integer"),
    "a float that is whole": (_document(a=1.0), "no integer"),
    "infinity": (_document(a=float("inf")), "no integer"),
    "a name twice": (_document()[:-1] + b', "a": 2}', "twice"),
    "no key": (_document(key_id=None), "key_id must have 16"),
    "a key of capitals": (_document(key_id="A" * 16), "key_id must have 16"),
    "a short signature": (_document(signature="0" * 127), "signature must have 128"),
    "digits of another script": (_document(signature="٣" * 128), "signature must have 128"),
    "half a pair": (_document(a="\ud800"), "surrogate"),
    "deep": (_document(a=json.loads("[" * 40 + "]" * 40)), "nested too deeply"),
    "deeper": (b'{"a":' * 100_000, "nested too deeply"),
    "a number of 5,000 digits": (b'{"a": ' + b"1" * 5000 + b"}", "digits"),
    "too large": (_document(a="x" * signed.MOST_BYTES), "more than"),
}


@pytest.mark.parametrize("name", STRANGE)
def test_a_strangers_document_is_refused_by_name(name: str) -> None:
    """Never with another exception than ValueError, whose text says what is wrong."""
    raw, said = STRANGE[name]
    with pytest.raises(ValueError, match=said):
        signed.read(raw)


@given(st.binary(max_size=60))
def test_any_bytes_are_a_document_or_a_value_error(raw: bytes) -> None:
    """Whatever they are."""
    with pytest.raises(ValueError, match=r"."):
        signed.read(raw)


def test_a_key_id_is_of_its_key() -> None:
    """The first 16 digits of SHA-256 over its bytes; what is no key has no id."""
    assert signed.key_id_of("00" * 32) == "66687aadf862bd77"
    for wrong in ("", "00" * 31, "zz" * 32, "AA" * 32):
        with pytest.raises(ValueError, match="64 hexadecimal digits"):
            signed.key_id_of(wrong)


def test_a_head_reads_back_and_its_name_is_before_older_ones() -> None:
    """So that the newest head is found by listing one name."""
    assert heads.read(Document(HEAD.facts(), SIGNED_BY)) == HEAD
    names = [replace(HEAD, seq=seq).name for seq in (1, 2, 9, 10, 99, 10**12)]
    assert names == sorted(names, reverse=True)
    assert all(name.startswith(heads.folder(HEAD.account)) for name in names)


WRONG_HEADS: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
    "another version": lambda facts: facts | {"version": "darkroom.head.2"},
    "one fact more": lambda facts: facts | {"more": 1},
    "no seq": lambda facts: {name: value for name, value in facts.items() if name != "seq"},
    "seq 0": lambda facts: facts | {"seq": 0},
    "seq true": lambda facts: facts | {"seq": True},
    "seq as text": lambda facts: facts | {"seq": "7"},
    "no time": lambda facts: facts | {"at": "yesterday"},
    "a time without a zone": lambda facts: facts | {"at": "2026-11-28T03:30:00.000005"},
    "a time in another form": lambda facts: facts | {"at": "2026-11-28T03:30:00.000005+00:00"},
    "five sums": lambda facts: facts | {"sums": {"granted": 9}},
    "a sum below zero": lambda facts: facts | {"sums": facts["sums"] | {"held": -3}},
    "no buckets": lambda facts: {name: value for name, value in facts.items() if name != "buckets"},
    "buckets by name": lambda facts: facts | {"buckets": {"c": [4, 3]}},
    "a bucket of two": lambda facts: facts | {"buckets": [["c", 4]]},
    "a bucket below zero": lambda facts: facts | {"buckets": [["c", -4, 3]]},
    "a bucket without a name": lambda facts: facts | {"buckets": [[None, 4, 3]]},
    "a digest that is a number": lambda facts: facts | {"digest": 1},
}


@pytest.mark.parametrize("name", WRONG_HEADS)
def test_what_is_no_head_is_refused(name: str) -> None:
    """Even where a signature over it would fit."""
    with pytest.raises(ValueError, match=r"darkroom\.head\.1|must be"):
        heads.read(Document(WRONG_HEADS[name](HEAD.facts()), SIGNED_BY))


def test_a_walk_goes_on_from_a_head() -> None:
    """The point of a head is where the walk that made it ended; no entries are no head."""
    point = chain.Point(account="a" * 64, seq=7, digest="b" * 64, sums=(9, 4, 3, 2, 0, 0), buckets={"c" * 64: (4, 3)})
    assert heads.head_of(point, AT) == HEAD
    assert HEAD.point == point
    assert heads.signed_digests([HEAD, replace(HEAD, seq=9, digest="d" * 64)]) == {7: "b" * 64, 9: "d" * 64}
    with pytest.raises(ValueError, match="without entries"):
        heads.head_of(chain.START, AT)


async def test_a_signature_fits_these_facts_and_this_key_only() -> None:
    """The same facts under the same key are the same bytes; another fact, key or digit does not fit."""
    signer, other = fake_signer(), fake_signer(1)
    public = await signer.public_key()
    assert public.key_id == signed.key_id_of(public.public_key)
    signature = await signer.sign(lambda key_id: signed.content(HEAD.facts(), key_id))
    assert signature == await fake_signer().sign(lambda key_id: signed.content(HEAD.facts(), key_id))
    document = signed.read(signed.document(HEAD.facts(), signature))
    assert document.signed_by.key_id == public.key_id
    assert fits(public.public_key, document.content, signature.signature)
    assert not fits((await other.public_key()).public_key, document.content, signature.signature)
    assert not fits(public.public_key, document.content + b" ", signature.signature)
    assert not fits(public.public_key, document.content, "00" * 64)
    for name, value in HEAD.facts().items():
        changed = signed.content(HEAD.facts() | {name: f"{value}0"}, public.key_id)
        assert not fits(public.public_key, changed, signature.signature)
    assert not fits(public.public_key, signed.content(HEAD.facts(), "0" * 16), signature.signature)
    for wrong in ("", "zz", "00" * 31):
        assert not fits(wrong, document.content, signature.signature)
