"""docs/accounts-commands.md: what it says of commands that are not offered yet is what the code refuses."""

import json
from pathlib import Path

from shared.core.commands.acts import AccountCommand
from shared.core.commands.fields import COMMANDS, HEAD
from shared.core.commands.parsing import parse_command
from shared.worker.applying import not_offered

PAGE = Path(__file__).parents[2] / "docs" / "accounts-commands.md"


def test_the_page_names_what_is_not_offered_yet() -> None:
    """Each command that is refused by its kind, in the order of the table, and no other."""
    heads, missing = {field.name: field.example for field in HEAD}, []
    for each in COMMANDS:
        command = parse_command(json.dumps({"type": each.kind, **heads, **each.example}).encode())
        assert isinstance(command, AccountCommand)
        if not_offered(command):
            missing.append(f"`{each.kind}`")
    said = f"do not work: {', '.join([*missing, 'limits of the scope `app`'])}."
    assert said in PAGE.read_text(encoding="utf-8")
