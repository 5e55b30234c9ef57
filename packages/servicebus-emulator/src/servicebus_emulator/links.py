"""The links of a client: it sends to an entity, receives from a queue, or asks a node ($management, $cbs)."""

from collections import deque
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any
from uuid import UUID

from servicebus_emulator import cbs, codec, frames, management, message, outcomes, requests, unsupported
from servicebus_emulator.errors import DECODE_ERROR, SIZE_EXCEEDED, ServiceError
from servicebus_emulator.frames import Attach, Disposition, Flow, Transfer
from servicebus_emulator.hub import Hub
from servicebus_emulator.outcomes import Outcome
from servicebus_emulator.queues import Queue
from servicebus_emulator.rendering import rendered
from servicebus_emulator.requests import Request
from servicebus_emulator.session import Link, Session, address_of
from servicebus_emulator.unsupported import Feature

_CREDIT = 1000  # granted to a sender, and topped up when half of it is used, as the real service does
_SETTLED = 1  # snd-settle-mode of a receiver that wants messages removed as they are sent
_SESSION_FILTER = "com.microsoft:session-filter"
_SOURCE_FILTER = 7  # the index of the field in a source (OASIS AMQP 1.0, section 3.5.3)
_COORDINATORS = {0x30, "amqp:coordinator:list"}  # the target of a link for transactions (section 4.5.1)
_MANAGEMENT = "/$management"
_MAX_REQUEST_MESSAGES = 100  # messages of full size in one request; the real service takes fewer

_Accept = Callable[[bytes, int], None]  # whole message and its message-format; raises ServiceError


class Inlet(Link):
    """A link on which the client sends; whole messages go to `accept`."""

    def __init__(self, session: Session, attach: Attach, accept: _Accept, max_bytes: int) -> None:
        super().__init__(session, attach)
        self._accept = accept
        self._max_bytes = max_bytes
        self._delivery_count = attach.initial_delivery_count or 0
        self._credit = _CREDIT
        self._first: Transfer | None = None
        self._received = bytearray()

    def answer(self, attach: Attach) -> Attach:
        """Announce the largest message; the limit of a batch is the same."""
        batch_limit = (codec.symbol("com.microsoft:max-message-batch-size"), codec.ulong(self._max_bytes))
        return replace(
            attach,
            role=True,
            unsettled=None,
            initial_delivery_count=None,
            max_message_size=self._max_bytes,
            properties=codec.map_of([batch_limit]),
        )

    def on_open(self) -> None:
        """Let the client send."""
        self.session.send_flow(self.handle, self._delivery_count, _CREDIT)

    def on_transfer(self, transfer: Transfer, payload: bytes) -> None:
        """Collect the frames of a message; the last one settles it."""
        first = self._first = self._first or transfer
        if len(self._received) <= self._max_bytes:  # beyond that nothing more is kept: it will be refused
            self._received += payload
        if transfer.aborted:
            self._first = None
            self._received.clear()
        elif not transfer.more:
            data = bytes(self._received)
            self._first = None
            self._received.clear()
            self._settle(first, self._outcome(first, data))

    def _outcome(self, first: Transfer, data: bytes) -> bytes:
        if len(data) > self._max_bytes:
            return frames.rejected(SIZE_EXCEEDED, f"The limit is {self._max_bytes} bytes.")
        try:
            if outcomes.is_transactional(first.state):
                raise unsupported.refuse(Feature.TRANSACTIONS, self.target)
            self._accept(data, first.message_format or 0)
        except ServiceError as error:
            return frames.rejected(error.condition, error.description)
        except codec.MALFORMED:
            return frames.rejected(DECODE_ERROR, "The message is not well-formed AMQP.")
        return frames.ACCEPTED

    def _settle(self, first: Transfer, outcome: bytes) -> None:
        if not first.settled and first.delivery_id is not None:
            self.session.send(Disposition(True, first.delivery_id, first.delivery_id, True, outcome))  # noqa: FBT003 - wire order
        self._delivery_count += 1
        self._credit -= 1
        if self._credit <= _CREDIT // 2:
            self._credit = _CREDIT
            self.session.send_flow(self.handle, self._delivery_count, _CREDIT)


class Outlet(Link):
    """A link on which the client receives. A subclass decides what is sent."""

    def __init__(self, session: Session, attach: Attach) -> None:
        super().__init__(session, attach)
        self._credit = 0
        self._delivery_count = 0

    def answer(self, attach: Attach) -> Attach:
        """Echo source and target unchanged: some clients compare them with their own."""
        return replace(attach, role=False, unsettled=None, initial_delivery_count=0, properties=None)

    def on_flow(self, flow: Flow) -> None:
        """Set the credit, use it, and give back the rest when the client drains the link."""
        if flow.handle is not None:
            self._credit = max(0, (flow.delivery_count or 0) + (flow.link_credit or 0) - self._delivery_count)
        self.use_credit()
        if flow.drain and flow.handle is not None:
            self._delivery_count += self._credit
            self._credit = 0
            self.session.send_flow(self.handle, self._delivery_count, 0)

    def has_room(self) -> bool:
        """Whether link credit and session window allow another message."""
        return self._credit > 0 and self.session.is_open_for_transfers

    def use_credit(self) -> None:
        """Send as many messages as the credit allows."""
        raise NotImplementedError

    def _count(self) -> None:
        self._credit -= 1
        self._delivery_count += 1


