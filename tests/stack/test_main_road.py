"""A message goes in, a stored picture comes out, paid once; and requests that are refused on arrival."""

import asyncio
import io
from datetime import datetime
from uuid import uuid4

import pytest
from azure.storage.blob.aio import BlobServiceClient
from PIL import Image

from shared.core.lifecycle.state import State
from shared.core.money.entries import Move
from tests.stack.road import Road, key_of

pytestmark = pytest.mark.stack


async def test_the_message_of_the_guide_becomes_a_stored_picture(road: Road) -> None:
    """Exactly its fields: the event names a real image of the asked shape, with its type and metadata; 1 credit."""
    user = await road.user()
    message = await road.message(user_id=user, width=1024, height=768)
    (await road.replicate.post("/_sim/pictures", json={"mode": "painted"})).raise_for_status()
    outcome = await road.outcome(message)
    (await road.replicate.post("/_sim/pictures", json={"mode": "plain"})).raise_for_status()
    (output,) = outcome.event["data"]["outputs"]
    async with BlobServiceClient.from_connection_string(road.stack.values["STORAGE_CONNECTION_STRING"]) as service:
        blob = service.get_blob_client(output["container"], output["name"])
        properties = await blob.get_blob_properties()
        content = await (await blob.download_blob()).readall()
    assert output["name"] == f"{user}/{user}/{message['generation_id']}/1-0.webp"
    assert properties.content_settings.content_type == output["content_type"] == "image/webp"
    assert properties.metadata == {
        "generation_id": message["generation_id"],
        "model": "flux-schnell",
        "seed": str(outcome.generation.attempt.seed),
    }
    with Image.open(io.BytesIO(content)) as image:
        image.load()
        assert (image.format, image.width, image.height) == ("WEBP", output["width"], output["height"])
        assert image.width * 7 == image.height * 9  # 1152 x 896 is what the model makes of 4:3
    assert output["size_bytes"] == len(content)
    assert await road.balances(user) == (9, 0, 1)
    await road.paid_once(outcome, message["prompt"])


async def test_the_event_is_a_cloud_event_without_the_prompt(road: Road) -> None:
    """It is a CloudEvent 1.0 with the credits and the app's own metadata."""
    message = await road.message(metadata={"order": "7"}, num_outputs=2)
    event = (await road.outcome(message)).event
    assert event["specversion"] == "1.0"
    assert event["id"] == f"{key_of(message)}/succeeded"
    assert datetime.fromisoformat(event["time"]).tzinfo is not None
    assert event["data"]["credits"] == {"held": 2, "captured": 2, "released": 0}
    assert len(event["data"]["outputs"]) == 2
    assert event["data"]["metadata"] == {"order": "7"}
    assert event["data"]["reason"] is None
    assert message["prompt"] not in str(event)


async def test_what_was_asked_and_what_was_sent_are_both_recorded(road: Road) -> None:
    """The asked size is rounded to the pro model's pixels, and seed 0 is a seed."""
    message = await road.message(model="flux-1.1-pro", width=1000, height=700, seed=0, output_format="png")
    outcome = await road.outcome(message)
    request, attempt = outcome.generation.request, outcome.generation.attempt
    assert (request.width, request.height, request.seed) == (1000, 700, 0)
    (made,) = await road.predictions(message["prompt"])
    assert made["input"] == attempt.inputs
    assert made["input"]["seed"] == 0
    assert made["input"]["aspect_ratio"] == "custom"
    (output,) = outcome.event["data"]["outputs"]
    assert (output["width"], output["height"]) == (made["input"]["width"], made["input"]["height"])
    await road.paid_once(outcome, message["prompt"], captured=5)


async def test_a_refused_prompt_moves_no_credit(road: Road) -> None:
    """Content Safety says violence 6: rejected before anything is held or created."""
    message = await road.message()
    message["prompt"] += ", full of gore"
    outcome = await road.outcome(message)
    assert (outcome.reason, outcome.credits) == ("PROMPT_REFUSED", (0, 0, 0))
    assert "violence" in outcome.event["data"]["reason"]["text"]
    assert not await road.predictions(message["prompt"])
    assert await road.moves(outcome.key) == [Move.ENDED_UNOPENED]  # an entry of zero credits
    await road.paid_nothing(outcome)


