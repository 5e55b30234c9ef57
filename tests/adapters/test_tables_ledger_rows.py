"""A ledger in Azurite of which somebody changes or deletes rows by hand: the walk names what was done."""

from dataclasses import replace
from typing import Any

import pytest
import pytest_asyncio

from dev.fakes.world import World
from shared import worker
from shared.adapters.azure_storage.tables.rows_money import ACCOUNT, account_row, entry_key, entry_row
from shared.adapters.azure_storage.tables.service import TableService
from shared.adapters.azure_storage.tables.store import TableStore
from shared.core.money.chain import Flaw, Misfit
from shared.core.money.entries import LedgerEntry
from shared.worker.walking import Verified

pytestmark = pytest.mark.process


@pytest_asyncio.fixture
async def world(table_store: TableStore) -> World:
    """Ada has five entries in a real table."""
    made = World()
    made.deps = replace(made.deps, store=table_store)
    for number in range(5):
        await worker.grant(made.deps, "ada", number + 1, grant_id=f"g{number}")
    return made


async def verified(world: World) -> tuple[int, Flaw] | int:
    """What the walk says: the first misfit, or how many entries fit."""
    found = await worker.verify(world.deps, "ada")
    return (found.seq, found.flaw) if isinstance(found, Misfit) else found.entries


async def test_a_changed_amount_is_named_after_what_comes_before_it(
    world: World, table_store: TableStore, table_service: TableService
) -> None:
    """Entry 5 has one amount that was changed, which does not add up; then entry 2 is deleted too."""
    entries = [each async for each in table_store.ledger("ada")]

    async def put(entry: LedgerEntry, **columns: Any) -> None:
        await table_service.rest.replace(table_store.name, {**entry_row(entry), **columns})

    assert await verified(world) == 5
    await put(entries[4], available=6)
    assert await verified(world) == (5, Flaw.CHANGED)
    await table_service.rest.delete(table_store.name, {"PartitionKey": "ada", "RowKey": entry_key(2)})
    assert await verified(world) == (2, Flaw.MISSING)
    for index in (1, 4):
        await put(entries[index])
    assert await verified(world) == 5


async def test_an_account_whose_row_was_deleted_or_broken_is_named(
    world: World, table_store: TableStore, table_service: TableService
) -> None:
    """Its ledger is walked all the same, and what it says makes the row anew."""
    account, _ = await table_store.load_account("ada")
    assert account is not None
    row = account_row(account)
    await table_service.rest.delete(table_store.name, {"PartitionKey": "ada", "RowKey": ACCOUNT})
    assert await verified(world) == (0, Flaw.MISSING)
    await table_service.rest.replace(table_store.name, row | {"available": 1})
    assert await verified(world) == (0, Flaw.CHANGED)
    await table_service.rest.replace(table_store.name, row)
    assert isinstance(await worker.verify(world.deps, "ada"), Verified)
