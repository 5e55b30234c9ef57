"""The commands of accounts: their table, their parser and their schema."""

import json
from dataclasses import MISSING, fields
from datetime import datetime
from typing import Any, get_type_hints

import jsonschema  # type: ignore[import-untyped]  # it ships no types
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from dev.fields import COMMAND_SCHEMA, command_schema_text
from dev.fuzz.messages import mutated
from shared.core.commands.acts import ACTS, AccountCommand, Grant, MalformedCommand, SetLimit
from shared.core.commands.fields import COMMANDS, FIELDS, HEAD, Command, Field, Id, Ids, Moment, Text, Whole
from shared.core.commands.json_schema import command_schema
from shared.core.commands.parsing import COMMAND_BYTES, parse_command

HEADS: dict[str, Any] = {field.name: field.example for field in HEAD}
GRANT: dict[str, Any] = {"type": "grant", "command_id": "c1", "account_id": "acme", "by": "billing", "credits": 5}

#: Each number that no store may see, and values of other types.
ODD: list[Any] = [None, "", " ", "\n", "a\x00", "\ud800", "🙂", "x\n", True, False, 0, 1, -1, 0.5, 5.0, 2**63, 10**400]
ODD += [float("nan"), float("inf"), [], {}, ["a"], ["a", "a"], ["a/b"], "ada/b", "5", "2026-11-28T21:30:00"]


def body_of(command: Command, **changed: Any) -> dict[str, Any]:
    """A command of this kind that is taken, with these fields changed."""
    return {"type": command.kind, **HEADS, **command.example} | changed


def read(body: object) -> AccountCommand | MalformedCommand:
    """The command in a body."""
    return parse_command(json.dumps(body).encode())


def refusal(body: object) -> str:
    """The sentence of a body that is refused; it can be sent and logged."""
    message = read(body)
    assert isinstance(message, MalformedCommand)
    message.text.encode()
    return message.text


def validator() -> Any:
    """The schema's, for which 5.0 is no whole number: the one difference of numbers that no schema can say."""
    draft = jsonschema.Draft202012Validator
    strict = draft.TYPE_CHECKER.redefine("integer", lambda _, value: type(value) is int)
    return jsonschema.validators.extend(draft, type_checker=strict)(command_schema())


VALIDATOR = validator()


def validator_of(command: Command) -> Any:
    """The same without what the schema says of other types: of a body of this type it says nothing."""
    schema = command_schema()
    del schema["$schema"]  # with it, another class than the strict one would be chosen
    schema["allOf"] = [each for each in schema["allOf"] if each["if"]["properties"]["type"]["const"] == command.kind]
    return VALIDATOR.evolve(schema=schema)


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.kind)
def test_an_act_has_the_fields_of_its_command_and_no_other(command: Command) -> None:
    """By name, by type, and by whether it must be there."""
    hints = get_type_hints(command.act)
    have = {field.name: field for field in fields(command.act)}
    assert list(have) == [name for name in have if name in FIELDS[command.kind]]
    assert set(have) == {field.name for field in command.fields}
    types = {Id: str, Ids: tuple[str, ...], Text: str, Whole: int, Moment: datetime}
    for field in command.fields:
        wanted = types[type(field.type)]
        assert hints[field.name] == (wanted if field.needed else wanted | None), field.name
        assert (have[field.name].default is MISSING) is field.needed
    assert ACTS[command.kind] is command.act
    assert len(COMMANDS) == len(ACTS)


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.kind)
def test_every_command_is_read_and_written_back(command: Command) -> None:
    """With every field of its example; what it is sent as is read as the same command, of the same digest."""
    message = read(body_of(command))
    assert isinstance(message, AccountCommand)
    assert (message.command_id, message.account_id, message.by) == ("order-7", "acme", "billing")
    for name, value in command.example.items():
        have = getattr(message.act, name)
        assert (list(have) if isinstance(have, tuple) else have) == value or isinstance(have, datetime)
    assert read(message.to_json()) == message
    assert VALIDATOR.is_valid(body_of(command))


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.kind)
def test_without_a_needed_field_it_is_refused_by_its_name(command: Command) -> None:
    """Absent and null are the same; and an unknown field is refused with the one that was meant."""
    for field in FIELDS[command.kind].values():
        without = {name: value for name, value in body_of(command).items() if name != field.name}
        if field.needed or field.name == "account_id":
            assert refusal(without).startswith(f"{field.name} is needed: ")
        if isinstance(message := read(without | {field.name: None}), AccountCommand):
            assert message == read(without)
        else:
            assert message.text == refusal(without)
    assert "comand_id (did you mean command_id?)" in refusal(body_of(command, comand_id="x"))


