"""`account command` sends a command; dead letters of its queue are shown and replayed."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from dev.fakes.messenger import COMMANDS
from shared.core.commands.acts import Grant
from shared.worker.dead_letters import archive
from tests.cli.counter import Counter

GRANT: dict[str, Any] = {"type": "grant", "command_id": "c1", "account_id": "acme", "by": "billing", "credits": 5}


def test_a_command_is_sent_from_a_file(counter: Counter, tmp_path: Path) -> None:
    """Twice under different message ids: the broker keeps both, and the handler applies it once."""
    file = tmp_path / "grant.json"
    file.write_text(json.dumps(GRANT), encoding="utf-8")
    for _ in range(2):
        called = counter.call("account", "command", str(file))
        assert (called.code, called.out.strip()) == (0, "sent command c1 (grant) of account acme")
    first, second = counter.messenger.commands
    assert first.command == second.command
    assert first.command.act == Grant(credits=5)
    assert first.envelope.message_id != second.envelope.message_id
    assert "acme" not in counter.store.saved_accounts


def test_a_command_is_read_from_stdin(counter: Counter) -> None:
    """As another program writes it."""
    assert counter.call("account", "command", "-", answer=json.dumps(GRANT)).code == 0
    assert counter.messenger.commands[0].command.command_id == "c1"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (json.dumps(GRANT | {"credits": True}), "credits must be a whole number from 1 to 1000000000"),
        (json.dumps(GRANT | {"expire_at": 1}), "did you mean expires_at?"),
        ("x" * 100_000, "larger than 65536 bytes"),
        ("", "the message is empty"),
    ],
)
def test_a_command_that_would_be_refused_is_not_sent(counter: Counter, tmp_path: Path, content: str, said: str) -> None:
    """With the handler's own sentence; so is a file that is not there."""
    file = tmp_path / "bad.json"
    file.write_text(content, encoding="utf-8")
    called = counter.call("account", "command", str(file))
    assert called.code == 2
    assert said in " ".join(called.err.split())
    assert counter.call("account", "command", str(tmp_path / "none")).code == 2
    assert counter.messenger.commands == []


def test_a_command_cannot_be_read_from_a_closed_stdin(counter: Counter) -> None:
    """One sentence says so."""
    called = counter.call("account", "command", "-", answer=None)
    assert called.code == 2
    assert "stdin is closed" in called.err
    assert counter.messenger.commands == []


def test_an_account_is_shown_without_the_word(counter: Counter) -> None:
    """`account ada` and `account show ada` are the same, with options before and after."""
    asyncio.run(counter.open_account("ada"))
    short, long = counter.call("account", "ada"), counter.call("account", "show", "ada")
    assert (short.code, short.out) == (0, long.out)
    assert counter.call("account", "--last", "0", "ada").code == 0
    assert "command" in counter.call("account", "--help").out


def test_a_dead_letter_of_a_command_is_shown_and_replayed(counter: Counter) -> None:
    """It says whose it is; bytes that are not a command are not sent again."""
    good, bad = json.dumps(GRANT | {"why": "an invoice"}).encode(), b"garbage"
    names = [asyncio.run(archive(counter.deps, raw, None, "dead-lettered", COMMANDS)) for raw in (good, bad)]
    shown = counter.call("dead-letters", "show", names[0]).out
    for fact in ("the account command grant", "acme", "c1", "billing", "an invoice"):
        assert fact in shown
    assert "malformed" in counter.call("dead-letters", "show", names[1]).out
    assert COMMANDS in counter.call("dead-letters", "list", "--queue", COMMANDS).out
    called = counter.call("dead-letters", "replay", names[0], "--yes")
    assert (called.code, counter.messenger.commands[0].command.command_id) == (0, "c1")
    assert counter.call("dead-letters", "replay", names[0], answer="n\n").code == 1
    refused = counter.call("dead-letters", "replay", names[1], "--yes")
    assert (refused.code, len(counter.messenger.commands)) == (1, 1)
    assert "It would only be archived again" in refused.err
