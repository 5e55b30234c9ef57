"""Messages and events that the app sends."""

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Protocol

from shared.core.events.generation_event import Event
from shared.core.requests.messages import CancelRequest, Check, GenerationRequest, Look, PredictionEvent

if TYPE_CHECKING:
    from shared.core.commands.acts import AccountCommand  # only the queue of account commands loads it

#: What may be deferred: it is about a generation.
Deferrable = GenerationRequest | CancelRequest | PredictionEvent | Check

Sendable = Deferrable | Look


@dataclass(frozen=True, slots=True)
class Envelope:
    """What goes with a message beside its body.

    ``message_id``: the broker drops a message whose id it has seen. ``deferrals``: how often the message was deferred.
    ``since``: when it was first deferred; None means never. ``lost``: the deliveries, of it and of the messages that it
    is a copy of, that did not complete, because a worker died or failed unexpectedly. ``enqueued_at``: the broker's
    time, the same in every delivery of one message; None for a message to be sent. ``digest``: that of the request from
    which a copy of our own was made; empty for what an app has sent.
    """

    message_id: str
    deferrals: int = 0
    since: datetime | None = None
    lost: int = 0
    enqueued_at: datetime | None = None
    digest: str = ""

    @property
    def is_copy(self) -> bool:
        """True for a deferred copy, False for the message that an app has sent."""
        return self.deferrals > 0 or self.since is not None


class Messenger(Protocol):
    """The sending side of Service Bus. A message goes to the queue of its type."""

    async def send(self, message: Sendable, envelope: Envelope, at: datetime | None = None) -> None:
        """Send a message now, or schedule it for ``at``. Raises Unavailable."""

    async def send_command(self, command: "AccountCommand", envelope: Envelope, at: datetime | None = None) -> None:
        """Send an account command to its queue now, or schedule it for ``at``. Raises Unavailable."""

    async def publish(self, event: Event, again: str = "") -> None:
        """Publish an event on the topic, with its own stable id.

        ``again`` names the occasion to publish it once more. Without it the broker would drop a duplicate.
        """
