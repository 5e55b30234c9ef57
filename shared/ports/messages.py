"""Messages and events on their way out."""

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from shared.core.events.generation_event import Event
from shared.core.requests.messages import CancelRequest, Check, GenerationRequest, PredictionEvent

Sendable = GenerationRequest | CancelRequest | PredictionEvent | Check


@dataclass(frozen=True, slots=True)
class Envelope:
    """What travels with a message beside its body.

    ``message_id`` is what the broker recognises a duplicate by. ``deferrals`` counts how often the message was put
    off, ``since`` is when it was first put off (None: never). ``lost`` counts the deliveries, of it and of what it is
    a copy of, that came to no end: a worker died, or failed as nobody expected. ``enqueued_at`` is the broker's own
    word, and the same in every delivery of one message; None on what is sent.
    """

    message_id: str
    deferrals: int = 0
    since: datetime | None = None
    lost: int = 0
    enqueued_at: datetime | None = None

    @property
    def is_copy(self) -> bool:
        """Whether it is a copy that was put off, and not what an app has sent."""
        return self.deferrals > 0 or self.since is not None


class Messenger(Protocol):
    """Service Bus, the sending side. A message goes to the queue of its type."""

    async def send(self, message: Sendable, envelope: Envelope, at: datetime | None = None) -> None:
        """Send now, or schedule for ``at``."""

    async def publish(self, event: Event, again: str = "") -> None:
        """Publish an event on the topic, under its own stable id.

        ``again`` names the occasion on which it is told once more, or the broker would drop it as a duplicate.
        """
