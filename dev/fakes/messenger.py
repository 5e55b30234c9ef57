"""FakeMessenger: the sending side of Service Bus in memory, with duplicate detection.

Rules of this file:
1. A message id that was seen before is accepted and its message dropped, as the broker does it.
2. Nothing is delivered by itself: a test takes messages from ``sent`` and ``scheduled``.
"""

from dataclasses import dataclass
from datetime import datetime

from shared.core.commands.acts import AccountCommand
from shared.core.dependency import Dependency
from shared.core.events.approval_event import ApprovalEvent
from shared.core.events.command_event import CommandEvent
from shared.core.events.generation_event import Event, GenerationEvent, RefusalEvent, RequestRefusedEvent
from shared.core.events.limit_event import LimitEvent
from shared.core.requests.messages import CancelRequest, Check, GenerationRequest, Look, PredictionEvent
from shared.ports import Envelope, Sendable, Unavailable

REQUESTS = "generation-requests"
EVENTS = "prediction-events"
COMMANDS = "account-commands"


@dataclass(frozen=True, slots=True)
class Sent:
    """One message as it would be delivered. ``at`` is None for "now"."""

    queue: str
    message: Sendable
    envelope: Envelope
    at: datetime | None = None


@dataclass(frozen=True, slots=True)
class SentCommand:
    """One account command as it would be delivered. ``at`` is None for "now"."""

    command: AccountCommand
    envelope: Envelope
    at: datetime | None = None


class FakeMessenger:
    """ports.Messenger in memory. ``down``: raise Unavailable. ``dropped``: the duplicates."""

    def __init__(self) -> None:
        self.down = False
        self.sent: list[Sent] = []
        self.scheduled: list[Sent] = []
        self.published: list[GenerationEvent] = []
        self.refused: list[RefusalEvent] = []
        self.clashed: list[RequestRefusedEvent] = []
        self.approvals: list[ApprovalEvent] = []
        self.warnings: list[LimitEvent] = []
        self.commanded: list[CommandEvent] = []
        self.commands: list[SentCommand] = []
        self.dropped: list[str] = []
        self._seen: set[tuple[str, str]] = set()

    async def send(self, message: Sendable, envelope: Envelope, at: datetime | None = None) -> None:
        """Keep it in ``sent``, or in ``scheduled``."""
        queue = queue_of(message)
        if self._is_new(queue, envelope.message_id):
            (self.sent if at is None else self.scheduled).append(Sent(queue, message, envelope, at))

    async def send_command(self, command: AccountCommand, envelope: Envelope, at: datetime | None = None) -> None:
        """Keep it in ``commands``, scheduled or not."""
        if self._is_new(COMMANDS, envelope.message_id):
            self.commands.append(SentCommand(command, envelope, at))

    async def publish(self, event: Event, again: str = "") -> None:
        """Keep the event in the list of its kind."""
        if not self._is_new("topic", f"{event.event_id}/{again}"):
            return
        match event:
            case GenerationEvent():
                self.published.append(event)
            case CommandEvent():
                self.commanded.append(event)
            case LimitEvent():
                self.warnings.append(event)
            case ApprovalEvent():
                self.approvals.append(event)
            case RefusalEvent():
                self.refused.append(event)
            case RequestRefusedEvent():
                self.clashed.append(event)
            case _:
                raise TypeError(f"an event of a kind that nobody knows: {type(event).__name__}")

    async def ping(self) -> None:
        """The adapter's own health call."""
        if self.down:
            raise Unavailable(Dependency.SERVICE_BUS, "the test has taken it down")

    def _is_new(self, entity: str, message_id: str) -> bool:
        if self.down:
            raise Unavailable(Dependency.SERVICE_BUS, "the test has taken it down")
        if (entity, message_id) in self._seen:
            self.dropped.append(message_id)
            return False
        self._seen.add((entity, message_id))
        return True

    # Acts of a test.

    def take(self) -> list[Sent]:
        """The messages sent since the last call, in order."""
        taken, self.sent = self.sent, []
        return taken

    def take_due(self, now: datetime) -> list[Sent]:
        """The messages scheduled up to ``now``, in the order of their time."""
        due = sorted((each for each in self.scheduled if each.at and each.at <= now), key=lambda each: str(each.at))
        self.scheduled = [each for each in self.scheduled if each not in due]
        return due

    def forget_ids(self) -> None:
        """End the window of duplicate detection."""
        self._seen.clear()


def queue_of(message: Sendable) -> str:
    """The queue of a message, by its type."""
    match message:
        case GenerationRequest() | CancelRequest():
            return REQUESTS
        case PredictionEvent() | Check() | Look():
            return EVENTS
