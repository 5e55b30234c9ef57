"""Several users of one account: one budget, and the same generation id without a mix-up."""

import json

import pytest

from dev.fakes.accounts import edited
from dev.fakes.messenger import REQUESTS
from dev.fakes.world import World
from shared import worker
from shared.core.keys import Key
from shared.core.lifecycle.state import State
from shared.core.money.entries import Move
from shared.core.reasons import Reason

ADA, BOB = Key("ada", "one", "acme"), Key("bob", "one", "acme")
ALONE = Key("ada", "one")


async def asked(world: World, *keys: Key) -> list[str]:
    """Each asks, in this order; the predictions that were created."""
    for key in keys:
        await world.ask(key)
    return list(world.replicate.predictions)


async def test_two_users_of_an_account_may_use_the_same_id() -> None:
    """From the request to the event: two generations, two holds of one budget, outputs of their own."""
    world = World()
    await world.open_account("acme")
    first, second = await asked(world, ADA, BOB)
    assert world.balances("acme") == (8, 2, 0)
    for prediction_id in (second, first):
        world.replicate.succeed(prediction_id)
        await world.webhook(prediction_id)
    assert world.balances("acme") == (8, 0, 2)
    assert [event.event_id for event in world.events] == ["acme/bob/one/succeeded", "acme/ada/one/succeeded"]
    assert {event.to_json()["data"]["account_id"] for event in world.events} == {"acme"}
    assert set(world.blobs.outputs) == {"acme/ada/one/1-0.png", "acme/bob/one/1-0.png"}
    for key in (ADA, BOB):
        moves = world.store.entries_of(key)
        assert set(moves) == {Move.HOLD, Move.RESOLVE}
        assert {(each.account_id, each.user_id, each.generation_id) for each in moves.values()} == {
            ("acme", key.user_id, "one")
        }
    assert set(world.store.saved_accounts) == {"acme"}
    world.books_balance()
    world.at_rest()


async def test_the_account_pays_and_not_the_one_of_the_users_id() -> None:
    """One user, one id, two accounts: each pays for its own, and a cancel ends the one that it names."""
    world = World()
    await world.open_account("acme")
    await world.open_account("ada")
    await asked(world, ADA, ALONE)
    assert (world.balances("acme"), world.balances("ada")) == ((9, 1, 0), (9, 1, 0))
    await world.cancel(ADA)
    assert world.generation(ADA).requested_end is Reason.CANCELED_BY_USER
    assert world.generation(ALONE).requested_end is None
    assert world.generation(ALONE).state is State.RUNNING


async def test_the_budget_is_one_for_all_users_of_the_account() -> None:
    """What one has held, the other cannot hold; and credits of the user's own account are not touched."""
    world = World()
    await world.open_account("acme", 1)
    await world.open_account("bob")
    await asked(world, ADA, BOB)
    refused = world.store.saved_generations[BOB]
    assert (refused.state, refused.reason) == (State.REJECTED, Reason.NO_CREDITS)
    assert (world.balances("acme"), world.balances("bob")) == ((0, 1, 0), (10, 0, 0))


async def test_an_unknown_account_is_refused_and_none_is_made() -> None:
    """It was never given any credits; the user's own account is not taken in its place."""
    world = World()
    await world.open_account("ada")
    await asked(world, ADA)
    assert world.store.saved_generations[ADA].reason is Reason.NO_CREDITS
    assert set(world.store.saved_accounts) == {"ada"}
    assert world.balances("ada") == (10, 0, 0)
    assert [event.event_id for event in world.events] == ["acme/ada/one/rejected"]


@pytest.mark.parametrize("bad", ["a/b", "", 7, ["acme"], "x" * 129, ".."])
async def test_an_account_that_is_no_id_is_refused_to_its_sender(bad: object) -> None:
    """Nothing is saved and nobody pays; the event has the ids as they were given, if they can be repeated."""
    world = World()
    await world.open_account("ada")
    body = {"generation_id": "one", "user_id": "ada", "account_id": bad, "prompt": "A lighthouse"}
    await world.deliver(json.dumps(body).encode(), REQUESTS)
    (event,) = world.messenger.refused
    data = event.to_json()["data"]
    telling = bad if bad and isinstance(bad, str | int) else None
    assert (data["account_id"], data["user_id"], data["generation_id"]) == (telling, "ada", "one")
    assert data["reason"]["text"].startswith("account_id must be a text of 1 to 128")
    assert (world.store.saved_generations, world.balances("ada")) == ({}, (10, 0, 0))


@pytest.mark.parametrize("name", ["accountId", "account-id", "AccountID", "ACCOUNT_ID", "accountid"])
async def test_a_misspelt_account_is_not_ignored(name: str) -> None:
    """Unknown fields are; but this one says who pays, and the user's own account would."""
    world = World()
    await world.open_account("ada")
    body = {"generation_id": "one", "user_id": "ada", name: "acme", "prompt": "A lighthouse"}
    await world.deliver(json.dumps(body).encode(), REQUESTS)
    (event,) = world.messenger.refused
    assert event.to_json()["data"]["reason"]["text"] == (
        f"{name} is not known: the account that pays is named by account_id"
    )
    assert (world.store.saved_generations, world.balances("ada")) == ({}, (10, 0, 0))


async def test_a_dead_letter_says_whose_account_it_is() -> None:
    """In its metadata, beside user and generation."""
    world = World()
    await world.deliver(json.dumps({**ADA.in_message, "prompt": 7}).encode(), REQUESTS)
    (blob,) = world.blobs.dead_letters.values()
    assert ADA.properties.items() <= blob.metadata.items()


async def test_the_audit_looks_at_an_account_with_all_its_users() -> None:
    """Open holds of every user of it are its holds."""
    world = World()
    await world.open_account("acme")
    await asked(world, ADA, BOB)
    assert [each async for each in worker.audit(world.deps)] == []
    world.store.put_account(edited(world.account("acme"), 9, held=1))
    assert {each.what for each in [each async for each in worker.audit(world.deps, "acme")]} == {
        "ledger available",
        "ledger held",
        "open holds",
        "bucket grant:welcome available",
        "bucket grant:welcome held",
    }
