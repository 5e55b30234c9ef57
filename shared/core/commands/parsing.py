"""Bytes of the queue ``account-commands`` become commands.

Rules of this file:
1. A message is parsed once, where it arrives. Whatever cannot be parsed becomes ``MalformedCommand`` with a sentence,
   never an exception.
2. Names, types and bounds are those of the table (fields.py). This file has only the rules for several fields.
3. The sentence names the field and its rule, never the value.
4. The digest is that of the parsed fields. So another order, a null or another spelling of the same time is the same
   content.
"""

import hashlib
import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, assert_never

from shared.core.commands.acts import ACTS, AccountCommand, MalformedCommand
from shared.core.commands.fields import (
    COMMAND,
    FIELDS,
    HEAD,
    OF_NO_ACCOUNT,
    Command,
    Field,
    Id,
    Ids,
    Moment,
    Text,
    Whole,
)
from shared.core.keys import ID_RULE, is_id
from shared.core.requests.unwrapping import Unreadable, unwrapped

#: The largest body that is parsed. The longest valid command has some 20 KB.
COMMAND_BYTES = 64 * 1024

#: ISO 8601 with a zone, to the microsecond.
MOMENT_PATTERN = (
    r"2[0-9]{3}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12][0-9]|3[01])"
    r"T(?:[01][0-9]|2[0-3]):[0-5][0-9](?::[0-5][0-9](?:\.[0-9]{1,6})?)?"
    r"(?:Z|[+-](?:0[0-9]|1[0-4]):[0-5][0-9])"
)

#: How many unknown fields a sentence names.
_UNKNOWN_NAMED = 10

#: The most characters of an invalid id that is returned to its sender.
_GIVEN_CHARACTERS = 256


class _FieldError(Exception):
    """A field breaks its rule. Never leaves this file."""


def parse_command(raw: bytes) -> AccountCommand | MalformedCommand:
    """Read a message of the queue of account commands."""
    if len(raw) > COMMAND_BYTES:
        return MalformedCommand(text=f"the message is larger than {COMMAND_BYTES} bytes", raw=raw)
    try:
        body = unwrapped(raw)
    except Unreadable as bad:
        return MalformedCommand(text=str(bad), raw=raw)
    kind = body.get("type")
    command = COMMAND.get(kind) if isinstance(kind, str) else None
    try:
        if command is None:
            raise _FieldError(f"type must be one of {', '.join(COMMAND)}")  # noqa: TRY301  # one way out
        return _command(command, body)
    except _FieldError as bad:
        account_id, command_id = (_returnable(body.get(name)) for name in ("account_id", "command_id"))
        kind = command.kind if command else ""
        return MalformedCommand(text=str(bad), raw=raw, account_id=account_id, command_id=command_id, kind=kind)


def _command(command: Command, body: Mapping[str, Any]) -> AccountCommand:
    known = FIELDS[command.kind]
    _refuse_unknown(command, known, body)
    read = {name: _value(field, body.get(name)) for name, field in known.items()}
    given: dict[str, Any] = {name: value for name, value in read.items() if value is not None}
    for field in known.values():
        if field.needed and field.name not in given:
            raise _FieldError(f"{field.name} is needed: {_rule(field)}")
    _check_together(command, given)
    head = {field.name: given[field.name] for field in HEAD if field.name in given}
    own = {name: value for name, value in given.items() if name not in head}
    head.setdefault("account_id", "")
    return AccountCommand(act=ACTS[command.kind](**own), digest=_digest(command.kind, given), **head)


def _refuse_unknown(command: Command, known: Mapping[str, Field], body: Mapping[str, Any]) -> None:
    unknown = sorted(name for name in body if name not in known and name != "type")
    if not unknown:
        return
    import difflib  # noqa: PLC0415  # costs 2 ms of a start, and is rarely needed

    said = []
    for name in unknown[:_UNKNOWN_NAMED]:
        near = difflib.get_close_matches(name[:_GIVEN_CHARACTERS], known, 1)
        printable = re.sub(r"[^A-Za-z0-9_.-]", "?", name)[:40]
        said.append(f"{printable} (did you mean {near[0]}?)" if near else printable)
    raise _FieldError(f"{command.kind} has no such field: {', '.join(said)}")


