"""What one queue remembers: its messages and their locks, the numbers that it gave, the ids that it saw.

Rules:
- What must survive the process goes to the journal. Locks do not: after a restart their messages are free again.
"""

from collections import OrderedDict
from dataclasses import dataclass
from enum import IntEnum
from typing import Protocol
from uuid import UUID

from servicebus_emulator.errors import MESSAGE_NOT_FOUND, ServiceError, lock_lost
from servicebus_emulator.message import Content

# Sequence numbers are reserved in blocks, so that the journal is written once per block, not per message.
# A crash skips the rest of a block; numbers only have to grow.
SEQUENCE_BLOCK = 1000


class State(IntEnum):
    """The state of a message, with the numbers of the annotation x-opt-message-state."""

    ACTIVE = 0
    DEFERRED = 1
    SCHEDULED = 2


@dataclass(frozen=True, slots=True)
class Lock:
    """A receiver's lock on a message: the token, and when it expires (milliseconds since 1970 UTC)."""

    token: UUID
    until_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """A message in a queue; `delivery_count` counts deliveries that failed, so it is 0 at the first."""

    sequence_number: int
    content: Content
    enqueued_ms: int
    expires_ms: int | None = None
    state: State = State.ACTIVE
    delivery_count: int = 0
    lock: Lock | None = None


class Journal(Protocol):
    """Where a queue writes what must survive the process."""

    def put(self, path: str, message: Message) -> None:
        """A new message, or a known one with other content."""

    def update(self, path: str, message: Message) -> None:
        """Another state or delivery count of a known message."""

    def delete(self, path: str, sequence_number: int) -> None:
        """The message was completed, moved or expired."""

    def reserve(self, path: str, sequence_number: int) -> None:
        """Sequence numbers up to this one may be in use."""

    def remember(self, path: str, message_id: bytes, until_ms: int) -> None:
        """Duplicate detection drops messages with this id until then."""


class Memory:
    """The memory of the queue at a path."""

    def __init__(self, path: str, journal: Journal) -> None:
        self.messages: dict[int, Message] = {}
        self._path = path
        self._journal = journal
        self._locked: dict[UUID, int] = {}
        self._last_number = 0
        self._reserved_number = 0
        self._seen: OrderedDict[bytes, int] = OrderedDict()  # message id: until when; oldest first

    # ---- messages ----

    def put(self, message: Message) -> None:
        """Remember a message, or its lock, until the process ends."""
        self.messages[message.sequence_number] = message
        if message.lock is not None:
            self._locked[message.lock.token] = message.sequence_number

    def store(self, message: Message) -> None:
        """Remember a new message."""
        self.put(message)
        self._journal.put(self._path, message)

    def change(self, message: Message) -> None:
        """Put a message in the place of the one with its number. The lock of that one ends."""
        before = self.messages[message.sequence_number]
        if before.lock is not None:
            del self._locked[before.lock.token]
        self.put(message)
        if message.content is before.content:
            self._journal.update(self._path, message)
        else:
            self._journal.put(self._path, message)

    def remove(self, number: int) -> None:
        """Forget a message."""
        message = self.messages.pop(number)
        if message.lock is not None:
            del self._locked[message.lock.token]
        self._journal.delete(self._path, number)

    def get(self, number: int, state: State) -> Message:
        """The message of this number. Raises message-not-found if it is not there, or in another state."""
        message = self.messages.get(number)
        if message is None or message.state is not state:
            raise ServiceError(MESSAGE_NOT_FOUND, f"No {state.name.lower()} message has the number {number}.")
        return message

    def locked(self, token: UUID, now_ms: int) -> Message:
        """The message that this token locks. Raises message-lock-lost if it locks nothing (any more)."""
        message = self.messages.get(self._locked.get(token, -1))
        if message is None or message.lock is None or message.lock.until_ms <= now_ms:
            raise lock_lost()
        return message

    # ---- numbers ----

    def next_number(self) -> int:
        """A sequence number that was never given before."""
        self._last_number += 1
        if self._last_number > self._reserved_number:
            self._reserved_number += SEQUENCE_BLOCK
            self._journal.reserve(self._path, self._reserved_number)
        return self._last_number

    def restore_number(self, reserved: int) -> None:
        """Continue behind the numbers that were reserved."""
        self._last_number = self._reserved_number = reserved

    # ---- ids ----

    def is_duplicate(self, message_id: bytes, now_ms: int, window_ms: int) -> bool:
        """Whether this id was seen within the window. It is from now on."""
        while self._seen and next(iter(self._seen.values())) <= now_ms:
            self._seen.popitem(last=False)
        if message_id in self._seen:
            return True
        until_ms = now_ms + window_ms
        self._seen[message_id] = until_ms
        self._journal.remember(self._path, message_id, until_ms)
        return False

    def restore_seen(self, message_id: bytes, until_ms: int) -> None:
        """Remember an id for duplicate detection; oldest first."""
        self._seen[message_id] = until_ms
