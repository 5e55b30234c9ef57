"""`python3 -m dev fields`: the files in docs/ that are made from the tables of fields.

These are the table of docs/requests.md and the JSON Schema docs/generation-request.schema.json, and the same two of
account commands: docs/accounts-commands.md and docs/account-command.schema.json. Without an argument the command
compares them with the tables. With `--write` it writes them anew. The rows of a request's ids and of its `type` are not
in the table of fields: they are written by hand and stay where they are.
"""

import json
import sys
from collections.abc import Iterator
from pathlib import Path

from shared.core.commands import fields as commands
from shared.core.commands.json_schema import command_schema
from shared.core.requests.field_types import Addresses, Field, Flag, Inputs, Number, Pairs, Text
from shared.core.requests.fields import FIELD, FIELDS, MODALITIES
from shared.core.requests.json_schema import request_schema

DOCS = Path(__file__).parents[1] / "docs"
PAGE, SCHEMA = DOCS / "requests.md", DOCS / "generation-request.schema.json"
COMMAND_PAGE, COMMAND_SCHEMA = DOCS / "accounts-commands.md", DOCS / "account-command.schema.json"

_HEAD = "| Field | Type and bounds | For | What it says |\n| --- | --- | --- | --- |\n"
_COMMAND_HEAD = "| Command | Field | Type and bounds | What it says |\n| --- | --- | --- | --- |\n"


def with_table(page: str) -> str:
    """The page with the table that the code has now."""
    before, head, after = page.partition(_HEAD)
    if not head:
        raise ValueError(f"{PAGE.name} has no table that begins with {_HEAD.splitlines()[0]}")
    rows, blank, rest = after.partition("\n\n")
    by_hand = [row for row in rows.splitlines() if row.split("|")[1].strip(" `") not in FIELD]
    # Fields for every modality come first; the rest is as in the table.
    ours = [_row(field) for field in sorted(FIELDS, key=lambda field: _for(field) != "all")]
    return before + head + "\n".join([*by_hand, *ours]) + blank + rest


def with_commands(page: str) -> str:
    """The page of account commands with the table that the code has now."""
    before, head, after = page.partition(_COMMAND_HEAD)
    if not head:
        raise ValueError(f"{COMMAND_PAGE.name} has no table that begins with {_COMMAND_HEAD.splitlines()[0]}")
    _, blank, rest = after.partition("\n\n")
    return before + head + "\n".join(_command_rows()) + blank + rest


def _command_rows() -> Iterator[str]:
    for field in commands.HEAD:
        yield _command_row("every", field)
    for command in commands.COMMANDS:
        name = f"`{command.kind}`"
        yield f"| {name} | | | {command.help} |"
        for field in command.fields:
            yield _command_row(name, field)


def _command_row(command: str, field: commands.Field) -> str:
    needed = ", needed" if field.needed else ""
    return f"| {command} | `{field.name}` | {_command_type(field)}{needed} | {field.help} |"


def _command_type(field: commands.Field) -> str:
    match field.type:
        case commands.Id():
            return "id"
        case commands.Ids(most):
            return f"list of at most {most} ids"
        case commands.Text(choices=choices) if choices:
            return f"text, one of {', '.join(f'`{each}`' for each in choices)}"
        case commands.Text(most=most, form=form):
            return ", ".join(part for part in ("text", f"at most {most} characters", form) if part)
        case commands.Whole(low, high):
            return f"whole number, {low:,} to {high:,}"
        case commands.Moment():
            return "time with its zone"


def schema_text() -> str:
    """The schema of a request as the file has it."""
    return json.dumps(request_schema(), indent=2) + "\n"


def command_schema_text() -> str:
    """The schema of an account command as the file has it."""
    return json.dumps(command_schema(), indent=2) + "\n"


def _row(field: Field) -> str:
    says = field.sentences.replace("|", "\\|")
    return f"| `{field.name}` | {_type(field)} | {_for(field)} | {says} |"


def _for(field: Field) -> str:
    return "all" if field.steers or field.modalities == MODALITIES else ", ".join(field.modalities)


def _type(field: Field) -> str:
    match field.type:
        case Text(choices=choices) if choices:
            return f"text, one of {', '.join(f'`{each}`' for each in choices)}"
        case Text(most=most, form=form):
            return ", ".join(part for part in ("text", f"at most {most:,} characters" if most else "", form) if part)
        case Number(low, high, whole):
            return f"{'whole number' if whole else 'number'}, {low:,} to {high:,}"
        case Flag():
            return "true or false"
        case Addresses(most, characters):
            return f"a list of at most {most} texts of at most {characters:,} characters"
        case Inputs(most=most, total_bytes=total):
            return f"object of at most {most} names and values, {total // 1024} KiB"
        case Pairs(most, characters):
            return f"object of at most {most} texts, names and values of at most {characters} characters"


def _made() -> Iterator[tuple[Path, str, str]]:
    """Each file, what it should be, and what it is made from."""
    requests, of_commands = "shared/core/requests/fields.py", "shared/core/commands/fields.py"
    yield PAGE, with_table(PAGE.read_text(encoding="utf-8")), requests
    yield SCHEMA, schema_text(), requests
    yield COMMAND_PAGE, with_commands(COMMAND_PAGE.read_text(encoding="utf-8")), of_commands
    yield COMMAND_SCHEMA, command_schema_text(), of_commands


def _stale() -> Iterator[str]:
    for file, wanted, made_from in _made():
        if not file.exists() or file.read_text(encoding="utf-8") != wanted:
            yield f"docs/{file.name}: it is not made from {made_from}"


def main(argv: list[str]) -> int:
    """Compare the files with the tables, or write them; 0 well, 1 one is stale, 2 wrong arguments."""
    if argv not in ([], ["--write"]):
        print("usage: python3 -m dev fields [--write]", file=sys.stderr)
        return 2
    if argv:
        for file, text, _ in _made():
            file.write_text(text, encoding="utf-8")
    found = list(_stale())
    print(
        "\n".join(f"{each}; run: python3 -m dev fields --write" for each in found) or "docs/: as the tables of fields"
    )
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
