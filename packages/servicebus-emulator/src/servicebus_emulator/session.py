"""An AMQP session: its windows, its links by handle, its unsettled deliveries (OASIS AMQP 1.0, section 2.5).

Rules:
- Delivery ids and tags may repeat, credit may be overrun, and frames may come for a link that was just detached: the
  SDKs do all of it. So nothing is looked up by a number that the client chose.
- Every settled delivery gets a disposition frame of its own: with a range, azure-servicebus would let all
  coroutines but one sleep out a read of 0.2 s.
- When a link ends, its deliveries are dropped but their locks stay: the token still settles on $management.
"""

from collections.abc import Callable
from typing import Protocol

from servicebus_emulator import codec, frames, outcomes
from servicebus_emulator.errors import DECODE_ERROR, ServiceError
from servicebus_emulator.frames import Attach, Begin, Detach, Disposition, Flow, Performative, Transfer
from servicebus_emulator.outcomes import Outcome

WINDOW = 2**31 - 1  # transfers the client may send: no limit in practice
_TRANSFER_BYTES = 128  # more than a frame header and a transfer performative with its 16-byte tag ever need

Settle = Callable[[Outcome], bytes]  # outcome of the client -> the encoded outcome to echo


class Wire(Protocol):
    """The connection under a session."""

    max_frame_bytes: int

    def send(self, channel: int, performative: Performative, payload: bytes = b"") -> None:
        """Send one frame at the end of this turn."""


class Link:
    """The emulator's end of a link. It ignores frames that its kind of link does not use."""

    def __init__(self, session: "Session", attach: Attach) -> None:
        self.session = session
        self.handle = attach.handle
        self.source = address_of(attach.source)
        self.target = address_of(attach.target)

    def answer(self, attach: Attach) -> Attach:
        """The attach frame that opens this link."""
        raise NotImplementedError

    def on_open(self) -> None:
        """The answer was sent."""

    def on_flow(self, flow: Flow) -> None:
        """The client grants credit."""

    def on_transfer(self, transfer: Transfer, payload: bytes) -> None:
        """The client sends a message or a part of one."""

    def on_gone(self) -> None:
        """The link was detached, or its session or connection ended."""


OpenLink = Callable[["Session", Attach], Link]


