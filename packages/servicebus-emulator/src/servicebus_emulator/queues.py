"""One queue: messages, locks, delivery counts, deferral, schedule, expiry. Pure: the clock is an argument.

Rules:
- A message is immutable; every change puts a new one in its place. Heaps keep sequence numbers only, and each use of
  one looks the message up again, so a settled or moved message need not be searched for in a heap.
- Messages leave in the order of their sequence numbers; an unlocked message goes back to its place.
- Time is in milliseconds since 1970 UTC, as on the wire.
- What must survive the process goes through its memory to the journal (memory.py).
"""

import heapq
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from uuid import UUID

from servicebus_emulator.deadlines import Deadlines
from servicebus_emulator.entities import QueueSpec
from servicebus_emulator.errors import MESSAGE_NOT_FOUND, NOT_ALLOWED, ServiceError
from servicebus_emulator.memory import Journal, Lock, Memory, Message, State
from servicebus_emulator.message import Content, Pairs, texts


@dataclass(frozen=True, slots=True)
class Shared:
    """What all queues of a broker have in common; `awake` collects queues that may have something to deliver."""

    journal: Journal
    new_token: Callable[[], UUID]
    deadlines: Deadlines = field(default_factory=Deadlines)
    awake: set["Queue"] = field(default_factory=set)


