"""What an account's ledger says, and whether it is whole: account statement, account verify.

Rules of this file:
1. A statement is printed as a document: text for reading, CSV and JSON for programs.
2. ``verify`` changes nothing. Its exit code is 1 if an entry does not fit.
"""

import sys
from enum import StrEnum
from typing import Annotated

import typer

from shared import worker
from shared.cli.account_view import AccountId, account_of
from shared.cli.context import Operations, RefusedError, command_context_of, valid_id
from shared.core.money.chain import Misfit
from shared.views.statement import as_csv, as_json_text, as_text
from shared.views.times import moment


class Form(StrEnum):
    """The forms of a statement."""

    TEXT = "text"
    CSV = "csv"
    JSON = "json"


_AS = {Form.TEXT: as_text, Form.CSV: as_csv, Form.JSON: as_json_text}


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
        sys.stdout.write(_AS[form](said))
        return 0

    command_context.do(command)


def verify(context: typer.Context, account_id: AccountId) -> None:
    """Walk the account's ledger, and compare it with its signed heads. Names the first entry that does not fit."""
    valid_id("the account", account_id)
    command_context = command_context_of(context)

    async def command(operations: Operations) -> int:
        await account_of(command_context, operations, account_id)
        try:
            found = await worker.verify(operations.deps, account_id)
        except ValueError as error:
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
