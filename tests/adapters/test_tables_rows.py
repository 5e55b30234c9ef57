"""Rows: what older and newer versions wrote, and what nobody can read."""

import json
import math
from dataclasses import MISSING, fields, replace
from typing import Any

import pytest
from hypothesis import given

from dev.fakes.accounts import funded
from shared.adapters.azure_storage.tables import UnreadableRow, entities, rows
from shared.adapters.azure_storage.tables import rows_money as money
from shared.adapters.azure_storage.tables.approval_columns import approval_columns
from shared.core.keys import Key
from shared.core.lifecycle.generation import Closed, Generation, Received
from shared.core.lifecycle.steps import Entry
from shared.core.money.entries import Move
from shared.core.money.pricing import Price, Unit
from shared.core.reasons import Reason
from tests.adapters import examples
from tests.core.test_keys import KEYS

KEY = Key("ada", "one")


def generation_row() -> dict[str, Any]:
    """A row as it is stored: without what is None."""
    row = rows.generation_row(examples.full_generation(KEY))
    return {name: value for name, value in row.items() if value is not None}


@pytest.mark.parametrize("prompt", ["a lighthouse", "\U0001f5fc" * 20_000])
def test_a_request_with_the_longest_address_is_kept_whole(prompt: str) -> None:
    """In parts, each within what a column takes, together within what a row takes, and read back."""
    generation = examples.full_generation(KEY)
    request = replace(generation.request, image_url="https://example.com/" + "%2F" * 2724, prompt=prompt)
    row = rows.generation_row(replace(generation, request=request))
    texts = [value for value in row.values() if isinstance(value, str)]
    assert max(len(text.encode("utf-16-le")) for text in texts) <= 64 * 1024
    assert sum(len(text.encode("utf-16-le")) for text in texts) < 1024 * 1024
    assert rows.generation_of({name: value for name, value in row.items() if value is not None}).request == request


def test_a_newer_version_may_add_to_a_row() -> None:
    """Columns, and keys in JSON columns, that this version does not know are passed over."""
    row = generation_row()
    row["colour"] = "blue"
    row["request"] = row["request"].replace("{", '{"colour":"blue",', 1)
    row["outputs"] = row["outputs"].replace("{", '{"colour":"blue",')

    assert rows.generation_of(row) == examples.full_generation(KEY)


def test_an_older_version_may_have_known_less() -> None:
    """What came later has a default; so has what is empty."""
    row = generation_row()
    for name in (
        "outputs",
        "refused_outputs",
        "ignored_fields",
        "requested_end",
        "reason",
        "text",
        "ended_at",
    ):
        del row[name]

    found = rows.generation_of(row)

    assert isinstance(found, Generation)
    assert (found.outputs, found.refused_outputs, found.ignored_fields, found.text) == ((), 0, (), "")
    assert (found.requested_end, found.reason, found.ended_at) == (None, None, None)


#: What came with the modalities and the cost.
NEWER = (
    *("plan", "chosen_by", "passed_over", "metrics", "cost_usd_micros", "unmeasured_usd_micros"),
    "history",
    *("modality", "prices", "seconds", "output_bytes", "destination"),
)


def test_a_row_from_before_the_modalities_is_a_picture_with_one_price() -> None:
    """A generation that was open while the new version came goes on."""
    row = generation_row()
    for name in NEWER:
        del row[name]
    row["price_usd_micros"], row["prediction_kind"] = 3000, "prediction"
    row["outputs"] = row["outputs"].replace('"text":', '"was_not_there":')
    request = json.loads(row["request"])
    for name in ("modality", "system_prompt", "input_file", "destination", "continuation", "training_steps"):
        del request[name]
    row["request"] = json.dumps(request)

    found = rows.generation_of(row)

    assert isinstance(found, Generation)
    assert (found.chosen_by, found.passed_over, found.metrics, found.cost_usd_micros) == (None, (), {}, 0)
    assert found.unmeasured_usd_micros == 0
    assert (found.attempt.modality, found.attempt.prices) == ("image", (Price(Unit.IMAGE, 3000),))
    assert (found.attempt.seconds, found.attempt.output_bytes, found.attempt.destination) == (0, 0, "")
    assert not found.attempt.trains
    assert [output.text for output in found.outputs] == ["", ""]
    assert (found.request.modality, found.request.input_file) == (None, None)