class Session:
    """One session; `open_link` decides what an attach frame gets, or refuses it with ServiceError."""

    def __init__(self, wire: Wire, channel: int, begin: Begin, open_link: OpenLink) -> None:
        self.links: dict[int, Link] = {}
        self._wire = wire
        self._channel = channel
        self._open_link = open_link
        self._next_incoming_id = begin.next_outgoing_id
        self._next_outgoing_id = 0
        self._next_delivery_id = 0
        self._window = begin.incoming_window
        self._unsettled: dict[int, tuple[int, Settle]] = {}  # by delivery id: link handle, what to do

    @property
    def is_open_for_transfers(self) -> bool:
        """Whether the client's window has room."""
        return self._window > 0

    def send(self, performative: Performative) -> None:
        """Send one frame on this session."""
        self._wire.send(self._channel, performative)

    def send_flow(
        self, handle: int | None = None, delivery_count: int | None = None, credit: int | None = None
    ) -> None:
        """Send the windows of the session, and for a link its credit."""
        self.send(
            Flow(
                next_incoming_id=self._next_incoming_id,
                incoming_window=WINDOW,
                next_outgoing_id=self._next_outgoing_id,
                outgoing_window=WINDOW,
                handle=handle,
                delivery_count=delivery_count,
                link_credit=credit,
            )
        )

    def send_delivery(self, handle: int, tag: bytes, payload: bytes, settle: Settle | None) -> None:
        """Send a message in as many frames as it takes; without `settle` it is settled already."""
        delivery_id = self._next_delivery_id
        self._next_delivery_id += 1
        if settle is not None:
            self._unsettled[delivery_id] = (handle, settle)
        room_bytes = self._wire.max_frame_bytes - _TRANSFER_BYTES
        for at in range(0, len(payload), room_bytes):
            more = at + room_bytes < len(payload)
            transfer = Transfer(handle, delivery_id, tag, 0, settle is None, more, batchable=True)
            self._wire.send(self._channel, transfer, payload[at : at + room_bytes])
            self._next_outgoing_id += 1
            self._window -= 1

    def handle(self, performative: Performative, payload: bytes) -> None:
        """Handle one incoming frame."""
        match performative:
            case Attach():
                self._on_attach(performative)
            case Flow():
                self._on_flow(performative)
            case Transfer():
                self._next_incoming_id += 1
                if link := self.links.get(performative.handle):
                    link.on_transfer(performative, payload)
            case Disposition():
                self._on_disposition(performative)
            case Detach():
                self._on_detach(performative)
            case _:
                pass  # all others concern the connection, and do not come here

    def end(self) -> None:
        """All links are gone."""
        for link in self.links.values():
            link.on_gone()
        self.links.clear()
        self._unsettled.clear()

    def _on_attach(self, attach: Attach) -> None:
        try:
            link = self._open_link(self, attach)
        except ServiceError as error:
            # Source and target are null: with others the SDK takes the link for open, and the error is lost.
            self.send(
                Attach(attach.name, attach.handle, not attach.role, attach.snd_settle_mode, initial_delivery_count=0)
            )
            self.send(Detach(attach.handle, closed=True, error=frames.error(error.condition, error.description)))
            return
        self.links[attach.handle] = link
        self.send(link.answer(attach))
        link.on_open()

    def _on_flow(self, flow: Flow) -> None:
        self._window = (flow.next_incoming_id or 0) + flow.incoming_window - self._next_outgoing_id
        if flow.handle is None:
            for link in list(self.links.values()):
                link.on_flow(flow)
        elif link_ := self.links.get(flow.handle):
            link_.on_flow(flow)
        if flow.echo:
            self.send_flow()

    def _on_disposition(self, disposition: Disposition) -> None:
        if not disposition.role:
            return  # about deliveries the client sent: each was settled when it came in
        first, last = disposition.first, disposition.last
        if last is None or last == first:
            ids = [first] if first in self._unsettled else []
        else:
            ids = [each for each in self._unsettled if first <= each <= last]
        outcome = outcomes.parse(disposition.state)
        for delivery_id in ids:
            self._settle(delivery_id, outcome, answer=not disposition.settled)

    def _settle(self, delivery_id: int, outcome: Outcome | None, *, answer: bool) -> None:
        if outcome is None:
            if not answer:
                del self._unsettled[delivery_id]  # settled without an outcome: only the lock is left
            return
        _handle, settle = self._unsettled.pop(delivery_id)
        try:
            state = settle(outcome)
        except ServiceError as error:
            state = frames.rejected(error.condition, error.description)
        except codec.MALFORMED:
            state = frames.rejected(DECODE_ERROR, "The outcome is not well-formed.")
        if answer:
            self.send(Disposition(False, delivery_id, delivery_id, True, state))  # noqa: FBT003 - wire order

    def _on_detach(self, detach: Detach) -> None:
        link = self.links.pop(detach.handle, None)
        if link is None:
            return
        self._forget_deliveries(detach.handle)
        link.on_gone()
        self.send(Detach(detach.handle, closed=detach.closed))

    def _forget_deliveries(self, handle: int) -> None:
        for delivery_id in [each for each, (owner, _) in self._unsettled.items() if owner == handle]:
            del self._unsettled[delivery_id]


def address_of(terminus: bytes | None) -> str:
    """The address of an encoded source or target, as the client wrote it."""
    if terminus is None:
        return ""
    fields = codec.decode(terminus)[0].value
    address = fields[0] if fields else None
    return address if isinstance(address, str) else ""
