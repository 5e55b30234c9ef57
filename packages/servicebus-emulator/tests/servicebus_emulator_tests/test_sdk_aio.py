"""The emulator as the asynchronous azure-servicebus client sees it."""

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from azure.servicebus import ServiceBusMessage, ServiceBusMessageState, ServiceBusReceivedMessage, ServiceBusReceiveMode
from azure.servicebus.aio import AutoLockRenewer, ServiceBusClient
from azure.servicebus.exceptions import (
    MessageLockLostError,
    MessageNotFoundError,
    MessageSizeExceededError,
    MessagingEntityNotFoundError,
    ServiceBusAuthenticationError,
    ServiceBusError,
    ServiceBusServerBusyError,
)

from servicebus_emulator.emulator import Emulator
from servicebus_emulator_tests.conftest import MAX_MESSAGE_BYTES, Clients, until_count

pytestmark = pytest.mark.stack


async def _receive(clients: Clients) -> ServiceBusReceivedMessage:
    [message] = await clients.receiver.receive_messages(1)
    return message


def _number(message: ServiceBusReceivedMessage) -> int:
    assert message.sequence_number is not None
    return message.sequence_number


async def test_a_message_arrives_as_it_was_sent(clients: Clients) -> None:
    """Body bytes, properties and application properties with their types; then what the broker adds."""
    body = bytes(range(256))
    properties: dict[str | bytes, int | float | bytes | bool | str | UUID] = {
        "text": "ü",
        "number": -7,
        "float": 0.5,
        "yes": True,
    }
    sent = ServiceBusMessage(
        body,
        message_id="id-1",
        subject="s",
        content_type="application/json",
        correlation_id="c",
        reply_to="r",
        to="t",
        application_properties=properties,
        time_to_live=timedelta(seconds=90),
        partition_key="p",
    )
    before = datetime.now(UTC)
    await clients.sender.send_messages(sent)
    message = await _receive(clients)
    assert b"".join(message.body) == body
    assert (message.message_id, message.subject, message.content_type) == ("id-1", "s", "application/json")
    assert (message.correlation_id, message.reply_to, message.to) == ("c", "r", "t")
    assert message.application_properties == {
        b"text": "ü".encode(),
        b"number": -7,
        b"float": 0.5,
        b"yes": True,
    }
    assert (message.time_to_live, message.partition_key) == (timedelta(seconds=90), "p")
    assert (message.delivery_count, message.state) == (0, ServiceBusMessageState.ACTIVE)
    assert message.enqueued_time_utc
    assert message.locked_until_utc
    assert abs((message.enqueued_time_utc - before).total_seconds()) < 5
    assert abs((message.locked_until_utc - message.enqueued_time_utc).total_seconds() - 30) < 5
    await clients.receiver.complete_message(message)


async def test_a_batch_arrives_message_by_message_in_order(clients: Clients, emulator: Emulator) -> None:
    """One envelope, a hundred messages with growing sequence numbers; received and deleted."""
    sender = clients.client.get_queue_sender("taken")
    taker = clients.client.get_queue_receiver(
        "taken", receive_mode=ServiceBusReceiveMode.RECEIVE_AND_DELETE, max_wait_time=5
    )
    await asyncio.gather(sender.__aenter__(), taker.__aenter__())
    batch = await sender.create_message_batch()
    for number in range(100):
        batch.add_message(ServiceBusMessage(str(number), message_id=f"m{number}"))
    await sender.send_messages(batch)
    got: list[ServiceBusReceivedMessage] = []
    while len(got) < 100:
        got += await taker.receive_messages(100)
    assert [str(message) for message in got] == [str(number) for number in range(100)]
    assert [message.message_id for message in got] == [f"m{number}" for number in range(100)]
    numbers = [_number(message) for message in got]
    assert numbers == sorted(set(numbers))
    assert emulator.count("taken") == 0
    await asyncio.gather(sender.close(), taker.close())


async def test_a_message_of_several_frames_arrives_whole(clients: Clients) -> None:
    """Over a megabyte: sent in frames of 64 KiB, delivered in frames of 1 MiB."""
    body = bytes(range(256)) * 5000
    await clients.sender.send_messages(ServiceBusMessage(body))
    message = await _receive(clients)
    assert b"".join(message.body) == body
    await clients.receiver.complete_message(message)


async def test_a_message_beyond_the_limit_is_refused(clients: Clients) -> None:
    """The next message is taken."""
    with pytest.raises(MessageSizeExceededError):
        await clients.sender.send_messages(ServiceBusMessage(b"x" * (MAX_MESSAGE_BYTES + 1)))
    await clients.sender.send_messages(ServiceBusMessage("small"))
    await clients.receiver.complete_message(await _receive(clients))


