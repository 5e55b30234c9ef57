"""Many generations at once: in whatever order things happen, the accounts balance."""

import asyncio
import time
from collections import Counter
from collections.abc import Mapping
from typing import Any
from uuid import uuid4

import pytest
from azure.servicebus import ServiceBusSubQueue
from azure.servicebus.aio import ServiceBusClient

from dev.entities import QUEUES
from shared import worker
from shared.adapters.net.tls import tls_context
from tests.stack.road import PROMPT_MARK, Road, key_of

pytestmark = pytest.mark.stack

GENERATIONS, USERS = 100, 10

#: 100 generations take about 10 s here; a machine that is busy with other things may need much longer.
LOAD_S = 60.0


async def test_a_hundred_generations_at_once(road: Road) -> None:
    """All succeed, each is paid once, the ledger adds up, nothing is left open, nothing has died."""
    users = [await road.user(GENERATIONS // USERS) for _ in range(USERS)]
    mark = f"{PROMPT_MARK} {uuid4().hex}"
    messages: list[Mapping[str, Any]] = [
        await road.message(user_id=users[number % USERS], prompt=f"{mark} number {number}")
        for number in range(GENERATIONS)
    ]
    began = time.perf_counter()
    await road.app.send_all(messages)
    events = await asyncio.gather(*(road.app.event(each["generation_id"], LOAD_S) for each in messages))
    print(f"{GENERATIONS} generations at once: {time.perf_counter() - began:.1f} s")  # noqa: T201  # a measurement
    assert Counter(event["type"] for event in events) == {"darkroom.generation.succeeded": GENERATIONS}
    for user in users:
        assert await road.balances(user) == (0, 0, GENERATIONS // USERS)
        await road.books_balance(user)
    for message in messages:
        await road.closed(key_of(message))
    made = (await road.replicate.get("/_sim/predictions")).json()
    assert sum(mark in each["input"].get("prompt", "") for each in made) == GENERATIONS
    assert [difference async for difference in worker.audit(road.deps) if difference.account_id in users] == []
    assert await _dead_letters(road) == []


async def _dead_letters(road: Road) -> list[str]:
    """The messages in the two dead-letter queues."""
    found: list[str] = []
    async with ServiceBusClient.from_connection_string(
        road.stack.values["ServiceBus"], ssl_context=tls_context()
    ) as client:
        for name in QUEUES:
            queue = road.stack.values[name]
            async with client.get_queue_receiver(queue, sub_queue=ServiceBusSubQueue.DEAD_LETTER) as receiver:
                found += [str(message.message_id) for message in await receiver.peek_messages(max_message_count=10)]
    return found