def test_a_misspelt_expiry_makes_no_credits_that_never_expire() -> None:
    """An unknown field is refused, also one that another command has; its name is made safe."""
    assert refusal(GRANT | {"expire_at": None}) == "grant has no such field: expire_at (did you mean expires_at?)"
    assert refusal(GRANT | {"generation_id": "7f3c"}) == "grant has no such field: generation_id"
    assert refusal(GRANT | {"a\nb\ud800": 1}) == "grant has no such field: a?b?"
    assert len(refusal(GRANT | {f"x{number}": 1 for number in range(3000)})) < 200


@pytest.mark.parametrize(
    "value",
    [True, 5.0, 0.5, "5", 0, -1, 2**63, 10**400, float("nan"), float("inf"), [5], {}],
    ids=lambda value: str(value)[:20],
)
@pytest.mark.parametrize(
    ("kind", "name"),
    [(command.kind, field.name) for command in COMMANDS for field in command.fields if isinstance(field.type, Whole)],
)
def test_a_number_is_whole_and_bounded_or_refused_by_name(kind: str, name: str, value: object) -> None:
    """In every field; zero is taken where it says something."""
    command = next(each for each in COMMANDS if each.kind == kind)
    rule = FIELDS[kind][name].type
    assert isinstance(rule, Whole)
    body = body_of(command) | dict.fromkeys(command.one_of) | {name: value}
    if type(value) is int and value == 0 == rule.low:
        assert isinstance(read(body), AccountCommand)
    else:
        assert refusal(body) == f"{name} must be a whole number from {rule.low} to {rule.high}"


def test_the_scope_says_which_ids_belong_to_a_command() -> None:
    """A user for a user, a model for a model, and no account for what is nobody's."""
    pause = {"type": "pause", "command_id": "c1", "by": "ops"}
    assert isinstance(read(pause | {"account_id": "acme"}), AccountCommand)
    assert isinstance(read(pause | {"scope": "app"}), AccountCommand)
    assert isinstance(read(pause | {"scope": "model", "model": "flux-dev"}), AccountCommand)
    assert isinstance(read(pause | {"scope": "user", "account_id": "acme", "user_id": "ada"}), AccountCommand)
    assert refusal(pause).startswith("account_id is needed")
    assert refusal(pause | {"scope": "app", "account_id": "acme"}) == "account_id does not belong to the scope app"
    assert refusal(pause | {"scope": "model"}) == "model is needed for the scope model, and allowed for no other"
    assert refusal(pause | {"account_id": "acme", "user_id": "ada"}).startswith("user_id is needed for the scope user")
    limit = {"type": "set_limit", "command_id": "c1", "account_id": "acme", "by": "ops", "limit_id": "daily"}
    assert refusal(limit | {"window": "day"}) == "set_limit needs exactly one of credits, usd_micros, generations"
    assert "exactly one" in refusal(limit | {"window": "day", "credits": 1, "usd_micros": 1})
    message = read(limit | {"window": "day", "credits": 0})
    assert isinstance(message, AccountCommand)
    assert message.act == SetLimit(limit_id="daily", window="day", credits=0)


def test_the_digest_is_of_the_content_and_not_of_its_spelling() -> None:
    """Order, nulls, blanks and the zone of a time make no difference. Each field makes one."""
    when = {"expires_at": "2027-01-01T00:00:00Z"}
    first = read(GRANT | when)
    assert isinstance(first, AccountCommand)
    same = dict(reversed((GRANT | {"expires_at": "2027-01-01T01:00:00.000+01:00", "why": None}).items()))
    assert read(same) == first
    others = [GRANT, GRANT | when | {"credits": 6}, GRANT | when | {"why": "x"}, GRANT | when | {"by": "x"}]
    others += [GRANT | when | {"account_id": "other"}, GRANT | when | {"issued_at": "2026-01-01T00:00:00Z"}]
    others += [{"type": "revoke", **{name: value for name, value in GRANT.items() if name != "type"}}]
    digests = {first.digest, *(getattr(read(each), "digest", "") for each in others)}
    assert len(digests) == len(others) + 1


