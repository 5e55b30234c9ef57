"""What generations used: the same cases on the command line's fake and on Azurite, whose server chooses the rows."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from shared.adapters.azure_storage.tables import TableStore
from shared.adapters.azure_storage.tables.rows import USED_COLUMNS
from shared.core.keys import Key
from shared.core.lifecycle.generation import Generation, Transition
from shared.core.lifecycle.state import State
from shared.core.money.usage import Used
from shared.ports import Loaded
from tests.adapters.conftest import FAKE_AND_REAL
from tests.adapters.examples import AWKWARD_IDS, HUGE, NOW, attempt, closed, full_generation, give, output
from tests.cli.counter import FindingStore

UsedStore = FindingStore | TableStore


@pytest.fixture(params=FAKE_AND_REAL)
def used_store(request: pytest.FixtureRequest) -> UsedStore:
    """An empty store."""
    real: TableStore | None = None if request.param == "fake" else request.getfixturevalue("table_store")
    return real or FindingStore()


async def put(store: UsedStore, key: Key, **changes: Any) -> Generation:
    """A generation with every field set, in the table, as if it had come there."""
    outputs = (output(key, 0), output(key, 1), output(key, 2))
    made = replace(full_generation(key), state=State.SUCCEEDED, outputs=outputs, captured_credits=3, **changes)
    await store.commit(Loaded(None, "", None, ""), Transition(made))
    return made


async def used_by(store: UsedStore, **filters: Any) -> list[Used]:
    """What the store returns for these filters, sorted by user and model."""
    return sorted([each async for each in store.used(**filters)], key=lambda each: (each.user_id, each.model))


async def test_what_one_generation_used(used_store: UsedStore) -> None:
    """Amounts beyond 53 bits are exact, outputs are those paid for, and rows of account and ledger are not counted."""
    await give(used_store, "ada")
    made = await put(used_store, Key("ada", "one"))

    ended_at = made.ended_at or made.opened_at
    assert (ended_at > made.opened_at, bool(made.attempt.prediction_id)) == (True, True)
    assert made.captured_credits == made.attempt.unit_credits * len(made.outputs)
    assert await used_by(used_store) == [
        Used(
            account_id="ada",
            user_id="ada",
            model="flux-schnell",
            succeeded=True,
            outputs=3,
            captured_credits=3,
            cost_usd_micros=HUGE,
            opened_at=made.opened_at,
            took_s=round((ended_at - made.opened_at).total_seconds()),
            refunded_credits=made.refunded_credits,
            unit_credits=1,
            prediction_id=made.attempt.prediction_id or "",
        )
    ]


async def test_what_was_refused_has_no_model(used_store: UsedStore) -> None:
    """A rejected generation has no attempt, so it has no outputs either."""
    refused = closed(Key("bob", "one"))
    await used_store.commit(Loaded(None, "", None, ""), Transition(refused))

    assert await used_by(used_store) == [
        Used(
            account_id="bob",
            user_id="bob",
            model="",
            succeeded=False,
            outputs=0,
            captured_credits=0,
            cost_usd_micros=0,
            opened_at=refused.opened_at,
            took_s=round((refused.ended_at - refused.opened_at).total_seconds()),
        )
    ]


async def test_the_server_narrows_it(used_store: UsedStore) -> None:
    """Rows are selected by user, by model, by the time of opening, and by all three."""
    other = replace(attempt(), model="o'model")
    await put(used_store, Key("ada", "one"))
    await put(used_store, Key("ada", "two"), attempt=other, opened_at=NOW + timedelta(seconds=1))
    await put(used_store, Key("bob", "one"))

    assert [each.user_id for each in await used_by(used_store)] == ["ada", "ada", "bob"]
    assert [each.model for each in await used_by(used_store, user_id="ada")] == ["flux-schnell", "o'model"]
    assert [each.outputs for each in await used_by(used_store, model="o'model")] == [3]
    assert [each.user_id for each in await used_by(used_store, since=NOW)] == ["ada", "ada", "bob"]
    later = NOW + timedelta(seconds=1)
    assert [each.model for each in await used_by(used_store, since=later)] == ["o'model"]
    assert await used_by(used_store, user_id="bob", model="flux-schnell", since=later) == []


@pytest.mark.parametrize("user_id", AWKWARD_IDS)
async def test_every_user_can_be_asked_for(used_store: UsedStore, user_id: str) -> None:
    """No character that an id may have disturbs the query."""
    await put(used_store, Key(user_id, "one"))
    assert [each.user_id for each in await used_by(used_store, user_id=user_id)] == [user_id]


@pytest.mark.stack
async def test_no_prompt_is_read(table_store: TableStore) -> None:
    """The service returns only the named columns."""
    await put(table_store, Key("ada", "one"))
    rows = [row async for row in table_store._query("PartitionKey eq 'ada'", USED_COLUMNS)]
    assert [set(row) for row in rows] == [set(USED_COLUMNS)]
