"""The store: the same cases on the fake and on Azurite."""

import asyncio
import random
from collections import Counter
from dataclasses import replace
from datetime import timedelta

import pytest

from dev.fakes.world import World
from shared.core.keys import Key
from shared.core.lifecycle.generation import Generation, Transition
from shared.core.lifecycle.state import State
from shared.core.money import moves
from shared.core.money.account import Account
from shared.core.money.credits import Sums
from shared.core.money.entries import Move
from shared.core.money.moves import Moved, Posting
from shared.core.money.windows import Span
from shared.core.requests.messages import GenerationRequest
from shared.ports import Conflict, Loaded, PendingMoves, Store
from shared.worker.saving import Changed, save
from tests.adapters import examples
from tests.adapters.examples import AWKWARD_IDS, NOW, closed, ending, give, opening

KEY = Key("ada", "one")


async def test_nothing_is_loaded_where_nothing_is(store: Store) -> None:
    """An unknown user and generation are None, with empty ETags."""
    assert await store.load(KEY) == Loaded(None, "", None, "")
    assert await store.load_generation(KEY) is None
    assert await store.load_account("ada") == (None, "")
    assert [each async for each in store.accounts()] == []
    assert [each async for each in store.generations("ada")] == []
    assert [each async for each in store.ledger("ada")] == []


async def test_an_opened_generation_reads_back_as_it_was_written(store: Store) -> None:
    """Generation, account and hold are there after one commit, under the ETags that commit returned."""
    account = await give(store, "ada")
    transition = opening(KEY, account)

    committed = await store.commit(await store.load(KEY), transition)

    assert committed.generation == transition.generation
    assert committed.account == transition.account
    assert await store.load(KEY) == committed
    assert await store.load_generation(KEY) == committed.generation
    assert committed.account_etag != committed.generation_etag != ""
    posted = {entry.move: entry async for entry in store.ledger("ada")}
    assert (posted[Move.HOLD],) == transition.entries
    assert [entry.seq async for entry in store.ledger("ada")] == [1, 2]


async def test_every_field_survives(store: Store) -> None:
    """Unicode, numbers beyond 32 bits, microseconds, and every optional field."""
    generation, account = examples.full_generation(KEY), examples.full_account("ada")
    entry = examples.full_entry("ada")

    await store.commit(Loaded(None, "", None, ""), Transition(generation, account, entries=(entry,)))

    loaded = await store.load(KEY)
    assert loaded.generation == generation
    assert loaded.account == account
    assert [each async for each in store.ledger("ada")] == [entry]
    assert [each async for each in store.generations("ada")] == [generation]
    assert [each async for each in store.accounts()] == [account]


async def test_every_time_is_read_back_aware_and_in_utc(store: Store) -> None:
    """A time without its zone could not be compared with any other."""
    await store.commit(Loaded(None, "", None, ""), Transition(examples.full_generation(KEY)))

    found = (await store.load(KEY)).generation

    assert isinstance(found, Generation)
    times = (found.opened_at, found.ended_at, found.attempt.submitted_at, found.attempt.retry_at)
    assert {each.utcoffset() for each in times if each is not None} == {NOW.utcoffset()}


@pytest.mark.parametrize("character", ["x", "語", "🗼", "\x01", '"'])
async def test_the_longest_prompts_are_kept_whole(store: Store, character: str) -> None:
    """Also a refused request is kept, and its prompt may be as long as a message: beyond one column."""
    request = GenerationRequest(key=KEY, prompt=character * 60_000)
    generation = closed(KEY, request=request)

    await store.commit(Loaded(None, "", None, ""), Transition(generation))

    assert (await store.load(KEY)).generation == generation