class QueueOutlet(Outlet):
    """A receiver of a queue, in peek-lock or receive-and-delete mode."""

    def __init__(self, session: Session, attach: Attach, hub: Hub, queue: Queue) -> None:
        super().__init__(session, attach)
        self._hub = hub
        self._queue = queue
        self._deletes = attach.snd_settle_mode == _SETTLED
        hub.add_receiver(queue, self)

    def use_credit(self) -> None:
        """Deliver messages of the queue, to the other receivers of the queue too."""
        self._hub.serve(self._queue)

    def give(self) -> bool:
        """Send the next message of the queue, if there is one."""
        now_ms = self._hub.now_ms()
        found = self._queue.take(now_ms) if self._deletes else self._queue.acquire(now_ms)
        if found is None:
            return False
        self._count()
        if found.lock is None:
            tag = found.sequence_number.to_bytes(8, "big")  # nothing refers to it
            self.session.send_delivery(self.handle, tag, rendered(found), None)
        else:
            token = found.lock.token
            # .NET's byte order of a Guid: the client reads the lock token from the tag.
            self.session.send_delivery(self.handle, token.bytes_le, rendered(found), partial(self._settle, token))
        return True

    def on_gone(self) -> None:
        """Stop receiving. Locks stay until they expire."""
        self._hub.remove_receiver(self._queue, self)

    def _settle(self, token: UUID, outcome: Outcome) -> bytes:
        """Settle as the client asks. Returns the encoded outcome that confirms it."""
        now_ms, queue = self._hub.now_ms(), self._queue
        match outcome.code:
            case frames.ACCEPTED_CODE:
                queue.complete(token, now_ms)
                return frames.ACCEPTED
            case frames.RELEASED_CODE:
                queue.release(token, now_ms)
                return frames.RELEASED
            case frames.REJECTED_CODE:
                queue.dead_letter(token, outcome.reason, outcome.description, now_ms, outcome.properties)
                return frames.REJECTED
            case frames.MODIFIED_CODE:
                change = queue.defer if outcome.undeliverable_here else queue.abandon
                change(token, now_ms, outcome.properties)
                return frames.modified(undeliverable_here=outcome.undeliverable_here)
            case _:
                raise unsupported.refuse(Feature.TRANSACTIONS, queue.path)


class ReplyOutlet(Outlet):
    """The response link of a node; replies wait here until there is credit."""

    def __init__(self, session: Session, attach: Attach) -> None:
        super().__init__(session, attach)
        self._waiting: deque[bytes] = deque()

    def reply(self, data: bytes) -> None:
        """Send an encoded message, now or when there is credit."""
        self._waiting.append(data)
        self.use_credit()

    def use_credit(self) -> None:
        """Send replies that wait."""
        while self._waiting and self.has_room():
            self._count()
            tag = self._delivery_count.to_bytes(4, "big")
            self.session.send_delivery(self.handle, tag, self._waiting.popleft(), None)


def open_link(hub: Hub, session: Session, attach: Attach) -> Link:
    """The link an attach frame asks for.

    Raises:
        ServiceError: there is no such entity, or it cannot be used in this way.
    """
    client_receives = attach.role
    if not client_receives and _is_coordinator(attach.target):
        raise unsupported.refuse(Feature.TRANSACTIONS, attach.name)
    address = _path(attach.source if client_receives else attach.target)
    if address == cbs.NODE or address.lower().endswith(_MANAGEMENT):
        if client_receives:
            return ReplyOutlet(session, attach)
        return _open_node(hub, session, attach, address)
    if client_receives:
        queue = hub.broker.entity(address, "receive")
        if _SESSION_FILTER in _filters(attach):
            raise unsupported.refuse(Feature.SESSIONS, address)
        return QueueOutlet(session, attach, hub, queue)
    queue = hub.broker.entity(address, "send")
    return Inlet(session, attach, partial(_accept_sent, hub, queue), hub.limits.message_bytes)


def _path(terminus: bytes | None) -> str:
    """The path in an address; clients write it bare or as a URI."""
    address = address_of(terminus)
    if "://" in address:
        address = address.partition("://")[2].partition("/")[2]
    return address.strip("/")


def _is_coordinator(target: bytes | None) -> bool:
    return target is not None and target != codec.NULL and codec.decode(target)[0].descriptor in _COORDINATORS


def _filters(attach: Attach) -> dict[str, Any]:
    fields = codec.decode(attach.source)[0].value if attach.source else []
    return (fields[_SOURCE_FILTER] if len(fields) > _SOURCE_FILTER else None) or {}


def _accept_sent(hub: Hub, queue: Queue, data: bytes, message_format: int) -> None:
    if hub.faults:
        raise hub.faults.popleft()
    is_batch = message_format == message.BATCH_FORMAT
    contents = message.parse_batch(data) if is_batch else [message.parse(data)]
    hub.broker.submit(queue, contents, hub.now_ms())


def _open_node(hub: Hub, session: Session, attach: Attach, address: str) -> Inlet:
    answer: Callable[[Request], bytes]
    if address == cbs.NODE:
        answer = partial(cbs.answer, hub)
    else:
        answer = partial(management.answer, hub, hub.broker.entity(address[: -len(_MANAGEMENT)]))

    def accept(data: bytes, _message_format: int) -> None:
        request = requests.parse(data)
        if outlet := _reply_outlet(session, request.reply_to, inlet.target):
            outlet.reply(answer(request))

    # Scheduling sends messages inside a request, which may so be larger than a message.
    inlet = Inlet(session, attach, accept, _MAX_REQUEST_MESSAGES * hub.limits.message_bytes)
    return inlet


def _reply_outlet(session: Session, reply_to: str | None, node: str) -> ReplyOutlet | None:
    """The link of the reply: the one with the address of reply-to, or else the one whose source is the node."""
    outlets = [link for link in session.links.values() if isinstance(link, ReplyOutlet)]
    chosen = [outlet for outlet in outlets if outlet.target == reply_to]
    return next(iter(chosen + [outlet for outlet in outlets if outlet.source == node]), None)
