"""The JSON Schema of a message of the request queue, made from the table of fields.

Rules of this file:
1. The parser takes exactly what the schema allows, except for four rules that no schema can express: an integer is
   written without a fraction (``64``, not ``64.0``), the folder of an ``input_file`` is the user's own, ``inputs`` and
   the message as a whole are bounded in bytes.
2. Patterns mean the same in Python and ECMAScript. Their end is "no character follows", because Python's ``$`` also
   matches before a final line break.
3. A null is the same as an absent field, so every type allows it. An empty text is the same as an absent one, so every
   choice and pattern allows it.
"""

from typing import Any

from shared.core.keys import ID_PATTERN, ID_RULE
from shared.core.requests.field_types import Addresses, Field, Flag, Inputs, Number, Pairs, Text
from shared.core.requests.fields import FIELDS

Schema = dict[str, Any]

_END = r"(?![\s\S])"

#: What every store accepts: no NUL, no half of a surrogate pair.
_STORABLE = rf"^[^\u0000\uD800-\uDFFF]*{_END}"

#: Values of ``inputs`` that are the same as none.
_ABSENT: list[Any] = [None, "", []]

#: A request that names its model.
_A_MODEL: Schema = {"required": ["model"], "properties": {"model": {"type": "string", "minLength": 1}}}

_COMMENT = (
    "Made by `python3 -m dev fields --write` from shared/core/requests/fields.py. Beyond it: a whole number has no "
    "fraction (64, not 64.0), the folder of input_file is the user's own, inputs has at most 32 KiB, and "
    "a message at most 256 KiB."
)


def request_schema() -> Schema:
    """The schema of a request to generate or to cancel, as JSON values."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$comment": _COMMENT,
        "title": "A request to Darkroom: to generate, or to cancel",
        "type": "object",
        "required": ["user_id", "generation_id"],
        "properties": {
            "type": {"enum": ["generate", "cancel", None], "description": "What is wanted; absent: generate."},
            "user_id": _id("Whose generation, whose files."),
            "account_id": _id("Who pays; absent: the account of the user's id.", optional=True),
            "generation_id": _id("Yours: the same ids again (account, user, generation) are the same generation."),
        },
        "if": {"properties": {"type": {"const": "cancel"}}, "required": ["type"]},
        "else": {"$ref": "#/$defs/generation"},
        "$defs": {"generation": _generation()},
    }


def _id(says: str, *, optional: bool = False) -> Schema:
    return {
        "type": ["string", "null"] if optional else "string",
        "pattern": f"^{ID_PATTERN}{_END}",
        "description": f"{says} {ID_RULE}.",
    }


def _generation() -> Schema:
    known = ["type", "account_id", "user_id", "generation_id", *(field.name for field in FIELDS)]
    training = {"anyOf": [_requires("modality", {"const": "training"}), _requires("destination", {"minLength": 1})]}
    a_file = {"required": ["input_file"], "properties": {"input_file": {"type": "string", "minLength": 1}}}
    a_prompt = {"required": ["prompt"], "properties": {"prompt": {"type": "string", "pattern": r"\S"}}}
    return {
        "properties": {field.name: {**_type(field), **_describe(field)} for field in FIELDS},
        "allOf": [
            {"if": training, "else": a_prompt},
            {"if": _requires("continuation", {"const": True}), "then": a_file},
            {"if": _requires("inputs", {"not": {"additionalProperties": {"enum": _ABSENT}}}), "then": _A_MODEL},
            {"if": _requires("strict", {"const": True}), "then": {"propertyNames": {"enum": known}}},
        ],
    }


def _requires(name: str, value: Schema) -> Schema:
    """A schema that requires this field, with a value that is not null."""
    return {"required": [name], "properties": {name: {"not": {"type": "null"}, **value}}}


def _describe(field: Field) -> Schema:
    schema: Schema = {"description": field.sentences, "examples": [field.example]}
    if isinstance(field.type, Flag) and field.type.default is not None:
        schema["default"] = field.type.default
    return schema


def _type(field: Field) -> Schema:
    match field.type:
        case Text() as text:
            return _text(text)
        case Number(low, high, whole):
            return {"type": ["integer" if whole else "number", "null"], "minimum": low, "maximum": high}
        case Flag():
            return {"type": ["boolean", "null"]}
        case Inputs() as inputs:
            return _inputs(inputs)
        case Addresses(most, characters):
            address = {"type": "string", "minLength": 1, "maxLength": characters, "pattern": _STORABLE}
            return {"type": ["array", "null"], "maxItems": most, "items": address}
        case Pairs(most, characters):
            one = {"type": "string", "maxLength": characters, "pattern": _STORABLE}
            return {
                "type": ["object", "null"],
                "maxProperties": most,
                "propertyNames": one,
                "additionalProperties": one,
            }


def _inputs(inputs: Inputs) -> Schema:
    text = {"maxLength": inputs.characters, "pattern": _STORABLE}
    number = {"minimum": -inputs.limit, "maximum": inputs.limit}
    one = {"type": ["string", "number", "boolean", "null"], **text, **number}
    several = {"type": "array", "maxItems": inputs.several, "items": {"type": "string", "minLength": 1, **text}}
    return {
        "type": ["object", "null"],
        "maxProperties": inputs.most,
        "propertyNames": {"pattern": f"^{inputs.name_pattern}{_END}"},
        "additionalProperties": {"anyOf": [one, several]},
    }


def _text(text: Text) -> Schema:
    if text.choices:
        return {"enum": [*text.choices, "", None]}
    schema: Schema = {"type": ["string", "null"]}
    if text.most is not None:
        schema["maxLength"] = text.most
    return schema | {"pattern": f"^(?:{text.pattern})?{_END}" if text.pattern else _STORABLE}
