"""Queue triggers: the real azure-servicebus client in peek-lock mode, used as the host's Service Bus extension uses it.

Rules of this file:
1. Success completes the message. An exception abandons it: the queue delivers it again at once, until it dead-letters
   it.
2. A function has at most `maxConcurrentCalls` messages at a time, and no locked message waits for a free place.
3. One coroutine per queue receives and settles in turn. The client (7.15) waits up to 0.2 s for a frame under one lock
   for reading and writing. A concurrent settle would wait as long, and might take the frame of the receiver.
4. All connections share a TLS context: the client would read the certificate authorities for each.
5. The lock is renewed while the function runs, up to `maxAutoLockRenewalDuration`.
"""

import asyncio
import contextlib
import json
import logging
from collections.abc import Mapping
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from typing import Any

from azure.functions.servicebus import ServiceBusMessage
from azure.servicebus import ServiceBusReceivedMessage, ServiceBusSubQueue
from azure.servicebus.aio import ServiceBusClient, ServiceBusReceiver
from azure.servicebus.amqp import AmqpMessageBodyType
from azure.servicebus.exceptions import ServiceBusError

from dev.host.index import Function
from dev.host.invocation import Invocations
from dev.host.settings import HostError, HostSettings
from shared.adapters.net.tls import tls_context

LOGGER = logging.getLogger("dev.host")

#: How long a receive call waits for a message while others run, which may finish: it ends after a read of 0.2 s.
#: A call for one message returns as soon as it arrives. A call for more would wait 0.2 s for the others.
RECEIVE_WAIT_S = 0.001
#: The same while none runs. Each call asks the broker anew, which costs both of them CPU; a stop waits for its end.
IDLE_WAIT_S = 0.5
#: After a failure. The call needs time to open the link again, which takes half a second; a shorter wait would never
#: succeed.
REOPEN_WAIT_S = 2.0
REOPEN_PAUSE_S = 0.5
#: Renew after this part of the lock's time, as the Azure SDKs do.
RENEWAL_POINT = 0.5
#: Wait before a message that cannot be bound is abandoned: its dead-letter queue delivers it again at once, without
#: end.
UNBOUND_PAUSE_S = 10.0
DEAD_LETTER_SUFFIX = "/$DeadLetterQueue"


class QueueListener:
    """Feeds the messages of one queue to one function."""

    def __init__(
        self, function: Function, receiver: ServiceBusReceiver, invocations: Invocations, settings: HostSettings
    ) -> None:
        self._function = function
        self._receiver = receiver
        self._invocations = invocations
        self._limit = settings.max_concurrent_calls
        self._renewal_s = settings.lock_renewal_s
        self._running: dict[asyncio.Task[bool], ServiceBusReceivedMessage] = {}
        self._reopens = False

    async def run(self, stopping: asyncio.Event) -> None:
        """Receive until stopping is set, then wait for running calls."""
        while not stopping.is_set():
            await self._settle_finished()
            if len(self._running) < self._limit:
                for message in await self._receive():
                    self._running[asyncio.create_task(self._call(message))] = message
            else:
                await asyncio.wait(self._running, return_when=asyncio.FIRST_COMPLETED)
        if self._running:
            await asyncio.wait(self._running)
        await self._settle_finished()

    async def _receive(self) -> list[ServiceBusReceivedMessage]:
        wait_s = REOPEN_WAIT_S if self._reopens else RECEIVE_WAIT_S if self._running else IDLE_WAIT_S
        try:
            messages = await self._receiver.receive_messages(max_message_count=1, max_wait_time=wait_s)
        except Exception as error:  # noqa: BLE001  # a broker that dies within a frame causes other errors in the client
            LOGGER.warning("receiving for %s failed: %s", self._function.name, type(error).__name__)
            self._reopens = True
            await asyncio.sleep(REOPEN_PAUSE_S)
            return []
        self._reopens = False
        return messages

    async def _call(self, message: ServiceBusReceivedMessage) -> bool:
        """Call the function while the lock is renewed; returns whether it succeeded."""
        finished = asyncio.Event()
        renewal = asyncio.create_task(self._renew(message, finished))
        try:
            argument, trace_parent = await self._bound(message)
            await self._invocations.call(self._function, argument, trace_parent)
        except Exception:  # noqa: BLE001  # a function may raise anything, and the call has logged it
            return False
        else:
            return True
        finally:
            finished.set()
            await renewal

    async def _bound(self, message: ServiceBusReceivedMessage) -> tuple[ServiceBusMessage, str | None]:
        """The function's argument. A message that cannot be bound waits, because it is delivered again at once."""
        try:
            trace_parent = _text_properties(message).get("traceparent")
            return function_message(message), trace_parent if isinstance(trace_parent, str) else None
        except Exception as error:
            LOGGER.error("a message for %s cannot be bound: %s", self._function.name, type(error).__name__)  # noqa: TRY400  # it may be large
            await asyncio.sleep(UNBOUND_PAUSE_S)
            raise

    async def _settle_finished(self) -> None:
        finished = [task for task in self._running if task.done()]
        if finished:
            await asyncio.gather(*(self._settle(self._running.pop(task), task.result()) for task in finished))

    async def _settle(self, message: ServiceBusReceivedMessage, succeeded: bool) -> None:  # noqa: FBT001  # read above
        try:
            if succeeded:
                await self._receiver.complete_message(message)
            else:
                await self._receiver.abandon_message(message)
        except Exception as error:  # noqa: BLE001  # the lock or the broker is gone, so the message is delivered again
            LOGGER.warning("settling for %s failed: %s", self._function.name, type(error).__name__)

    async def _renew(self, message: ServiceBusReceivedMessage, finished: asyncio.Event) -> None:
        """Renew until finished. It is never cancelled, because that could cut a frame of the shared connection."""
        loop = asyncio.get_running_loop()
        give_up = loop.time() + self._renewal_s
        while message.locked_until_utc is not None and loop.time() < give_up:
            left_s = (message.locked_until_utc - datetime.now(UTC)).total_seconds()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(finished.wait(), max(left_s * RENEWAL_POINT, 0))
                return
            try:
                await self._receiver.renew_message_lock(message)
            except Exception as error:  # noqa: BLE001  # as above; or it was settled in the meantime
                if not finished.is_set():
                    LOGGER.warning("renewing a lock for %s failed: %s", self._function.name, type(error).__name__)
                return