def _check_together(command: Command, given: Mapping[str, Any]) -> None:
    """Check the rules that concern several fields."""
    if command.one_of and sum(name in given for name in command.one_of) != 1:
        raise _FieldError(f"{command.kind} needs exactly one of {', '.join(command.one_of)}")
    if command.any_of and not any(name in given for name in command.any_of):
        raise _FieldError(f"{command.kind} needs at least one of {', '.join(command.any_of)}")
    scope = given.get("scope", "account")
    if "scope" in FIELDS[command.kind]:
        for name, of in (("user_id", "user"), ("model", "model")):
            if name in FIELDS[command.kind] and (name in given) != (scope == of):
                raise _FieldError(f"{name} is needed for the scope {of}, and allowed for no other")
    if ("account_id" in given) == (scope in OF_NO_ACCOUNT):
        raise _FieldError(
            f"account_id does not belong to the scope {scope}"
            if scope in OF_NO_ACCOUNT
            else f"account_id is needed: a text of {ID_RULE}"
        )


def _rule(field: Field) -> str:
    """The rule of a field's type, in words."""
    match field.type:
        case Id():
            return f"a text of {ID_RULE}"
        case Ids(most):
            return f"a list of at most {most} ids, each once"
        case Text(choices=choices) if choices:
            return f"one of {', '.join(choices)}"
        case Text(most=most, form=form):
            return f"a text of at most {most} characters that is not blank{f', {form}' if form else ''}"
        case Whole(low, high):
            return f"a whole number from {low} to {high}"
        case Moment():
            return "a time with its zone, such as 2026-11-28T21:30:00Z, of the years 2000 to 2999"
        case _:
            assert_never(field.type)


def _value(field: Field, value: object) -> object:
    """The value of a field; None if it is absent. Raises _FieldError, with the field's name and rule."""
    if value is None:
        return None
    match field.type:
        case Id():
            taken = value if is_id(value) else None
        case Ids(most):
            taken = _ids(value, most)
        case Text() as text:
            if value == "" and not text.empty:
                return None
            taken = value if _is_text(value, text) else None
        case Whole(low, high):
            taken = value if type(value) is int and low <= value <= high else None
        case Moment():
            taken = _moment(value)
        case _:
            assert_never(field.type)
    if taken is None:
        raise _FieldError(f"{field.name} must be {_rule(field)}")
    return taken


def _ids(value: object, most: int) -> tuple[str, ...] | None:
    if not isinstance(value, list) or len(value) > most or not all(map(is_id, value)):
        return None
    return tuple(value) if len(set(value)) == len(value) else None


def _is_text(value: object, rule: Text) -> bool:
    if not isinstance(value, str) or len(value) > rule.most:
        return False
    if value == "" and rule.empty:
        return True
    if not value.strip() or "\x00" in value or any("\ud800" <= char <= "\udfff" for char in value):
        return False
    if rule.choices:
        return value in rule.choices
    return not rule.pattern or re.fullmatch(rule.pattern, value) is not None


def _moment(value: object) -> datetime | None:
    if not isinstance(value, str) or not re.fullmatch(MOMENT_PATTERN, value):
        return None
    try:
        return datetime.fromisoformat(value).astimezone(UTC)
    except (ValueError, OverflowError):  # a day that is in no calendar
        return None


def _returnable(value: object) -> str | int | None:
    """An id as it was given, if it can be returned to its sender."""
    if isinstance(value, str):
        return value if 0 < len(value) <= _GIVEN_CHARACTERS and value.isprintable() else None
    return value if type(value) is int and -(2**63) <= value < 2**63 else None


def _digest(kind: str, given: Mapping[str, Any]) -> str:
    content = {"type": kind, **given}
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), default=_iso)
    return hashlib.sha256(text.encode()).hexdigest()


def _iso(value: datetime) -> str:
    return value.isoformat()
