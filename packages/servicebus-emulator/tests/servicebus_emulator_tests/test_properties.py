"""What a receiver says when it settles goes into the application properties, as in the real service.

azure-servicebus has no parameter for it, but its AMQP client has, so the frames are the SDK's own.
"""

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from azure.servicebus import (
    ServiceBusClient,
    ServiceBusMessage,
    ServiceBusReceivedMessage,
    ServiceBusReceiver,
    ServiceBusSender,
    ServiceBusSubQueue,
)
from azure.servicebus._pyamqp.error import AMQPError

from servicebus_emulator import Emulator, codec, entities
from servicebus_emulator.broker import Broker
from servicebus_emulator.memory import Message
from servicebus_emulator.message import Content
from servicebus_emulator.queues import Queue
from servicebus_emulator.store import Store
from servicebus_emulator_tests.brokers import ENTITIES, World

#: One of each type that a client sends, and what the SDK makes of it when it reads it back.
PROPERTIES = {"text": "why", "number": 7, "yes": True, "step": "new"}
READ_BACK = {b"text": b"why", b"number": 7, b"yes": True, b"step": b"new", b"own": b"stays"}


@dataclass(frozen=True, slots=True)
class Clients:
    """Open clients of the queue "properties"."""

    sender: ServiceBusSender
    receiver: ServiceBusReceiver
    dead_letters: ServiceBusReceiver

    def send_and_receive(self) -> ServiceBusReceivedMessage:
        """A message with two properties of its own, locked."""
        self.sender.send_messages(ServiceBusMessage("x", application_properties={"own": "stays", "step": "old"}))
        return _receive(self.receiver)


@pytest.fixture(scope="module")
def clients(emulator: Emulator) -> Iterator[Clients]:
    """Clients for all tests of this module; each test leaves the queue empty."""
    emulator.add({"queues": [{"name": "properties", "max_delivery_count": 2}]})
    with ExitStack() as stack:
        client = stack.enter_context(ServiceBusClient.from_connection_string(emulator.connection_string, retry_total=0))
        receivers = (
            client.get_queue_receiver("properties", sub_queue=sub_queue, max_wait_time=5)
            for sub_queue in (None, ServiceBusSubQueue.DEAD_LETTER)
        )
        sender = stack.enter_context(client.get_queue_sender("properties"))
        yield Clients(sender, *(stack.enter_context(receiver) for receiver in receivers))
    assert emulator.count("properties") == emulator.count("properties/$DeadLetterQueue") == 0


def _receive(receiver: ServiceBusReceiver) -> ServiceBusReceivedMessage:
    [message] = receiver.receive_messages(1)
    return message


def _settle(receiver: ServiceBusReceiver, message: ServiceBusReceivedMessage, outcome: str, **fields: Any) -> None:
    """Settle over the receiver's link, and wait for the emulator's answer."""
    handler: Any = receiver._handler
    handler.settle_messages(
        message._delivery_id, message._delivery_tag, outcome, await_outcome=True, outcome_timeout=5, **fields
    )


def _number(message: ServiceBusReceivedMessage) -> int:
    assert message.sequence_number is not None
    return message.sequence_number


def test_abandoning_sets_properties(clients: Clients) -> None:
    """The next delivery has them: new ones are added, those of the same name replaced, others stay."""
    _settle(
        clients.receiver, clients.send_and_receive(), "modified", delivery_failed=True, message_annotations=PROPERTIES
    )
    again = _receive(clients.receiver)
    assert (again.application_properties, again.delivery_count) == (READ_BACK, 1)
    clients.receiver.complete_message(again)


def test_the_last_abandoning_sets_them_on_the_dead_letter(clients: Clients) -> None:
    """They stand beside the reason that the emulator adds."""
    clients.receiver.abandon_message(clients.send_and_receive())
    _settle(clients.receiver, _receive(clients.receiver), "modified", message_annotations=PROPERTIES)
    dead = _receive(clients.dead_letters)
    added = {name: dead.application_properties[name] for name in READ_BACK} if dead.application_properties else {}
    assert added == READ_BACK
    assert dead.dead_letter_reason == "MaxDeliveryCountExceeded"
    clients.dead_letters.complete_message(dead)


def test_deferring_sets_properties(clients: Clients) -> None:
    """They are there when the message is received by its number."""
    message = clients.send_and_receive()
    _settle(clients.receiver, message, "modified", undeliverable_here=True, message_annotations=PROPERTIES)
    [deferred] = clients.receiver.receive_deferred_messages(_number(message))
    assert deferred.application_properties == READ_BACK
    clients.receiver.complete_message(deferred)


