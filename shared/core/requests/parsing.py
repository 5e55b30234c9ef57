"""Bytes from a queue become messages.

Rules of this file:
1. A message is parsed once, where it arrives, into a frozen type. Whatever cannot be parsed becomes ``Malformed`` with
   a reason, never an exception.
2. Unknown fields are left out and named, so that a typo is noticed. With ``strict`` they are refused.
3. A field that is null is absent.
4. Names, types and bounds are those of the table (fields.py). This file has only the rules for several fields: every
   request but a training needs a prompt, an input file is in the user's own folder, a continuation needs a sound,
   inputs need a named model.
"""

import json
import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from shared.core.keys import ID_RULE, GivenIds, Key, is_id
from shared.core.modality import Modality
from shared.core.provider.prediction import Prediction
from shared.core.requests.digest import digest_of
from shared.core.requests.field_patterns import INPUT_PREFIX, UPLOAD_RULE
from shared.core.requests.field_types import Addresses, Field, Flag, Inputs, InputValue, Number, Pairs, Text
from shared.core.requests.fields import FIELD
from shared.core.requests.messages import CancelRequest, Check, GenerationRequest, Look, Malformed, PredictionEvent
from shared.core.requests.unwrapping import Unreadable, plain_object, unwrapped
from shared.core.values import replace

#: The largest body that is parsed: a generous bound for 20,000 characters of prompt and the other fields.
REQUEST_BYTES = 256 * 1024

#: Every field name that a message may have.
_KNOWN = frozenset({*FIELD, "type", "account_id", "user_id", "generation_id"})

#: How many unknown fields are named at most: a body may have thousands.
_UNKNOWN_NAMED = 20

#: The most characters of an invalid id that is returned to its sender. A number may have 64 bits.
_GIVEN_ID_CHARACTERS = 256

#: A generation has far fewer attempts than this.
_MOST_ATTEMPTS = 1_000_000


class _FieldError(Exception):
    """A field breaks its rule. Never leaves this file."""


def parse_request(raw: bytes) -> tuple[GenerationRequest | CancelRequest | Malformed, tuple[str, ...]]:
    """Read a message of the request queue. Returns it with the names of its unknown fields."""
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


def parse_event(raw: bytes) -> PredictionEvent | Check | Look | Malformed:
    """Read a message of the prediction queue, which Darkroom's own triggers write."""
    if len(raw) > REQUEST_BYTES:
        return _too_large(raw)
    try:
        body = plain_object(raw)
        if body.get("type") == "look":
            return Look(_time(body, "at"))
        key = _key(body)
    except (Unreadable, _FieldError) as bad:
        return Malformed(str(bad), raw)
    if body.get("type") == "check":
        return Check(key)
    attempt, prediction = body.get("attempt"), Prediction.from_json(body.get("prediction"))
    good = isinstance(attempt, int) and not isinstance(attempt, bool) and 0 < attempt < _MOST_ATTEMPTS
    if body.get("type") != "prediction" or not good or prediction is None:
        return Malformed("a prediction event needs type, attempt and prediction", raw, key)
    return PredictionEvent(key, attempt, prediction)  # type: ignore[arg-type]  # checked by good


def _too_large(raw: bytes) -> Malformed:
    return Malformed(f"the message is larger than {REQUEST_BYTES} bytes", raw)


def _key(body: Mapping[str, Any]) -> Key:
    for name in ("user_id", "generation_id", "account_id"):
        value = body.get(name)
        if is_id(value):
            continue
        if value is not None:
            raise _FieldError(f"{name} must be a text of {ID_RULE}")
        close = sorted(_printable(other) for other in body if other != name and _bare(other) == _bare(name))
        if name != "account_id":
            raise _FieldError(f"{name} is needed: {ID_RULE}{f' (there is {close[0]})' if close else ''}")
        if close:  # it says who pays, so a misspelt one must not be ignored
            raise _FieldError(f"{close[0]} is not known: the account that pays is named by account_id")
    return Key(body["user_id"], body["generation_id"], body.get("account_id") or "")