async def test_what_becomes_none_is_gone(store: Store) -> None:
    """A column that is not written again does not stay behind, nor does a long text's second part."""
    long = GenerationRequest(key=KEY, prompt="x" * 40_000)
    first = replace(examples.full_generation(KEY), request=long)
    loaded = await store.commit(Loaded(None, "", None, ""), Transition(first))
    bare = closed(KEY, request=GenerationRequest(key=KEY, prompt="abc"))

    await store.commit(loaded, Transition(bare))

    assert (await store.load(KEY)).generation == bare


@pytest.mark.parametrize("user_id", AWKWARD_IDS)
async def test_every_id_is_a_key(store: Store, user_id: str) -> None:
    """All characters that an id may have, in insert, update, transaction and query."""
    key = Key(user_id, user_id[::-1])
    account = await give(store, user_id)
    opened = await store.commit(await store.load(key), opening(key, account))
    assert isinstance(opened.generation, Generation)
    assert opened.account is not None
    running = await store.commit(opened, Transition(replace(opened.generation, state=State.RUNNING)))
    assert isinstance(running.generation, Generation)
    ended = await store.commit(running, ending(running.generation, opened.account))

    assert await store.load(key) == ended
    assert [each async for each in store.generations(user_id)] == [ended.generation]
    assert len([each async for each in store.ledger(user_id)]) == 3


async def test_users_do_not_see_each_other(store: Store) -> None:
    """The same generation id under two users is two generations, each in its own ledger and list."""
    for user_id in ("ada", "adam"):
        account = await give(store, user_id)
        key = Key(user_id, "one")
        await store.commit(await store.load(key), opening(key, account))

    assert [each.key async for each in store.generations("ada")] == [KEY]
    assert {each.account_id async for each in store.ledger("ada")} == {"ada"}
    assert sorted([each.account_id async for each in store.accounts()]) == ["ada", "adam"]


async def test_the_same_opening_twice_is_a_conflict(store: Store) -> None:
    """Two workers with one message: the second changes nothing."""
    account = await give(store, "ada")
    before = await store.load(KEY)
    committed = await store.commit(before, opening(KEY, account))

    with pytest.raises(Conflict):
        await store.commit(before, opening(KEY, account))

    assert await store.load(KEY) == committed
    assert len([each async for each in store.ledger("ada")]) == 2


async def test_a_generation_that_exists_is_not_opened_again(store: Store) -> None:
    """Also without credits: a single insert is refused as a transaction is."""
    rejected = closed(KEY)
    await store.commit(Loaded(None, "", None, ""), Transition(rejected))

    with pytest.raises(Conflict):
        await store.commit(Loaded(None, "", None, ""), Transition(replace(rejected, state=State.FAILED)))

    assert (await store.load(KEY)).generation == rejected


async def test_a_stale_generation_leaves_the_balance(store: Store) -> None:
    """The generation moved on: neither it nor the account is written."""
    account = await give(store, "ada")
    opened = await store.commit(await store.load(KEY), opening(KEY, account))
    assert isinstance(opened.generation, Generation)
    assert opened.account is not None
    moved_on = await store.commit(opened, Transition(replace(opened.generation, state=State.RUNNING)))

    with pytest.raises(Conflict):
        await store.commit(opened, ending(opened.generation, opened.account))
    with pytest.raises(Conflict):
        await store.commit(opened, Transition(replace(opened.generation, state=State.WAITING)))

    assert await store.load(KEY) == moved_on
    assert len([each async for each in store.ledger("ada")]) == 2


async def test_a_stale_account_leaves_the_generation(store: Store) -> None:
    """Another generation of the user moved the balance: this one is not opened."""
    account = await give(store, "ada")
    other = Key("ada", "two")
    stale = await store.load(KEY)
    committed = await store.commit(await store.load(other), opening(other, account))

    with pytest.raises(Conflict):
        await store.commit(stale, opening(KEY, account))

    now = await store.load(KEY)
    assert now.generation is None
    assert now.account == committed.account
    assert len([each async for each in store.ledger("ada")]) == 2