def test_nothing_of_the_newer_is_written_where_there_is_nothing() -> None:
    """A rejected request is a small row, and reads back."""
    small = examples.closed(KEY)
    row = {name: value for name, value in rows.generation_row(small).items() if value is not None}

    assert not set(NEWER) & set(row)
    assert rows.generation_of(row) == small


def full_closed() -> Closed:
    """What ended without having opened, with a value in every field."""
    return examples.closed(
        KEY,
        request=examples.full_request(KEY),
        ignored_fields=("strength",),
        screenings=(examples.RECORD,),
        approval=examples.APPROVAL,
        trace_parent="00-1-2-01",
        history=(Entry("rejected", examples.NOW, examples.NOW, why="NO_CREDITS"),),
    )


def taken_in() -> Received:
    """What waits to open, with a value in every field."""
    return Received(
        key=KEY,
        opened_at=examples.NOW,
        request=examples.full_request(KEY),
        reason=Reason.SAFETY_UNAVAILABLE,
        text="Later.",
        ignored_fields=("strength",),
        screenings=(examples.RECORD,),
        approval=examples.APPROVAL,
        trace_parent="00-1-2-01",
        history=(Entry("taken_in", examples.NOW, examples.NOW, times=2, why="SAFETY_UNAVAILABLE"),),
    )


@pytest.mark.parametrize("whole", [full_closed(), taken_in()], ids=["closed", "received"])
def test_what_has_not_opened_is_read_back_whole(whole: Closed | Received) -> None:
    """Every field of the two other types has its column, and none of an attempt or a hold."""
    row = {name: value for name, value in rows.generation_row(whole).items() if value is not None}

    assert rows.generation_of(entities.decoded(entities.encoded(row))) == whole
    assert not {"attempt", "held_credits", "outputs", "chain", "requested_end"} & set(row)
    assert row["captured_credits"] == 0  # ``used_of`` reads it from every row


@pytest.mark.parametrize(
    ("mixture", "said"),
    [
        (generation_row() | {"state": "received"}, "the state received with an attempt"),
        (generation_row() | {"state": "rejected"}, "the state rejected with an attempt"),
        (rows.generation_row(full_closed()) | {"state": "running"}, "the state running without an attempt"),
        (rows.generation_row(full_closed()) | {"state": "succeeded"}, "the state succeeded without an attempt"),
        (rows.generation_row(taken_in()) | {"state": "waiting"}, "the state waiting without an attempt"),
        (rows.generation_row(full_closed()) | {"held_credits": 1}, "a hold without an attempt"),
        (rows.generation_row(taken_in()) | {"held_credits": 1}, "a hold without an attempt"),
        (generation_row() | {"attempt": None}, "a hold without an attempt"),
        (rows.generation_row(replace(full_closed(), request=None)) | {"state": "received"}, "request"),
        (generation_row() | dict.fromkeys(name for name in generation_row() if name.startswith("request")), "requ"),
        (rows.generation_row(taken_in()) | {"reason": None}, "reason"),
        (rows.generation_row(full_closed()) | {"ended_at": None}, "ended_at"),
    ],
)
def test_a_mixture_that_no_transition_makes_is_unreadable(mixture: dict[str, Any], said: str) -> None:
    """As any of the three types it would lose something: an attempt, a hold, or the request that is to open."""
    with pytest.raises(UnreadableRow, match=f"row ada/generation:ada;one: {said}.* cannot be read"):
        rows.generation_of(mixture)


def test_several_prices_keep_their_order() -> None:
    """As the catalogue has them; an attempt without any stays without."""
    whole = examples.full_generation(KEY)
    prices = tuple(Price(unit, number) for number, unit in enumerate(Unit))
    for kept in (prices, prices[::-1], ()):
        made = replace(whole, attempt=replace(whole.attempt, prices=kept))
        assert rows.generation_of(rows.generation_row(made)) == made


def test_the_example_says_something_in_every_field() -> None:
    """So that a field which is added, and forgotten in a row, is found out."""
    whole = examples.full_generation(KEY)
    said = (whole, whole.attempt, whole.request, whole.outputs[0])
    silent = [
        f"{type(each).__name__}.{item.name}"
        for each in said
        for item in fields(each)
        if item.default is not MISSING and getattr(each, item.name) == item.default
    ]
    assert silent == []


