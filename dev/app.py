"""The user's app, as the local stack plays it: sends messages, receives events, reads accounts.

It speaks to Service Bus through the SDK alone, as a user's app does, and never through Darkroom's own code.
"""

import asyncio
import contextlib
import json
import ssl
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any, Self
from uuid import uuid4

from azure.servicebus import ServiceBusMessage
from azure.servicebus.aio import ServiceBusClient, ServiceBusReceiver, ServiceBusSender
from azure.servicebus.exceptions import ServiceBusError

from dev.entities import SUBSCRIPTION
from dev.stack import Stack

#: A killed broker is up again after two seconds.
SEND_TRIES = 15


#: One receive waits 5 s at most; this is longer.
CLOSE_S = 8


class App:
    """``async with App(stack) as app``. Every event is received once and kept in ``events``.

    There they are by generation, or by the id of an account command.
    """

    def __init__(self, stack: Stack) -> None:
        # Without it the client would read the certificate authorities for each connection.
        tls = ssl.create_default_context()
        self._client = ServiceBusClient.from_connection_string(stack.values["ServiceBus"], ssl_context=tls)
        self._queue, self._command_queue = stack.values["GENERATION_QUEUE"], stack.values["COMMAND_QUEUE"]
        self._topic = stack.values["EVENTS_TOPIC"]
        self._senders: dict[str, ServiceBusSender] = {}
        self._receiver: ServiceBusReceiver = self._client.get_subscription_receiver(self._topic, SUBSCRIPTION)
        self._listening: asyncio.Task[None] | None = None
        self._arrived = asyncio.Condition()
        self._turn = asyncio.Lock()
        self._closing = False
        self.events: dict[str, list[dict[str, Any]]] = {}

    async def __aenter__(self) -> Self:
        self._listening = asyncio.create_task(self._listen())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._listening is not None:
            # The SDK may turn the cancellation into an error of its own, so the loop checks a flag too. The wait has a
            # limit, because a link may never close.
            self._closing = True
            self._listening.cancel()
            await asyncio.wait([self._listening], timeout=CLOSE_S)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_S):
                await self._client.close()

    async def send(self, body: Mapping[str, Any] | bytes, message_id: str | None = None) -> None:
        """Send a message to the request queue."""
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        message = ServiceBusMessage(raw, message_id=message_id or uuid4().hex, content_type="application/json")
        for tries_left in reversed(range(SEND_TRIES)):
            try:
                await self.put(message)
            except ServiceBusError:
                if not tries_left:
                    raise
                await asyncio.sleep(1)  # the same message id again: the broker drops it if it already has it
            else:
                return

    async def command(self, body: Mapping[str, Any] | bytes) -> None:
        """Send an account command, as a backend that sells credits does."""
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        message = ServiceBusMessage(raw, message_id=uuid4().hex, content_type="application/json")
        await self.put(message, self._command_queue)

    async def send_all(self, bodies: Sequence[Mapping[str, Any]]) -> None:
        """Send many messages in one batch."""
        await self.put([ServiceBusMessage(json.dumps(body).encode(), message_id=uuid4().hex) for body in bodies])

    async def put(self, message: Any, queue: str = "") -> None:
        """Send what is a message already, or several; to the request queue unless another one is named.

        A link takes half a second to open, so it is kept.
        """
        name = queue or self._queue
        if name not in self._senders:
            self._senders[name] = self._client.get_queue_sender(name)
        async with self._turn:  # the SDK's sender takes one caller at a time
            await self._senders[name].send_messages(message)

    async def event(self, generation_id: str, timeout_s: float = 30, number: int = 1) -> dict[str, Any]:
        """The first event of a generation or a command, or that of this number, as soon as it arrives.

        TimeoutError if it does not arrive in time.
        """
        async with asyncio.timeout(timeout_s), self._arrived:
            await self._arrived.wait_for(lambda: len(self.events.get(generation_id, [])) >= number)
        return self.events[generation_id][number - 1]

    async def _listen(self) -> None:
        while not self._closing:
            try:
                await self._receive()
            except ServiceBusError:  # the broker stopped; it delivers again what was not completed
                await asyncio.sleep(0.5)

    async def _receive(self) -> None:
        for message in await self._receiver.receive_messages(max_message_count=50, max_wait_time=5):
            event = json.loads(b"".join(message.body))
            async with self._arrived:
                data = event["data"]
                named = data["generation_id"] if "generation_id" in data else data["command_id"]
                self.events.setdefault(named, []).append(event)
                self._arrived.notify_all()
            await self._receiver.complete_message(message)
