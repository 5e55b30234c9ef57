"""The event that goes out when a generation has ended, and the values that it shares with the generation."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from shared.core.catalog.sizes import GenerationView
from shared.core.keys import GivenIds, Key
from shared.core.reasons import Reason, Refusal


@dataclass(frozen=True, slots=True, kw_only=True)
class Output:
    """One stored output, where the app finds it. ``width`` and ``height`` are 0 for what is no picture.

    ``text`` is a short text itself, or the version that a training made (owner/name:version).
    """

    container: str
    name: str
    content_type: str
    size_bytes: int
    width: int
    height: int
    text: str = ""


class ChosenBy(StrEnum):
    """Why this model answered: it was asked for, or stands for what was."""

    REQUEST = "request"  # it was named
    PLAN = "plan"  # nothing was named: it serves the user's plan
    QUALITY = "quality"  # the cheapest of the quality class that was named
    SUCCESSOR = "successor"  # the one that was named is retired
    FALLBACK = "fallback"  # those before it in the chain have failed


@dataclass(frozen=True, slots=True)
class PassedOver:
    """A model that was to serve and did not, and why."""

    model: str
    reason: Reason


@dataclass(frozen=True, slots=True, kw_only=True)
class GenerationEvent:
    """What the app is told when a generation has ended: CloudEvents 1.0, no prompt in it.

    ``outcome`` is succeeded, failed, rejected or canceled. The id is the same however often it is sent.
    ``size`` is there where a size was asked for: ``asked``, ``sent`` (as the model is told it) and, of what was stored,
    ``made``.
    ``model`` is the one that answered last, ``chosen_by`` and ``passed_over`` say why it was this one.
    ``started_at`` is when the create was made that answered last; ``media_seconds`` the duration that was wanted
    (0: it has none); ``category`` what the content rules refused, empty where they refused nothing.
    """

    key: Key
    outcome: str
    at: datetime
    model: str
    held_credits: int
    captured_credits: int
    outputs: tuple[Output, ...]
    refused_outputs: int
    reason: Reason | None
    text: str
    attempts: int
    metadata: Mapping[str, str]
    ignored_fields: tuple[str, ...]
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
        """The stable id: a generation ends once."""
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
                "size": self.size,
            },
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class RefusalEvent:
    """What is told of a request whose ids are none: nothing is saved of it, and the ids are told as they were given.

    It has the form of the event of a generation that was rejected, so that who reads those reads this. ``digest`` is of
    the message: the same bytes are the same event, and no id of a key can be it (it names no key).
    """

    given_ids: GivenIds
    digest: str
    at: datetime
    refusal: Refusal

    @property
    def outcome(self) -> str:
        """As of any request that is refused before it opens."""
        return "rejected"

    @property
    def event_id(self) -> str:
        """The stable id. No part of a key is an empty text."""
        return Key("", self.digest).named(self.outcome)

    def to_json(self) -> dict[str, Any]:
        """The CloudEvent in structured JSON mode."""
        account_id, user_id, generation_id = self.given_ids
        ids = {"account_id": account_id, "user_id": user_id, "generation_id": generation_id}
        told = GenerationEvent(
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
        return told | {"data": told["data"] | ids}


Event = GenerationEvent | RefusalEvent
