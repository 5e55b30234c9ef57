"""The event that goes out when a generation has ended, and the values that it shares with the generation."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from shared.core.keys import Key
from shared.core.reasons import Reason
from shared.core.sizes import Told


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
    size: Told | None = None
    chosen_by: ChosenBy | None = None
    passed_over: tuple[PassedOver, ...] = ()

    @property
    def event_id(self) -> str:
        """The stable id: a generation ends once."""
        return f"{self.key}/{self.outcome}"

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
                "generation_id": self.key.generation_id,
                "user_id": self.key.user_id,
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
                "reason": {"code": self.reason.value, "text": self.text} if self.reason else None,
                "attempts": self.attempts,
                "metadata": dict(self.metadata),
                "ignored_fields": list(self.ignored_fields),
                "size": self.size,
            },
        }
