"""Sends messages and events to Service Bus, and reads the envelope of a received message for the triggers.

Rules of this file:
1. Importing this file does not import azure.servicebus (195 ms). The SDK is loaded at the first send, so the triggers
   can use ``read_envelope`` and ``slimmed`` at no cost.
2. There is one sender per entity, opened once and kept, with one send at a time (an SDK sender is not made for more).
   After any error it is discarded, and the next send opens a new one. Messages that wait meanwhile are sent together,
   so a burst of webhooks becomes a few transfers, each acknowledged once.
3. Every send ends within ten seconds, the wait for its turn included, because Replicate waits no longer for the answer
   to a webhook.
4. A message id has at most 128 characters. A longer one is always shortened to the same text, so that the broker
   still detects a duplicate.
"""

import asyncio
import hashlib
import json
import re
import uuid
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, assert_never

from shared.adapters.net.tls import tls_context
from shared.core.dependency import Dependency
from shared.core.events.generation_event import Event
from shared.core.requests.messages import CancelRequest, Check, GenerationRequest, Look, PredictionEvent
from shared.core.values import replace
from shared.ports import Envelope, Sendable, Unavailable

if TYPE_CHECKING:
    from azure.core.credentials_async import AsyncTokenCredential
    from azure.servicebus import ServiceBusMessage
    from azure.servicebus.aio import ServiceBusClient, ServiceBusSender

    from shared.core.commands.acts import AccountCommand

#: Maximum size of a prediction event's JSON. The Standard tier takes 256 KiB with headers and properties.
EVENT_BYTES = 200_000

#: Maximum size of one transfer, and what each message counts beside its body (two ids of 128 characters, three
#: properties). Together they stay within those 256 KiB.
_TRANSFER_BYTES, _ENVELOPE_BYTES = 220_000, 1_000

#: Service Bus's limit of a message id, in characters. azure-servicebus raises an error beyond it.
_ID_CHARACTERS = 128

#: A message lives for a day, and is deferred a few times at most. A ``since`` further back is not believed.
LONGEST_WAIT = timedelta(days=7)

#: How far our clock may be ahead of the broker's.
CLOCKS_APART = timedelta(minutes=5)

#: Limit of one send with the wait for its turn and the SDK's retries, in seconds.
SEND_S = 9.0

#: Limit of closing a broken sender, in seconds. The broker would notice anyway.
_CLOSE_S = 1.0

#: Three tries of at most 4 s with 0.2 and 0.4 s between them: the second covers a connection that died while idle.
_RETRIES: dict[str, Any] = {"retry_total": 2, "retry_backoff_factor": 0.2, "retry_backoff_max": 1}


def connected_by_string(connection_string: str) -> "Callable[[], ServiceBusClient]":
    """A client factory for a connection string, such as that of a local emulator or of a namespace with keys."""

    def factory() -> "ServiceBusClient":
        from azure.servicebus.aio import ServiceBusClient  # noqa: PLC0415  # rule 1

        return ServiceBusClient.from_connection_string(connection_string, ssl_context=tls_context(), **_RETRIES)

    return factory


def connected_by_identity(namespace: str, credential: "AsyncTokenCredential") -> "Callable[[], ServiceBusClient]":
    """A client factory for a namespace, such as ``example.servicebus.windows.net``, and an identity that may send."""

    def factory() -> "ServiceBusClient":
        from azure.servicebus.aio import ServiceBusClient  # noqa: PLC0415  # rule 1

        return ServiceBusClient(namespace, credential, ssl_context=tls_context(), **_RETRIES)

    return factory


@dataclass(frozen=True, slots=True, eq=False)
class _Outgoing:
    """A message that waits to be sent, and the future of its send."""

    message: "ServiceBusMessage"
    size_bytes: int
    sent: "asyncio.Future[None]" = field(default_factory=lambda: asyncio.get_running_loop().create_future())


