"""The records of account commands: the same cases on the fake and on Azurite."""

import asyncio
import json
from datetime import UTC, datetime, timedelta
from typing import Any

from dev.fakes.commands import FakeCommands
from shared.adapters.azure_storage.tables import TableCommands
from shared.core.commands.acts import AccountCommand
from shared.core.commands.parsing import parse_command
from shared.core.events.command_event import APPLIED, CommandReason, refused
from shared.ports import CommandRecord

Either = FakeCommands | TableCommands

NOW = datetime(2026, 11, 28, 21, tzinfo=UTC)


def command(**fields: Any) -> AccountCommand:
    """A grant, with these fields changed; None leaves one out."""
    body = {"type": "grant", "command_id": "c1", "account_id": "acme", "by": "billing", "credits": 5} | fields
    message = parse_command(json.dumps({name: value for name, value in body.items() if value is not None}).encode())
    assert isinstance(message, AccountCommand)
    return message


async def test_the_first_claim_of_an_id_counts(commands: Either) -> None:
    """Whatever comes later under it; an account of another id has ids of its own, and so has the whole app."""
    first, other = command(why="a 🙂 reason"), command(credits=6)
    assert await commands.claim(first, NOW) == CommandRecord(first.digest, NOW)
    assert await commands.claim(first, NOW + timedelta(hours=1)) == CommandRecord(first.digest, NOW)
    assert (await commands.claim(other, NOW)).digest == first.digest
    elsewhere = command(account_id="auth0|5f7c")
    assert (await commands.claim(elsewhere, NOW)).digest == elsewhere.digest
    of_the_app = command(type="pause", scope="app", credits=None, account_id=None)
    assert (await commands.claim(of_the_app, NOW)).digest == of_the_app.digest


async def test_of_rivals_one_claims(commands: Either) -> None:
    """All see the same record."""
    found = await asyncio.gather(*(commands.claim(command(credits=number), NOW) for number in range(1, 9)))
    assert len({record.digest for record in found}) == 1


async def test_the_first_answer_counts(commands: Either) -> None:
    """With its reason and sentence; a claim shows it from then on."""
    await commands.claim(command(), NOW)
    later = NOW + timedelta(seconds=3)
    no = refused(CommandReason.NOT_ENOUGH_CREDITS, "This takes 5 credits; available: 2.")
    settled = await commands.settle(command(), no, later)
    assert settled == CommandRecord(command().digest, later, no)
    assert await commands.settle(command(), APPLIED, NOW + timedelta(hours=1)) == settled
    assert await commands.claim(command(), NOW) == settled