def _approval(**changed: object) -> str:
    """An approval with what JSON does not forbid in Python."""
    return json.dumps(json.loads(str(approval_columns(examples.APPROVAL)["approval"])) | changed)


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("state", None),
        ("state", "a secret"),
        ("reason", "a secret"),
        ("opened_at", "a secret"),
        ("opened_at", None),
        ("held_credits", "a secret"),
        ("held_credits", True),
        ("held_credits", None),
        ("seed", 1.5),
        ("own_seed", 1),
        ("request", '{"prompt": "a secret"'),
        ("request", '["a secret"]'),
        ("outputs", '["a secret"]'),
        ("outputs", '[{"name": "a secret"}]'),
        ("chain", "[1]"),
        ("prices", "[1]"),
        ("prices", '{"a secret":1}'),
        ("prices", '{"image":"a secret"}'),
        ("price_usd_micros", "a secret"),
        ("metrics", "[1]"),
        ("cost_usd_micros", "a secret"),
        ("chosen_by", "a secret"),
        ("passed_over", '["a secret"]'),
        ("passed_over", '[{"model":"a secret"}]'),
        ("passed_over", '[{"model":"m","reason":"a secret"}]'),
        ("history", '["a secret"]'),
        ("history", '[["a secret"]]'),
        ("history", '[["created","a secret","2026-11-21T12:00:00+00:00",1,""]]'),
        ("history", '[["created","2026-11-21T12:00:00","2026-11-21T12:00:00",1,""]]'),
        ("history", '[["created",1,2,3,4]]'),
        ("seconds", "a secret"),
        ("destination", 7),
        ("prediction_id", 5),
        ("provider", 7),
        ("prediction_kind", "a secret"),
        ("guarantees", '["a secret"]'),
        ("guarantees", "[[1]]"),
        ("notices", '[{"limit_id": "a secret"}]'),
        ("notices", '["a secret"]'),
        ("approval", '{"limit_id": "a secret"}'),
        ("approval", _approval(credits=math.inf)),
        ("approval", _approval(credits=math.nan)),
        ("approval", _approval(asks=math.inf)),
    ],
)
def test_an_unreadable_row_is_named_and_not_quoted(column: str, value: object) -> None:
    """Which row and which column, never what is in it."""
    with pytest.raises(UnreadableRow) as caught:
        rows.generation_of(generation_row() | {column: value})

    assert str(caught.value) == f"row ada/generation:ada;one: {column} cannot be read"
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


#: Columns of an account that hold other things than they should.
BROKEN = (
    {"standing": "a secret"},
    {"buckets": "[1]"},
    {"buckets": '[["b","2026-11-21T00:00:00",null,1,1,1]]'},
    {"buckets": '[["b","2026-11-21T00:00:00+00:00",null,1,true,1]]'},
    {"buckets": '[["b","2026-11-21T00:00:00+00:00",null,1,0.5,1]]'},
    {"calendar": "[]x"},
    {"calendar": '[["2026-11-21T00:00:00+00:00","2026-11-22T00:00:00+00:00",1,1]]'},
    {"slots": '[[1,2,"a secret"]]'},
    {"limits": '[["a","day",1,"a secret","block","account"]]'},
    {"limits": '[["a","day",-1,"credits","block","account"]]'},
    {"warned": '[["a"]]'},
    {"running": "[[]]"},
    {"stamps": '{"a": 1}'},
)


@pytest.mark.parametrize("change", [{"granted": 1}, {"plan": 7}, {"zone": None}, {"held": None}, *BROKEN])
def test_an_account_that_does_not_add_up_is_unreadable(change: dict[str, object]) -> None:
    """Nothing is held or captured on an account whose books are wrong."""
    row = money.account_row(examples.full_account("ada")) | change

    with pytest.raises(UnreadableRow, match=r"row ada/account: .* cannot be read") as caught:
        money.account_of(row)

    assert "a secret" not in str(caught.value)


def test_terms_that_are_known_do_not_hide_others_that_equal_them() -> None:
    """The terms of buckets are remembered, and True equals 1 in Python: it is no priority."""
    row = money.account_row(funded("ada", 9))
    assert money.account_of(row) == money.account_of(row)
    known = json.loads(str(row["buckets"]))
    known[0][3] = 1
    one = row | {"buckets": json.dumps(known)}
    assert money.account_of(one).buckets[0].terms.priority == 1
    with pytest.raises(UnreadableRow, match="buckets"):
        money.account_of(row | {"buckets": json.dumps(known).replace(", 1, 9", ", true, 9")})


