"""What crosses a border: the messages that come in, the event that goes out.

Rules of this file:
1. A message is parsed once, at the door, into a frozen type; whatever cannot be parsed becomes ``Malformed``
   with a reason and never an exception.
2. Messages are plain JSON objects. Unknown fields are kept out and named, so that a typo is seen.
3. Ids are letters, digits and ``. _ @ | -``, at most 128 characters: what Tables and Blob both take as a key.
4. Formats grow by adding optional fields only: a queue may hold messages of the version before and after.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from datetime import datetime
from enum import StrEnum
from typing import Any

from shared.core.prediction import Prediction
from shared.core.reasons import Reason


@dataclass(frozen=True, slots=True, order=True)
class Key:
    """Whose generation, and which: the one address of a generation everywhere."""

    user_id: str
    generation_id: str

    def __str__(self) -> str:
        return f"{self.user_id}/{self.generation_id}"


@dataclass(frozen=True, slots=True, kw_only=True)
class GenerationRequest:
    """What the app asks for. None means "not said": the catalogue's default serves.

    ``prompt`` is empty for a training only. ``input_file`` names a file in the app's own container of uploads, in the
    user's folder: a sound to go on from, or the archive of a training, whose result goes to ``destination``.
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
    metadata: Mapping[str, str] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """The message that ``parse_request`` reads back; without what was not said."""
        raw = {name: value for name, value in asdict(self).items() if value is not None and name != "key"}
        return {"generation_id": self.key.generation_id, "user_id": self.key.user_id, **raw}


@dataclass(frozen=True, slots=True)
class CancelRequest:
    """The user does not want it any more."""

    key: Key

    def to_json(self) -> dict[str, Any]:
        """The message that ``parse_request`` reads back."""
        return {"type": "cancel", "user_id": self.key.user_id, "generation_id": self.key.generation_id}


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
            "user_id": self.key.user_id,
            "generation_id": self.key.generation_id,
            "attempt": self.attempt,
            "prediction": self.prediction.to_json(),
        }


@dataclass(frozen=True, slots=True)
class Check:
    """The timer asks to look at a generation that should have been heard of by now."""

    key: Key

    def to_json(self) -> dict[str, Any]:
        """The message that ``parse_event`` reads back."""
        return {"type": "check", "user_id": self.key.user_id, "generation_id": self.key.generation_id}


@dataclass(frozen=True, slots=True)
class Malformed:
    """Something that is no message of ours. ``key`` is there when the ids at least could be read."""

    text: str
    raw: bytes
    key: Key | None = None
    reason: Reason = Reason.INVALID_REQUEST


Message = GenerationRequest | CancelRequest | PredictionEvent | Check | Malformed

#: The largest body that is looked at; a generous bound for 20,000 characters of prompt and the rest.
REQUEST_BYTES = 256 * 1024

_ID = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._@|-]{0,126}[A-Za-z0-9_@|-])?")

#: What an id may be, in words.
ID_RULE = "1 to 128 letters, digits and . _ @ | -, starting with a letter or digit, not ending with a dot"

#: Type and bounds of every optional field. Numbers are bounded here so that none can upset a store;
#: what a model really takes is the catalogue's matter.
_TEXT: dict[str, int] = {
    "model": 200,
    "negative_prompt": 2000,
    "aspect_ratio": 20,
    "image_url": 2048,
    "output_format": 10,
    "quality": 20,
    "modality": 20,
    "system_prompt": 20_000,
    "resolution": 20,
    "input_file": 512,
    "destination": 140,
    "trigger_word": 60,
}
_WHOLE: dict[str, tuple[int, int]] = {
    "width": (64, 8192),
    "height": (64, 8192),
    "num_outputs": (1, 100),
    "num_inference_steps": (1, 1000),
    "seed": (0, 2**32 - 1),
    "max_tokens": (1, 1_000_000),
    "duration_s": (1, 3600),
    "training_steps": (1, 100_000),
    "max_credits": (0, 1_000_000_000),
}
_REAL: dict[str, tuple[float, float]] = {"guidance_scale": (0, 100), "prompt_strength": (0, 1), "temperature": (0, 10)}
_FIELDS = {item.name for item in fields(GenerationRequest)} - {"key"} | {"type", "user_id", "generation_id"}

#: What Darkroom makes.
MODALITIES = ("image", "video", "audio", "text", "training")

_DESTINATION = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}/[a-z0-9][a-z0-9._-]{0,63}")

#: A name within the user's folder: parts of harmless characters, none of them all dots.
_FILE_PART = re.compile(r"(?!\.+$)[A-Za-z0-9 ._()@+=-]{1,200}")

#: Bounds of the app's own metadata, which is echoed in the event: 16 pairs of texts.
_METADATA_PAIRS, _METADATA_CHARACTERS = 16, 256


class _FieldError(Exception):
    """A field that breaks its rule; never leaves this file."""


def parse_request(raw: bytes) -> tuple[GenerationRequest | CancelRequest | Malformed, tuple[str, ...]]:
    """Read a message of the request queue. Returns it with the names of the fields that were not known."""
    body = _object(raw)
    if isinstance(body, Malformed):
        return body, ()
    key = _key(body)
    if isinstance(key, Malformed):
        return Malformed(key.text, raw), ()
    kind = body.get("type", "generate")
    if kind == "cancel":
        return CancelRequest(key), ()
    if kind != "generate":
        return Malformed('type must be "generate" or "cancel" (or absent)', raw, key), ()
    unknown = tuple(sorted(_printable(name) for name in body.keys() - _FIELDS))
    try:
        return _request(key, body), unknown
    except _FieldError as bad:
        return Malformed(str(bad), raw, key), unknown


