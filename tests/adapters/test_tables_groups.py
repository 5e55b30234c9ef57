"""Groups of moves in one transaction: the same cases on the fake and on Azurite."""

import asyncio
import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import pytest

from dev.fakes.store import FakeStore
from dev.fakes.world import World
from shared.adapters.azure_storage.tables.bounds import MOST_BYTES, MOST_ROWS, most_that_fit, size_bytes
from shared.core.keys import Key
from shared.core.lifecycle.generation import Generation, Transition
from shared.core.money.account import Account, User
from shared.core.money.entries import Move
from shared.core.money.sealing import sealed
from shared.core.requests.messages import GenerationRequest
from shared.ports import Conflict, Loaded, PendingMoves, Store
from shared.worker.saving import Changed, save
from tests.adapters.examples import ending, give, opening

Group = list[tuple[Loaded, Transition[Generation]]]


async def openings(store: Store, keys: Sequence[Key], amount: int = 5) -> Group:
    """A group that opens these, each on the account as the one before leaves it."""
    group: Group = []
    account, users = None, dict[str, User]()
    for key in keys:
        loaded = await store.load(key)
        account = account or loaded.account
        assert account is not None
        made = chained(opening(key, account, amount, users.get(key.user_id, loaded.user)), account)
        account, users[key.user_id] = made.account, made.user or User(account_id="", user_id="")
        group.append((loaded, made))
    return group


def chained(made: Transition[Generation], before: Account) -> Transition[Generation]:
    """The same with its entries in the chain."""
    assert made.account is not None
    account, entries = sealed(made.account, made.entries, before.head, b"key")
    return replace(made, account=account, entries=entries)


def keys_of(number: int, user_id: str = "ada") -> list[Key]:
    """So many keys of one user of ada's account."""
    return [Key(user_id, f"g{each}", "ada") for each in range(number)]


async def test_a_group_reads_back_as_it_was_written(store: Store) -> None:
    """Generations, account and the chain of entries; what is returned is what a load finds."""
    await give(store, "ada")
    group = await openings(store, keys_of(5))

    saved = await store.commit_group(group)

    assert [each.generation for each in saved] == [made.generation for _, made in group]
    assert [await store.load(key) for key in keys_of(5)] == saved
    account = saved[0].account
    assert account == group[-1][1].account
    assert account is not None
    assert (account.available, account.held) == (975, 25)
    entries = [each async for each in store.ledger("ada")]
    assert [each.seq for each in entries] == [1, 2, 3, 4, 5, 6]
    assert [each.previous for each in entries[2:]] == [each.digest for each in entries[1:-1]]


async def test_users_of_a_group_are_written_once_as_the_last_move_leaves_them(store: Store) -> None:
    """Two users with two moves each, and the account's namesake between them."""
    await give(store, "ada")
    keys = [*keys_of(2, "bob"), *keys_of(1), *keys_of(2, "eve")]

    saved = await store.commit_group(await openings(store, keys))

    assert [await store.load(key) for key in keys] == saved
    assert [each.user and each.user.usage for each in saved[:2]] == [saved[1].user and saved[1].user.usage] * 2
    again = await store.commit_group(await openings(store, [Key("bob", "more", "ada"), Key("eve", "more", "ada")]))
    assert [await store.load(each.generation.key) for each in again if each.generation] == again


async def test_openings_and_ends_are_one_group(store: Store) -> None:
    """A hold and a resolve in one transaction."""
    await give(store, "ada")
    (opened,) = await store.commit_group(await openings(store, keys_of(1)))
    assert isinstance(opened.generation, Generation)
    assert opened.account is not None
    other = Key("ada", "other")
    ends = ending(opened.generation, opened.account)
    assert ends.account is not None
    before = await store.load(other)

    saved = await store.commit_group([(opened, ends), (before, opening(other, ends.account))])

    assert [await store.load(key) for key in (keys_of(1)[0], other)] == saved
    assert Counter([each.move async for each in store.ledger("ada")]) == {Move.GRANT: 1, Move.HOLD: 2, Move.RESOLVE: 1}


