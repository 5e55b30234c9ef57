"""Garbage in the queue: archived, completed at once, and refused with a reason if its ids can be read."""

import asyncio
import hashlib
import json
from collections.abc import Mapping
from typing import Any
from uuid import uuid4

import pytest
from azure.servicebus.aio import ServiceBusClient

from shared.adapters.net.tls import tls_context
from shared.core.keys import Key
from tests.stack.road import PATIENCE_S, PROMPT_MARK, Road, key_of

pytestmark = pytest.mark.stack

#: Bodies that name no generation, so no event can be published. Each is made new, or the archive would hold it already.
NAMELESS: Mapping[str, Any] = {
    "bytes": lambda mark: b"\xff\xfe\x00" + mark,
    "half an object": lambda mark: b'{"user_id": "' + mark,
    "a list": lambda mark: b'["' + mark + b'"]',
    "a number": lambda mark: str(int(mark, 16)).encode(),
    "a bottomless pit": lambda mark: b"[" * 20_000 + mark,
    "as much as the broker takes": lambda mark: b'{"prompt": "' + mark * 8_000 + b'"}',
    "ids with slashes": lambda mark: b'{"user_id": "a/b", "generation_id": "' + mark + b'", "prompt": "abc"}',
    "ids with what Tables forbid": lambda mark: b'{"user_id": "a#?\\\\", "generation_id": "' + mark + b'"}',
    "ids with a line break": lambda mark: b'{"user_id": "a\\nb", "generation_id": "' + mark + b'"}',
    "ids that are numbers": lambda mark: b'{"user_id": 7, "generation_id": "' + mark + b'"}',
}

#: Fields that break their rule, in a message whose ids are good.
MALFORMED: Mapping[str, Mapping[str, Any]] = {
    "no prompt": {"prompt": None},
    "a blank prompt": {"prompt": "   "},
    "a prompt that is no text": {"prompt": {"a": PROMPT_MARK}},
    "half a character": {"prompt": f"{PROMPT_MARK} \ud800"},
    "a NUL": {"prompt": f"{PROMPT_MARK} \x00"},
    "a huge number": {"width": 10**400},
    "a number beyond 64 bits": {"seed": 2**64},
    "an unknown type": {"type": "delete everything"},
    "metadata of another shape": {"metadata": [PROMPT_MARK]},
}


async def test_what_names_nobody_is_archived(road: Road) -> None:
    """Every kind is kept unchanged with its reason; the host stays healthy, and no invocation fails."""
    before = len(road.log.failures())
    raws = {name: make(uuid4().hex.encode()) for name, make in NAMELESS.items()}
    for raw in raws.values():
        await road.send(raw)
    for name, raw in raws.items():
        metadata = await _archived(road, raw)
        assert metadata["reason"] == "INVALID_REQUEST", name
    await road.generate()
    assert len(road.log.failures()) == before


async def test_what_breaks_a_rule_is_refused_with_a_reason(road: Road) -> None:
    """It is archived too, the event says INVALID_REQUEST, and no credit moves."""

    async def refused(fields: Mapping[str, Any]) -> None:
        message = await road.message(**fields)
        outcome = await road.outcome(message)
        assert (outcome.event["type"], outcome.reason) == ("darkroom.generation.rejected", "INVALID_REQUEST")
        assert outcome.event["data"]["reason"]["text"]
        metadata = await _archived(road, json.dumps(message).encode())
        assert metadata["generation_id"] == outcome.key.generation_id
        await road.paid_nothing(outcome)

    await asyncio.gather(*map(refused, MALFORMED.values()))


async def test_a_prompt_that_is_far_too_long_is_refused(road: Road) -> None:
    """100 KB fit a message but no prompt: it is rejected, and its row fits the table."""
    outcome = await road.generate(prompt=f"{PROMPT_MARK} " + "\N{BIRD}" * 20_000)
    assert outcome.reason == "INVALID_REQUEST"
    await road.paid_nothing(outcome)


async def test_unknown_fields_are_named_and_left_out(road: Road) -> None:
    """A typo does not fail the request; its name is in the log, and its value is not."""
    message = await road.message(widht=1024, **{"evil\nname": f"{PROMPT_MARK} value"})
    outcome = await road.outcome(message)
    await road.paid_once(outcome, message["prompt"])
    (warning,) = road.log.find(
        lambda record: outcome.key.generation_id in record["message"] and "unknown" in str(record)
    )
    assert "widht" in warning["message"]
    assert "evil?name" in warning["message"]


async def test_a_body_that_looks_like_metadata_stays_a_body(road: Road) -> None:
    """Keys such as messageId and deliveryCount are only unknown fields."""
    message = await road.message(messageId="other", deliveryCount=99, State="queued", expiresAtUtc="2020-01-01")
    await road.paid_once(await road.outcome(message), message["prompt"])


async def test_a_dead_letter_is_archived_and_its_hold_released(road: Road) -> None:
    """A request dies while its prediction runs: the prediction is canceled, the hold released, the body kept."""
    message = await road.message()
    key = key_of(message)
    await road.fault("stuck", message)
    await road.send(message)
    await road.log.step(key, "prediction_created")
    assert await road.balances(key.user_id) == (9, 1, 0)
    await _dead_letter_a_copy(road, message)
    outcome = await road.ended(key)
    assert (outcome.event["type"], outcome.reason) == ("darkroom.generation.failed", "DEAD_LETTERED")
    assert [made["status"] for made in await road.predictions(message["prompt"])] == ["canceled"]
    metadata = await _archived(road, json.dumps(message).encode())
    assert metadata["reason"] == "dead-lettered"
    assert Key(metadata["user_id"], metadata["generation_id"]) == key
    await road.paid_nothing(outcome)


async def _dead_letter_a_copy(road: Road, message: Mapping[str, Any]) -> None:
    """Receive a copy before the host does, and dead-letter it, as the broker does after the last delivery.

    The host gets the others, of two at once one; it knows the generation, so those change nothing.
    """
    client = ServiceBusClient.from_connection_string(road.stack.values["ServiceBus"], ssl_context=tls_context())
    async with client, client.get_queue_receiver(road.stack.values["GENERATION_QUEUE"]) as receiver:
        async with asyncio.timeout(PATIENCE_S):
            while True:
                await road.app.send_all([message, message])
                for received in await receiver.receive_messages(max_message_count=1, max_wait_time=0.5):
                    await receiver.dead_letter_message(received, reason="MaxDeliveryCountExceeded")
                    return


async def _archived(road: Road, raw: bytes) -> Mapping[str, str]:
    """The metadata of the archived message with these bytes, as soon as it exists."""
    digest = hashlib.sha256(raw).hexdigest()[:32]
    blobs = road.stack.app.dead_letters
    async with asyncio.timeout(PATIENCE_S):
        while True:
            for archived in await blobs.list_dead_letters("", 500):
                if digest in archived.name:
                    assert await blobs.read_dead_letter(archived.name) == raw
                    return archived.metadata
            await asyncio.sleep(0.1)
