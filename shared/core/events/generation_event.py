"""The event that is published when a generation has ended, and the values that it shares with the generation."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Protocol

from shared.core.catalog.sizes import GenerationView
from shared.core.keys import GivenIds, Key
from shared.core.money.limits import Notice, warned
from shared.core.reasons import Reason, Refusal


@dataclass(frozen=True, slots=True, kw_only=True)
class Output:
    """One stored output, and where the app finds it. ``width`` and ``height`` are 0 if it is not an image.

    ``text`` is a short text itself, or the version that a training made (owner/name:version). ``sha256`` is the digest
    of the stored bytes.
    """

    container: str
    name: str
    content_type: str
    size_bytes: int
    width: int
    height: int
    text: str = ""
    sha256: str = ""


class ChosenBy(StrEnum):
    """Why this model served the request."""

    REQUEST = "request"  # the request named it
    PLAN = "plan"  # the request named nothing: the default of the user's plan
    QUALITY = "quality"  # the cheapest model of the requested quality class
    SUCCESSOR = "successor"  # the requested model is retired
    FALLBACK = "fallback"  # the models before it in the chain failed


@dataclass(frozen=True, slots=True)
class PassedOver:
    """A model of the chain that did not serve, and why."""

    model: str
    reason: Reason


@dataclass(frozen=True, slots=True, kw_only=True)
class GenerationEvent:
    """The event of an ended generation: CloudEvents 1.0, without the prompt.

    ``outcome`` is succeeded, failed, rejected or canceled. The id is the same however often the event is sent.
    ``size`` is given if the request asked for a size: ``asked``, ``sent`` (the model's inputs) and ``made`` (the first
    stored image).
    ``model`` is that of the last attempt; ``chosen_by`` and ``passed_over`` say why it was this one.
    ``started_at`` is when the last attempt's create was sent. ``media_seconds`` is the requested duration (0: none).
    ``limit_warnings`` are the steps of ``warn`` limits that its hold has reached.
    ``category`` is what the content rules refused; empty if they refused nothing.
    """

    key: Key
    outcome: str
    at: datetime
    model: str = ""
    held_credits: int = 0
    captured_credits: int = 0
    outputs: tuple[Output, ...] = ()
    refused_outputs: int = 0
    reason: Reason | None
    text: str
    attempts: int = 0
    metadata: Mapping[str, str]
    ignored_fields: tuple[str, ...]
    limit_warnings: tuple[Notice, ...] = ()
    size: GenerationView | None = None
    chosen_by: ChosenBy | None = None
    passed_over: tuple[PassedOver, ...] = ()
    modality: str = ""
    seed: int | None = None
    media_seconds: int = 0
    category: str = ""
    opened_at: datetime
    started_at: datetime | None = None

    @property
    def event_id(self) -> str:
        """The event's stable id: a generation ends once."""
        return self.key.named(self.outcome)

    def to_json(self) -> dict[str, Any]:
        """The CloudEvent in structured JSON mode."""
        return {
            "specversion": "1.0",
            "id": self.event_id,
            "source": "/darkroom",
            "type": f"darkroom.generation.{self.outcome}",
            "subject": str(self.key),
            "time": self.at.isoformat(),
            "datacontenttype": "application/json",
            "data": {
                **self.key.properties,
                "modality": self.modality or None,
                "model": self.model or None,
                "chosen_by": self.chosen_by,
                "passed_over": [{"model": each.model, "reason": each.reason.value} for each in self.passed_over],
                "credits": {
                    "held": self.held_credits,
                    "captured": self.captured_credits,
                    "released": self.held_credits - self.captured_credits,
                },
                "outputs": [asdict(output) for output in self.outputs],
                "refused_outputs": self.refused_outputs,
                "seed": self.seed,
                "media_seconds": self.media_seconds or None,
                "reason": {"code": self.reason.value, "text": self.text} if self.reason else None,
                "category": self.category or None,
                "times": {
                    "opened": self.opened_at.isoformat(),
                    "started": self.started_at.isoformat() if self.started_at else None,
                    "ended": self.at.isoformat(),
                },
                "attempts": self.attempts,
                "metadata": dict(self.metadata),
                "ignored_fields": list(self.ignored_fields),
                "limit_warnings": [warned(each) for each in self.limit_warnings],
                "size": self.size,
            },
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class RefusalEvent:
    """The event of a request whose ids are invalid. Nothing is saved of it, and its ids are returned as they came.

    It has the form of a rejected generation's event, so that a subscriber needs one parser. ``digest`` is that of the
    message: the same bytes make the same event. It cannot be taken for a generation's, because it names no key.
    """

    given_ids: GivenIds
    digest: str
    at: datetime
    refusal: Refusal

    @property
    def outcome(self) -> str:
        """``rejected``, as for any request that is refused before it opens."""
        return "rejected"

    @property
    def event_id(self) -> str:
        """The event's stable id. It differs from every generation's, because no valid id is empty."""
        return Key("", self.digest).named(self.outcome)

    def to_json(self) -> dict[str, Any]:
        """The CloudEvent in structured JSON mode."""
        account_id, user_id, generation_id = self.given_ids
        ids = {"account_id": account_id, "user_id": user_id, "generation_id": generation_id}
        rejected = GenerationEvent(
            key=Key("", self.digest),
            outcome=self.outcome,
            at=self.at,
            model="",
            held_credits=0,
            captured_credits=0,
            outputs=(),
            refused_outputs=0,
            reason=self.refusal.reason,
            text=self.refusal.text,
            attempts=0,
            metadata={},
            ignored_fields=(),
            opened_at=self.at,
        ).to_json()
        return rejected | {"data": rejected["data"] | ids}


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestRefusedEvent:
    """The event of a request that clashes with a generation of the same id, which goes on as if it had not come.

    It is no end of that generation: its type and its id are others. ``digest`` is that of the message, so the same
    message makes the same event.
    """

    key: Key
    digest: str
    at: datetime
    refusal: Refusal

    @property
    def outcome(self) -> str:
        """``refused``: of no generation's end."""
        return "refused"

    @property
    def event_id(self) -> str:
        """The event's stable id."""
        return self.key.named("request", self.outcome, self.digest)

    def to_json(self) -> dict[str, Any]:
        """The CloudEvent in structured JSON mode."""
        return {
            "specversion": "1.0",
            "id": self.event_id,
            "source": "/darkroom",
            "type": f"darkroom.request.{self.outcome}",
            "subject": str(self.key),
            "time": self.at.isoformat(),
            "datacontenttype": "application/json",
            "data": {
                **self.key.properties,
                "reason": {"code": self.refusal.reason.value, "text": self.refusal.text},
            },
        }


class Event(Protocol):
    """What the messenger publishes: a CloudEvent with a stable id, and its outcome for the filters of subscriptions."""

    @property
    def outcome(self) -> str:
        """What became of that which the event is about."""

    @property
    def event_id(self) -> str:
        """The event's stable id."""

    def to_json(self) -> dict[str, Any]:
        """The CloudEvent in structured JSON mode."""