def _time(body: Mapping[str, Any], name: str) -> datetime:
    try:
        at = datetime.fromisoformat(str(body.get(name)))
    except ValueError:
        raise _FieldError(f"{name} must be a time") from None
    if at.tzinfo is None:
        raise _FieldError(f"{name} must be a time with its zone")
    return at


def _bare(name: str) -> str:
    return name.lower().replace("_", "").replace("-", "")


def _given_ids(body: Mapping[str, Any]) -> GivenIds | None:
    """The ids as they were given, if user and generation are a text or a number that can be returned to the sender."""
    user, generation, account = body.get("user_id"), body.get("generation_id"), body.get("account_id")
    if not (_is_returnable(user) and _is_returnable(generation)):
        return None
    paying = user if account is None else account if _is_returnable(account) else None
    return paying, user, generation  # type: ignore[return-value]  # checked above


def _is_returnable(value: object) -> bool:
    if isinstance(value, str):
        return 0 < len(value) <= _GIVEN_ID_CHARACTERS and value.isprintable()
    return isinstance(value, int) and not isinstance(value, bool) and -(2**63) <= value < 2**63


def _unknown(body: Mapping[str, Any]) -> tuple[str, ...]:
    """The names of unknown fields, safe for a log, and not more than ``_UNKNOWN_NAMED``."""
    return tuple(sorted({_printable(name) for name in body.keys() - _KNOWN})[:_UNKNOWN_NAMED])


def _request(key: Key, body: Mapping[str, Any], unknown: tuple[str, ...]) -> GenerationRequest:
    if _value(FIELD["strict"], body.get("strict")) and unknown:
        raise _FieldError(_unknown_refused(unknown))
    body, copied = _without_own_copy(key, body)
    given = {name: _value(field, body.get(name)) for name, field in FIELD.items() if name != "prompt"}
    _check_together(key, given)
    if copied:
        given["input_file"] = f"{INPUT_PREFIX}{given['input_file']}"
    trains = given["modality"] == Modality.TRAINING or given["destination"] is not None
    prompt = _prompt(body.get("prompt"), needed=not trains)
    request = GenerationRequest(key=key, prompt=prompt, unknown_fields=unknown, **given)
    return replace(request, digest=digest_of(request))


def _without_own_copy(key: Key, body: Mapping[str, Any]) -> tuple[Mapping[str, Any], bool]:
    """The body with an input file that is this generation's own copy under its bare name, and whether it is one.

    A deferred request refers to such a copy. It is a file of its user's folder, as every input file has to be.
    """
    value = body.get("input_file")
    if not isinstance(value, str) or not value.startswith(f"{INPUT_PREFIX}{key}/"):
        return body, False
    return {**body, "input_file": value.removeprefix(INPUT_PREFIX)}, True


def _value(field: Field, value: object) -> Any:
    """The value of a field, read by its type. A null gives the field's default."""
    match field.type:
        case Text() as text:
            return _text(field.name, value, text)
        case Number() as number:
            return _number(field.name, value, number)
        case Flag(default):
            return _flag(field.name, value, default=default)
        case Pairs() as pairs:
            return _pairs(field.name, value, pairs)
        case Addresses() as addresses:
            return _addresses(field.name, value, addresses)
        case Inputs() as inputs:
            return _inputs(field.name, value, inputs)


def _unknown_refused(unknown: tuple[str, ...]) -> str:
    """The error sentence, with the likely meaning: ``widht`` is close to ``width``."""
    import difflib  # noqa: PLC0415  # costs 2 ms of a start, and is rarely needed

    near = [(name, difflib.get_close_matches(name, _KNOWN, 1)) for name in unknown]
    suggested = [f"{name} (did you mean {found[0]}?)" if found else name for name, found in near]
    return f"strict refuses fields that are not known: {', '.join(suggested)}"


