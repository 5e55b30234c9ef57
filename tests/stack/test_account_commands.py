"""Account commands on the local stack: through the queue, the host, Azurite and the topic."""

import json
from typing import Any
from uuid import uuid4

import pytest

from shared.core.money.entries import Move
from tests.stack.road import PATIENCE_S, Road, key_of

pytestmark = pytest.mark.stack


async def test_a_backend_grants_credits_by_a_message_and_a_request_uses_them(road: Road) -> None:
    """Each is sent twice and garbage between them: one entry each, one picture, and both hear what became of them."""
    account = f"acme-{uuid4().hex[:10]}"
    grant: dict[str, Any] = {"type": "grant", "account_id": account, "by": "billing", "credits": 5}
    plan: dict[str, Any] = {"type": "set_plan", "account_id": account, "by": "sales", "plan": "premium"}
    for body in (grant | {"command_id": uuid4().hex}, plan | {"command_id": uuid4().hex}):
        await road.app.command(body)
        first = await road.app.event(body["command_id"], PATIENCE_S)
        await road.app.command(b"garbage \xff" + uuid4().bytes)
        await road.app.command(body)
        again = await road.app.event(body["command_id"], PATIENCE_S, 2)
        assert first == again
        assert (first["type"], first["data"]["reason"]) == ("darkroom.account.command.applied", None)

    message = await road.message(user_id="ada", account_id=account)
    outcome = await road.outcome(message)
    await road.send(message)
    repeated = await road.app.event(message["generation_id"], PATIENCE_S, 2)
    assert outcome.event == repeated
    assert outcome.credits == (1, 1, 0)
    assert await road.balances(account) == (4, 0, 1)
    moves = [entry.move async for entry in road.deps.store.ledger(account)]
    assert sorted(moves) == sorted([Move.GRANT, Move.SET_PLAN, Move.HOLD, Move.RESOLVE])


async def test_another_request_under_an_id_is_refused_and_the_first_one_goes_on(road: Road) -> None:
    """Before it ends and after: by an event of its own, and the picture is made and paid once."""
    message = await road.message()
    other = message | {"prompt": f"{message['prompt']}, at night"}
    await road.send(message)
    await road.log.step(key_of(message), "credits_held")
    await road.send(other)
    outcomes = {}
    for number in (1, 2):
        event = await road.app.event(message["generation_id"], PATIENCE_S, number)
        outcomes[event["type"]] = event["data"]["reason"]
    assert outcomes.keys() == {"darkroom.generation.succeeded", "darkroom.request.refused"}
    assert outcomes["darkroom.request.refused"]["code"] == "IDEMPOTENCY_MISMATCH"
    await road.send(other)
    again = await road.app.event(message["generation_id"], PATIENCE_S, 3)
    assert again["type"] == "darkroom.request.refused"
    assert (await road.generation(key_of(message))).request.prompt == message["prompt"]
    assert await road.balances(message["user_id"]) == (9, 0, 1)


async def test_other_content_and_what_is_no_command_is_refused_and_changes_nothing(road: Road) -> None:
    """By name, with the event of each; the bytes are archived."""
    account, command_id = f"acme-{uuid4().hex[:10]}", uuid4().hex
    grant: dict[str, Any] = {"type": "grant", "account_id": account, "by": "billing", "credits": 5}
    await road.app.command(grant | {"command_id": command_id})
    await road.app.event(command_id, PATIENCE_S)
    await road.app.command(grant | {"command_id": command_id, "credits": 500})
    mismatch = await road.app.event(command_id, PATIENCE_S, 2)
    assert mismatch["data"]["reason"]["code"] == "IDEMPOTENCY_MISMATCH"
    bad = uuid4().hex
    await road.app.command(grant | {"command_id": bad, "credits": -1})
    event = await road.app.event(bad, PATIENCE_S)
    assert event["type"] == "darkroom.account.command.refused"
    assert event["data"]["reason"]["text"] == "credits must be a whole number from 1 to 1000000000"
    assert await road.balances(account) == (5, 0, 0)
    archived = await road.stack.app.dead_letters.list_dead_letters(f"{road.stack.values['COMMAND_QUEUE']}/", 100)
    contents = [await road.stack.app.dead_letters.read_dead_letter(each.name) for each in archived]
    assert json.dumps(grant | {"command_id": bad, "credits": -1}).encode() in contents
