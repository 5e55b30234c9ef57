"""What an account's ledger says, whether it is whole, and its names: account statement, ledger, verify, erase-names.

Rules of this file:
1. A statement is printed as a document, as it is read: text for reading, CSV and JSON for programs. One that breaks
   off has no closing balance, and its exit code is not 0.
2. ``erase-names`` asks before it erases: nobody can bring a name back.
3. ``verify`` changes nothing. Its exit code is 1 if an entry does not fit. It needs no account's row: one that is gone,
   or cannot be read, is what it is for.
4. ``ledger`` prints each entry as it comes, so it holds none of a long ledger, and needs no account's row either.
"""

import sys
from enum import StrEnum
from typing import Annotated

import typer

from shared import worker
from shared.cli.account_view import AccountId, account_of
from shared.cli.context import Operations, RefusedError, command_context_of, valid_id
from shared.core.money.chain import Misfit
from shared.views.ledger_lines import as_line
from shared.views.statement import as_csv, as_json, as_text
from shared.views.times import moment


class Form(StrEnum):
    """The forms of a statement."""

    TEXT = "text"
    CSV = "csv"
    JSON = "json"


class Lines(StrEnum):
    """The forms of a ledger's entries."""

    JSON = "json"


#: The greatest number of an entry that a key of the table holds.
_LAST = 10**16 - 1

_AS = {Form.TEXT: as_text, Form.CSV: as_csv, Form.JSON: as_json}


def statement(
    context: typer.Context,
    account_id: AccountId,
    month: Annotated[str, typer.Option(help="The month, in the account's time zone.", metavar="YYYY-MM")],
    form: Annotated[Form, typer.Option("--format", help="For reading, or for programs.")] = Form.TEXT,
) -> None:
    """Print the statement of a month: opening balance, every move with its generation, closing balance."""
    valid_id("the account", account_id)
    command_context = command_context_of(context)

    async def command(operations: Operations) -> int:
        found = await account_of(command_context, operations, account_id)
        try:
            said = await worker.statement(operations.deps, found, month)
        except ValueError as error:
            raise RefusedError(f"There is no statement of {month}: {error}.") from None
        async for part in _AS[form](said):
            sys.stdout.write(part)
        return 0

    command_context.do(command)


def ledger(
    context: typer.Context,
    account_id: AccountId,
    since: Annotated[
        int, typer.Option(help="The number of the first entry.", metavar="SEQ", min=1, max=_LAST, show_default=False)
    ] = 1,
    form: Annotated[Lines, typer.Option("--format", help="One JSON object a line.")] = Lines.JSON,  # noqa: ARG001  # there is one
) -> None:
    """Print the ledger's entries, with all that their digests are made of: for a check from outside."""
    valid_id("the account", account_id)
    command_context = command_context_of(context)

    async def command(operations: Operations) -> int:
        seq = 0
        async for entry in operations.deps.store.ledger(account_id, since - 1):
            sys.stdout.write(as_line(entry))
            seq = entry.seq
        if not seq:
            await account_of(command_context, operations, account_id)
        return 0

    command_context.do(command)


def verify(context: typer.Context, account_id: AccountId) -> None:
    """Walk the account's ledger, and compare it with its signed heads. Names the first entry that does not fit."""
    valid_id("the account", account_id)
    command_context = command_context_of(context)

    async def command(operations: Operations) -> int:
        try:
            found = await worker.verify(operations.deps, account_id)
        except ValueError as error:
            await account_of(command_context, operations, account_id)
            raise RefusedError(f"The ledger cannot be compared: {error}.") from None
        if isinstance(found, Misfit):
            command_context.screen.complain(f"The ledger of {account_id} is not whole. {found}.")
            return 1
        said = "no head was signed yet"
        if found.heads:
            last = found.heads[0]
            said = f"{len(found.heads)} signed heads fit, the newest at entry {last.seq}, {moment(last.at)}"
        command_context.screen.say(f"The ledger of {account_id} is whole: {found.entries} entries; {said}.")
        return 0

    command_context.do(command)


def erase_names(
    context: typer.Context,
    account_id: AccountId,
    user: Annotated[str, typer.Option(help="Whatever names this user.", metavar="USER")] = "",
    entry: Annotated[
        list[int] | None, typer.Option(help="All texts of the entry of this number; may be repeated.", metavar="N")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Erase names from an account's ledger. The chain stays whole, and credits stay as they are.

    The ids that are keys of the tables stay too: an id that names a person goes only with its whole account.
    """
    valid_id("the account", account_id)
    if not user and not entry:
        raise typer.BadParameter("--user or --entry must say what to erase")
    if user:
        valid_id("--user", user)
    command_context = command_context_of(context)

    async def command(operations: Operations) -> int:
        await account_of(command_context, operations, account_id)
        if not yes:
            command_context.screen.confirm(f"Erase these names from the ledger of {account_id}, for ever?")
        try:
            erased = await worker.erase_names(operations.deps, account_id, user, frozenset(entry or ()))
        except ValueError as error:
            raise RefusedError(f"Not all was erased: {error}.") from None
        command_context.screen.say(f"Texts of {len(erased)} of the ledger's entries were erased.")
        return 0

    command_context.do(command)
