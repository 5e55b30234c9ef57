"""Bytes from a queue become messages.

Rules of this file:
1. A message is parsed once, at the door, into a frozen type; whatever cannot be parsed becomes ``Malformed``
   with a reason and never an exception.
2. Unknown fields are kept out and named, so that a typo is seen.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from shared.core.keys import ID_RULE, Key, is_id
from shared.core.messages import CancelRequest, Check, GenerationRequest, Malformed, PredictionEvent
from shared.core.prediction import Prediction

#: The largest body that is looked at; a generous bound for 20,000 characters of prompt and the rest.
REQUEST_BYTES = 256 * 1024

#: Type and bounds of every optional field. Numbers are bounded here so that none can upset a store;
#: what a model really takes is the catalogue's matter.
_TEXT: dict[str, int] = {
    "model": 200,
    "negative_prompt": 2000,
    "aspect_ratio": 20,
    "image_url": 8192,  # one that is signed with a role's token is long
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
