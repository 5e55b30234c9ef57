"""Bytes from a queue become messages.

Rules of this file:
1. A message is parsed once, at the door, into a frozen type; whatever cannot be parsed becomes ``Malformed``
   with a reason and never an exception.
2. Unknown fields are kept out and named, so that a typo is seen; with ``strict`` they are refused.
3. A field that is null is not there.
4. Names, types and bounds are those of the table (fields.py). Here are only the rules of more than one field: the
   prompt that everything but a training needs, the file in the user's own folder, the sound to go on from.
"""

import re
from collections.abc import Mapping
from typing import Any

from shared.core.keys import ID_RULE, GivenIds, Key, is_id
from shared.core.modality import Modality
from shared.core.provider.prediction import Prediction
from shared.core.requests.fields import FIELD, UPLOAD_RULE, Field, Flag, Number, Pairs, Text
from shared.core.requests.messages import CancelRequest, Check, GenerationRequest, Malformed, PredictionEvent
from shared.core.requests.unwrapping import Unreadable, plain_object, unwrapped

#: The largest body that is looked at; a generous bound for 20,000 characters of prompt and the rest.
REQUEST_BYTES = 256 * 1024

#: Every name that a message may have.
_KNOWN = frozenset({*FIELD, "type", "account_id", "user_id", "generation_id"})

#: So many unknown fields are named; a body may hold thousands.
_UNKNOWN_NAMED = 20

#: What is told to its sender where it is no id: a text of at most so many characters, or a number of 64 bits.
_GIVEN_ID_CHARACTERS = 256

#: A generation has fewer attempts than this, by far.
_MOST_ATTEMPTS = 1_000_000


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
    attempt, prediction = body.get("attempt"), Prediction.from_json(body.get("prediction"))
    good = isinstance(attempt, int) and not isinstance(attempt, bool) and 0 < attempt < _MOST_ATTEMPTS
    if body.get("type") != "prediction" or not good or prediction is None:
        return Malformed("a prediction event needs type, attempt and prediction", raw, key)
    return PredictionEvent(key, attempt, prediction)  # type: ignore[arg-type]  # good says so


def _too_large(raw: bytes) -> Malformed:
    return Malformed(f"the message is larger than {REQUEST_BYTES} bytes", raw)


def _key(body: Mapping[str, Any]) -> Key:
    for name in ("user_id", "generation_id", "account_id"):
        value = body.get(name)
        if is_id(value):
            continue
        if value is not None:
            raise _FieldError(f"{name} must be a text of {ID_RULE}")
        close = sorted(_printable(other) for other in body if other != name and _letters(other) == _letters(name))
        if name != "account_id":
            raise _FieldError(f"{name} is needed: {ID_RULE}{f' (there is {close[0]})' if close else ''}")
        if close:  # it says who pays: a misspelt one is no field to be ignored
            raise _FieldError(f"{close[0]} is not known: the account that pays is named by account_id")
    return Key(body["user_id"], body["generation_id"], body.get("account_id") or "")


def _letters(name: str) -> str:
    return name.lower().replace("_", "").replace("-", "")


def _given_ids(body: Mapping[str, Any]) -> GivenIds | None:
    """The ids as they were given, where user and generation are at least a text or a number that can be told."""
    user, generation, account = body.get("user_id"), body.get("generation_id"), body.get("account_id")
    if not (_is_telling(user) and _is_telling(generation)):
        return None
    paying = user if account is None else account if _is_telling(account) else None
    return paying, user, generation  # type: ignore[return-value]  # told so


def _is_telling(value: object) -> bool:
    if isinstance(value, str):
        return 0 < len(value) <= _GIVEN_ID_CHARACTERS and value.isprintable()
    return isinstance(value, int) and not isinstance(value, bool) and -(2**63) <= value < 2**63


def _unknown(body: Mapping[str, Any]) -> tuple[str, ...]:
    """The names of unknown fields, fit for a log, no more than some of them."""
    return tuple(sorted({_printable(name) for name in body.keys() - _KNOWN})[:_UNKNOWN_NAMED])


