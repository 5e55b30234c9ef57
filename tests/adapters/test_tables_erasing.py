"""Texts of a ledger entry are erased: the same cases on the fake and on Azurite."""

from dataclasses import replace

import pytest

from shared.core.keys import Key, row_key
from shared.core.money.entries import LedgerEntry, Move
from shared.core.money.erasing import all_texts
from shared.ports import Conflict, Store
from tests.adapters.examples import give, opening

KEY = Key("bob", "one", "ada")


async def opened(store: Store) -> list[LedgerEntry]:
    """Bob, whose account is ada's, has opened a generation."""
    account = await give(store, "ada")
    await store.commit(await store.load(KEY), opening(KEY, account))
    return [each async for each in store.ledger("ada")]


async def test_an_erased_entry_has_everything_but_its_texts(store: Store) -> None:
    """The others, the account and the generation are as before; it is found by its number and by its id."""
    grant, hold = await opened(store)
    before = await store.load(KEY)
    await store.erase("ada", hold.seq, all_texts)
    bare = replace(hold, user_id="", entry_id="", why="", asked="")
    assert [each async for each in store.ledger("ada")] == [grant, bare]
    assert await store.entry("ada", Move.HOLD, row_key(KEY)) == bare
    assert await store.load(KEY) == before


async def test_an_erased_move_is_made_no_second_time(store: Store) -> None:
    """The row that forbids it has its id as a key, and stays."""
    _, hold = await opened(store)
    account, etag = await store.load_account("ada")
    assert account is not None
    await store.erase("ada", hold.seq, all_texts)
    with pytest.raises(Conflict):
        await store.post(account, etag, [replace(hold, seq=3)])


async def test_what_is_not_changed_is_not_written(store: Store) -> None:
    """Nor what is not there."""
    before = await opened(store)
    asked: list[int] = []

    def nothing(entry: LedgerEntry) -> None:
        asked.append(entry.seq)

    await store.erase("ada", 1, nothing)
    await store.erase("ada", 7, nothing)
    assert asked == [1]
    assert [each async for each in store.ledger("ada")] == before
