"""Service Bus: what is sent, how it is read back, and how fast a broker that is away is noticed."""

import asyncio
import gc
import json
import ssl
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from azure.servicebus.aio import ServiceBusClient

from dev.fakes.messenger import EVENTS, REQUESTS, FakeMessenger
from shared.adapters.net.tls import tls_context
from shared.adapters.service_bus import (
    EVENT_BYTES,
    ServiceBusMessenger,
    broker_id,
    connected_by_string,
    read_envelope,
    slimmed,
)
from shared.core.events.generation_event import GenerationEvent
from shared.core.keys import Key
from shared.core.provider.prediction import Prediction, Status
from shared.core.reasons import Reason
from shared.core.requests.messages import CancelRequest, Check, GenerationRequest, PredictionEvent
from shared.core.requests.parsing import parse_event, parse_request
from shared.ports import Envelope, Messenger, Sendable, Unavailable
from tests.adapters.examples import NOW, full_request, output
from tests.adapters.simulators import closed_port, raw_server, running

KEY = Key("ada", "one")
TOPIC = "generation-events"
ENTITIES = {
    "queues": [{"name": name, "duplicate_detection_window_s": 600} for name in (REQUESTS, EVENTS)],
    "topics": [{"name": TOPIC, "duplicate_detection_window_s": 600, "subscriptions": [{"name": "app"}]}],
}


def prediction(**changes: Any) -> Prediction:
    """A succeeded prediction."""
    uri = "https://replicate.delivery/x/out-0.webp"
    return Prediction(**{"prediction_id": "p" * 26, "status": Status.SUCCEEDED, "outputs": (uri,), **changes})


def ended(outcome: str = "succeeded") -> GenerationEvent:
    """An event with everything in it."""
    return GenerationEvent(
        key=KEY,
        outcome=outcome,
        at=NOW,
        opened_at=NOW,
        model="flux-schnell",
        held_credits=2,
        captured_credits=1,
        outputs=(output(KEY, 0),),
        refused_outputs=1,
        reason=Reason.OUTPUT_REFUSED,
        text="Zu spät 🙂",
        attempts=2,
        metadata={"order": "7"},
        ignored_fields=("negative_prompt",),
    )


# Pure.


def test_small_events_stay_whole() -> None:
    """The same object is returned."""
    event = PredictionEvent(KEY, 1, prediction())
    assert slimmed(event) is event


def test_large_events_lose_their_outputs() -> None:
    """A data URI beyond the limit is left out, and the message says so."""
    large = prediction(outputs=("data:image/png;base64," + "A" * EVENT_BYTES,), metrics={"predict_time": 1.5})
    event = slimmed(PredictionEvent(KEY, 1, large))
    assert event.prediction.outputs == ()
    assert not event.prediction.complete
    assert event.prediction.status is Status.SUCCEEDED
    assert len(json.dumps(event.to_json())) < 1000


def test_long_ids_are_shortened_the_same_way_every_time() -> None:
    """128 characters are the broker's limit; two long ids stay two."""
    short, long = "x" * 128, "x" * 300
    assert broker_id(short) == short
    assert len(broker_id(long)) == 128
    assert broker_id(long) == broker_id(long)
    assert broker_id(long) != broker_id(long + "y")


