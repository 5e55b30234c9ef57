"""Keys and the names made of them: no two keys share a name, and each name fits its bound."""

import json
from dataclasses import astuple
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.adapters.azure_storage.tables.rows import generation_key
from shared.adapters.azure_storage.tables.rows_money import move_key
from shared.adapters.service_bus import broker_id
from shared.core.keys import ROW_KEY_BYTES, Key, index_key, is_id, row_key, user_named
from shared.core.money.entries import Move
from shared.core.provider.webhook import Callback, callback_url, named_callback, read_callback
from shared.core.requests.messages import CancelRequest, Check
from shared.core.requests.parsing import parse_event, parse_request
from shared.worker.naming import output_prefix
from tests.core.test_webhook import SECRET, query_of

#: Few characters, among them all that names are put together with: so that two ids are likely to collide.
_CHARACTERS = "aA:;/|.-_@+=~'0"
#: Those with which an id begins, goes on, and ends. No text is drawn that the rule refuses; three of four were.
_FIRST = [each for each in _CHARACTERS if is_id(each)]
_INNER = [each for each in _CHARACTERS if is_id(f"a{each}a")]
_LAST = [each for each in _CHARACTERS if is_id(f"a{each}")]
_SHORT = st.sampled_from(_FIRST) | st.builds(
    "{}{}{}".format, st.sampled_from(_FIRST), st.text(_INNER, max_size=4), st.sampled_from(_LAST)
).filter(is_id)
_LONG = st.builds(lambda start, end, size: start + "x" * size + end, _SHORT, _SHORT, st.integers(110, 116)).filter(
    is_id
)
_LONGEST = st.sampled_from(["u" * 128, "u" * 127 + "'", "g" * 128, "~".join("g" * 64)[:127] + "g"]).filter(is_id)
IDS = _SHORT | _LONG | _LONGEST
KEYS = st.builds(Key, IDS, IDS, IDS | st.just(""))

#: The longest blob name of Azure (learn.microsoft.com, "Naming and referencing containers, blobs, and metadata").
_BLOB_CHARACTERS = 1024


def names(key: Key) -> dict[str, Any]:
    """Every name that is made of a key, by its use."""
    return {
        "text": str(key),
        "row": (key.account_id, row_key(key)),
        "index": index_key(key),
        "blobs": output_prefix(key),
        "message": broker_id(key.named("try", 1, 2)),
        "event": broker_id(key.named("rejected")),
        "digest": query_of(callback_url("https://a.example/h", Callback(key, 1), SECRET))["digest"],
    }


def row_keys(key: Key) -> list[str]:
    """Every RowKey that is made of a key within its account's partition."""
    return [generation_key(key), *(move_key(move, row_key(key)) for move in Move)]


@given(KEYS, KEYS)
def test_no_two_keys_share_a_name(one: Key, other: Key) -> None:
    """Row, index, blobs, message, event and digest belong to one key, and one key always gives the same names."""
    mine, others = names(one), names(other)
    for place, name in mine.items():
        assert (name == others[place]) == (one == other), place


@given(KEYS)
def test_every_name_fits_where_it_goes(key: Key) -> None:
    """Three ids of 128 characters fit too, and no name has a character that Tables forbid in a key."""
    assert max(len(name.encode()) for name in row_keys(key)) <= ROW_KEY_BYTES
    assert len(index_key(key).encode()) <= ROW_KEY_BYTES
    assert not set(row_key(key) + index_key(key)) & set("/\\#?%")
    assert len(f"{output_prefix(key)}{'0' * 32}.safetensors") <= _BLOB_CHARACTERS
    assert max(len(broker_id(key.named(*parts))) for parts in (("check", "1" * 20), ("again", "1" * 20))) <= 128


@given(KEYS)
def test_a_key_survives_messages_and_the_callback(key: Key) -> None:
    """A written key is read back as the same key, whoever pays."""
    for message in (CancelRequest(key), Check(key)):
        raw = json.dumps(message.to_json()).encode()
        assert message == (parse_event(raw) if isinstance(message, Check) else parse_request(raw)[0])
    url = callback_url("https://a.example/h", Callback(key, 3), SECRET)
    assert named_callback(url) == read_callback(query_of(url), [SECRET]) == Callback(key, 3)


def test_without_an_account_it_is_the_one_of_the_users_id() -> None:
    """With the account named or not, the key is the same, and a message leaves the name out."""
    assert Key("ada", "one") == Key("ada", "one", "ada") == Key("ada", "one", "")
    assert hash(Key("ada", "one")) == hash(Key("ada", "one", "ada"))
    assert Key("ada", "one").in_message == {"generation_id": "one", "user_id": "ada"}
    assert Key("ada", "one", "acme").in_message == {"generation_id": "one", "user_id": "ada", "account_id": "acme"}
    assert Key("ada", "one").properties == {"generation_id": "one", "user_id": "ada", "account_id": "ada"}
    assert str(Key("ada", "one")) == "ada/ada/one"


@pytest.mark.parametrize(("user", "generation", "plain"), [(106, 128, True), (107, 128, False), (128, 128, False)])
def test_a_digest_stands_where_a_row_key_would_be_too_long(user: int, generation: int, *, plain: bool) -> None:
    """The longest in plain text, with the longest name of a move before it, is as long as a RowKey may be."""
    key = Key("u" * user, "g" * generation)
    named, longest = row_key(key), max(map(len, row_keys(key)))
    assert (named == f"{'u' * user};{'g' * generation}") == plain
    assert named.startswith(f"{'u' * user};" if plain else f"{'u' * user};;")
    assert longest == ROW_KEY_BYTES if plain else longest < ROW_KEY_BYTES
    assert (";;" in named) != plain


def test_a_user_in_a_list_is_named_with_the_account_where_another_pays() -> None:
    """Most users pay for themselves, and are named once."""
    assert [user_named("ada", "ada"), user_named("acme", "ada")] == ["ada", "acme/ada"]
    assert Key("ada", "one", "acme").whose == "acme/ada"


def test_keys_have_an_order() -> None:
    """Lists of keys are sorted by user, generation and account, so they are stable."""
    keys = [Key("b", "a"), Key("a", "b", "z"), Key("a", "b"), Key("a", "a", "z")]
    assert sorted(keys) == sorted(keys, key=astuple)