async def test_a_hold_is_resolved_once(store: Store) -> None:
    """Even with fresh ETags the ledger row of the first resolve refuses a second."""
    account = await give(store, "ada")
    opened = await store.commit(await store.load(KEY), opening(KEY, account))
    assert isinstance(opened.generation, Generation)
    assert opened.account is not None
    ended = await store.commit(opened, ending(opened.generation, opened.account))
    assert ended.account is not None
    elsewhere = opening(Key("ada", "two"), ended.account).account
    assert elsewhere is not None

    with pytest.raises(Conflict):
        await store.commit(ended, ending(opened.generation, elsewhere))

    assert await store.load(KEY) == ended


async def test_a_transaction_is_about_one_account(store: Store) -> None:
    """A mix-up of two accounts is a bug, and nothing of it is saved."""
    account = await give(store, "ada")
    transition = opening(KEY, account)

    with pytest.raises(ValueError, match=r"one account|must all be the same"):
        await store.commit(await store.load(KEY), replace(transition, account=Account(account_id="eve")))

    assert (await store.load(KEY)).generation is None


def granted(account: Account, amount: int, grant_id: str) -> Moved:
    """A grant, with the time of all examples."""
    return moves.grant(account, amount, grant_id=grant_id, posting=Posting(at=NOW))


async def test_a_grant_is_posted_once(store: Store) -> None:
    """The same grant again is a conflict and changes nothing, with a fresh ETag and with a stale one."""
    await give(store, "ada", 7)
    account, etag = await store.load_account("ada")
    assert account is not None
    again = granted(account, 7, "welcome")

    for tag in (etag, ""):
        with pytest.raises(Conflict):
            await store.post(again.account, tag, again.entries)
    assert (await store.load_account("ada"))[0] == account

    another = granted(account, 7, "birthday")
    await store.post(another.account, etag, another.entries)
    assert (await store.load_account("ada"))[0] == another.account


async def test_an_entry_is_found_by_its_kind_and_id(store: Store) -> None:
    """So a command that comes again is compared with what was made of it."""
    await give(store, "ada", 7)

    found = await store.entry("ada", Move.GRANT, "welcome")

    assert found is not None
    assert (found.seq, found.granted) == (1, 7)
    assert await store.entry("ada", Move.GRANT, "other") is None
    assert await store.entry("ada", Move.REVOKE, "welcome") is None
    assert await store.entry("eve", Move.GRANT, "welcome") is None


async def test_two_entries_of_one_number_are_a_conflict(store: Store) -> None:
    """Even if the account's row does not show it: the number itself is a key."""
    await give(store, "ada", 7)
    _, etag = await store.load_account("ada")
    rival = granted(Account(account_id="ada"), 9, "birthday")

    with pytest.raises(Conflict):
        await store.post(rival.account, etag, rival.entries)

    account, _ = await store.load_account("ada")
    assert account is not None
    assert account.granted == 7
    assert len([each async for each in store.ledger("ada")]) == 1


async def test_a_grant_on_a_stale_account_is_a_conflict(store: Store) -> None:
    """Somebody else changed the account, or made it, in between."""
    account = await give(store, "ada")
    later = granted(account, 1, "later")

    with pytest.raises(Conflict):
        await store.post(later.account, 'W/"stale"', later.entries)
    with pytest.raises(Conflict):
        await store.post(later.account, "", later.entries)

    assert (await store.load_account("ada"))[0] == account


async def test_a_correction_and_a_grant_may_share_an_id(store: Store) -> None:
    """Ids are unique for each kind of entry."""
    account = await give(store, "ada")
    _, etag = await store.load_account("ada")
    change = Sums(available=-1, captured=1)
    after = moves.correct(account, change, correction_id="welcome", posting=Posting(at=NOW))

    await store.post(after.account, etag, after.entries)

    assert Counter([each.move async for each in store.ledger("ada")]) == {Move.GRANT: 1, Move.CORRECTION: 1}