@pytest.mark.parametrize("stale", ["generation", "account", "user"])
async def test_a_group_on_a_stale_row_saves_nothing(store: Store, stale: str) -> None:
    """One row that changed meanwhile, of whichever kind, is a conflict of the whole."""
    await give(store, "ada")
    keys = [*keys_of(2), *keys_of(1, "bob")]
    group = await openings(store, keys)
    rival = {"generation": keys[1], "account": Key("ada", "rival"), "user": Key("bob", "rival", "ada")}[stale]
    (loaded, made) = (await openings(store, [rival]))[0]
    await store.commit(loaded, made)
    if stale != "account":  # the account is read again, as after any conflict; that alone does not help
        now = await store.load(rival)
        assert now.account is not None
        group = [(replace(each, account_etag=now.account_etag), transition) for each, transition in group]
    before = [each async for each in store.ledger("ada")]

    with pytest.raises(Conflict):
        await store.commit_group(group)

    assert [each async for each in store.ledger("ada")] == before
    assert (await store.load(keys[0])).generation is None


async def test_what_does_not_fit_is_left_out(store: Store) -> None:
    """A transaction has 100 rows: of 40 moves 33 are saved, and the others are as they were."""
    await give(store, "ada")
    keys = keys_of(40)

    saved = await store.commit_group(await openings(store, keys, 1))

    assert len(saved) == 33
    assert [await store.load(key) for key in keys[:33]] == saved
    assert {(await store.load(key)).generation for key in keys[33:]} == {None}
    account, _ = await store.load_account("ada")
    assert account is not None
    assert account.held == 33
    assert len([each async for each in store.ledger("ada")]) == 34


@pytest.mark.parametrize("character", ["x", "語", "🗼"])
def test_a_group_is_bounded_in_bytes(character: str) -> None:
    """The longest prompts: what fits is reckoned from above, and one alone is always tried."""
    row = {"PartitionKey": "ada", "prompt": character * 60_000}
    moves = [[({**row, "RowKey": f"generation:{number}"}, "")] for number in range(9)]

    fits = most_that_fit(moves)

    assert 1 <= fits == MOST_BYTES // size_bytes(moves[0][0][0]) < 9
    huge = [[({**row, "RowKey": str(number), "more": "x" * MOST_BYTES}, "")] for number in range(2)]
    assert most_that_fit(huge) == 1


def test_rows_that_moves_share_count_once() -> None:
    """The account's row is one of 100, however many moves write it."""
    moves = [[({"RowKey": "account"}, ""), ({"RowKey": f"entry:{number}"}, "")] for number in range(200)]

    assert most_that_fit(moves) == MOST_ROWS - 1
    assert most_that_fit(moves[:20]) == 20


async def test_long_prompts_are_saved_in_smaller_groups(store: Store) -> None:
    """The first ones that fit, whole."""
    if isinstance(store, FakeStore):
        pytest.skip("the fake has no bound in bytes")
    await give(store, "ada")
    group = await openings(store, keys_of(6))
    long = [
        (loaded, replace(made, generation=replace(made.generation, request=request_of(made.generation.key))))
        for loaded, made in group
    ]

    saved = await store.commit_group(long)

    assert 1 < len(saved) < 6
    assert [await store.load(made.generation.key) for _, made in long[: len(saved)]] == saved


def request_of(key: Key) -> GenerationRequest:
    """One with the longest prompt."""
    return GenerationRequest(key=key, prompt="語" * 60_000)


@pytest.mark.parametrize("processes", [1, 3])
async def test_groups_of_several_processes_lose_nothing(store: Store, processes: int) -> None:
    """24 calls at once in each: every hold is in the account and in the ledger, and every call has saved its own."""
    await give(store, "ada")
    shared = replace(World().deps, store=store, sleep=asyncio.sleep, chance=random.Random(1).random)
    all_deps = [replace(shared, pending=PendingMoves()) for _ in range(processes)]

    async def hold(process: int, number: int) -> None:
        deps, key = all_deps[process], Key("ada", f"{process}-{number}")

        def decide(loaded: Loaded) -> Transition[Generation] | None:
            assert loaded.account is not None
            return None if loaded.generation else opening(key, loaded.account, 1)

        saved = await save(deps, key, decide, await store.load(key))
        assert isinstance(saved, Changed)
        assert saved.generation.key == key
        assert saved.loaded.generation == saved.generation

    await asyncio.gather(*(hold(process, number) for process in range(processes) for number in range(24)))

    account, _ = await store.load_account("ada")
    assert account is not None
    assert (account.available, account.held) == (1000 - 24 * processes, 24 * processes)
    entries = [each async for each in store.ledger("ada")]
    assert [each.seq for each in entries] == list(range(1, 24 * processes + 2))
    assert [each.previous for each in entries[1:]] == [each.digest for each in entries[:-1]]