def _check_together(key: Key, given: Mapping[str, Any]) -> None:
    """Check the rules that concern several fields."""
    if given["inputs"] and given["model"] is None:
        raise _FieldError("inputs needs a model: name the one whose inputs these are")
    if given["continuation"] and given["input_file"] is None:
        raise _FieldError("continuation needs an input_file: the sound to go on from")
    # A user may use only files of their own folder, in the account that pays: never those of another user or account.
    if given["input_file"] is not None and not given["input_file"].startswith(f"{key.account_id}/{key.user_id}/"):
        raise _FieldError(UPLOAD_RULE)


def _prompt(value: object, *, needed: bool) -> str:
    if not needed and value is None:
        return ""
    if not isinstance(value, str) or (needed and not value.strip()):
        raise _FieldError("prompt is needed: a text that is not blank")
    return _storable("prompt", value)


def _text(name: str, value: object, rule: Text) -> str | None:
    """The text; None if it is empty, because an app may send its empty form fields."""
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
    """The value, unless it has lone surrogates or NUL: no store and no dependency accepts these. Raises _FieldError."""
    if "\x00" in value or any("\ud800" <= char <= "\udfff" for char in value):
        raise _FieldError(f"{name} has characters that are not text")
    return value


def _number(name: str, value: object, rule: Number) -> int | float | None:
    if value is None:
        return None
    kind = "a whole number" if rule.whole else "a number"
    good = isinstance(value, int) or (not rule.whole and isinstance(value, float))
    if not good or isinstance(value, bool) or not rule.low <= value <= rule.high:  # type: ignore[operator]  # by good
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
    rule_text = f"{name} must be at most {rule.most} pairs of texts of at most {rule.characters} characters"
    if not isinstance(value, dict) or len(value) > rule.most:
        raise _FieldError(rule_text)
    for key, item in value.items():
        if not isinstance(item, str) or max(len(key), len(item)) > rule.characters:
            raise _FieldError(rule_text)
        _storable(name, key + item)
    return dict(value)


def _addresses(name: str, value: object, rule: Addresses) -> tuple[str, ...] | None:
    """The addresses; None if there are none."""
    if value is None:
        return None
    good = isinstance(value, list) and len(value) <= rule.most
    if not good or not all(isinstance(each, str) and 0 < len(each) <= rule.characters for each in value):  # type: ignore[attr-defined]  # by good
        raise _FieldError(f"{name} must be at most {rule.most} addresses of at most {rule.characters} characters")
    return tuple(_storable(name, each) for each in value) or None  # type: ignore[attr-defined]  # by good


def _inputs(name: str, value: object, rule: Inputs) -> dict[str, InputValue]:
    """The inputs that a request sets, without absent ones. The bounds of the whole are checked first."""
    if value is None:
        return {}
    if not isinstance(value, dict) or len(value) > rule.most:
        raise _FieldError(f"{name} must be an object of at most {rule.most} names and values")
    if len(json.dumps(value, ensure_ascii=False).encode(errors="surrogatepass")) > rule.total_bytes:
        raise _FieldError(f"{name} must have at most {rule.total_bytes} bytes")
    for each in value:
        if not re.fullmatch(rule.name_pattern, each):
            raise _FieldError(f"{name} has a name that no input has: {_printable(each)}")
    return {each: _input(f"{name}.{each}", item, rule) for each, item in value.items() if item not in (None, "", [])}


def _input(name: str, value: object, rule: Inputs) -> InputValue:
    match value:
        case str() if len(value) <= rule.characters:
            return _storable(name, value)
        case bool():
            return value
        case int() | float() if -rule.limit <= value <= rule.limit:
            return value
        case list() if len(value) <= rule.several and all(
            isinstance(each, str) and 0 < len(each) <= rule.characters for each in value
        ):
            return [_storable(name, each) for each in value]
    raise _FieldError(
        f"{name} must be a text of at most {rule.characters} characters, a number, true, false, or a list of at most "
        f"{rule.several} texts"
    )


def _printable(name: str) -> str:
    """A stranger's field name, safe for a log: at most 40 harmless characters."""
    return re.sub(r"[^A-Za-z0-9_.-]", "?", name)[:40]
