"""`python3 -m dev fields`: the two files in docs/ that are made from the table of request fields.

These are the table of docs/requests.md and the JSON Schema docs/generation-request.schema.json. Without an argument
the command compares them with the table of fields. With `--write` it writes them anew. The rows of the ids and of
`type` are not in the table of fields: they are written by hand and stay where they are.
"""

import json
import sys
from collections.abc import Iterator
from pathlib import Path

from shared.core.requests.fields import FIELD, FIELDS, MODALITIES, Field, Flag, Number, Pairs, Text
from shared.core.requests.json_schema import request_schema

DOCS = Path(__file__).parents[1] / "docs"
PAGE, SCHEMA = DOCS / "requests.md", DOCS / "generation-request.schema.json"

_HEAD = "| Field | Type and bounds | For | What it says |\n| --- | --- | --- | --- |\n"


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


def schema_text() -> str:
    """The schema as the file has it."""
    return json.dumps(request_schema(), indent=2) + "\n"


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
        case Pairs(most, characters):
            return f"object of at most {most} texts, names and values of at most {characters} characters"


def _stale() -> Iterator[str]:
    page = PAGE.read_text(encoding="utf-8")
    if with_table(page) != page:
        yield f"docs/{PAGE.name}: its table is not that of shared/core/requests/fields.py"
    if not SCHEMA.exists() or SCHEMA.read_text(encoding="utf-8") != schema_text():
        yield f"docs/{SCHEMA.name}: it is not made from shared/core/requests/fields.py"


def main(argv: list[str]) -> int:
    """Compare both files with the table, or write them; 0 well, 1 one is stale, 2 wrong arguments."""
    if argv not in ([], ["--write"]):
        print("usage: python3 -m dev fields [--write]", file=sys.stderr)
        return 2
    if argv:
        PAGE.write_text(with_table(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
        SCHEMA.write_text(schema_text(), encoding="utf-8")
    found = list(_stale())
    print("\n".join(f"{each}; run: python3 -m dev fields --write" for each in found) or "docs/: as the table of fields")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
