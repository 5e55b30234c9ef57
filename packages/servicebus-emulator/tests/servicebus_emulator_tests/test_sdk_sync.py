"""The emulator as the synchronous azure-servicebus client sees it: the main road, and threads."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from time import monotonic

import pytest
from azure.servicebus import (
    ServiceBusClient,
    ServiceBusMessage,
    ServiceBusReceivedMessage,
    ServiceBusReceiver,
    ServiceBusSender,
    ServiceBusSubQueue,
)
from azure.servicebus.exceptions import MessageLockLostError, MessageNotFoundError

from servicebus_emulator.emulator import Emulator

pytestmark = pytest.mark.stack


@dataclass(frozen=True, slots=True)
class Clients:
    """Open clients of the queue "sync"."""

    sender: ServiceBusSender
    receiver: ServiceBusReceiver
    dead_letters: ServiceBusReceiver


@pytest.fixture(scope="module")
def clients(emulator: Emulator) -> Iterator[Clients]:
    """Clients for all tests of this module; each test leaves the queue empty."""
    with ExitStack() as stack:
        client = stack.enter_context(ServiceBusClient.from_connection_string(emulator.connection_string, retry_total=0))
        yield Clients(
            stack.enter_context(client.get_queue_sender("sync")),
            stack.enter_context(client.get_queue_receiver("sync", max_wait_time=5)),
            stack.enter_context(
                client.get_queue_receiver("sync", sub_queue=ServiceBusSubQueue.DEAD_LETTER, max_wait_time=5)
            ),
        )
    assert emulator.count("sync") == emulator.count("sync/$DeadLetterQueue") == 0


def _receive(receiver: ServiceBusReceiver) -> ServiceBusReceivedMessage:
    [message] = receiver.receive_messages(1)
    return message


def _number(message: ServiceBusReceivedMessage) -> int:
    assert message.sequence_number is not None
    return message.sequence_number


def test_send_receive_and_complete(clients: Clients) -> None:
    """Body and properties arrive as they were sent."""
    clients.sender.send_messages(ServiceBusMessage(b"\x00\xff", application_properties={"n": 1}))
    message = _receive(clients.receiver)
    assert b"".join(message.body) == b"\x00\xff"
    assert message.application_properties == {b"n": 1}
    clients.receiver.complete_message(message)


def test_abandon_dead_letter_and_read_the_dead_letter(clients: Clients) -> None:
    """The second delivery is counted; the reason is found on the dead letter."""
    clients.sender.send_messages(ServiceBusMessage("x"))
    clients.receiver.abandon_message(_receive(clients.receiver))
    again = _receive(clients.receiver)
    assert again.delivery_count == 1
    clients.receiver.dead_letter_message(again, reason="r", error_description="d")
    dead = _receive(clients.dead_letters)
    assert (dead.dead_letter_reason, dead.dead_letter_error_description) == ("r", "d")
    clients.dead_letters.complete_message(dead)


def test_schedule_and_cancel(clients: Clients) -> None:
    """What is cancelled is gone; what is not comes at its time."""
    later, soon = (datetime.now(UTC) + timedelta(seconds=seconds) for seconds in (60, 0.3))
    [number] = clients.sender.schedule_messages(ServiceBusMessage("never"), later)
    clients.sender.schedule_messages(ServiceBusMessage("soon"), soon)
    clients.sender.cancel_scheduled_messages(number)
    with pytest.raises(MessageNotFoundError):
        clients.sender.cancel_scheduled_messages(number)
    message = _receive(clients.receiver)
    assert str(message) == "soon"
    clients.receiver.complete_message(message)


def test_defer_peek_and_receive_by_number(clients: Clients) -> None:
    """A deferred message can be peeked at, and received by its number."""
    clients.sender.send_messages(ServiceBusMessage("aside"))
    message = _receive(clients.receiver)
    clients.receiver.defer_message(message)
    [peeked] = clients.receiver.peek_messages(1, sequence_number=_number(message))
    assert str(peeked) == "aside"
    [deferred] = clients.receiver.receive_deferred_messages(_number(message))
    clients.receiver.complete_message(deferred)


def test_renew_and_lose_a_lock(clients: Clients, emulator: Emulator) -> None:
    """A renewed lock holds; a lost one cannot be used any more."""
    clients.sender.send_messages(ServiceBusMessage("x"))
    message = _receive(clients.receiver)
    before = message.locked_until_utc
    assert before
    assert clients.receiver.renew_message_lock(message) >= before
    emulator.expire_lock("sync", _number(message))
    with pytest.raises(MessageLockLostError):
        clients.receiver.complete_message(message)
    clients.receiver.complete_message(_receive(clients.receiver))


def test_threads_with_receivers_of_their_own(clients: Clients, emulator: Emulator) -> None:
    """Eight threads share eighty messages: each is received once, and all are completed."""
    done: list[int] = []
    end_s = monotonic() + 30
    clients.sender.send_messages([ServiceBusMessage(str(number)) for number in range(80)])

    def work() -> None:
        with (
            ServiceBusClient.from_connection_string(emulator.connection_string) as client,
            client.get_queue_receiver("sync", max_wait_time=1) as receiver,
        ):
            while len(done) < 80 and monotonic() < end_s:
                for message in receiver.receive_messages(5, max_wait_time=0.5):
                    receiver.complete_message(message)
                    done.append(int(str(message)))

    with ThreadPoolExecutor(8) as pool:
        for future in [pool.submit(work) for _thread in range(8)]:
            future.result()
    assert sorted(done) == list(range(80))