def test_a_ledger_entry_that_does_not_add_up_is_unreadable() -> None:
    """Nor is a move that would make something of nothing."""
    (entry,) = examples.opening(KEY, funded("ada", 9)).entries

    for change in ({"held": 77}, {"buckets": "[[1]]"}, {"buckets": '[["b","2026-11-21",null,1,-5,5]]'}):
        with pytest.raises(UnreadableRow, match="row ada/entry:0000000000000001: "):
            money.entry_of(money.entry_row(entry) | change)


def test_the_open_index_has_16_partitions() -> None:
    """They are hexadecimal digits, and all are used. An account's rows are in one, where its turns are looked for."""
    partitions = {rows.open_keys(Key("ada", "one", str(number)))[0] for number in range(500)}
    of_one = {rows.open_keys(Key(str(number), str(number), "acme"))[0] for number in range(500)}

    assert partitions == set("0123456789abcdef")
    assert of_one == {rows.open_partition("acme")}


@pytest.mark.parametrize(("user", "generation"), [(1, 1), (55, 56), (56, 56), (128, 127), (128, 128)])
def test_a_key_of_the_open_index_fits_every_table(user: int, generation: int) -> None:
    """Cosmos DB takes 255 bytes; three ids and what is between them may be 386."""
    row = examples.open_row(Key("u" * user, "g" * generation, "a" * 128))
    stored = rows.open_row(row)

    assert len(stored["RowKey"].encode()) <= 255
    assert rows.open_of(stored) == row


@pytest.mark.parametrize(("user", "longest"), [(106, 255), (107, 107 + 66 + 20), (128, 128 + 66 + 20)])
def test_every_key_of_the_state_fits_too(user: int, longest: int) -> None:
    """Whole where user and id have at most 235 characters together, with a digest where they have more."""
    key = Key("u" * user, "g" * 128, "a" * 128)
    (entry,) = examples.opening(key, funded(key.account_id, 9)).entries
    keys = [rows.generation_key(key), *(money.move_key(move, entry.entry_id) for move in Move)]

    assert max(len(key) for key in keys) == longest
    assert money.entry_of(money.entry_row(entry)) == entry


def test_long_keys_of_the_open_index_are_not_mixed_up() -> None:
    """Ids that differ in their last character, or in where the one ends, are rows of their own."""
    keys = [Key("u" * 128, "g" * 127 + last) for last in "abc"]
    keys += [Key("u" * 127, "u" + "g" * 127), Key("u" * 128, "g" * 127), Key("u" * 128, "g" * 127, "u" * 127)]

    assert len({rows.open_keys(key)[1] for key in keys}) == len(keys)


def test_a_row_of_the_open_index_without_its_ids_is_unreadable() -> None:
    """A key is not taken apart: the row is named, and not taken for another generation."""
    stored = rows.open_row(examples.open_row(Key("ada", "one")))
    del stored["generation_id"]

    with pytest.raises(UnreadableRow, match=r"row ./ada;ada;one: generation_id cannot be read"):
        rows.open_of(stored)


@given(KEYS, KEYS)
def test_different_keys_never_share_a_row(one: Key, other: Key) -> None:
    """In the open index, and in the state with its ledger; each row says its whole key, in columns."""

    def places(key: Key) -> dict[str, object]:
        (holding,) = examples.opening(key, funded(key.account_id, 9)).entries
        state = {rows.generation_key(key)}
        state |= {money.move_key(move, holding.entry_id) for move in (Move.HOLD, Move.RESOLVE)}
        assert len(state) == 3
        return {"open": rows.open_keys(key), "state": frozenset((key.account_id, row_key) for row_key in state)}

    for place, name in places(one).items():
        assert (name == places(other)[place]) == (one == other), place
    assert rows.open_of(rows.open_row(examples.open_row(one))).key == one
    generation = examples.opening(one, funded(one.account_id, 9)).generation
    assert rows.generation_of(rows.generation_row(generation)).key == one


def test_half_a_character_of_a_strangers_does_not_cost_the_row() -> None:
    """A model may put anything into its metrics: as JSON it is read back, and no table has to refuse it."""
    generation = replace(examples.full_generation(KEY), metrics={"a\ud800": "\udfff", "b": 1.5}, text="half \ud800")
    sent = entities.encoded(rows.generation_row(generation))
    read = rows.generation_of(entities.decoded(sent))

    assert b"\\\\ud800" in sent
    assert b'"half ?"' in sent
    assert read == replace(generation, text="half ?")
