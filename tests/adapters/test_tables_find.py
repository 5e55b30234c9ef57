"""Finding a generation by its id alone, on Azurite."""

import pytest

from shared.adapters.azure_storage.tables import TableStore
from shared.core.keys import Key
from shared.ports import Loaded
from tests.adapters.examples import AWKWARD_IDS, give, opening

pytestmark = pytest.mark.stack


async def open_generation(store: TableStore, key: Key) -> None:
    """A new user with credits, and a generation of theirs."""
    account = await give(store, key.user_id)
    _, etag = await store.load_account(key.user_id)
    await store.commit(Loaded(account, etag, None, ""), opening(key, account))


async def test_a_generation_is_found_by_its_id_alone(table_store: TableStore) -> None:
    """Every owner's generation of that id is found, whole; others are not."""
    for key in (Key("ada", "one"), Key("bob", "one"), Key("eve", "one-more")):
        await open_generation(table_store, key)

    found = await table_store.find("one")

    assert sorted(generation.key for generation in found) == [Key("ada", "one"), Key("bob", "one")]
    for generation in found:
        assert generation == (await table_store.load(generation.key)).generation
    assert await table_store.find("two") == []


@pytest.mark.parametrize("generation_id", AWKWARD_IDS)
async def test_every_id_can_be_found(table_store: TableStore, generation_id: str) -> None:
    """No character that an id may have disturbs the query."""
    await open_generation(table_store, Key("ada", generation_id))
    assert [generation.key.generation_id for generation in await table_store.find(generation_id)] == [generation_id]
