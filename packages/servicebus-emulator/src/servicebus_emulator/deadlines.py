"""Points in time at which a queue has to look at one of its messages. Pure."""

import heapq
from collections.abc import Container
from typing import Protocol
from uuid import UUID


class Watched(Protocol):
    """A queue, as far as deadlines know it."""

    @property
    def messages(self) -> Container[int]:
        """The sequence numbers of what is in it."""

    def look_at(self, number: int, token: UUID | None, now_ms: int) -> None:
        """A deadline of this message has come."""


class Deadlines:
    """Points in time at which a queue has to look at one of its messages."""

    def __init__(self) -> None:
        self._heap: list[tuple[int, int, Watched, int, UUID | None]] = []
        self._added = 0  # breaks ties, so that queues are never compared

    def add(self, at_ms: int, queue: Watched, sequence_number: int, token: UUID | None = None) -> None:
        """Have `queue` look at the message then. With a token the deadline is that of the lock, and of no later one."""
        self._added += 1
        heapq.heappush(self._heap, (at_ms, self._added, queue, sequence_number, token))

    def next_ms(self) -> int | None:
        """The next point in time that still matters."""
        while self._heap and self._heap[0][3] not in self._heap[0][2].messages:
            heapq.heappop(self._heap)  # most messages are settled long before their lock would end
        return self._heap[0][0] if self._heap else None

    def run(self, now_ms: int) -> None:
        """Call `look_at` for every deadline that has come."""
        while self._heap and self._heap[0][0] <= now_ms:
            _at_ms, _order, queue, sequence_number, token = heapq.heappop(self._heap)
            queue.look_at(sequence_number, token, now_ms)
