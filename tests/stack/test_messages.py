"""Messages as other senders write them, on the real SDK and the emulator: read, or kept once, without a loop."""

import asyncio
import base64
import json
import time
from collections.abc import Mapping
from typing import Any
from uuid import uuid4

import pytest
from azure.servicebus import ServiceBusMessage
from azure.servicebus.amqp import AmqpAnnotatedMessage

from shared import worker
from shared.core.lifecycle.state import State
from tests.stack.road import PATIENCE_S, Road, ScreeningRecord, key_of

pytestmark = pytest.mark.stack

_NET = b"@\x06string\x083http://schemas.microsoft.com/2003/10/Serialization/\x9b"


def text(body: Mapping[str, Any]) -> str:
    """The message as JSON."""
    return json.dumps(body)


#: How a client may write a request that says everything: as what the body is, and as what is in it.
SENDERS: Mapping[str, Any] = {
    "a value that is a text": lambda body: AmqpAnnotatedMessage(value_body=text(body)),
    "a value that is bytes": lambda body: AmqpAnnotatedMessage(value_body=text(body).encode()),
    "a value that is a map": lambda body: AmqpAnnotatedMessage(value_body=body),
    "a sequence": lambda body: AmqpAnnotatedMessage(sequence_body=[[text(body)]]),
    "data in two sections": lambda body: AmqpAnnotatedMessage(
        data_body=[text(body)[:9].encode(), text(body)[9:].encode()]
    ),
    "a .NET string": lambda body: ServiceBusMessage(_NET + len(text(body)).to_bytes(2, "little") + text(body).encode()),
    "JSON in JSON": lambda body: ServiceBusMessage(json.dumps(text(body))),
    "base64": lambda body: ServiceBusMessage(base64.b64encode(text(body).encode())),
    "a list of one": lambda body: ServiceBusMessage(json.dumps([body])),
    "a CloudEvent": lambda body: ServiceBusMessage(
        json.dumps({"specversion": "1.0", "id": "1", "type": "com.shop.asked", "source": "/shop", "data": body})
    ),
}


async def test_a_request_is_read_however_it_is_wrapped(road: Road) -> None:
    """Each message is one picture and one charge."""
    before = len(road.log.failures())

    async def made(name: str) -> None:
        message = await road.message()
        await road.app.put(SENDERS[name](message))
        await road.paid_once(await road.ended(key_of(message)), message["prompt"])

    await asyncio.gather(*map(made, SENDERS))
    assert len(road.log.failures()) == before


#: What nobody can read, and what its line in the log says of it.
NOTHING: Mapping[str, Any] = {
    "no body": (lambda _: ServiceBusMessage(None), "is empty"),
    "an empty body": (lambda _: ServiceBusMessage(b""), "is empty"),
    "a value that is a number": (lambda _: AmqpAnnotatedMessage(value_body=17), "a single value"),
    "a value that is a list": (lambda mark: AmqpAnnotatedMessage(value_body=[mark, 1]), "a JSON list"),
    "a sequence of several": (lambda mark: AmqpAnnotatedMessage(sequence_body=[[mark], [2]]), "a JSON list"),
    "several requests": (lambda mark: ServiceBusMessage(json.dumps([{"a": mark}] * 3)), "a list of 3 objects"),
    "XML": (lambda mark: ServiceBusMessage(f"<a>{mark}</a>"), "XML"),
}


@pytest.mark.parametrize("name", NOTHING)
async def test_an_unreadable_message_is_kept_once_and_logged_in_one_line(road: Road, name: str) -> None:
    """One delivery, no failed call; the line at WARNING has the name of the archive, and it is there."""
    make, says = NOTHING[name]
    failures, seen = len(road.log.failures()), len(_kept(road))
    await road.app.put(make(uuid4().hex))
    line = await road.log.wait(_is_kept, count=seen + 1)
    assert line["level"] == "WARNING"
    assert says in line["message"]
    archived = line["message"].partition("archived as ")[2].partition(": ")[0]
    await road.stack.app.dead_letters.read_dead_letter(archived)
    await asyncio.sleep(0.5)
    assert len(_kept(road)) == seen + 1
    assert len(road.log.failures()) == failures


def _is_kept(record: ScreeningRecord) -> bool:
    return "not a valid message, archived as" in record["message"]


def _kept(road: Road) -> list[ScreeningRecord]:
    return road.log.find(_is_kept)


