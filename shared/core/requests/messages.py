"""The incoming messages. ``parsing`` reads them; ``to_json`` writes what ``parsing`` reads back.

Rules of this file:
1. Messages are plain JSON objects.
2. Formats grow by optional fields only, because a queue may hold messages of the version before and after.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, fields
from datetime import datetime
from typing import Any

from shared.core.keys import GivenIds, Key
from shared.core.provider.prediction import Prediction
from shared.core.reasons import Reason
from shared.core.requests.field_patterns import INPUT_PREFIX
from shared.core.requests.field_types import InputValue
from shared.core.requests.fields import PICTURES, WRITTEN
from shared.core.values import replace


@dataclass(frozen=True, slots=True, kw_only=True)
class GenerationRequest:
    """A request to generate. None means that the request does not have the field; the catalogue's default applies.

    Its fields are those of the table in fields.py, repeated here for the type checker (a test compares them).
    ``prompt`` is empty for a training only. ``input_file`` names a file in the app's container of uploads, in the
    user's folder of the account: a sound to continue, or the archive of a training. A training's result goes to
    ``destination``.
    """

    key: Key
    prompt: str = ""
    model: str | None = None
    modality: str | None = None
    kind: str | None = None
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
    image_urls: tuple[str, ...] | None = None
    mask_url: str | None = None
    end_image_url: str | None = None
    prompt_strength: float | None = None
    lora_weights: str | None = None
    lora_scale: float | None = None
    output_format: str | None = None
    quality: str | None = None
    max_tokens: int | None = None
    temperature: float | None = None
    top_k: int | None = None
    top_p: float | None = None
    fps: int | None = None
    motion: float | None = None
    duration_s: int | None = None
    resolution: str | None = None
    continuation: bool | None = None
    input_file: str | None = None
    destination: str | None = None
    trigger_word: str | None = None
    training_steps: int | None = None
    inputs: Mapping[str, InputValue] = field(default_factory=dict)
    learning_rate: float | None = None
    batch_size: int | None = None
    lora_rank: int | None = None
    autocaption: bool | None = None
    gradient_checkpointing: bool | None = None
    max_credits: int | None = None
    allow_fallback: bool = True
    strict: bool = False
    metadata: Mapping[str, str] = field(default_factory=dict)
    #: Names of unknown fields, made safe for a log and an event. The message has no such field.
    unknown_fields: tuple[str, ...] = ()
    #: Of the content as the user sent it (digest.py). Empty if it is not known. The message has no such field.
    digest: str = field(default="", compare=False)

    @property
    def written_texts(self) -> tuple[str, ...]:
        """The texts that the user wrote, in the order in which a model reads them (fields.py), without absent ones.

        Every text of ``inputs`` is one of them: only the model's entry knows which of these are choices or addresses.
        """
        return self.texts_beside(())

    def texts_beside(self, pictures: Collection[str]) -> tuple[str, ...]:
        """The written texts, without what the inputs of these names have: the addresses of pictures."""
        written = (getattr(self, name) for name in WRITTEN)
        return tuple(text for value in written for text in _texts(value, pictures) if text)

    @property
    def may_have_pictures(self) -> bool:
        """Whether pictures may have been stored for it: of our fields, of an archive, of addresses in ``inputs``."""
        return (
            bool(self.pictures)
            or self.input_file is not None
            or any(_is_address(text) for text in _texts(self.inputs, ()))
        )

    @property
    def pictures(self) -> tuple[str, ...]:
        """The addresses of all pictures, or the references in their place, in the order of the fields."""
        found = (getattr(self, name) for name in PICTURES)
        return tuple(address for value in found if value for address in ((value,) if isinstance(value, str) else value))

    def place_of(self, address: str) -> str:
        """The field or input that has an address of a picture, for a sentence."""
        for name in PICTURES:
            value = getattr(self, name)
            if value == address or (isinstance(value, tuple) and address in value):
                return name
        found = (f"inputs.{name}" for name, value in self.inputs.items() if address in _texts(value, ()))
        return next(found, PICTURES[0])

    def with_picture(self, address: str, reference: str, inputs: Collection[str] = ()) -> "GenerationRequest":
        """The request with a reference in place of an address, in our fields and in the ``inputs`` of these names."""
        changed: dict[str, Any] = {}
        for name in PICTURES:
            value = getattr(self, name)
            if value == address:
                changed[name] = reference
            elif isinstance(value, tuple):
                changed[name] = tuple(reference if each == address else each for each in value)
        own: dict[str, InputValue] = dict(self.inputs)
        for name in inputs:
            match own.get(name):
                case list() as several:
                    own[name] = [reference if each == address else each for each in several]
                case str() as one if one == address:
                    own[name] = reference
        return replace(self, inputs=own, **changed)

    def to_json(self) -> dict[str, Any]:
        """The message that ``parse_request`` reads back, without absent fields. Unknown fields are null."""
        named = ((each.name, getattr(self, each.name)) for each in fields(self))
        kept = {name: value for name, value in named if value is not None and name not in _NOT_IN_MESSAGE}
        kept["metadata"] = dict(self.metadata)
        kept["inputs"] = dict(self.inputs)
        if not self.inputs:
            del kept["inputs"]
        if not self.strict:
            del kept["strict"]
        unknown = dict.fromkeys(self.unknown_fields)
        return {**self.key.in_message, **kept, **unknown}


def _texts(value: object, but: Collection[str]) -> Iterator[str]:
    """The texts of a field, of a list, or of an object beside the names ``but``."""
    match value:
        case str():
            yield value
        case list():
            yield from (each for each in value if isinstance(each, str))
        case Mapping():
            for name, each in value.items():
                if name not in but:
                    yield from _texts(each, ())
        case _:
            return


def _is_address(text: str) -> bool:
    return text.startswith(("https://", INPUT_PREFIX))


#: Attributes of a request that are not fields of its message.
_NOT_IN_MESSAGE = ("key", "unknown_fields", "digest")


@dataclass(frozen=True, slots=True)
class CancelRequest:
    """A request to cancel: the user does not want the generation any more."""

    key: Key

    def to_json(self) -> dict[str, Any]:
        """The message that ``parse_request`` reads back."""
        return {"type": "cancel", **self.key.in_message}


@dataclass(frozen=True, slots=True)
class PredictionEvent:
    """A report of a provider about one attempt of a generation."""

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
    """The timer's request to check a generation about which a message is overdue."""

    key: Key

    def to_json(self) -> dict[str, Any]:
        """The message that ``parse_event`` reads back."""
        return {"type": "check", **self.key.in_message}


@dataclass(frozen=True, slots=True)
class Look:
    """A look for turns that are free, while requests wait for one. It is about no generation."""

    at: datetime
    key: None = field(default=None, init=False)

    @property
    def name(self) -> str:
        """The same for all who ask for this look, so that the broker drops all but one."""
        return f"look/{self.at.timestamp():.0f}"

    def to_json(self) -> dict[str, Any]:
        """The message that ``parse_event`` reads back."""
        return {"type": "look", "at": self.at.isoformat()}


@dataclass(frozen=True, slots=True)
class Malformed:
    """A message that is not valid. ``key`` is given if at least the ids could be read.

    ``given_ids`` are given if user and generation could be read but one of the ids is invalid. The sender can then be
    sent an event, but nothing can be saved.
    """

    text: str
    raw: bytes
    key: Key | None = None
    reason: Reason = Reason.INVALID_REQUEST
    given_ids: GivenIds | None = None


Message = GenerationRequest | CancelRequest | PredictionEvent | Check | Look | Malformed