class ServiceBusMessenger:
    """ports.Messenger. ``client_factory`` is called at the first send. The four names are those of entities."""

    def __init__(
        self,
        client_factory: "Callable[[], ServiceBusClient]",
        *,
        request_queue: str,
        event_queue: str,
        command_queue: str,
        topic: str,
        send_s: float = SEND_S,
    ) -> None:
        self._client_factory = client_factory
        self._request_queue = request_queue
        self._event_queue = event_queue
        self._command_queue = command_queue
        self._topic = topic
        self._send_s = send_s
        self._client: ServiceBusClient | None = None
        self._senders: dict[str, ServiceBusSender] = {}
        entities = (request_queue, event_queue, command_queue, topic)
        self._turns: dict[str, asyncio.Lock] = {name: asyncio.Lock() for name in entities}
        self._waiting: dict[str, deque[_Outgoing]] = {name: deque() for name in self._turns}

    async def send(self, message: Sendable, envelope: Envelope, at: datetime | None = None) -> None:
        """Send a message now, or schedule it for ``at``. Raises Unavailable if the broker has not accepted it."""
        if isinstance(message, PredictionEvent):
            message = slimmed(message)
        await self._send(self._queue_of(message), message.to_json(), envelope, at)

    async def send_command(self, command: "AccountCommand", envelope: Envelope, at: datetime | None = None) -> None:
        """Send an account command now, or schedule it for ``at``. Raises Unavailable as ``send`` does."""
        await self._send(self._command_queue, command.to_json(), envelope, at)

    async def _send(self, entity: str, content: Mapping[str, Any], envelope: Envelope, at: datetime | None) -> None:
        properties: dict[str, int | str] = {"deferrals": envelope.deferrals}
        if envelope.lost:
            properties["lost"] = envelope.lost
        if envelope.digest:
            properties["request_digest"] = envelope.digest
        if envelope.since is not None:
            properties["since"] = envelope.since.astimezone(UTC).isoformat()
        body = _compact(content)
        described: dict[str, Any] = {
            "content_type": "application/json",
            "message_id": broker_id(envelope.message_id),
            "application_properties": properties,
        }
        if at is None:
            await self._post(entity, body, described)
            return
        async with self._turn(entity) as sender:
            await sender.schedule_messages(_message(body, **described), at.astimezone(UTC))

    async def publish(self, event: Event, again: str = "") -> None:
        """Publish a CloudEvent in structured mode. Its outcome is a property too, for the filters of subscriptions.

        With ``again`` the message gets another id, so that the broker does not drop it as a duplicate.
        """
        body = event.to_json()
        described: dict[str, Any] = {
            "content_type": "application/cloudevents+json",
            "message_id": broker_id(f"{event.event_id}/{again}" if again else event.event_id),
            "subject": body["type"],
            "application_properties": {"outcome": event.outcome},
        }
        await self._post(self._topic, _compact(body), described)

    async def ping(self) -> None:
        """Open a separate sender on the request queue and close it. This tests network, login and entity.

        Raises:
            Unavailable: one of them does not work.
        """
        async with self._bounded(), self._connect().get_queue_sender(self._request_queue) as sender:
            await sender.create_message_batch()  # the one public call that opens the link and sends nothing

    async def close(self) -> None:
        """Close senders and client. The next send opens new ones."""
        # One by one, because the SDK's client has only weak references to its senders.
        for entity in list(self._senders):
            await self._drop(entity)
        client, self._client = self._client, None
        if client is not None:
            await client.close()

    def _queue_of(self, message: Sendable) -> str:
        match message:
            case GenerationRequest() | CancelRequest():
                return self._request_queue
            case PredictionEvent() | Check() | Look():
                return self._event_queue
            case _:
                assert_never(message)

    async def _post(self, entity: str, body: bytes, described: Mapping[str, Any]) -> None:
        """Send a message now, together with the others that wait for this entity."""
        waiting = self._waiting[entity]
        async with self._bounded():
            outgoing = _Outgoing(_message(body, **described), len(body) + _ENVELOPE_BYTES)
            waiting.append(outgoing)
            try:
                async with self._turns[entity]:
                    while not outgoing.sent.done():
                        await self._send_waiting(entity)
                outgoing.sent.result()
            finally:
                if outgoing in waiting:
                    waiting.remove(outgoing)
                outgoing.sent.cancel()

    async def _send_waiting(self, entity: str) -> None:
        """Send the first waiting messages that fit into one transfer, and set the result of each."""
        batch = _take_batch(self._waiting[entity])
        try:
            messages = [outgoing.message for outgoing in batch]
            await self._sender(entity).send_messages(messages if len(messages) > 1 else messages[0])
        except BaseException as error:
            await self._drop(entity)
            trouble = error if isinstance(error, Exception) else Unavailable(Dependency.SERVICE_BUS, "interrupted")
            for outgoing in batch:
                if not outgoing.sent.done():
                    outgoing.sent.set_exception(trouble)
                    outgoing.sent.exception()  # so that asyncio logs nothing if the caller is gone
            if not isinstance(error, Exception):
                raise
        else:
            for outgoing in batch:
                if not outgoing.sent.done():
                    outgoing.sent.set_result(None)

    @asynccontextmanager
    async def _turn(self, entity: str) -> "AsyncIterator[ServiceBusSender]":
        """The entity's sender for one send. It is dropped if the send fails or is cancelled."""
        async with self._bounded(), self._turns[entity]:
            done = False
            try:
                yield self._sender(entity)
                done = True
            finally:
                if not done:
                    await self._drop(entity)

    @asynccontextmanager
    async def _bounded(self) -> AsyncIterator[None]:
        """Limit the time, and turn the SDK's errors into ours, without their texts, which may contain addresses."""
        from azure.core.exceptions import AzureError  # noqa: PLC0415  # rule 1

        try:
            async with asyncio.timeout(self._send_s):
                yield
        except (AzureError, OSError, ValueError) as error:
            raise Unavailable(Dependency.SERVICE_BUS, type(error).__name__) from None

    def _connect(self) -> "ServiceBusClient":
        self._client = self._client or self._client_factory()
        return self._client

    def _sender(self, entity: str) -> "ServiceBusSender":
        if entity not in self._senders:
            client = self._connect()
            opened = client.get_topic_sender(entity) if entity == self._topic else client.get_queue_sender(entity)
            self._senders[entity] = opened
        return self._senders[entity]

    async def _drop(self, entity: str) -> None:
        sender = self._senders.pop(entity, None)
        if sender is None:
            return
        with suppress(Exception):  # it is broken already, so an error of its closing says nothing new
            async with asyncio.timeout(_CLOSE_S):
                await sender.close()