def _request(key: Key, body: Mapping[str, Any], unknown: tuple[str, ...]) -> GenerationRequest:
    if _value(FIELD["strict"], body.get("strict")) and unknown:
        raise _FieldError(_unknown_refused(unknown))
    given = {name: _value(field, body.get(name)) for name, field in FIELD.items() if name != "prompt"}
    _check_together(key, given)
    trains = given["modality"] == Modality.TRAINING or given["destination"] is not None
    prompt = _prompt(body.get("prompt"), needed=not trains)
    return GenerationRequest(key=key, prompt=prompt, unknown_fields=unknown, **given)


def _value(field: Field, value: object) -> Any:
    """The value of a field as its type reads it; what a request has that does not say it, where it is null."""
    match field.type:
        case Text() as text:
            return _text(field.name, value, text)
        case Number() as number:
            return _number(field.name, value, number)
        case Flag(default):
            return _flag(field.name, value, default=default)
        case Pairs() as pairs:
            return _pairs(field.name, value, pairs)


def _unknown_refused(unknown: tuple[str, ...]) -> str:
    """What is wrong and what may have been meant: ``widht`` is near to ``width``."""
    import difflib  # noqa: PLC0415  # 2 ms of a start, for what hardly ever is needed

    near = [(name, difflib.get_close_matches(name, _KNOWN, 1)) for name in unknown]
    told = [f"{name} (did you mean {found[0]}?)" if found else name for name, found in near]
    return f"strict refuses fields that are not known: {', '.join(told)}"


def _check_together(key: Key, given: Mapping[str, Any]) -> None:
    """The rules of more than one field."""
    if given["continuation"] and given["input_file"] is None:
        raise _FieldError("continuation needs an input_file: the sound to go on from")
    # One user's file is never another's, and no other account's either: the folder is the user's own.
    if given["input_file"] is not None and not given["input_file"].startswith(f"{key.account_id}/{key.user_id}/"):
        raise _FieldError(UPLOAD_RULE)


def _prompt(value: object, *, needed: bool) -> str:
    if not needed and value is None:
        return ""
    if not isinstance(value, str) or (needed and not value.strip()):
        raise _FieldError("prompt is needed: a text that is not blank")
    return _storable("prompt", value)


def _text(name: str, value: object, rule: Text) -> str | None:
    """The text; None where it is empty, for an app may send its empty form fields."""
    if value is None:
        return None
    if not isinstance(value, str) or (rule.most is not None and len(value) > rule.most):
        raise _FieldError(f"{name} must be a text of at most {rule.most} characters")
    text = _storable(name, value) or None
    if text is not None and rule.choices and text not in rule.choices:
        raise _FieldError(f"{name} must be one of {', '.join(rule.choices)}")
    if text is not None and rule.pattern and not re.fullmatch(rule.pattern, text):
        raise _FieldError(rule.rule)
    return text


def _storable(name: str, value: str) -> str:
    """Refuse lone surrogates and NUL: no store and no dependency takes them."""
    if "\x00" in value or any("\ud800" <= char <= "\udfff" for char in value):
        raise _FieldError(f"{name} has characters that are not text")
    return value


def _number(name: str, value: object, rule: Number) -> int | float | None:
    if value is None:
        return None
    kind = "a whole number" if rule.whole else "a number"
    good = isinstance(value, int) or (not rule.whole and isinstance(value, float))
    if not good or isinstance(value, bool) or not rule.low <= value <= rule.high:  # type: ignore[operator]  # good says so
        raise _FieldError(f"{name} must be {kind} from {rule.low} to {rule.high}")
    return value  # type: ignore[return-value]  # narrowed by good


def _flag(name: str, value: object, *, default: bool | None) -> bool | None:
    if value is None:
        return default
    if not isinstance(value, bool):
        raise _FieldError(f"{name} must be true or false")
    return value


def _pairs(name: str, value: object, rule: Pairs) -> dict[str, str]:
    if value is None:
        return {}
    told = f"{name} must be at most {rule.most} pairs of texts of at most {rule.characters} characters"
    if not isinstance(value, dict) or len(value) > rule.most:
        raise _FieldError(told)
    for key, item in value.items():
        if not isinstance(item, str) or max(len(key), len(item)) > rule.characters:
            raise _FieldError(told)
        _storable(name, key + item)
    return dict(value)


def _printable(name: str) -> str:
    """A stranger's field name, fit for a log: at most 40 harmless characters."""
    return re.sub(r"[^A-Za-z0-9_.-]", "?", name)[:40]