@pytest.mark.process
def test_importing_it_does_not_import_the_sdk() -> None:
    """The triggers use the module during a cold start."""
    code = (
        "import sys, shared.adapters.service_bus; sys.exit(bool({'azure.servicebus', 'aiohttp'} & sys.modules.keys()))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


# The same on the fake and on the emulator.


@dataclass
class Setting:
    """A messenger, and what has arrived behind it, as (body, message id), when so many are expected."""

    messenger: Messenger
    arrived: Callable[[str, int], Awaitable[list[tuple[dict[str, Any], str]]]]


def fake_setting() -> Setting:
    """The contract's setting on FakeMessenger."""
    fake = FakeMessenger()

    async def arrived(queue: str, count: int = 1) -> list[tuple[dict[str, Any], str]]:
        if queue == TOPIC:
            return [(event.to_json(), event.event_id) for event in fake.published]
        return [(sent.message.to_json(), sent.envelope.message_id) for sent in fake.sent if sent.queue == queue]

    return Setting(fake, arrived)


@pytest_asyncio.fixture(scope="session")
async def emulator(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[str]:
    """The connection string of a running emulator."""
    entities = tmp_path_factory.mktemp("servicebus") / "entities.json"
    entities.write_text(json.dumps(ENTITIES), encoding="utf-8")
    async with running("servicebus_emulator", "--entities", str(entities)) as ready:
        yield ready["connection_string"]


@pytest_asyncio.fixture(scope="session")
async def messenger(emulator: str) -> AsyncIterator[ServiceBusMessenger]:
    """The adapter on the emulator; one for all, as in the app."""
    made = messenger_on(emulator)
    yield made
    await made.close()


def messenger_on(connection_string: str, send_s: float = 9.0) -> ServiceBusMessenger:
    """Returns the adapter for a broker."""
    return ServiceBusMessenger(
        connected_by_string(connection_string),
        request_queue=REQUESTS,
        event_queue=EVENTS,
        command_queue="account-commands",
        topic=TOPIC,
        send_s=send_s,
    )


class Receivers:
    """What arrives at the two queues and at the topic's subscription; what was read is gone."""

    def __init__(self, client: ServiceBusClient) -> None:
        self._receivers = {name: client.get_queue_receiver(name) for name in (REQUESTS, EVENTS)}
        self._receivers[TOPIC] = client.get_subscription_receiver(TOPIC, "app")

    async def open(self) -> None:
        """Open them: what is expected "at once" must not wait for that."""
        await asyncio.gather(*(receiver.__aenter__() for receiver in self._receivers.values()))

    async def take(self, entity: str, count: int = 1) -> list[Any]:
        """Wait for ``count`` messages, then for a moment whether there are more."""
        taken: list[Any] = []
        receiver = self._receivers[entity]
        while batch := await receiver.receive_messages(50, max_wait_time=5 if len(taken) < count else 0.2):
            for message in batch:
                await receiver.complete_message(message)
            taken += batch
        return taken

    async def close(self) -> None:
        """Close them."""
        await asyncio.gather(*(receiver.close() for receiver in self._receivers.values()))


@pytest_asyncio.fixture(scope="session")
async def receivers(emulator: str) -> AsyncIterator[Receivers]:
    """Opened once, for that takes half a second each."""
    async with ServiceBusClient.from_connection_string(emulator) as client:
        made = Receivers(client)
        await made.open()
        yield made
        await made.close()


@pytest.fixture(params=["fake", pytest.param("real", marks=pytest.mark.stack)])
def setting(request: pytest.FixtureRequest) -> Setting:
    """The setting on the fake, or on the real service: the parameter says which."""
    if request.param == "fake":
        return fake_setting()
    real: ServiceBusMessenger = request.getfixturevalue("messenger")
    receivers: Receivers = request.getfixturevalue("receivers")

    async def arrived(queue: str, count: int = 1) -> list[tuple[dict[str, Any], str]]:
        return [(json.loads(b"".join(each.body)), each.message_id) for each in await receivers.take(queue, count)]

    return Setting(real, arrived)


async def test_messages_go_to_the_queue_of_their_type(setting: Setting) -> None:
    """Requests and cancels to one queue, events and checks to the other; they are read back as they were."""
    # A request without unknown fields, so that it is read back equal.
    request, cancel = replace(full_request(KEY), unknown_fields=()), CancelRequest(KEY)
    event, check = PredictionEvent(KEY, 2, prediction()), Check(KEY)
    messages: list[Sendable] = [request, cancel, event, check]
    for number, message in enumerate(messages):
        await setting.messenger.send(message, Envelope(f"by-type-{number}"))
    requests = [parse_request(json.dumps(body).encode())[0] for body, _ in await setting.arrived(REQUESTS, 2)]
    events = [parse_event(json.dumps(body).encode()) for body, _ in await setting.arrived(EVENTS, 2)]
    assert requests == [request, cancel]
    assert events == [event, check]


async def test_the_same_id_comes_once(setting: Setting) -> None:
    """Duplicate detection is what makes a second send harmless; also of long ids, and of events."""
    for message_id in ("twice", "twice", "y" * 300, "y" * 300):
        await setting.messenger.send(Check(KEY), Envelope(message_id))
    for _ in range(2):
        await setting.messenger.publish(ended("failed"))
    assert len(await setting.arrived(EVENTS, 2)) == 2
    ((body, message_id),) = await setting.arrived(TOPIC, 1)
    assert message_id == body["id"] == "ada/ada/one/failed"


async def test_a_scheduled_message_is_not_there_yet(setting: Setting) -> None:
    """It comes at its time, not before."""
    await setting.messenger.send(Check(KEY), Envelope("later"), at=datetime.now(UTC) + timedelta(hours=1))
    assert await setting.arrived(EVENTS, 0) == []


# What only the real one has.


@pytest.mark.stack
async def test_a_message_carries_its_envelope(messenger: ServiceBusMessenger, receivers: Receivers) -> None:
    """Body, content type, id and properties are as the triggers read them."""
    sent = Envelope("ada/one:try:1.1~3", deferrals=3, since=NOW)
    await messenger.send(GenerationRequest(key=KEY, prompt="灯台 🗼"), sent)
    (message,) = await receivers.take(REQUESTS)
    assert message.content_type == "application/json"
    compact = '{"generation_id":"one","user_id":"ada","prompt":"灯台 🗼","allow_fallback":true,"metadata":{}}'
    assert b"".join(message.body) == compact.encode()
    assert read_envelope(message.message_id, message.application_properties) == sent


@pytest.mark.stack
async def test_a_sender_reads_no_authorities(
    monkeypatch: pytest.MonkeyPatch, emulator: str, receivers: Receivers
) -> None:
    """The SDK would read them for every connection, 20 ms each: with TLS and without."""
    tls_context()
    for name in ("load_verify_locations", "load_default_certs"):
        monkeypatch.setattr(ssl.SSLContext, name, None)
    sender = messenger_on(emulator)
    await sender.send(Check(KEY), Envelope("first"))
    await sender.send(CancelRequest(KEY), Envelope("second"))
    await sender.close()
    assert len(await receivers.take(EVENTS)) == len(await receivers.take(REQUESTS)) == 1


@pytest.mark.stack
async def test_half_a_character_does_not_stop_an_event(messenger: ServiceBusMessenger, receivers: Receivers) -> None:
    """A model's error text may end in half a surrogate pair; the event is sent and read all the same."""
    event = PredictionEvent(KEY, 1, prediction(status=Status.FAILED, error="broken \ud83d"))
    await messenger.send(event, Envelope("half"))
    (message,) = await receivers.take(EVENTS)
    assert parse_event(b"".join(message.body)) == event


@pytest.mark.stack
async def test_a_large_event_is_sent_slim(messenger: ServiceBusMessenger, receivers: Receivers) -> None:
    """A megabyte of data URI does not fit the queue and is left out."""
    large = prediction(outputs=("data:image/png;base64," + "A" * 1_000_000,))
    await messenger.send(PredictionEvent(KEY, 1, large), Envelope("large"))
    (message,) = await receivers.take(EVENTS)
    event = parse_event(b"".join(message.body))
    assert isinstance(event, PredictionEvent)
    assert not event.prediction.complete


@pytest.mark.stack
async def test_an_event_is_a_cloud_event(messenger: ServiceBusMessenger, receivers: Receivers) -> None:
    """Structured mode, with type and outcome where a subscription's filter finds them."""
    await messenger.publish(ended())
    (message,) = await receivers.take(TOPIC)
    assert message.content_type == "application/cloudevents+json"
    assert message.subject == "darkroom.generation.succeeded"
    assert message.application_properties == {b"outcome": b"succeeded"}
    assert json.loads(b"".join(message.body)) == json.loads(json.dumps(ended().to_json()))


@pytest.mark.stack
async def test_a_scheduled_message_comes(messenger: ServiceBusMessenger, receivers: Receivers) -> None:
    """With its envelope, at its time."""
    began = time.monotonic()
    await messenger.send(Check(KEY), Envelope("soon", deferrals=1), at=datetime.now(UTC) + timedelta(seconds=0.6))
    (message,) = await receivers.take(EVENTS)
    assert time.monotonic() - began > 0.5
    assert read_envelope(message.message_id, message.application_properties).deferrals == 1


@pytest.mark.stack
async def test_many_at_once_share_one_sender(messenger: ServiceBusMessenger, receivers: Receivers) -> None:
    """Fifty sends at the same time all arrive, over one sender per entity."""
    await asyncio.gather(*(messenger.send(Check(KEY), Envelope(f"many-{number}")) for number in range(50)))
    assert len(messenger._senders) <= 3
    assert len(await receivers.take(EVENTS, 50)) == 50


@pytest.mark.stack
async def test_ping_answers(messenger: ServiceBusMessenger, emulator: str) -> None:
    """It is quiet when all is well, and says so when the queue is not there."""
    await messenger.ping()
    names: dict[str, Any] = {"event_queue": EVENTS, "command_queue": "account-commands", "topic": TOPIC}
    lost = ServiceBusMessenger(connected_by_string(emulator), request_queue="no-such", **names)
    with pytest.raises(Unavailable, match="service bus"):
        await lost.ping()
    await lost.close()


@pytest.mark.stack
async def test_a_broken_sender_is_replaced(messenger: ServiceBusMessenger, receivers: Receivers) -> None:
    """After an error the next send opens a new sender."""
    await messenger.send(Check(KEY), Envelope("before"))
    await messenger._senders[EVENTS].close()  # the SDK refuses a closed sender from now on
    with pytest.raises(Unavailable):
        await messenger.send(Check(KEY), Envelope("during"))
    await messenger.send(Check(KEY), Envelope("after"))
    assert [message.message_id for message in await receivers.take(EVENTS, 2)] == ["before", "after"]


# The SDK leaves a connection that broke to the garbage collector.
@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")
@pytest.mark.stack
async def test_a_restarted_broker_is_found_again(tmp_path: Path) -> None:
    """While it is away a send is Unavailable within ten seconds; when it is back, the next one arrives."""
    entities = tmp_path / "entities.json"
    entities.write_text(json.dumps(ENTITIES), encoding="utf-8")
    arguments = ("--entities", str(entities), "--db", str(tmp_path / "bus.db"))
    async with running("servicebus_emulator", *arguments) as ready:
        connection_string, port = ready["connection_string"], str(ready["port"])
        messenger = messenger_on(connection_string)
        await messenger.send(Check(KEY), Envelope("before"))
    began = time.monotonic()
    with pytest.raises(Unavailable):
        await messenger.send(Check(KEY), Envelope("away"))
    assert time.monotonic() - began < 10
    async with running("servicebus_emulator", *arguments, "--port", port):
        await messenger.send(Check(KEY), Envelope("after"))
        await messenger.close()
        async with ServiceBusClient.from_connection_string(connection_string) as client:
            receivers = Receivers(client)
            ids = [message.message_id for message in await receivers.take(EVENTS, 2)]
            await receivers.close()
    assert ids == ["before", "after"]
    gc.collect()


# As above.
@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")
async def test_a_broker_that_is_not_there_is_unavailable() -> None:
    """A closed port, and one that accepts and says nothing: neither takes longer than it may."""

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()

    async with raw_server(silent) as listening:
        for url in (await closed_port(), listening):
            await is_unavailable_soon(url.removeprefix("http://"))
    gc.collect()


async def is_unavailable_soon(host: str) -> None:
    """A send to this host, with a bound of one second."""
    keys = "SharedAccessKeyName=k;SharedAccessKey=c2VjcmV0"
    messenger = messenger_on(f"Endpoint=sb://{host};{keys};UseDevelopmentEmulator=true;", send_s=1.0)
    began = time.monotonic()
    with pytest.raises(Unavailable) as raised:
        await messenger.send(Check(KEY), Envelope("id"))
    assert time.monotonic() - began < 3
    assert "c2VjcmV0" not in str(raised.value)
    await messenger.close()