def test_what_can_be_returned_to_the_sender_is_kept() -> None:
    """Ids of a command that is refused, also ids that are no ids; nothing of a message that is not a command."""
    bad = read(GRANT | {"credits": -1})
    assert isinstance(bad, MalformedCommand)
    assert (bad.account_id, bad.command_id, bad.kind) == ("acme", "c1", "grant")
    odd = read(GRANT | {"account_id": 7, "command_id": "a/b"})
    assert isinstance(odd, MalformedCommand)
    assert (odd.account_id, odd.command_id) == (7, "a/b")
    for raw in (b"", b"7", b"[]", b"\xff", b"{", b"x" * (COMMAND_BYTES + 1)):
        none = parse_command(raw)
        assert isinstance(none, MalformedCommand)
        assert (none.account_id, none.command_id, none.raw) == (None, None, raw)
    assert refusal(GRANT | {"type": "give"}).startswith("type must be one of grant, revoke, ")
    assert refusal(GRANT | {"type": ["grant"]}).startswith("type must be one of ")
    assert refusal({name: value for name, value in GRANT.items() if name != "type"}).startswith("type must be one of ")


def test_the_wrapping_of_a_senders_library_is_removed() -> None:
    """As from a request: a CloudEvent, a list of one, JSON in a text."""
    event = {"specversion": "1.0", "type": "x", "data": GRANT}
    for body in (event, [GRANT], json.dumps(GRANT)):
        message = read(body)
        assert isinstance(message, AccountCommand)
        assert message.act == Grant(credits=5)


def test_the_schema_in_docs_is_the_one_of_the_table() -> None:
    """A schema itself, and as `python3 -m dev fields --write` writes it."""
    jsonschema.Draft202012Validator.check_schema(command_schema())
    assert COMMAND_SCHEMA.read_text(encoding="utf-8") == command_schema_text()


def near(field: Field) -> list[Any]:
    """Values at the bounds of a field, and just beyond them."""
    match field.type:
        case Whole(low, high):
            return [low, high, low - 1, high + 1, float(low)]
        case Text(most=most, choices=choices):
            return [field.example, f"{field.example}\n", "x" * most, "x" * (most + 1), "🙂" * most, *choices]
        case Ids(most):
            return [[f"a{number}" for number in range(most)], [f"a{number}" for number in range(most + 1)], [7], "a"]
        case Moment():
            return [
                "2000-01-01T00:00:00+14:00",
                "2999-12-31T23:59:59.999999-14:00",
                "1999-12-31T00:00:00Z",
                "2026-01-01",
                "2026-01-01T00:00:00",
                "2026-01-01T24:00:00Z",
                "2026-01-01T00:00Z",
                "2026-01-01T00:00:00Z\n",
                "2026-13-01T00:00:00Z",
                "2026-01-01T00:00:00+15:00",
                7,
            ]
        case Id():
            return ["a", "x" * 128, "x" * 129, "a.", "a\n", "a/b", "auth0|5f7c"]


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.kind)
def test_at_every_bound_of_a_field_schema_and_parser_agree(command: Command) -> None:
    """Each value by itself, in a command that is good without it."""
    assert "type" not in FIELDS[command.kind], "a body of another type is for the whole schema"
    schema = validator_of(command)
    for field in FIELDS[command.kind].values():
        bodies = [body_of(command, **{field.name: value}) for value in (*near(field), *ODD)]
        differ = [body for body in bodies if schema.is_valid(body) != isinstance(read(body), AccountCommand)]
        assert not differ


_ANY = st.sampled_from(ODD)


@settings(max_examples=3 * settings().max_examples, deadline=None)
@given(
    st.sampled_from(COMMANDS).flatmap(
        lambda command: st.builds(
            lambda changed: body_of(command) | changed,
            st.dictionaries(
                st.sampled_from([*sorted(FIELDS[command.kind]), "scope", "model", "type", "x"]),
                _ANY | st.sampled_from([value for field in FIELDS[command.kind].values() for value in near(field)]),
                max_size=3,
            ),
        )
    )
)
@example({"type": "pause"})
@example(GRANT | {"expires_at": "2026-02-30T00:00:00Z"})
def test_what_the_schema_allows_the_parser_takes_and_the_other_way_round(body: dict[str, Any]) -> None:
    """For commands at every bound, and beyond it; a day that is in no calendar is the parser's."""
    taken = isinstance(read(body), AccountCommand)
    assert VALIDATOR.is_valid(body) == taken or "02-30" in str(body)


@settings(max_examples=3 * settings().max_examples, deadline=None)
@given(
    st.binary(max_size=200) | st.sampled_from(COMMANDS).map(lambda each: json.dumps(body_of(each)).encode()),
    st.integers(0, 2**32),
)
def test_any_bytes_are_a_command_or_a_sentence(raw: bytes, seed: int) -> None:
    """Mutated as the fuzzer mutates messages: never an exception, and a sentence that can be logged and sent."""
    for content in (raw, mutated(raw, seed)):
        message = parse_command(content)
        if isinstance(message, MalformedCommand):
            message.text.encode()
            assert len(message.text) < 2000
        else:
            assert read(message.to_json()) == message