async def test_a_scheduled_message_comes_at_its_time(clients: Clients) -> None:
    """Peeked as scheduled before, active after, with another sequence number."""
    due = datetime.now(UTC) + timedelta(seconds=0.4)
    [number] = await clients.sender.schedule_messages(ServiceBusMessage("later"), due)
    [peeked] = await clients.receiver.peek_messages(1, sequence_number=number)
    assert (peeked.state, peeked.sequence_number) == (ServiceBusMessageState.SCHEDULED, number)
    message = await _receive(clients)
    assert datetime.now(UTC) >= due.replace(microsecond=due.microsecond // 1000 * 1000)
    assert _number(message) > number
    assert message.state == ServiceBusMessageState.ACTIVE
    await clients.receiver.complete_message(message)


async def test_a_cancelled_message_never_comes(clients: Clients, emulator: Emulator) -> None:
    """It is gone at once, and cannot be cancelled again."""
    due = datetime.now(UTC) + timedelta(seconds=60)
    numbers = await clients.sender.schedule_messages([ServiceBusMessage("a"), ServiceBusMessage("b")], due)
    await clients.sender.cancel_scheduled_messages(numbers)
    assert emulator.count("aio") == 0
    with pytest.raises(MessageNotFoundError):
        await clients.sender.cancel_scheduled_messages(numbers)


async def test_an_abandoned_message_comes_again(clients: Clients) -> None:
    """It comes at once, with its delivery counted."""
    await clients.sender.send_messages(ServiceBusMessage("again"))
    await clients.receiver.abandon_message(await _receive(clients))
    message = await _receive(clients)
    assert message.delivery_count == 1
    await clients.receiver.complete_message(message)


async def test_a_message_dies_after_its_last_delivery(clients: Clients) -> None:
    """The third failed delivery moves it to the dead letters, which say why."""
    await clients.sender.send_messages(ServiceBusMessage("poison"))
    for _ in range(3):
        await clients.receiver.abandon_message(await _receive(clients))
    [dead] = await clients.dead_letters.receive_messages(1)
    assert str(dead) == "poison"
    assert dead.dead_letter_reason == "MaxDeliveryCountExceeded"
    assert dead.dead_letter_error_description == "Message could not be consumed after 3 delivery attempts."
    await clients.dead_letters.complete_message(dead)


async def test_a_dead_letter_keeps_reason_and_contents(clients: Clients) -> None:
    """Reason and description arrive as given; own properties stay."""
    await clients.sender.send_messages(ServiceBusMessage(b"\x01", application_properties={"mine": 1}))
    await clients.receiver.dead_letter_message(await _receive(clients), reason="why", error_description="because")
    [dead] = await clients.dead_letters.receive_messages(1)
    assert (dead.dead_letter_reason, dead.dead_letter_error_description) == ("why", "because")
    assert b"".join(dead.body) == b"\x01"
    assert dead.application_properties
    assert dead.application_properties[b"mine"] == 1
    await clients.dead_letters.complete_message(dead)


async def test_an_expired_message_goes_to_the_dead_letters(clients: Clients, emulator: Emulator) -> None:
    """A timer moves it, even if no one receives."""
    await clients.sender.send_messages(ServiceBusMessage("stale", time_to_live=timedelta(seconds=0.1)))
    await until_count(emulator, "aio/$DeadLetterQueue", 1)
    [dead] = await clients.dead_letters.receive_messages(1)
    assert dead.dead_letter_reason == "TTLExpiredException"
    await clients.dead_letters.complete_message(dead)


async def test_renewing_moves_the_end_of_a_lock(clients: Clients) -> None:
    """The message keeps its token, and can be completed."""
    await clients.sender.send_messages(ServiceBusMessage("long"))
    message = await _receive(clients)
    before = message.locked_until_utc
    assert before
    await asyncio.sleep(0.05)
    assert await clients.receiver.renew_message_lock(message) > before
    await clients.receiver.complete_message(message)


async def test_a_lost_lock_is_an_error_and_the_message_comes_again(clients: Clients, emulator: Emulator) -> None:
    """Neither completing nor renewing works; the next receiver gets it, counted."""
    await clients.sender.send_messages(ServiceBusMessage("slow"))
    message = await _receive(clients)
    emulator.expire_lock("aio", _number(message))
    with pytest.raises(MessageLockLostError):
        await clients.receiver.renew_message_lock(message)
    with pytest.raises(MessageLockLostError):
        await clients.receiver.complete_message(message)
    again = await _receive(clients)
    assert (again.sequence_number, again.delivery_count) == (message.sequence_number, 1)
    await clients.receiver.complete_message(again)


async def test_a_deferred_message_is_received_by_number(clients: Clients) -> None:
    """It is out of the way until then; afterwards it is settled like any other."""
    await clients.sender.send_messages([ServiceBusMessage("first"), ServiceBusMessage("second")])
    first = await _receive(clients)
    await clients.receiver.defer_message(first)
    second = await _receive(clients)
    assert str(second) == "second"
    await clients.receiver.complete_message(second)
    [deferred] = await clients.receiver.receive_deferred_messages(_number(first))
    assert (str(deferred), deferred.state) == ("first", ServiceBusMessageState.DEFERRED)
    await clients.receiver.complete_message(deferred)
    with pytest.raises(MessageNotFoundError):
        await clients.receiver.receive_deferred_messages(_number(first))


async def test_peeking_changes_nothing(clients: Clients) -> None:
    """Locked messages are seen too; an empty queue gives an empty list."""
    assert await clients.receiver.peek_messages(5) == []
    await clients.sender.send_messages([ServiceBusMessage("a"), ServiceBusMessage("b")])
    locked = await _receive(clients)
    peeked = await clients.receiver.peek_messages(5, sequence_number=_number(locked))
    assert [str(message) for message in peeked] == ["a", "b"]
    await clients.receiver.complete_message(locked)
    other = await _receive(clients)
    assert other.delivery_count == 0
    await clients.receiver.complete_message(other)


async def test_a_received_message_can_be_sent_again(clients: Clients) -> None:
    """Its old sequence number and lock do not come along."""
    await clients.sender.send_messages(ServiceBusMessage("copy me", application_properties={"n": 1}))
    original = await _receive(clients)
    await clients.sender.send_messages(original)
    await clients.receiver.complete_message(original)
    copy = await _receive(clients)
    assert _number(copy) > _number(original)
    assert copy.application_properties == {b"n": 1}
    await clients.receiver.complete_message(copy)


async def test_faults_are_given_to_the_next_sends_only(clients: Clients, emulator: Emulator) -> None:
    """The SDK turns the condition into its exception; without retries it shows."""
    emulator.fail_next_sends("com.microsoft:server-busy", 2)
    for _ in range(2):
        with pytest.raises(ServiceBusServerBusyError):
            await clients.sender.send_messages(ServiceBusMessage("no"))
    await clients.sender.send_messages(ServiceBusMessage("yes"))
    message = await _receive(clients)
    assert str(message) == "yes"
    await clients.receiver.complete_message(message)


async def test_unknown_entities_and_sessions_are_refused(clients: Clients) -> None:
    """They are refused when the link is opened, with the real service's conditions."""
    missing = clients.client.get_queue_receiver("missing")
    with pytest.raises(MessagingEntityNotFoundError):
        await missing.__aenter__()
    session = clients.client.get_queue_receiver("aio", session_id="s")
    with pytest.raises(ServiceBusError, match="does not support message sessions"):
        await session.__aenter__()
    await asyncio.gather(missing.close(), session.close())


async def test_a_wrong_key_is_refused(emulator: Emulator) -> None:
    """The token is signed with the key, and the signature is checked."""
    wrong = emulator.connection_string.replace("SharedAccessKey=SAS_KEY_VALUE", "SharedAccessKey=guess")
    async with ServiceBusClient.from_connection_string(wrong, retry_total=0) as client:
        sender = client.get_queue_sender("aio")
        with pytest.raises(ServiceBusAuthenticationError):
            await sender.__aenter__()
        await sender.close()


async def test_a_duplicate_is_accepted_and_dropped(clients: Clients, emulator: Emulator) -> None:
    """This holds within one batch too; another id is another message."""
    async with clients.client.get_queue_sender("once") as sender:
        await sender.send_messages(ServiceBusMessage("1", message_id="same"))
        await sender.send_messages([ServiceBusMessage(each, message_id=each) for each in ("same", "other", "other")])
    assert emulator.count("once") == 2


async def test_subscriptions_get_copies(clients: Clients, emulator: Emulator) -> None:
    """Each settles its own copy, and has dead letters of its own."""
    sender = clients.client.get_topic_sender("news")
    receiver = clients.client.get_subscription_receiver("news", "a", max_wait_time=5)
    dead_letters = clients.client.get_subscription_receiver("news", "a", sub_queue="deadletter", max_wait_time=5)
    links = (sender, receiver, dead_letters)
    await asyncio.gather(*(link.__aenter__() for link in links))
    await sender.send_messages(ServiceBusMessage("hello"))
    [number] = await sender.schedule_messages(ServiceBusMessage("x"), datetime.now(UTC) + timedelta(minutes=1))
    await sender.cancel_scheduled_messages(number)
    [message] = await receiver.receive_messages(1)
    await receiver.dead_letter_message(message, reason="r")
    [dead] = await dead_letters.receive_messages(1)
    assert (str(dead), dead.dead_letter_reason) == ("hello", "r")
    await dead_letters.complete_message(dead)
    assert emulator.count("news/Subscriptions/b") == 1
    await asyncio.gather(*(link.close() for link in links))


async def test_sixty_four_messages_are_kept_in_flight_by_a_renewer(clients: Clients, emulator: Emulator) -> None:
    """Locks of three seconds, held for four: all are renewed, all complete, none was delivered twice."""
    failures: list[Exception | None] = []

    async def failed(_message: object, error: Exception | None) -> None:
        failures.append(error)

    sender = clients.client.get_queue_sender("busy")
    receiver = clients.client.get_queue_receiver("busy", max_wait_time=5)
    await asyncio.gather(sender.__aenter__(), receiver.__aenter__())
    await sender.send_messages([ServiceBusMessage(str(number)) for number in range(64)])
    held: list[ServiceBusReceivedMessage] = []
    async with AutoLockRenewer(max_lock_renewal_duration=30, on_lock_renew_failure=failed) as renewer:
        while len(held) < 64:
            for message in await receiver.receive_messages(64):
                renewer.register(receiver, message)
                held.append(message)
        await asyncio.sleep(4)
        assert not failures
        await asyncio.gather(*(receiver.complete_message(message) for message in held))
    assert {message.delivery_count for message in held} == {0}
    assert emulator.count("busy") == 0
    await asyncio.gather(sender.close(), receiver.close())


async def test_sixty_four_receivers_share_a_queue(emulator: Emulator) -> None:
    """Each on its own connection; every message goes to one of them, and everyone gets some."""
    async with ServiceBusClient.from_connection_string(emulator.connection_string) as client:
        receivers = [client.get_queue_receiver("many", max_wait_time=10) for _ in range(64)]
        sender = client.get_queue_sender("many")
        await asyncio.gather(sender.__aenter__(), *(receiver.__aenter__() for receiver in receivers))
        receiving = [asyncio.create_task(receiver.receive_messages(1)) for receiver in receivers]
        await sender.send_messages([ServiceBusMessage(str(number)) for number in range(64)])
        got = await asyncio.gather(*receiving)
        assert sorted(int(str(message)) for [message] in got) == list(range(64))
        await asyncio.gather(*(link.complete_message(message) for link, [message] in zip(receivers, got, strict=True)))
        assert emulator.count("many") == 0
        await asyncio.gather(sender.close(), *(receiver.close() for receiver in receivers))


async def test_a_lock_survives_the_connection(emulator: Emulator) -> None:
    """Cut off in the middle of its work, a client reconnects and completes with the token it has."""
    async with ServiceBusClient.from_connection_string(emulator.connection_string, retry_backoff_factor=0.05) as client:
        sender, receiver = client.get_queue_sender("cut"), client.get_queue_receiver("cut", max_wait_time=5)
        await asyncio.gather(sender.__aenter__(), receiver.__aenter__())
        await sender.send_messages(ServiceBusMessage("work"))
        [message] = await receiver.receive_messages(1)
        handlers: list[Any] = [sender._handler, receiver._handler]
        writers = [handler._connection._transport.writer for handler in handlers]
        emulator.drop_connections()
        await receiver.complete_message(message)
        assert emulator.count("cut") == 0
        await sender.send_messages(ServiceBusMessage("more"))
        assert emulator.count("cut") == 1
        await asyncio.gather(sender.close(), receiver.close())
    for writer in writers:
        writer.close()  # the SDK forgets the sockets that were cut


async def test_emulators_start_anew_on_the_same_port_and_file(tmp_path: Path) -> None:
    """`async with` starts and stops one; with a file, what was sent is there after the restart."""
    entities = {"queues": [{"name": "kept"}]}
    async with Emulator(entities, db=tmp_path / "bus.db") as first:
        port = first.port
        async with (
            ServiceBusClient.from_connection_string(first.connection_string) as client,
            client.get_queue_sender("kept") as sender,
        ):
            await sender.send_messages(ServiceBusMessage("durable"))
    async with Emulator(entities, port=port, db=tmp_path / "bus.db") as second:
        assert second.port == port
        assert second.count("kept") == 1
