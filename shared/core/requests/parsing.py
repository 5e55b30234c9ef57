"""Bytes from a queue become messages.

Rules of this file:
1. A message is parsed once, at the door, into a frozen type; whatever cannot be parsed becomes ``Malformed``
   with a reason and never an exception.
2. Unknown fields are kept out and named, so that a typo is seen; with ``strict`` they are refused.
3. A field that is null is not there.
"""

import re
from collections.abc import Mapping
from dataclasses import fields
from typing import Any, TypeVar

from shared.core.keys import ID_RULE, GivenIds, Key, is_id
from shared.core.provider.prediction import Prediction
from shared.core.requests.messages import CancelRequest, Check, GenerationRequest, Malformed, PredictionEvent
from shared.core.requests.unwrapping import Unreadable, plain_object, unwrapped

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
_FIELDS = {item.name for item in fields(GenerationRequest)} - {"key", "unknown_fields"}
_FIELDS |= {"type", "user_id", "generation_id"}

#: So many unknown fields are named; a body may hold thousands.
_UNKNOWN_NAMED = 20

#: What Darkroom makes.
MODALITIES = ("image", "video", "audio", "text", "training")

_DESTINATION = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}/[a-z0-9][a-z0-9._-]{0,63}")

#: A name within the user's folder: parts of harmless characters, none of them all dots.
_FILE_PART = re.compile(r"(?!\.+$)[A-Za-z0-9 ._()@+=-]{1,200}")

#: Bounds of the app's own metadata, which is echoed in the event: 16 pairs of texts.
_METADATA_PAIRS, _METADATA_CHARACTERS = 16, 256

#: What is told to its sender where it is no id: a text of at most so many characters, or a number of 64 bits.
_GIVEN_ID_CHARACTERS = 256

#: A generation has fewer attempts than this, by far.
_MOST_ATTEMPTS = 1_000_000


Flag = TypeVar("Flag", bool, None)


class _FieldError(Exception):
    """A field that breaks its rule; never leaves this file."""


def parse_request(raw: bytes) -> tuple[GenerationRequest | CancelRequest | Malformed, tuple[str, ...]]:
    """Read a message of the request queue. Returns it with the names of the fields that were not known."""
    if len(raw) > REQUEST_BYTES:
        return _too_large(raw), ()
    try:
        body = unwrapped(raw)
    except Unreadable as bad:
        return Malformed(str(bad), raw), ()
    try:
        key = _key(body)
    except _FieldError as bad:
        return Malformed(str(bad), raw, given_ids=_given_ids(body)), ()
    kind = body.get("type")
    if kind == "cancel":
        return CancelRequest(key), ()
    if kind not in (None, "generate"):
        return Malformed('type must be "generate" or "cancel" (or absent)', raw, key), ()
    unknown = _unknown(body)
    try:
        return _request(key, body, unknown), unknown
    except _FieldError as bad:
        return Malformed(str(bad), raw, key), unknown


def parse_event(raw: bytes) -> PredictionEvent | Check | Malformed:
    """Read a message of the prediction queue, written by our own doors."""
    if len(raw) > REQUEST_BYTES:
        return _too_large(raw)
    try:
        body = plain_object(raw)
        key = _key(body)
    except (Unreadable, _FieldError) as bad:
        return Malformed(str(bad), raw)
    if body.get("type") == "check":
        return Check(key)
    attempt, prediction = body.get("attempt"), Prediction.read(body.get("prediction"))
    good = isinstance(attempt, int) and not isinstance(attempt, bool) and 0 < attempt < _MOST_ATTEMPTS
    if body.get("type") != "prediction" or not good or prediction is None:
        return Malformed("a prediction event needs type, attempt and prediction", raw, key)
    return PredictionEvent(key, attempt, prediction)  # type: ignore[arg-type]  # good says so


def _too_large(raw: bytes) -> Malformed:
    return Malformed(f"the message is larger than {REQUEST_BYTES} bytes", raw)


def _key(body: Mapping[str, Any]) -> Key:
    for name in ("user_id", "generation_id"):
        value = body.get(name)
        if is_id(value):
            continue
        if value is None:
            close = sorted(_printable(other) for other in body if _letters(other) == _letters(name))
            raise _FieldError(f"{name} is needed: {ID_RULE}{f' (there is {close[0]})' if close else ''}")
        raise _FieldError(f"{name} must be a text of {ID_RULE}")
    return Key(body["user_id"], body["generation_id"])


def _letters(name: str) -> str:
    return name.lower().replace("_", "").replace("-", "")


def _given_ids(body: Mapping[str, Any]) -> GivenIds | None:
    """Both ids as they were given, where they are at least a text or a number that can be told."""
    user, generation = body.get("user_id"), body.get("generation_id")
    if _is_telling(user) and _is_telling(generation):
        return user, generation  # type: ignore[return-value]  # told so
    return None


def _is_telling(value: object) -> bool:
    if isinstance(value, str):
        return 0 < len(value) <= _GIVEN_ID_CHARACTERS and value.isprintable()
    return isinstance(value, int) and not isinstance(value, bool) and -(2**63) <= value < 2**63


def _unknown(body: Mapping[str, Any]) -> tuple[str, ...]:
    """The names of unknown fields, fit for a log, no more than some of them."""
    return tuple(sorted({_printable(name) for name in body.keys() - _FIELDS})[:_UNKNOWN_NAMED])


def _request(key: Key, body: Mapping[str, Any], unknown: tuple[str, ...]) -> GenerationRequest:
    given: dict[str, Any] = {"strict": _flag("strict", body.get("strict"), default=False)}
    if given["strict"] and unknown:
        raise _FieldError(_unknown_refused(unknown))
    for name, most in _TEXT.items():
        given[name] = _text(name, body.get(name), most)
    for name, bounds in _WHOLE.items():
        given[name] = _number(name, body.get(name), bounds, whole=True)
    for name, bounds_real in _REAL.items():
        given[name] = _number(name, body.get(name), bounds_real, whole=False)
    given["continuation"] = _flag("continuation", body.get("continuation"), default=None)
    _check_names(key, given)
    trains = given["modality"] == "training" or given["destination"] is not None
    return GenerationRequest(
        key=key,
        prompt=_prompt(body.get("prompt"), needed=not trains),
        allow_fallback=_flag("allow_fallback", body.get("allow_fallback"), default=True),
        metadata=_metadata(body.get("metadata")),
        unknown_fields=unknown,
        **given,
    )


def _unknown_refused(unknown: tuple[str, ...]) -> str:
    """What is wrong and what may have been meant: ``widht`` is near to ``width``."""
    import difflib  # noqa: PLC0415  # 2 ms of a start, for what hardly ever is needed

    near = [(name, difflib.get_close_matches(name, _FIELDS, 1)) for name in unknown]
    told = [f"{name} (did you mean {found[0]}?)" if found else name for name, found in near]
    return f"strict refuses fields that are not known: {', '.join(told)}"


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
    """Refuse lone surrogates and NUL: no store and no dependency takes them."""
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


def _flag(name: str, value: object, *, default: Flag) -> bool | Flag:
    if value is None:
        return default
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