async def test_without_credits_nothing_is_created(road: Road) -> None:
    """An unknown user, and one without credits left, are rejected before anything reaches Replicate."""
    poor = await road.message(user_id="nobody-knows-me")
    assert (await road.outcome(poor)).reason == "NO_CREDITS"
    user = await road.user(1)
    await road.generate(user_id=user)
    second = await road.message(user_id=user)
    outcome = await road.outcome(second)
    assert (outcome.reason, outcome.saved.state) == ("NO_CREDITS", State.REJECTED)
    assert not await road.predictions(poor["prompt"])
    assert not await road.predictions(second["prompt"])
    assert await road.balances(user) == (0, 0, 1)


async def test_the_same_message_under_two_ids_is_one_picture(road: Road) -> None:
    """Both are delivered; the second finds the generation, before its end and after it."""
    message = await road.message()
    key = key_of(message)
    await asyncio.gather(road.send(message), road.send(message))
    outcome = await road.ended(key)
    await road.log.step(key, "received", 2)
    await road.send(message)
    await road.log.step(key, "received", 3)
    await road.generate(user_id=key.user_id)  # what the third copy had done would be done by now
    assert await road.generation(key) == outcome.generation
    assert len(await road.predictions(message["prompt"])) == 1
    assert await road.balances(key.user_id) == (8, 0, 2)
    # A request that is repeated after the end gets the same event again.
    first, *again = road.app.events[key.generation_id]
    assert again
    assert all(event == first for event in again)


async def test_two_users_of_an_account_use_the_same_id(road: Road) -> None:
    """One budget pays for both; rows, outputs, events and index are of each alone."""
    account, same = await road.user(), uuid4().hex
    messages = [await road.message(user_id=user, account_id=account, generation_id=same) for user in ("ada", "bob")]
    await asyncio.gather(*(road.send(message) for message in messages))
    keys = [key_of(message) for message in messages]
    for key in keys:
        await road.log.step(key, "published")
        await road.closed(key)
    for key, message in zip(keys, messages, strict=True):
        generation = await road.generation(key)
        assert generation.state is State.SUCCEEDED
        assert [output.name.rpartition("/")[0] for output in generation.outputs] == [str(key)]
        assert await road.moves(key) == [Move.HOLD, Move.RESOLVE]
        assert len(await road.predictions(message["prompt"])) == 1
    assert await road.balances(account) == (8, 0, 2)
    await road.books_balance(account)


async def test_the_same_message_under_one_id_is_delivered_once(road: Road) -> None:
    """The broker drops the second: it is not even received."""
    message = await road.message()
    key = key_of(message)
    await road.send(message, "order-7-" + key.generation_id)
    await road.send(message, "order-7-" + key.generation_id)
    outcome = await road.ended(key)
    await road.generate(user_id=key.user_id)  # sent later: the queue is empty before it
    assert len(road.log.steps(key, "received")) == 1
    assert await road.moves(key) == [Move.HOLD, Move.RESOLVE]
    assert len(await road.predictions(message["prompt"])) == 1
    assert outcome.credits == (1, 1, 0)


async def test_a_cancel_ends_a_running_generation(road: Road) -> None:
    """The prediction is canceled at Replicate, the hold released, and the event published."""
    message = await road.message()
    key = key_of(message)
    await road.fault("stuck", message)
    await road.send(message)
    await road.log.step(key, "prediction_created")
    await road.cancel(key)
    outcome = await road.ended(key)
    assert (outcome.event["type"], outcome.reason) == ("darkroom.generation.canceled", "CANCELED_BY_USER")
    assert [made["status"] for made in await road.predictions(message["prompt"])] == ["canceled"]
    await road.paid_nothing(outcome)