def _take_batch(waiting: "deque[_Outgoing]") -> list[_Outgoing]:
    """Take the first messages that fit into one transfer, at least one."""
    batch = [waiting.popleft()]
    size_bytes = batch[0].size_bytes
    while waiting and size_bytes + waiting[0].size_bytes <= _TRANSFER_BYTES:
        size_bytes += waiting[0].size_bytes
        batch.append(waiting.popleft())
    return batch


def _message(body: bytes, **properties: Any) -> "ServiceBusMessage":
    from azure.servicebus import ServiceBusMessage  # noqa: PLC0415  # rule 1

    return ServiceBusMessage(body, **properties)


def _compact(body: Mapping[str, Any]) -> bytes:
    # Half a surrogate pair, which a model's error text may contain, becomes its JSON escape.
    return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode(errors="backslashreplace")


def slimmed(event: PredictionEvent) -> PredictionEvent:
    """The event, without outputs and metrics if it is too large for the queue (outputs may be data URIs).

    ``complete`` is then False, and the message handler fetches the prediction from Replicate.
    """
    if len(_compact(event.to_json())) <= EVENT_BYTES:
        return event
    return replace(event, prediction=replace(event.prediction, outputs=(), metrics={}, complete=False))


def broker_id(message_id: str) -> str:
    """The message id for the broker. An id that is too long is cut, and ends in a digest of the whole."""
    if len(message_id) <= _ID_CHARACTERS:
        return message_id
    digest = hashlib.sha256(message_id.encode()).hexdigest()
    return f"{message_id[: _ID_CHARACTERS - len(digest) - 1]}:{digest}"


def read_envelope(
    message_id: str | bytes | None,
    application_properties: Mapping[Any, Any] | None,
    deliveries: int | None = 1,
    enqueued_at: datetime | None = None,
) -> Envelope:
    """The envelope of a received message. A property that cannot be read counts as absent.

    ``deliveries`` counts this delivery too; the earlier ones were lost. Names and values may be text or bytes. A
    message without an id gets a random one: two such messages must not pass for duplicates when they are deferred.
    ``enqueued_at`` without a zone is UTC.
    """
    properties = {_text(name): value for name, value in (application_properties or {}).items()}
    enqueued_at = _utc(enqueued_at)
    return Envelope(
        message_id=_text(message_id or "") or uuid.uuid4().hex,
        deferrals=_number(properties.get("deferrals", "")),
        since=_since(properties["since"], enqueued_at) if "since" in properties else None,
        lost=_number(properties.get("lost", "")) + max(0, (deliveries or 1) - 1),
        enqueued_at=enqueued_at,
        digest=_digest(properties.get("request_digest", "")),
    )


def _digest(value: object) -> str:
    text = _text(value)
    return text if re.fullmatch(r"[0-9a-f]{64}", text) else ""


def _number(value: object) -> int:
    text = _text(value)
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 6 else 0  # digits


def _text(value: object) -> str:
    if isinstance(value, int) and value.bit_length() > 64:  # converting a huge integer to text takes long
        return ""
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)


def _since(value: object, enqueued_at: datetime | None) -> datetime | None:
    """When a message was first deferred, by its own property.

    An impossible value is replaced by ``enqueued_at``, so that the message is not deferred for ever.
    """
    try:
        moment = _utc(datetime.fromisoformat(_text(value)))
    except ValueError:
        moment = None
    if moment is None or enqueued_at is None:
        return moment or enqueued_at
    return moment if enqueued_at - LONGEST_WAIT <= moment <= enqueued_at + CLOCKS_APART else enqueued_at


def _utc(moment: datetime | None) -> datetime | None:
    """A time in UTC. Without a zone it is taken as UTC. None if it overflows: the first or last day in another zone."""
    if moment is None or moment.tzinfo is None:
        return moment and moment.replace(tzinfo=UTC)
    with suppress(OverflowError):
        return moment.astimezone(UTC)
    return None
