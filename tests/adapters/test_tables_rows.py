"""Rows: what older and newer versions wrote, and what nobody can read."""

from typing import Any

import pytest

from shared.adapters.tables import UnreadableRow, rows
from shared.core.messages import Key
from tests.adapters import examples

KEY = Key("ada", "one")


def generation_row() -> dict[str, Any]:
    """A row as it is stored: without what is None."""
    row = rows.generation_row(examples.full_generation(KEY))
    return {name: value for name, value in row.items() if value is not None}


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
    for name in ("outputs", "refused_outputs", "ignored_fields", "ending", "reason", "text", "ended_at", "attempt"):
        del row[name]

    found = rows.generation_of(row)

    assert (found.outputs, found.refused_outputs, found.ignored_fields, found.text) == ((), 0, (), "")
    assert (found.ending, found.reason, found.ended_at, found.attempt) == (None, None, None, None)


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
        ("request", '{"model": "a secret"}'),
        ("outputs", '["a secret"]'),
        ("outputs", '[{"name": "a secret"}]'),
        ("chain", "[1]"),
        ("prediction_id", 5),
    ],
)
def test_an_unreadable_row_is_named_and_not_quoted(column: str, value: object) -> None:
    """Which row and which column, never what is in it."""
    with pytest.raises(UnreadableRow) as caught:
        rows.generation_of(generation_row() | {column: value})

    assert str(caught.value) == f"row ada/generation:one: {column} cannot be read"
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


@pytest.mark.parametrize("change", [{"granted": 1}, {"plan": "a secret"}, {"day": "a secret"}, {"held": None}])
def test_an_account_that_does_not_add_up_is_unreadable(change: dict[str, object]) -> None:
    """Nothing is held or captured on an account whose books are wrong."""
    row = rows.account_row(examples.full_account("ada")) | change

    with pytest.raises(UnreadableRow, match=r"row ada/account: .* cannot be read") as caught:
        rows.account_of(row)

    assert "a secret" not in str(caught.value)


def test_a_ledger_entry_that_does_not_add_up_is_unreadable() -> None:
    """Nor is a move that would make something of nothing."""
    entry = examples.opening(KEY, examples.full_account("ada")).entry
    assert entry is not None

    with pytest.raises(UnreadableRow, match="row ada/ledger:one:hold: "):
        rows.entry_of(rows.entry_row(entry) | {"held": 77})


def test_the_open_index_has_16_partitions() -> None:
    """They are hexadecimal digits, and all are used."""
    partitions = {rows.open_keys(Key("ada", str(number)))[0] for number in range(500)}

    assert partitions == set("0123456789abcdef")
