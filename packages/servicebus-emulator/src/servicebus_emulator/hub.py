"""What all connections share: the broker, the receivers waiting at each queue, and the turn of the event loop.

A turn: frames come in and change the broker; then, once, messages are handed to receivers with credit, the
store commits, and only then are the answers written to the sockets and the timer set to the next deadline.
"""

import asyncio
import sqlite3
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from servicebus_emulator.broker import Broker
from servicebus_emulator.errors import ServiceError
from servicebus_emulator.queues import Queue
from servicebus_emulator.store import Store


class Receiver(Protocol):
    """A link that takes messages from a queue."""

    def has_room(self) -> bool:
        """Whether credit and window allow another message now."""

    def give(self) -> bool:
        """Send it the next message of the queue. Returns False when there is none."""


class Channel(Protocol):
    """A connection with answers waiting to be written."""

    def write_out(self) -> None:
        """Write them to the socket."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """`message_bytes` is the size of the largest message or batch, as the sender encodes it."""

    message_bytes: int = 262_144  # the Standard tier of Service Bus


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """The shared access key that clients have to sign their tokens with."""

    name: str
    key: str


class Hub:
    """One namespace on one event loop."""

    def __init__(
        self,
        broker: Broker,
        store: Store | None,
        credentials: Credentials,
        limits: Limits,
        on_failure: Callable[[Exception], None],
    ) -> None:
        self.broker = broker
        self.credentials = credentials
        self.limits = limits
        self.faults: deque[ServiceError] = deque()  # the next sends fail with these
        self._store = store
        self._on_failure = on_failure
        self._loop = asyncio.get_running_loop()
        self._receivers: dict[Queue, deque[Receiver]] = {}
        self._unwritten: set[Channel] = set()
        self._turn: asyncio.Handle | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._timer_ms: int | None = None

    @staticmethod
    def now_ms() -> int:
        """The wall clock in milliseconds since 1970 UTC, as messages carry it."""
        return time.time_ns() // 1_000_000

    def end_turn_soon(self, channel: Channel | None = None) -> None:
        """End this turn of the loop soon: the broker changed, or `channel` has something to write."""
        if channel is not None:
            self._unwritten.add(channel)
        if self._turn is None:
            self._turn = self._loop.call_soon(self._end_turn)

    def add_receiver(self, queue: Queue, receiver: Receiver) -> None:
        """Register a link that receives from a queue."""
        self._receivers.setdefault(queue, deque()).append(receiver)

    def remove_receiver(self, queue: Queue, receiver: Receiver) -> None:
        """Remove a link that has ended."""
        self._receivers[queue].remove(receiver)

    def serve(self, queue: Queue) -> None:
        """Deliver messages of a queue, round-robin over the receivers that have room."""
        receivers = self._receivers.get(queue)
        while receivers:
            for _ in range(len(receivers)):
                receiver = receivers[0]
                receivers.rotate(-1)
                if receiver.has_room():
                    break
            else:
                return
            if not receiver.give():
                return

    def stop(self) -> None:
        """End the last turn without answers, and close the store."""
        for handle in (self._turn, self._timer):
            if handle is not None:
                handle.cancel()
        if self._store is not None:
            self._store.close()

    def _end_turn(self) -> None:
        self._turn = None
        while self.broker.awake:
            self.serve(self.broker.awake.pop())
        if self._store is not None:
            try:
                self._store.commit()
            except sqlite3.Error as error:
                # Nothing may be acknowledged that is not stored, and SQLite may have rolled back: give up.
                self._on_failure(error)
                return
        while self._unwritten:
            self._unwritten.pop().write_out()
        self._set_timer()

    def _set_timer(self) -> None:
        deadline_ms = self.broker.next_deadline_ms()
        if deadline_ms == self._timer_ms:
            return
        if self._timer is not None:
            self._timer.cancel()
        self._timer_ms, self._timer = deadline_ms, None
        if deadline_ms is not None:
            # One millisecond more, so that the clock has surely passed the deadline when the timer fires.
            delay_s = max(0, deadline_ms - self.now_ms() + 1) / 1000
            self._timer = self._loop.call_later(delay_s, self._on_timer)

    def _on_timer(self) -> None:
        self._timer, self._timer_ms = None, None
        self.broker.advance(self.now_ms())
        self.end_turn_soon()
