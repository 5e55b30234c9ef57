"""The messages that come in. ``parsing`` reads them; ``to_json`` writes what it reads back.

Rules of this file:
1. Messages are plain JSON objects.
2. Formats grow by adding optional fields only: a queue may hold messages of the version before and after.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from shared.core.keys import GivenIds, Key
from shared.core.provider.prediction import Prediction
from shared.core.reasons import Reason
from shared.core.requests.fields import WRITTEN


@dataclass(frozen=True, slots=True, kw_only=True)
class GenerationRequest:
    """What the app asks for. None means "not said": the catalogue's default serves.

    Its fields are those of the table in fields.py, written here once more for the type checker (a test compares them).
    ``prompt`` is empty for a training only. ``input_file`` names a file in the app's own container of uploads, in the
    user's folder of the account: a sound to go on from, or the archive of a training, whose result goes to
    ``destination``.
    """

    key: Key
    prompt: str = ""
    model: str | None = None
    modality: str | None = None
    negative_prompt: str | None = None
    system_prompt: str | None = None
    width: int | None = None
    height: int | None = None
    aspect_ratio: str | None = None
    num_outputs: int | None = None
    num_inference_steps: int | None = None
    guidance_scale: float | None = None
    seed: int | None = None
    image_url: str | None = None
    prompt_strength: float | None = None
    output_format: str | None = None
    quality: str | None = None
    max_tokens: int | None = None
    temperature: float | None = None
    duration_s: int | None = None
    resolution: str | None = None
    continuation: bool | None = None
    input_file: str | None = None
    destination: str | None = None
    trigger_word: str | None = None
    training_steps: int | None = None
    max_credits: int | None = None
    allow_fallback: bool = True
    strict: bool = False
    metadata: Mapping[str, str] = field(default_factory=dict)
    #: Names of fields that nobody knows, fit for a log and an event. They are no field of the message.
    unknown_fields: tuple[str, ...] = ()

    @property
    def written_texts(self) -> tuple[str, ...]:
        """What the user wrote, in the order in which a model reads it (fields.py); without what was not said."""
        return tuple(text for name in WRITTEN if (text := getattr(self, name)))

    def to_json(self) -> dict[str, Any]:
        """The message that ``parse_request`` reads back; without what was not said. Of unknown fields, the names."""
        kept = {name: value for name, value in asdict(self).items() if value is not None and name not in _NOT_SAID}
        if not self.strict:
            del kept["strict"]
        unknown = dict.fromkeys(self.unknown_fields)
        return {**self.key.in_message, **kept, **unknown}


#: What a request has and no message says.
_NOT_SAID = ("key", "unknown_fields")


@dataclass(frozen=True, slots=True)
class CancelRequest:
    """The user does not want it any more."""

    key: Key

    def to_json(self) -> dict[str, Any]:
        """The message that ``parse_request`` reads back."""
        return {"type": "cancel", **self.key.in_message}


@dataclass(frozen=True, slots=True)
class PredictionEvent:
    """Replicate says something about one attempt of a generation."""

    key: Key
    attempt: int
    prediction: Prediction

    def to_json(self) -> dict[str, Any]:
        """The message that ``parse_event`` reads back."""
        return {
            "type": "prediction",
            **self.key.in_message,
            "attempt": self.attempt,
            "prediction": self.prediction.to_json(),
        }


@dataclass(frozen=True, slots=True)
class Check:
    """The timer asks to look at a generation that should have been heard of by now."""

    key: Key

    def to_json(self) -> dict[str, Any]:
        """The message that ``parse_event`` reads back."""
        return {"type": "check", **self.key.in_message}


@dataclass(frozen=True, slots=True)
class Malformed:
    """Something that is no message of ours. ``key`` is there when the ids at least could be read.

    ``given_ids`` are there where user and generation could be read, and one of the ids is none: the sender can be
    told, but nothing can be saved.
    """

    text: str
    raw: bytes
    key: Key | None = None
    reason: Reason = Reason.INVALID_REQUEST
    given_ids: GivenIds | None = None


Message = GenerationRequest | CancelRequest | PredictionEvent | Check | Malformed
