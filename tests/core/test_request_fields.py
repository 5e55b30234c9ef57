"""The table of request fields: everything that is made from it, and that nothing is made past it."""

import json
from dataclasses import MISSING, fields
from typing import Any, get_type_hints

import jsonschema  # type: ignore[import-untyped]  # it ships no types
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from dev.fields import SCHEMA, schema_text
from shared.core.keys import Key
from shared.core.requests.field_types import Addresses, Field, Flag, Inputs, Number, Pairs, Text
from shared.core.requests.fields import FIELD, FIELDS, PICTURES, WRITTEN
from shared.core.requests.json_schema import request_schema
from shared.core.requests.messages import GenerationRequest, Malformed
from shared.core.requests.parsing import REQUEST_BYTES, parse_request

IDS = {"user_id": "ada", "generation_id": "one"}

#: Texts that are no words for a model: each is compared with what is known, or goes to nobody. A text field that is
#: neither here nor screened fails the tests below; before it is added here, see that no model gets it as free text.
NAMES = {"modality", "kind", "model", "quality", "aspect_ratio", "output_format", "resolution"}
NAMES |= {*PICTURES, "input_file", "lora_weights", "destination", "metadata"}

#: What a request has and its message says in another way.
OUTSIDE = {"key", "unknown_fields", "digest"}


def validator() -> Any:
    """The schema's, for which 64.0 is no whole number: the one difference of numbers that no schema can say."""
    draft = jsonschema.Draft202012Validator
    strict = draft.TYPE_CHECKER.redefine("integer", lambda _, value: type(value) is int)
    return jsonschema.validators.extend(draft, type_checker=strict)(request_schema())


VALIDATOR = validator()


def is_taken(body: object) -> bool:
    """Whether the parser takes a message."""
    return not isinstance(parse_request(json.dumps(body).encode())[0], Malformed)


def test_the_dataclass_has_the_fields_of_the_table_and_no_other() -> None:
    """By name, by type, and by what it is that is not said."""
    hints = get_type_hints(GenerationRequest)
    have = {each.name: each for each in fields(GenerationRequest) if each.name not in OUTSIDE}
    assert set(have) == set(FIELD)
    assert len(FIELD) == len(FIELDS)
    for field in FIELDS:
        default = have[field.name].default
        match field.type:
            case Text():
                wanted: tuple[object, object] = (str, "") if field.name == "prompt" else (str | None, None)
            case Number(whole=whole):
                wanted = ((int if whole else float) | None, None)
            case Flag(said):
                wanted = (bool | None if said is None else bool, said)
            case Addresses():
                wanted = (tuple[str, ...] | None, None)
            case Pairs() | Inputs():
                assert have[field.name].default_factory is not MISSING
                continue
        assert (hints[field.name], default) == wanted, field.name


def test_every_text_of_a_request_is_written_or_a_name() -> None:
    """None is both, and none is neither: a new text has to be one of them before this is green."""
    hints = get_type_hints(GenerationRequest)
    texts = {name for name, hint in hints.items() if name not in OUTSIDE and "str" in str(hint)}
    assert set(WRITTEN) | NAMES == texts
    assert not set(WRITTEN) & NAMES
    request = GenerationRequest(key=Key("ada", "one"), **{name: f"w-{name}" for name in WRITTEN})  # type: ignore[arg-type]
    assert request.written_texts == tuple(f"w-{name}" for name in WRITTEN)
    assert GenerationRequest(key=Key("ada", "one")).written_texts == ()


@pytest.mark.parametrize("field", FIELDS, ids=lambda field: field.name)
def test_every_field_has_an_example_that_is_taken_and_explains_itself(field: Field) -> None:
    """By the parser, under its name; the help is a sentence."""
    base = {"prompt": "A lighthouse", "input_file": "ada/ada/a.wav", "model": "flux-schnell"}
    body = IDS | base | {field.name: field.example}
    message, unknown = parse_request(json.dumps(body).encode())
    assert isinstance(message, GenerationRequest)
    assert unknown == ()
    wanted = tuple(field.example) if isinstance(field.example, list) else field.example
    assert getattr(message, field.name) == wanted
    assert field.help.endswith(".")
    assert not field.more or field.more.endswith(".")


def test_the_schema_in_docs_is_the_one_of_the_table() -> None:
    """A schema itself, and as `python3 -m dev fields --write` writes it."""
    jsonschema.Draft202012Validator.check_schema(request_schema())
    assert SCHEMA.read_text(encoding="utf-8") == schema_text()


#: Values of other types, and texts that are hardly any.
ODD: list[Any] = [None, "", " ", "\n", "a\x00", "\ud800", "🙂", "x\n", True, False, 0, 1, -1, 0.5, 10**400]
ODD += [[], {}, ["a"], "ada/b"]
_ODD = st.sampled_from(ODD)


