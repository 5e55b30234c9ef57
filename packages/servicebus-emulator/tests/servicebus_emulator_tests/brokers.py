"""A broker of its own entities, with a clock that only the tests move."""

from dataclasses import dataclass, field
from itertools import count
from typing import Any

from servicebus_emulator import codec
from servicebus_emulator.broker import Broker
from servicebus_emulator.memory import Message
from servicebus_emulator.message import Content
from servicebus_emulator.queues import Queue

ENTITIES = {
    "queues": [
        {"name": "q", "lock_duration_s": 60, "max_delivery_count": 3},
        {"name": "once", "duplicate_detection_window_s": 10},
        {"name": "short", "default_ttl_s": 5, "dead_letter_on_expiration": True},
        {"name": "forgets", "default_ttl_s": 5},
    ],
    "topics": [
        {
            "name": "news",
            "duplicate_detection_window_s": 10,
            "subscriptions": [{"name": "a"}, {"name": "b", "max_delivery_count": 1}],
        }
    ],
}


@dataclass
class World:
    """A broker and its clock in seconds."""

    broker: Broker
    now_s: float = 1000
    ids: "count[int]" = field(default_factory=count)

    @property
    def now_ms(self) -> int:
        """The clock as the broker reads it."""
        return round(self.now_s * 1000)

    def pass_time(self, seconds: float) -> None:
        """Move the clock, stopping at every deadline as a timer would."""
        end_ms = self.now_ms + round(seconds * 1000)
        while (deadline_ms := self.broker.next_deadline_ms()) is not None and deadline_ms <= end_ms:
            self.broker.advance(deadline_ms)
        self.now_s += seconds

    def queue(self, path: str) -> Queue:
        """The entity at a path."""
        return self.broker.entity(path)

    def send(self, path: str, name: str | None = None, **fields: Any) -> int:
        """Submit a message to an entity."""
        content = Content(message_id=codec.string(name or f"m{next(self.ids)}"), properties=b"", body=b"", **fields)
        return self.queue(path).submit(content, self.now_ms)

    def acquire(self, path: str) -> Message:
        """Lock the next message; there must be one."""
        message = self.queue(path).acquire(self.now_ms)
        assert message is not None
        return message

    def is_empty(self, path: str) -> bool:
        """Whether no message can be received."""
        return self.queue(path).acquire(self.now_ms) is None