class Queue:
    """A queue, a subscription, or (without `dead_letter_queue`) a dead-letter queue."""

    def __init__(self, path: str, spec: QueueSpec, shared: Shared, dead_letter_queue: "Queue | None" = None) -> None:
        self.path = path
        self.spec = spec
        self.dead_letter_queue = dead_letter_queue
        self.memory = Memory(path, shared.journal)
        self._shared = shared
        self._ready: list[int] = []

    @property
    def messages(self) -> Mapping[int, Message]:
        """The messages in it, in any state, by their sequence numbers."""
        return self.memory.messages

    # ---- coming in ----

    def submit(self, content: Content, now_ms: int) -> int:
        """Take a sent message, now or at its scheduled time. Returns its sequence number.

        A duplicate is accepted and dropped, as Service Bus does; its number is never used.
        """
        number = self.memory.next_number()
        window_s = self.spec.duplicate_detection_window_s
        if window_s is not None and self.memory.is_duplicate(content.message_id, now_ms, round(window_s * 1000)):
            return number
        if content.scheduled_ms is not None and content.scheduled_ms > now_ms:
            at_ms = content.scheduled_ms
            self.memory.store(
                Message(sequence_number=number, content=content, enqueued_ms=at_ms, state=State.SCHEDULED)
            )
            self._shared.deadlines.add(at_ms, self, number)
        else:
            self.enqueue(content, now_ms, number)
        return number

    def enqueue(self, content: Content, now_ms: int, number: int | None = None) -> None:
        """Make a message available."""
        number = number or self.memory.next_number()
        ttl_ms = self._ttl_ms(content)
        expires_ms = None if ttl_ms is None else now_ms + ttl_ms
        self.memory.store(Message(sequence_number=number, content=content, enqueued_ms=now_ms, expires_ms=expires_ms))
        self._free(number)
        if expires_ms is not None:
            self._shared.deadlines.add(expires_ms, self, number)

    def cancel_scheduled(self, numbers: Sequence[int]) -> None:
        """Take back scheduled messages, all or none."""
        for number in numbers:
            self.memory.get(number, State.SCHEDULED)
        for number in numbers:
            self.memory.remove(number)

    # ---- going out ----

    def acquire(self, now_ms: int) -> Message | None:
        """Lock the first available message."""
        message = self._first(now_ms)
        return None if message is None else self._lock(message, now_ms)

    def take(self, now_ms: int) -> Message | None:
        """Remove and return the first available message."""
        message = self._first(now_ms)
        if message is not None:
            self.memory.remove(message.sequence_number)
        return message

    def receive_deferred(self, numbers: Sequence[int], now_ms: int, *, lock: bool) -> list[Message]:
        """Lock, or remove, deferred messages, all or none."""
        messages = [self.memory.get(number, State.DEFERRED) for number in numbers]
        if any(message.lock for message in messages):
            raise ServiceError(MESSAGE_NOT_FOUND, "A deferred message is locked by another receiver.")
        if lock:
            return [self._lock(message, now_ms) for message in messages]
        for message in messages:
            self.memory.remove(message.sequence_number)
        return messages

    def peek(self, from_number: int, count: int) -> list[Message]:
        """Look at messages in any state, in order."""
        numbers = sorted(number for number in self.messages if number >= from_number)
        return [self.messages[number] for number in numbers[:count]]

    # ---- settling; every method raises message-lock-lost for a token that locks nothing (any more) ----

    def complete(self, token: UUID, now_ms: int) -> None:
        """Remove the message: it was processed."""
        self.memory.remove(self.memory.locked(token, now_ms).sequence_number)

    def abandon(self, token: UUID, now_ms: int, properties: Pairs = ()) -> None:
        """Unlock the message and count a failed delivery; the last one moves it to the dead-letter queue."""
        self._unlock(_with(self.memory.locked(token, now_ms), properties), now_ms, failed=True)

    def release(self, token: UUID, now_ms: int) -> None:
        """Unlock the message without counting: the client gave it back before its code saw it."""
        self._unlock(self.memory.locked(token, now_ms), now_ms, failed=False)

    def defer(self, token: UUID, now_ms: int, properties: Pairs = ()) -> None:
        """Defer the message: from now on it is received by its sequence number only."""
        message = _with(self.memory.locked(token, now_ms), properties)
        self.memory.change(replace(message, state=State.DEFERRED, lock=None))

    def dead_letter(
        self, token: UUID, reason: str | None, description: str | None, now_ms: int, properties: Pairs = ()
    ) -> None:
        """Move the message to the dead-letter queue."""
        message = _with(self.memory.locked(token, now_ms), properties)
        if self.dead_letter_queue is None:
            raise ServiceError(NOT_ALLOWED, "A dead-lettered message cannot be dead-lettered again.")
        self._move_to_dead_letter_queue(message, reason, description)

    def renew(self, token: UUID, now_ms: int) -> int:
        """Lock for another full duration. Returns when it expires (milliseconds since 1970 UTC)."""
        message = self.memory.locked(token, now_ms)
        until_ms = now_ms + self._lock_ms
        self.memory.put(replace(message, lock=Lock(token, until_ms)))
        return until_ms

    # ---- time ----

    def look_at(self, number: int, token: UUID | None, now_ms: int) -> None:
        """A deadline of this message has come: expire the lock or the message, or make it active."""
        message = self.messages.get(number)
        if message is None:
            return
        if message.lock is not None:
            if message.lock.token == token:
                self._look_at_lock(message, message.lock, now_ms)
        elif message.state is State.SCHEDULED:
            self.memory.remove(number)
            self.enqueue(message.content, now_ms)
        elif _is_expired(message, now_ms):
            self._expire(message)

    def expire_lock(self, number: int, now_ms: int) -> None:
        """Expire a lock before its time."""
        message = self.messages.get(number)
        if message is None or message.lock is None:
            raise ServiceError(MESSAGE_NOT_FOUND, f"No locked message has the sequence number {number}.")
        self._unlock(message, now_ms, failed=True)

    def _look_at_lock(self, message: Message, lock: Lock, now_ms: int) -> None:
        if lock.until_ms <= now_ms:
            self._unlock(message, now_ms, failed=True)
        else:  # it was renewed
            self._shared.deadlines.add(lock.until_ms, self, message.sequence_number, lock.token)

    # ---- restoring from the journal ----

    def restore_message(self, message: Message) -> None:
        """Put a stored message back, unlocked."""
        number = message.sequence_number
        self.memory.put(message)
        if message.state is State.ACTIVE:
            self._free(number)
        at_ms = message.enqueued_ms if message.state is State.SCHEDULED else message.expires_ms
        if at_ms is not None:
            self._shared.deadlines.add(at_ms, self, number)

    # ---- inside ----

    @property
    def _lock_ms(self) -> int:
        return round(self.spec.lock_duration_s * 1000)

    def _ttl_ms(self, content: Content) -> int | None:
        limits = [content.ttl_ms] if content.ttl_ms is not None else []
        if self.spec.default_ttl_s is not None:
            limits.append(round(self.spec.default_ttl_s * 1000))
        return min(limits, default=None)

    def _free(self, number: int) -> None:
        heapq.heappush(self._ready, number)
        self._shared.awake.add(self)

    def _first(self, now_ms: int) -> Message | None:
        while self._ready:
            message = self.messages.get(heapq.heappop(self._ready))
            if message is None:  # it expired since
                continue
            if not _is_expired(message, now_ms):
                return message
            self._expire(message)
        return None

    def _lock(self, message: Message, now_ms: int) -> Message:
        lock = Lock(self._shared.new_token(), now_ms + self._lock_ms)
        locked = replace(message, lock=lock)
        self.memory.put(locked)
        self._shared.deadlines.add(lock.until_ms, self, message.sequence_number, lock.token)
        return locked

    def _unlock(self, message: Message, now_ms: int, *, failed: bool) -> None:
        count = message.delivery_count + failed
        unlocked = replace(message, lock=None, delivery_count=count)
        self.memory.change(unlocked)
        if self.dead_letter_queue is not None and failed and count >= self.spec.max_delivery_count:
            text = f"Message could not be consumed after {count} delivery attempts."
            self._move_to_dead_letter_queue(unlocked, "MaxDeliveryCountExceeded", text)
        elif _is_expired(unlocked, now_ms):
            self._expire(unlocked)
        elif unlocked.state is State.ACTIVE:
            self._free(unlocked.sequence_number)

    def _expire(self, message: Message) -> None:
        if self.spec.dead_letter_on_expiration:
            text = "The message expired and was dead lettered."
            self._move_to_dead_letter_queue(message, "TTLExpiredException", text)
        else:
            self.memory.remove(message.sequence_number)

    def _move_to_dead_letter_queue(self, message: Message, reason: str | None, description: str | None) -> None:
        self.memory.remove(message.sequence_number)
        if self.dead_letter_queue is not None:
            notes = texts({"DeadLetterReason": reason, "DeadLetterErrorDescription": description})
            self.dead_letter_queue.accept_dead_lettered(_with(message, notes))

    def accept_dead_lettered(self, message: Message) -> None:
        """Take a message of the main queue: it keeps its number and its delivery count, and never expires."""
        self.memory.store(replace(message, state=State.ACTIVE, lock=None, expires_ms=None))
        self._free(message.sequence_number)


def _with(message: Message, properties: Pairs) -> Message:
    return replace(message, content=message.content.with_application_properties(properties)) if properties else message


def _is_expired(message: Message, now_ms: int) -> bool:
    return message.expires_ms is not None and message.expires_ms <= now_ms
