"""The records of account commands: the same cases on the fake and on Azurite."""

import asyncio
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import pytest_asyncio

from dev.fakes.accounts import granted
from dev.fakes.commands import FakeCommands
from dev.fakes.store import FakeStore
from shared.adapters.azure_storage.tables import TableCommands, TableService, TableStore
from shared.core.commands.acts import AccountCommand
from shared.core.commands.parsing import parse_command
from shared.core.events.command_event import APPLIED, CommandReason, refused
from shared.core.keys import Key
from shared.core.lifecycle.generation import Transition
from shared.core.money.account import Account
from shared.core.money.entries import Move
from shared.ports import CommandRecord, Conflict
from tests.adapters.conftest import FAKE_AND_REAL, fresh_name
from tests.adapters.examples import closed

Either = FakeCommands | TableCommands

Both = tuple[Either, FakeStore | TableStore]

NOW = datetime(2026, 11, 28, 21, tzinfo=UTC)


def command(**fields: Any) -> AccountCommand:
    """A grant, with these fields changed; None leaves one out."""
    body = {"type": "grant", "command_id": "c1", "account_id": "acme", "by": "billing", "credits": 5} | fields
    message = parse_command(json.dumps({name: value for name, value in body.items() if value is not None}).encode())
    assert isinstance(message, AccountCommand)
    return message


@pytest.fixture(params=FAKE_AND_REAL)
def both(request: pytest.FixtureRequest) -> Both:
    """The records and the store of one table."""
    real: Both | None = None if request.param == "fake" else request.getfixturevalue("both_of_a_table")
    store = FakeStore()
    return real or (FakeCommands(store), store)


@pytest_asyncio.fixture
async def both_of_a_table(table_service: TableService) -> Both:
    """Both in a new table."""
    name = fresh_name()
    store = TableStore(table_service, name)
    await store.ensure()
    return TableCommands(table_service, name), store


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


async def test_a_refusal_and_the_move_of_its_command_are_never_both_saved(both: Both) -> None:
    """Whichever is first. After the refusal the move is a conflict; after the move the refusal is no answer."""
    commands, store = both
    no = refused(CommandReason.NOT_POSSIBLE, "Nothing was changed.")
    rich = granted(Account(account_id="acme"), 5, grant_id="c1", at=NOW)
    await commands.claim(command(), NOW)
    assert (await commands.settle(command(), no, NOW)).answer == no
    with pytest.raises(Conflict):
        await store.post(rich.account, "", rich.entries)
    with pytest.raises(Conflict):
        await store.entry("acme", Move.GRANT, "c1")
    assert await store.load_account("acme") == (None, "")

    rich = granted(Account(account_id="acme"), 5, grant_id="c2", at=NOW)
    second = command(command_id="c2")
    record = await commands.claim(second, NOW)
    await store.post(rich.account, "", rich.entries)
    assert await commands.settle(second, no, NOW) == record
    assert await commands.claim(second, NOW) == record
    assert await store.entry("acme", Move.GRANT, "c2") == rich.entries[0]
    assert (await commands.settle(second, no, NOW, is_made=True)).answer == no


async def test_a_refusal_and_the_decision_of_its_command_are_never_both_saved(both: Both) -> None:
    """An approval is no move: its transition has the mark."""
    commands, store = both
    no = refused(CommandReason.NOT_POSSIBLE, "Nothing was changed.")
    decided = Transition(closed(Key("acme", "one")), mark=("deny", "c1"))
    loaded = await store.load(Key("acme", "one"))
    denial = command(type="deny", credits=None, generation_id="one")
    await commands.claim(denial, NOW)
    assert (await commands.settle(denial, no, NOW)).answer == no
    with pytest.raises(Conflict):
        await store.commit(loaded, decided)
    assert (await store.load(Key("acme", "one"))).generation is None

    other = command(type="deny", credits=None, generation_id="one", command_id="c2")
    record = await commands.claim(other, NOW)
    await store.commit(loaded, replace(decided, mark=("deny", "c2")))
    assert await commands.settle(other, no, NOW) == record


async def test_an_answer_of_what_was_made_forbids_nothing(both: Both) -> None:
    """A revoke of nothing is an entry, and its refusal is read from it; what is done is done."""
    commands, store = both
    for number, answer in enumerate((APPLIED, refused(CommandReason.NOT_ENOUGH_CREDITS, "None."))):
        an_id = f"c{number}"
        await commands.claim(command(command_id=an_id), NOW)
        assert (await commands.settle(command(command_id=an_id), answer, NOW)).answer == answer
        rich = granted(Account(account_id=f"a{number}"), 5, grant_id=an_id, at=NOW)
        await store.post(rich.account, "", rich.entries)


async def test_the_first_answer_counts(commands: Either) -> None:
    """With its reason and sentence; a claim shows it from then on."""
    await commands.claim(command(), NOW)
    later = NOW + timedelta(seconds=3)
    no = refused(CommandReason.NOT_ENOUGH_CREDITS, "This takes 5 credits; available: 2.")
    settled = await commands.settle(command(), no, later)
    assert settled == CommandRecord(command().digest, later, no)
    assert await commands.settle(command(), APPLIED, NOW + timedelta(hours=1)) == settled
    assert await commands.claim(command(), NOW) == settled