def near(field: Field) -> list[Any]:
    """Values at the bounds of a field, and just beyond them."""
    match field.type:
        case Text(most=most, choices=choices):
            lengths = [] if most is None else ["x" * most, "x" * (most + 1), "🙂" * most, "🙂" * (most + 1)]
            return [field.example, f"{field.example}\n", f"{field.example}\x00", *choices, *lengths]
        case Number(low, high, _):
            return [low, high, low - 1, high + 1, (low + high) / 2, low - 0.5, high + 0.5, str(low), float(low)]
        case Flag():
            return [True, False, "true", 1]
        case Addresses(most, characters):
            full_list = ["x" * characters] * most
            return [field.example, full_list, [*full_list, "x"], ["x" * (characters + 1)], [""], ["\x00"], [1]]
        case Inputs() as inputs:
            return near_inputs(inputs)
        case Pairs(most, characters):
            full = {str(number): "x" * characters for number in range(most)}
            long = {"x": "x" * (characters + 1)}
            return [
                full,
                full | {"more": ""},
                long,
                {"x": 1},
                {"x" * (characters + 1): ""},
                {"\x00": ""},
                {"": "\ud800"},
            ]


def near_inputs(rule: Inputs) -> list[Any]:
    """Objects at the bounds of ``inputs``, and just beyond them; one item of each kind by itself."""
    many = {f"n{number}": number for number in range(rule.most)}
    short = ["x"] * rule.several
    items: list[Any] = ["x" * rule.characters, "x" * (rule.characters + 1), short, [*short, "x"], [""], [1], [[]], {}]
    items += [["x" * rule.characters], ["x" * (rule.characters + 1)], ["\x00"], [], None, "", 0, True, "\ud800"]
    items += [rule.limit, rule.limit + 1, -rule.limit, -rule.limit - 1, 0.5, 1e300, {"a": 1}]
    names = ["x" * 64, "x" * 65, "", "a b", "a\n", "1a", "é", "_", "raw", "a.b", "__proto__"]
    return [many, many | {"more": 1}, *({"raw": item} for item in items), *({name: 1} for name in names)]


def _values(field: Field) -> st.SearchStrategy[Any]:
    return st.sampled_from(near(field)) | _ODD


#: Paths in the user's own folder and outside any: a folder of somebody else is what the schema cannot know of.
_FILES = st.text(alphabet="ab/.% ~\x00\n", max_size=9).map(lambda rest: f"ada/ada/{rest}") | st.sampled_from(
    ["ada", "/ada/x", "", None, 7, "a?b/", "ada/" + "x" * 201, "ada/" + "/".join(["x" * 100] * 6)]
)
_MESSAGES = st.fixed_dictionaries(
    {
        "user_id": st.just("ada"),
        "generation_id": st.sampled_from(["one", "a@b.c", "x" * 128])
        | st.sampled_from(["x" * 129, "a.", "", 7, "a\n"]),
    },
    optional={
        **{field.name: _values(field) for field in FIELDS if field.name != "input_file"},
        "input_file": _FILES,
        "type": st.sampled_from(["generate", None]) | st.sampled_from(["cancel", "Generate", 7]),
        "widht": _ODD,
    },
)
#: As above, with few fields: most of them are good messages.
_SMALL = st.builds(
    lambda chosen: IDS | {"prompt": "A lighthouse"} | dict(chosen),
    st.lists(
        st.sampled_from(FIELDS).flatmap(
            lambda field: st.tuples(
                st.just(field.name), _FILES if field.name == "input_file" else _values(field) | st.just(field.example)
            )
        ),
        max_size=4,
    ),
)


@settings(max_examples=3 * settings().max_examples, deadline=None)
@given(_SMALL | _MESSAGES)
@example(IDS | {"prompt": "a", "strict": True, "widht": None})
@example(IDS | {"modality": "training", "prompt": " "})
@example(IDS | {"destination": "ada/lora\n"})
@example(IDS | {"destination": ""})
@example(IDS | {"prompt": "a", "continuation": True, "input_file": ""})
@example(IDS | {"type": "cancel", "prompt": 7})
@example(IDS | {"prompt": "a", "inputs": {"raw": None, "style": "", "pictures": []}})
@example(IDS | {"prompt": "a", "inputs": {"raw": True}})
@example(IDS | {"prompt": "a", "inputs": {"raw": True}, "model": ""})
@example(IDS | {"prompt": "a", "width": 1024, "metadata": {"\ud800": "a"}})
def test_what_the_schema_allows_the_parser_takes_and_the_other_way_round(body: dict[str, Any]) -> None:
    """For messages at every bound, and beyond it. The size of a message is what no schema can say."""
    too_large = len(json.dumps(body).encode()) > REQUEST_BYTES
    assert VALIDATOR.is_valid(body) == is_taken(body) or too_large


@pytest.mark.parametrize("field", FIELDS, ids=lambda field: field.name)
def test_at_every_bound_of_a_field_schema_and_parser_agree(field: Field) -> None:
    """Each value by itself, in a message that is good without it, and in a training's, which needs no prompt."""
    prompted = {"prompt": "A lighthouse", "input_file": "ada/ada/a.wav", "model": "flux-schnell"}
    for base in (prompted, {"destination": "ada/lora"}):
        bodies = [IDS | base | {field.name: value} for value in (*near(field), *ODD)]
        differ = [body for body in bodies if VALIDATOR.is_valid(body) != is_taken(body)]
        assert not differ
        assert {is_taken(body) for body in bodies} == {True, False}


def test_what_no_schema_can_say_is_refused_by_the_parser() -> None:
    """Somebody else's folder; and a whole number with a fraction of none, for which JSON has no type."""
    for said in ({"input_file": "bob/bob/a.wav"}, {"width": 1024.0}):
        body = IDS | {"prompt": "a"} | said
        assert jsonschema.Draft202012Validator(request_schema()).is_valid(body)
        assert not is_taken(body)
