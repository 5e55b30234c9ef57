"""The JSON Schema of a message of the queue ``account-commands``, made from the table of commands.

Rules of this file:
1. The parser takes exactly what the schema allows, except for what no schema can express: a whole number has no
   fraction (``5``, not ``5.0``), a day exists in the calendar, and the message as a whole is bounded in bytes.
2. Patterns mean the same in Python and ECMAScript.
3. A null is the same as an absent field, so every optional field allows it.
"""

from typing import Any, assert_never

from shared.core.commands.fields import COMMANDS, HEAD, OF_NO_ACCOUNT, Command, Field, Id, Ids, Moment, Text, Whole
from shared.core.commands.parsing import COMMAND_BYTES, MOMENT_PATTERN
from shared.core.keys import ID_PATTERN

Schema = dict[str, Any]

_END = r"(?![\s\S])"

#: A text that every store accepts and that says something: no NUL, no half of a surrogate pair, not only blanks.
_SAYS_SOMETHING = rf"^(?=[\s\S]*\S)[^\u0000\uD800-\uDFFF]+{_END}"

#: The fields for which an empty text is a value.
_EMPTY = {
    field.name for command in COMMANDS for field in command.fields if isinstance(field.type, Text) and field.type.empty
}

_COMMENT = (
    "Made by `python3 -m dev fields --write` from shared/core/commands/fields.py. Beyond it: a whole number has no "
    f"fraction (5, not 5.0), a day exists in the calendar, and a message has at most {COMMAND_BYTES // 1024} KiB."
)


def command_schema() -> Schema:
    """The schema of an account command, as JSON values."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$comment": _COMMENT,
        "title": "A command to Darkroom about an account",
        "type": "object",
        "required": ["type"],
        "properties": {"type": {"enum": [command.kind for command in COMMANDS]}},
        "allOf": [
            {
                "if": {"properties": {"type": {"const": command.kind}}},
                "then": {"$ref": f"#/$defs/{command.kind}"},
            }
            for command in COMMANDS
        ],
        "$defs": {command.kind: _command(command) for command in COMMANDS},
    }


def _command(command: Command) -> Schema:
    fields = (*HEAD, *command.fields)
    properties = {
        "type": {"const": command.kind},
        **{field.name: {**_type(field), "description": field.help, "examples": [field.example]} for field in fields},
    }
    rules: list[Schema] = []
    if command.one_of:
        rules.append({"oneOf": [_has(name) for name in command.one_of]})
    if command.any_of:
        rules.append({"anyOf": [_has(name) for name in command.any_of]})
    return {
        "description": command.help,
        "required": ["type", *(field.name for field in fields if field.needed)],
        "properties": properties,
        "propertyNames": {"enum": list(properties)},
        "allOf": rules + _scopes(command),
    }


def _has(name: str) -> Schema:
    """A schema that requires this field, with a value: not null, and not empty unless that is a value of its own."""
    absent = [None] if name in _EMPTY else [None, ""]
    return {"required": [name], "properties": {name: {"not": {"enum": absent}}}}


def _scopes(command: Command) -> list[Schema]:
    """What the scope of a command needs, and what it forbids."""
    names = {field.name for field in command.fields}
    if "scope" not in names:
        return [_has("account_id")]
    rules: list[Schema] = []
    for name, scope in (("user_id", "user"), ("model", "model")):
        if name in names:
            rules.append({"if": _scope_is((scope,)), "then": _has(name), "else": {"not": _has(name)}})
    return [*rules, {"if": _scope_is(OF_NO_ACCOUNT), "then": {"not": _has("account_id")}, "else": _has("account_id")}]


def _scope_is(scopes: tuple[str, ...]) -> Schema:
    return {"required": ["scope"], "properties": {"scope": {"enum": list(scopes)}}}


def _type(field: Field) -> Schema:
    schema = _bare_type(field)
    if field.needed:
        return schema
    if "enum" in schema:
        return {"enum": [*schema["enum"], "", None]}
    optional: Schema = {**schema, "type": [schema["type"], "null"]}
    if isinstance(field.type, Text):
        optional["pattern"] = _whole_or_empty(schema["pattern"])
    return optional


def _whole_or_empty(pattern: str) -> str:
    return f"^(?:{pattern.removeprefix('^').removesuffix(_END)})?{_END}"


def _bare_type(field: Field) -> Schema:
    match field.type:
        case Id():
            return {"type": "string", "pattern": f"^{ID_PATTERN}{_END}"}
        case Ids(most):
            one = {"type": "string", "pattern": f"^{ID_PATTERN}{_END}"}
            return {"type": "array", "maxItems": most, "uniqueItems": True, "items": one}
        case Text(choices=choices) if choices:
            return {"enum": list(choices)}
        case Text(most=most, pattern=pattern):
            rule = f"^(?:{pattern}){_END}" if pattern else _SAYS_SOMETHING
            return {"type": "string", "maxLength": most, "pattern": rule}
        case Whole(low, high):
            return {"type": "integer", "minimum": low, "maximum": high}
        case Moment():
            return {"type": "string", "pattern": f"^(?:{MOMENT_PATTERN}){_END}"}
        case _:
            assert_never(field.type)