async def open_listeners(
    functions: tuple[Function, ...], invocations: Invocations, settings: HostSettings, stack: AsyncExitStack
) -> tuple[QueueListener, ...]:
    """Open a link for each queue function, all at once because each takes half a second. The stack closes them.

    Raises:
        HostError: Service Bus does not answer, or the queue does not exist.
    """
    clients = {
        connection: await stack.enter_async_context(
            ServiceBusClient.from_connection_string(settings.values[connection], ssl_context=tls_context())
        )
        for connection in sorted({str(function.trigger["connection"]) for function in functions})
    }
    receivers = [_receiver(clients[str(function.trigger["connection"])], function) for function in functions]
    stack.push_async_callback(lambda: asyncio.gather(*(receiver.close() for receiver in receivers)))
    try:
        await asyncio.gather(*(receiver.__aenter__() for receiver in receivers))
    except ServiceBusError as error:
        raise HostError(f"A queue cannot be opened ({type(error).__name__}): {error.message}") from error
    return tuple(
        QueueListener(function, receiver, invocations, settings)
        for function, receiver in zip(functions, receivers, strict=True)
    )


def _receiver(client: ServiceBusClient, function: Function) -> ServiceBusReceiver:
    queue = str(function.trigger["queueName"])
    name = queue.removesuffix(DEAD_LETTER_SUFFIX)
    sub_queue = ServiceBusSubQueue.DEAD_LETTER if name != queue else None
    return client.get_queue_receiver(name, sub_queue=sub_queue, prefetch_count=0)


def function_message(message: ServiceBusReceivedMessage) -> ServiceBusMessage:
    """The message as the host passes it to a function: some values are None in it, and times have no zone."""
    properties = _text_properties(message)
    return ServiceBusMessage(
        body=_body(message),
        message_id=str(message.message_id or ""),
        delivery_count=(message.delivery_count or 0) + 1,  # AMQP counts the earlier deliveries only
        lock_token=str(message.lock_token),
        sequence_number=message.sequence_number,
        enqueued_time_utc=_without_zone(message.enqueued_time_utc),
        expires_at_utc=_without_zone(message.expires_at_utc),
        content_type=message.content_type,
        correlation_id=message.correlation_id,
        subject=message.subject,
        label=message.subject,
        reply_to=message.reply_to,
        to=message.to,
        session_id=message.session_id,
        application_properties=properties,
        user_properties=dict(properties),
    )


def _body(message: ServiceBusReceivedMessage) -> bytes:
    """The bytes of a message's body: a text as UTF-8, any other value as JSON, no body as no bytes.

    The host in Azure passes a function the data sections alone; see the differences in ``dev.host``.
    """
    body: Any = message.body
    if message.body_type is AmqpMessageBodyType.DATA:
        return b"".join(body or ())
    if message.body_type is AmqpMessageBodyType.SEQUENCE:
        body = [item for section in body or () for item in section]
    if isinstance(body, bytes):
        return body
    if body is None:
        return b""
    return body.encode(errors="replace") if isinstance(body, str) else json.dumps(_plain(body)).encode()


def _plain(value: Any) -> Any:
    """An AMQP value as JSON can hold it."""
    match value:
        case dict():
            return {str(_text(name)): _plain(each) for name, each in value.items()}
        case list() | tuple():
            return [_plain(each) for each in value]
        case bytes():
            return value.decode(errors="replace")
        case str() | int() | float() | None:
            return value
        case _:
            return str(value)


def _without_zone(moment: datetime | None) -> datetime | None:
    return None if moment is None else moment.astimezone(UTC).replace(tzinfo=None)


def _text_properties(message: ServiceBusReceivedMessage) -> dict[str, Any]:
    """The application properties as text: the SDK returns their names, and texts among the values, as bytes."""
    properties: Mapping[Any, Any] = message.application_properties or {}
    return {_text(name): _text(value) for name, value in properties.items()}


def _text(value: Any) -> Any:
    return value.decode(errors="replace") if isinstance(value, bytes) else value
