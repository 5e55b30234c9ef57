"""One TCP connection: SASL, the AMQP handshake, its sessions by channel (OASIS AMQP 1.0, sections 2.4 and 5.3)."""

import asyncio
import logging
from functools import partial
from uuid import uuid4

from servicebus_emulator import foreign, frames
from servicebus_emulator.errors import INTERNAL_ERROR
from servicebus_emulator.frames import Begin, Close, End, Open, Performative, SaslInit
from servicebus_emulator.hub import Hub
from servicebus_emulator.links import open_link
from servicebus_emulator.session import WINDOW, Session

_LOG = logging.getLogger(__name__)

_IDLE_TIME_OUT_S = 240  # announced: azure-servicebus sends something at half of it
_SILENCE_S = 2 * _IDLE_TIME_OUT_S  # after which a client counts as gone
_FAREWELL_S = 5  # how long a client that does not speak AMQP has to read why
_CHANNEL_MAX = 4095  # as the real service
_MAX_REPLY_FRAME_BYTES = 1 << 20  # what azure-servicebus allows; a client that allows more does not get more


class Connection(asyncio.Protocol):
    """The server's end of a connection. The hub has its answers written at the end of a turn."""

    def __init__(self, hub: Hub, connections: "set[Connection]") -> None:
        self.max_frame_bytes = frames.MAX_FRAME_BYTES
        self._hub = hub
        self._connections = connections
        self._incoming = bytearray()
        self._outgoing = bytearray()
        self._sessions: dict[int, Session] = {}
        self._transport: asyncio.Transport | None = None
        self._is_closing = False
        self._is_greeted = False  # the client has begun, with AMQP
        self._is_foreign = False  # it has begun with something else, and was refused
        self._loop = asyncio.get_running_loop()
        self._last_heard = self._loop.time()
        self._watch: asyncio.TimerHandle | None = None
        self._keep_alive: asyncio.TimerHandle | None = None

    # ---- asyncio.Protocol ----

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client has connected."""
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - a TCP server has no other kind
        self._transport = transport
        self._connections.add(self)
        self._watch_silence()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - the reason does not matter
        """The client has disconnected. Its locks stay until they expire."""
        self._connections.discard(self)
        self._transport = None
        for timer in (self._watch, self._keep_alive):
            if timer is not None:
                timer.cancel()
        for session in self._sessions.values():
            session.end()
        self._sessions.clear()

    def data_received(self, data: bytes) -> None:
        """Handle every whole frame. An error in one ends this connection and no other."""
        self._last_heard = self._loop.time()
        if self._is_foreign:
            return
        self._incoming += data
        if not (self._is_greeted or self._greet()):
            return
        try:
            while not self._is_closing and (unit := frames.take_unit(self._incoming)) is not None:
                self._on_unit(unit)
        except Exception:  # noqa: BLE001 - an error in a frame must never end the server
            _LOG.exception("A frame could not be handled; the connection is closed.")
            self._close(frames.error(INTERNAL_ERROR, "The frame could not be handled."))
        self._hub.end_turn_soon(self)

    # ---- sending ----

    def send(self, channel: int, performative: Performative, payload: bytes = b"") -> None:
        """Send a frame at the end of this turn."""
        self._write(frames.frame(channel, performative, payload))

    def write_out(self) -> None:
        """Write what was sent in this turn."""
        if self._transport is None:
            return
        if self._outgoing:
            self._transport.write(bytes(self._outgoing))
            self._outgoing.clear()
        if self._is_foreign:
            # Not closed at once: the system would then throw away an answer that the client has not read yet.
            self._transport.write_eof()
            self._watch_farewell()
        elif self._is_closing:
            self._transport.close()

    def abort(self) -> None:
        """Cut the connection without a close frame, as a network failure does."""
        if self._transport is not None:
            self._transport.abort()

    def _write(self, data: bytes) -> None:
        self._outgoing += data
        self._hub.end_turn_soon(self)

    def _close(self, error: bytes | None = None) -> None:
        self.send(0, Close(error))
        self._is_closing = True

    # ---- receiving ----

    def _greet(self) -> bool:
        """Whether the client begins with AMQP. Another one is refused as soon as that is certain."""
        head = bytes(self._incoming[: foreign.HEAD_BYTES])
        self._is_greeted = foreign.speaks_amqp(head)
        if not self._is_greeted and (refusal := foreign.refusal(head)) is not None:
            _LOG.warning("Refused: %s", refusal.text)
            self._is_foreign = True
            self._incoming.clear()
            self._write(refusal.answer)
        return self._is_greeted

    def _on_unit(self, unit: bytes) -> None:
        if unit == frames.SASL_HEADER:
            self._write(frames.SASL_HEADER + frames.SASL_MECHANISMS)
        elif unit == frames.AMQP_HEADER:
            self._write(frames.AMQP_HEADER)
        elif unit.startswith(b"AMQP"):
            self._write(frames.AMQP_HEADER)  # the version that is spoken here, before closing (section 2.2)
            self._is_closing = True
        else:
            channel, performative, payload = frames.parse(unit)
            if performative is not None:
                self._on_frame(channel, performative, payload)

    def _on_frame(self, channel: int, performative: Performative, payload: bytes) -> None:
        match performative:
            case SaslInit():
                self._write(frames.SASL_OUTCOME_OK)
            case Open():
                self._on_open(performative)
            case Begin():
                self._on_begin(channel, performative)
            case End():
                if session := self._sessions.pop(channel, None):
                    session.end()
                    self.send(channel, End())
            case Close():
                self._close()
            case _:
                if session := self._sessions.get(channel):
                    session.handle(performative, payload)

    def _on_open(self, opened: Open) -> None:
        limit = opened.max_frame_size or _MAX_REPLY_FRAME_BYTES
        self.max_frame_bytes = min(limit, _MAX_REPLY_FRAME_BYTES)
        self.send(
            0,
            Open(
                container_id=uuid4().hex,
                max_frame_size=frames.MAX_FRAME_BYTES,
                channel_max=_CHANNEL_MAX,
                idle_time_out=_IDLE_TIME_OUT_S * 1000,
            ),
        )
        if opened.idle_time_out:
            self._keep_client_awake(opened.idle_time_out / 1000 / 2)

    def _on_begin(self, channel: int, begin: Begin) -> None:
        self._sessions[channel] = Session(self, channel, begin, partial(open_link, self._hub))
        self.send(
            channel,
            Begin(
                remote_channel=channel,
                next_outgoing_id=0,
                incoming_window=WINDOW,
                outgoing_window=WINDOW,
                handle_max=begin.handle_max,
            ),
        )

    # ---- time ----

    def _watch_silence(self) -> None:
        """Cut the connection after too long a silence. One timer does it, and it is set again only when it fires."""
        left_s = self._last_heard + _SILENCE_S - self._loop.time()
        if left_s <= 0:
            self.abort()
        else:
            self._watch = self._loop.call_later(left_s, self._watch_silence)

    def _watch_farewell(self) -> None:
        """Cut the connection of a client that was refused and does not close it."""
        if self._keep_alive is None:
            self._keep_alive = self._loop.call_later(_FAREWELL_S, self.abort)

    def _keep_client_awake(self, interval_s: float) -> None:
        """Send empty frames to a client that asked for a sign of life."""
        if self._transport is not None and not self._is_closing:
            self._write(frames.KEEP_ALIVE)
            self._keep_alive = self._loop.call_later(interval_s, self._keep_client_awake, interval_s)
