"""One emulator for all tests of this folder, and open clients, because opening a link takes the SDK half a second."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from time import monotonic

import pytest
from azure.servicebus import ServiceBusSubQueue
from azure.servicebus.aio import ServiceBusClient, ServiceBusReceiver, ServiceBusSender
from hypothesis import HealthCheck, settings

from servicebus_emulator.emulator import Emulator

# Time on a busy machine says nothing about the code: neither a slow example nor slow data is a failure.
# The profile before it counts in all else: a quick run has fewer examples.
settings.register_profile(
    "servicebus_emulator",
    settings.get_profile(settings.get_current_profile_name()),
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("servicebus_emulator")

# Large enough that a message within the limit needs two frames in both directions (1 MiB is the SDK's frame).
MAX_MESSAGE_BYTES = 1_500_000

ENTITIES = {
    "queues": [
        {"name": "aio", "lock_duration_s": 30, "max_delivery_count": 3, "dead_letter_on_expiration": True},
        {"name": "sync", "lock_duration_s": 30},
        {"name": "taken"},
        {"name": "many"},
        {"name": "once", "duplicate_detection_window_s": 60},
        {"name": "busy", "lock_duration_s": 3},
        {"name": "cut"},
    ],
    "topics": [{"name": "news", "subscriptions": [{"name": "a"}, {"name": "b"}]}],
}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A test over sockets is no quick test, so it counts as one with a process."""
    for item in items:
        if item.get_closest_marker("stack"):
            item.add_marker("process")


@pytest.fixture(scope="session")
def emulator() -> Iterator[Emulator]:
    """The emulator, in a thread of its own."""
    with Emulator(ENTITIES, max_message_bytes=MAX_MESSAGE_BYTES) as running:
        yield running


@dataclass(frozen=True, slots=True)
class Clients:
    """Open clients of the queue "aio", without retries, so that refusals show at once."""

    client: ServiceBusClient
    sender: ServiceBusSender
    receiver: ServiceBusReceiver
    dead_letters: ServiceBusReceiver


@pytest.fixture(scope="session")
async def open_clients(emulator: Emulator) -> AsyncIterator[Clients]:
    """The clients; all links are opened and closed at the same time."""
    async with ServiceBusClient.from_connection_string(emulator.connection_string, retry_total=0) as client:
        sender = client.get_queue_sender("aio")
        receiver = client.get_queue_receiver("aio", max_wait_time=5)
        dead_letters = client.get_queue_receiver("aio", sub_queue=ServiceBusSubQueue.DEAD_LETTER, max_wait_time=5)
        links = (sender, receiver, dead_letters)
        await asyncio.gather(*(link.__aenter__() for link in links))
        yield Clients(client, sender, receiver, dead_letters)
        await asyncio.gather(*(link.close() for link in links))


@pytest.fixture
async def clients(open_clients: Clients, emulator: Emulator) -> AsyncIterator[Clients]:
    """The open clients; a test has to leave the queue empty."""
    yield open_clients
    assert emulator.count("aio") == emulator.count("aio/$DeadLetterQueue") == 0


async def until_count(emulator: Emulator, path: str, expected: int) -> None:
    """Wait until a queue has so many messages."""
    end_s = monotonic() + 5
    while emulator.count(path) != expected and monotonic() < end_s:  # noqa: ASYNC110 - another thread's state
        await asyncio.sleep(0.02)
    assert emulator.count(path) == expected