def parse_event(raw: bytes) -> PredictionEvent | Check | Malformed:
    """Read a message of the prediction queue, written by our own doors."""
    body = _object(raw)
    if isinstance(body, Malformed):
        return body
    key = _key(body)
    if isinstance(key, Malformed):
        return Malformed(key.text, raw)
    if body.get("type") == "check":
        return Check(key)
    attempt, prediction = body.get("attempt"), Prediction.read(body.get("prediction"))
    if body.get("type") != "prediction" or not isinstance(attempt, int) or prediction is None:
        return Malformed("a prediction event needs type, attempt and prediction", raw, key)
    return PredictionEvent(key, attempt, prediction)


def is_id(value: object) -> bool:
    """Whether a value can be an id of ours: see ``ID_RULE``."""
    return isinstance(value, str) and _ID.fullmatch(value) is not None


def _object(raw: bytes) -> dict[str, Any] | Malformed:
    if len(raw) > REQUEST_BYTES:
        return Malformed(f"the message is larger than {REQUEST_BYTES} bytes", raw)
    try:
        body = json.loads(raw)
    except (ValueError, RecursionError):
        return Malformed("the message is not JSON in UTF-8", raw)
    if not isinstance(body, dict):
        return Malformed("the message is not a JSON object", raw)
    return body


def _key(body: Mapping[str, Any]) -> Key | Malformed:
    for name in ("user_id", "generation_id"):
        value = body.get(name)
        if not is_id(value):
            return Malformed(f"{name} is needed: {ID_RULE}", b"")
    return Key(body["user_id"], body["generation_id"])


def _request(key: Key, body: Mapping[str, Any]) -> GenerationRequest:
    given: dict[str, Any] = {}
    for name, most in _TEXT.items():
        given[name] = _text(name, body.get(name), most)
    for name, bounds in _WHOLE.items():
        given[name] = _number(name, body.get(name), bounds, whole=True)
    for name, bounds_real in _REAL.items():
        given[name] = _number(name, body.get(name), bounds_real, whole=False)
    given["continuation"] = (
        _flag("continuation", body["continuation"]) if body.get("continuation") is not None else None
    )
    _check_names(key, given)
    trains = given["modality"] == "training" or given["destination"] is not None
    return GenerationRequest(
        key=key,
        prompt=_prompt(body.get("prompt"), needed=not trains),
        allow_fallback=_flag("allow_fallback", body.get("allow_fallback", True)),
        metadata=_metadata(body.get("metadata")),
        **given,
    )


def _check_names(key: Key, given: Mapping[str, Any]) -> None:
    """The texts that name something: each has a form of its own."""
    if given["modality"] not in (None, *MODALITIES):
        raise _FieldError(f"modality must be one of {', '.join(MODALITIES)}")
    if given["destination"] is not None and not _DESTINATION.fullmatch(given["destination"]):
        raise _FieldError("destination must be owner/name of a model: small letters, digits and . _ -")
    if given["continuation"] and given["input_file"] is None:
        raise _FieldError("continuation needs an input_file: the sound to go on from")
    if given["input_file"] is not None:
        folder, *parts = given["input_file"].split("/")
        # One user's file is never another's: the folder is the user's own.
        if folder != key.user_id or not parts or not all(_FILE_PART.fullmatch(part) for part in parts):
            raise _FieldError("input_file must be a file in the user's own folder of uploads: <user_id>/<name>")


def _prompt(value: object, *, needed: bool) -> str:
    if not needed and value is None:
        return ""
    if not isinstance(value, str) or (needed and not value.strip()):
        raise _FieldError("prompt is needed: a text that is not blank")
    return _storable("prompt", value)


def _text(name: str, value: object, most: int) -> str | None:
    if value is None:
        return None
    if not isinstance(value, str) or len(value) > most:
        raise _FieldError(f"{name} must be a text of at most {most} characters")
    return _storable(name, value) or None


def _storable(name: str, value: str) -> str:
    """Refuse lone surrogates and NUL: no store and no neighbour takes them."""
    if "\x00" in value or any("\ud800" <= char <= "\udfff" for char in value):
        raise _FieldError(f"{name} has characters that are not text")
    return value


def _number(name: str, value: object, bounds: tuple[float, float], *, whole: bool) -> int | float | None:
    if value is None:
        return None
    low, high = bounds
    kind = "a whole number" if whole else "a number"
    good = isinstance(value, int) or (not whole and isinstance(value, float))
    if not good or isinstance(value, bool) or not low <= value <= high:  # type: ignore[operator]  # good says so
        raise _FieldError(f"{name} must be {kind} from {low} to {high}")
    return value  # type: ignore[return-value]  # narrowed by good


def _flag(name: str, value: object) -> bool:
    if not isinstance(value, bool):
        raise _FieldError(f"{name} must be true or false")
    return value


def _metadata(value: object) -> dict[str, str]:
    if value is None:
        return {}
    rule = f"metadata must be at most {_METADATA_PAIRS} pairs of texts of at most {_METADATA_CHARACTERS} characters"
    if not isinstance(value, dict) or len(value) > _METADATA_PAIRS:
        raise _FieldError(rule)
    for name, item in value.items():
        if not isinstance(item, str) or max(len(name), len(item)) > _METADATA_CHARACTERS:
            raise _FieldError(rule)
        _storable("metadata", name + item)
    return dict(value)


def _printable(name: str) -> str:
    """A stranger's field name, fit for a log: at most 40 harmless characters."""
    return re.sub(r"[^A-Za-z0-9_.-]", "?", name)[:40]


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
            },
        }