def test_dead_lettering_sets_properties(clients: Clients) -> None:
    """They are the entries of the info other than reason and description."""
    info = {**PROPERTIES, "DeadLetterReason": "r", "DeadLetterErrorDescription": "d"}
    error = AMQPError(condition=b"com.microsoft:dead-letter", description=None, info=info)
    _settle(clients.receiver, clients.send_and_receive(), "rejected", error=error)
    dead = _receive(clients.dead_letters)
    own = {b"DeadLetterReason": b"r", b"DeadLetterErrorDescription": b"d"}
    assert dead.application_properties == READ_BACK | own
    assert (dead.dead_letter_reason, dead.dead_letter_error_description) == ("r", "d")
    clients.dead_letters.complete_message(dead)


@pytest.mark.parametrize("status", ["abandoned", "defered", "suspended"])
def test_settling_over_management_sets_properties(clients: Clients, status: str) -> None:
    """SDKs settle in this way after the link is gone, and for deferred messages."""
    message = clients.send_and_receive()
    clients.receiver._settle_message_via_mgmt_link(
        status, [message.lock_token or ""], {"properties-to-modify": PROPERTIES}
    )
    receiver = clients.dead_letters if status == "suspended" else clients.receiver
    if status == "defered":
        [again] = receiver.receive_deferred_messages(_number(message))
    else:
        again = _receive(receiver)
    assert again.application_properties == READ_BACK
    receiver.complete_message(again)


def test_an_outcome_that_is_not_well_formed_is_refused(clients: Clients) -> None:
    """The client gets an error, not the end of its connection, and the message stays as it was."""
    message = clients.send_and_receive()
    with pytest.raises(Exception, match="not well-formed"):
        _settle(clients.receiver, message, "modified", message_annotations={7: "a number is no name"})
    [peeked] = clients.receiver.peek_messages(1, sequence_number=_number(message))
    assert peeked.application_properties == {b"own": b"stays", b"step": b"old"}
    clients.receiver._settle_message_via_mgmt_link("completed", [message.lock_token or ""])


# ---- without sockets ----

#: Types that nothing here computes with must be returned byte by byte: a ubyte, a decimal, a list.
ODD = (
    (codec.symbol("ubyte"), codec.ubyte(5)),
    (codec.symbol("decimal"), b"\x74\x01\x02\x03\x04"),
    (codec.symbol("list"), codec.list_of([codec.int32(1), codec.string("two")])),
)


def _acquired(queue: Queue, now_ms: int) -> Message:
    message = queue.acquire(now_ms)
    assert message is not None
    return message


def _token_of(message: Message) -> Any:
    assert message.lock is not None
    return message.lock.token


@pytest.mark.parametrize("way", ["abandon", "defer", "dead_letter"])
def test_values_keep_their_types(way: str) -> None:
    """They are never decoded and encoded again; keys become strings, as application properties have them."""
    world = World(Broker(entities.from_json(ENTITIES)))
    world.send("q")
    queue = world.queue("q")
    message = _acquired(queue, world.now_ms)
    token = _token_of(message)
    if way == "dead_letter":
        queue.dead_letter(token, None, None, world.now_ms, ODD)
    else:
        getattr(queue, way)(token, world.now_ms, ODD)
    where = queue.dead_letter_queue if way == "dead_letter" else queue
    assert where is not None
    [changed] = where.messages.values()
    names = [codec.string(codec.decode(key)[0]) for key, _value in ODD]
    assert changed.content.application_properties == tuple(zip(names, [value for _key, value in ODD], strict=True))
    assert changed.content.properties == message.content.properties
    assert changed.content.body == message.content.body


def test_properties_survive_a_restart(tmp_path: Path) -> None:
    """They are read back with an abandoned or a deferred message."""
    specs = entities.from_json({"queues": [{"name": "q"}]})
    store = Store(tmp_path / "bus.db")
    queue = Broker(specs, store).entity("q")
    identity = codec.string("m")
    properties = codec.described(0x73, codec.list_of([identity]))
    body = codec.described(0x75, codec.binary(b""))
    for _ in range(2):
        queue.submit(Content(message_id=identity, properties=properties, body=body), 1000)
    first, second = (_token_of(_acquired(queue, 1000)) for _ in range(2))
    queue.abandon(first, 1000, ODD)
    queue.defer(second, 1000, ODD)
    store.close()
    again = Store(tmp_path / "bus.db")
    broker = Broker(specs, again)
    again.load(broker, 2000)
    again.close()
    assert broker.entity("q").messages == queue.messages
    assert all(len(each.content.application_properties) == 3 for each in queue.messages.values())