#: As identity providers make them.
SUBJECTS = ("ada+x@example.com", "us-east-1:7f3c4a2e", "auth0|5f7c", "o'brien@example.com", "_5f2e==", "-A~1")


@pytest.mark.parametrize("subject", SUBJECTS)
async def test_the_ids_of_identity_providers_walk_the_whole_road(road: Road, subject: str) -> None:
    """They serve as user and generation: in account, ledger, callback, open index, blob and event."""
    mark = uuid4().hex[:8]
    user, generation = f"{subject}{mark}", f"{subject}:{mark}"
    await worker.grant(road.deps, user, 10, grant_id=f"{subject}+g")
    await worker.set_plan(road.deps, user, "premium", worker.Command(command_id=f"{subject}+g"))
    message = await road.message(user_id=user, generation_id=generation)
    outcome = await road.outcome(message)
    await road.paid_once(outcome, message["prompt"])
    (output,) = outcome.event["data"]["outputs"]
    assert output["name"].startswith(f"{user}/{user}/{generation}/1-0.")
    assert await road.stack.app.outputs.read_output(output["name"])


async def test_a_number_for_an_id_is_refused_to_its_sender(road: Road) -> None:
    """The event has both ids as they were given, and no row is written."""
    user, number = await road.user(), time.time_ns()
    await road.send({"user_id": user, "generation_id": number, "prompt": "A lighthouse"})
    event = await road.app.event(number, PATIENCE_S)  # type: ignore[arg-type]  # as it was given
    assert event["type"] == "darkroom.generation.rejected"
    assert (event["data"]["user_id"], event["data"]["generation_id"]) == (user, number)
    assert event["data"]["reason"]["code"] == "INVALID_REQUEST"
    assert "generation_id must be a text" in event["data"]["reason"]["text"]
    assert [each async for each in road.deps.store.generations(user)] == []


async def test_a_request_that_waits_is_in_the_table_and_in_the_open_index(road: Road) -> None:
    """Content safety is down: taken in, nothing held; when it is back, one picture."""
    first, second = await road.message(), await road.message()
    (await road.safety.post("/_sim/faults", json={"kind": "down", "times": -1, "on": "text"})).raise_for_status()
    try:
        for message in (first, second):
            await road.send(message, f"m-{message['generation_id']}")
            await road.log.step(key_of(message), "deferred")
        for message in (first, second):
            key = key_of(message)
            async with asyncio.timeout(PATIENCE_S):
                while (loaded := await road.deps.store.load(key)).generation is None:  # noqa: ASYNC110  # a table notifies nobody
                    await asyncio.sleep(0.05)
            assert loaded.generation.state is State.RECEIVED
            assert await road.deps.index.get(key) is not None
            assert await road.balances(key.user_id) == (10, 0, 0)
    finally:
        (await road.safety.delete("/_sim/faults")).raise_for_status()
    for message in (first, second):
        await road.paid_once(await road.ended(key_of(message)), message["prompt"])


async def test_a_repeated_request_gets_the_end_again(road: Road) -> None:
    """Under the same id, though the broker remembers the first; nothing else happens."""
    message = await road.message()
    outcome = await road.outcome(message)
    await road.closed(outcome.key)
    await road.send(message)
    async with asyncio.timeout(PATIENCE_S):
        while len(road.app.events[message["generation_id"]]) < 2:  # noqa: ASYNC110  # the second has no signal
            await asyncio.sleep(0.05)
    first, second = road.app.events[message["generation_id"]]
    assert first == second
    await road.paid_once(outcome, message["prompt"])


async def test_the_event_says_what_was_made_of_what_and_when(road: Road) -> None:
    """It has seed, modality and times; a refusal has its category, and a misspelled field its name."""
    made, refused = await asyncio.gather(
        road.generate(seed=7, widht=3), road.generate(prompt=f"A gory {uuid4().hex} battle, blood and gore")
    )
    data = made.event["data"]
    assert (data["seed"], data["modality"], data["media_seconds"]) == (7, "image", None)
    assert data["times"]["opened"] <= data["times"]["started"] <= data["times"]["ended"]
    assert "widht" in data["ignored_fields"]
    assert data["category"] is None
    assert set(refused.event["data"]) == set(data)


async def test_strict_refuses_what_would_be_ignored(road: Road) -> None:
    """The reason suggests the field that may have been meant."""
    outcome = await road.generate(widht=1024, strict=True)
    assert outcome.reason == "INVALID_REQUEST"
    assert "widht (did you mean width?)" in outcome.event["data"]["reason"]["text"]
    await road.paid_nothing(outcome)