async def test_several_entries_are_one_transaction(store: Store) -> None:
    """What fell due is saved with the move that came, in its order; with a stale ETag nothing is."""
    given = moves.grant(
        Account(account_id="ada"), 5, grant_id="soon", posting=Posting(at=NOW), expires_at=NOW + timedelta(hours=1)
    )
    await store.post(given.account, "", given.entries)
    _, etag = await store.load_account("ada")
    later = moves.grant(given.account, 7, grant_id="more", posting=Posting(at=NOW + timedelta(hours=2)))

    with pytest.raises(Conflict):
        await store.post(later.account, 'W/"stale"', later.entries)
    assert len([each async for each in store.ledger("ada")]) == 1
    await store.post(later.account, etag, later.entries)

    assert [each.move async for each in store.ledger("ada")] == [Move.GRANT, Move.EXPIRE, Move.GRANT]
    assert (await store.load_account("ada"))[0] == later.account


async def test_a_user_of_another_account_is_saved_and_loaded_with_it(store: Store) -> None:
    """In the transaction of its hold; two generations of the user are rivals for its row too."""
    account, key = await give(store, "acme"), Key("bob", "one", "acme")
    before = await store.load(key)
    assert (before.user, before.user_etag) == (None, "")

    committed = await store.commit(before, opening(key, account))

    assert committed.user is not None
    assert committed.user.usage.used(NOW)[Span.DAY] == (5, 700)
    assert await store.load(key) == committed
    assert await store.load_user("acme", "bob") == (committed.user, committed.user_etag)
    assert await store.load_user("acme", "eve") == (None, "")
    other = Key("bob", "two", "acme")
    stale = replace(await store.load(other), user_etag="")
    with pytest.raises(Conflict):
        await store.commit(stale, opening(other, committed.account or account))
    assert (await store.load(other)).generation is None


async def test_every_field_of_a_user_survives(store: Store) -> None:
    """Saved with the account by a command that is about no generation."""
    account, etag = await give(store, "acme"), (await store.load_account("acme"))[1]
    user = examples.full_user("acme", "o'brien")
    more = granted(account, 1, "more")

    await store.post(more.account, etag, more.entries, user)

    assert (await store.load_user("acme", "o'brien"))[0] == user
    assert (await store.load(Key("o'brien", "one", "acme"))).user == user


async def test_the_ledger_is_in_the_order_of_its_numbers(store: Store) -> None:
    """Beyond ten entries too, where texts of numbers would be in another order."""
    account = await give(store, "ada")
    for number in range(12):
        _, etag = await store.load_account("ada")
        after = granted(account, 1, f"g{number}")
        account = after.account
        await store.post(account, etag, after.entries)

    assert [each.seq async for each in store.ledger("ada")] == list(range(1, 14))


async def test_rivals_on_one_account_lose_nothing(store: Store) -> None:
    """8 processes hold a credit 25 times each: all 200 holds are in the account and in the ledger."""
    await give(store, "ada")
    shared = replace(World().deps, store=store, sleep=asyncio.sleep, chance=random.Random(1).random)

    async def work(worker: int) -> None:
        deps = replace(shared, pending=PendingMoves())
        for number in range(25):
            key = Key("ada", f"{worker}-{number}")
            found = await deps.store.load(key)
            saved = await save(deps, key, lambda loaded, key=key: _open_with(loaded, key), found)  # type: ignore[misc]  # the default binds the key
            assert isinstance(saved, Changed)

    await asyncio.gather(*(work(worker) for worker in range(8)))

    account, _ = await store.load_account("ada")
    assert account is not None
    assert (account.available, account.held, account.granted) == (800, 200, 1000)
    entries = Counter([entry.move async for entry in store.ledger("ada")])
    assert entries == {Move.GRANT: 1, Move.HOLD: 200}
    assert len([each async for each in store.generations("ada")]) == 200


def _open_with(loaded: Loaded, key: Key) -> Transition[Generation] | None:
    assert loaded.account is not None
    return None if loaded.generation else opening(key, loaded.account, 1)
