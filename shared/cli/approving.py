"""Approvals: approve, deny.

Rules of this file:
1. Without --limit and --most it is approved what the generation waits for now, and no more.
2. Who decides is the operator who runs the command line. It is kept with the generation.
"""

from typing import Annotated
from uuid import uuid4

import typer

from shared import worker
from shared.cli.context import (
    AccountToo,
    CommandContext,
    Operations,
    RefusedError,
    command_context_of,
    operator_name,
    valid_id,
)
from shared.cli.generations import User, find_one, show_generation, valid_names
from shared.core.lifecycle.generation import AnyGeneration
from shared.core.money.credits import MOST_CREDITS
from shared.worker.accounts import Command

_Generation = Annotated[str, typer.Argument(help="The generation's id.", metavar="GENERATION")]
_Id = Annotated[str | None, typer.Option("--id", help="The command's id; default: a new one.", metavar="ID")]


def approve(  # each is an option of the command
    context: typer.Context,
    generation_id: _Generation,
    user: User,
    account: AccountToo = None,
    limit: Annotated[
        str | None, typer.Option(help="The limit that it may exceed; default: the one that asks.", metavar="LIMIT")
    ] = None,
    most: Annotated[
        int | None,
        typer.Option(help="The most credits that it may cost; default: its cost.", min=0, max=MOST_CREDITS),
    ] = None,
    command_id: _Id = None,
) -> None:
    """Allow a generation that waits for approval past one limit.

    It opens if its account can pay it and no other limit stands against it.
    """
    valid_names(generation_id, user, account)
    command_context, named = command_context_of(context), _named(command_id)

    async def command(operations: Operations) -> int:
        found = await find_one(operations, generation_id, user, account)
        asked = found.approval
        if asked is None:
            raise RefusedError("Nothing was changed: it does not wait for an approval")
        credits_ = asked.credits if most is None else most
        try:
            await worker.approve(operations.deps, found.key, limit or asked.limit_id, credits_, named)
        except ValueError as error:
            raise RefusedError(f"Nothing was changed: {error}") from None
        command_context.screen.say(f"approved generation {generation_id}, command {named.command_id}")
        return await _shown(command_context, operations, found)

    command_context.do(command)


def deny(
    context: typer.Context,
    generation_id: _Generation,
    user: User,
    account: AccountToo = None,
    reason: Annotated[str, typer.Option(help="What its user reads.", metavar="TEXT")] = "",
    command_id: _Id = None,
) -> None:
    """Refuse a generation that waits for approval: it ends, and nothing is charged."""
    valid_names(generation_id, user, account)
    command_context, named = command_context_of(context), _named(command_id)

    async def command(operations: Operations) -> int:
        found = await find_one(operations, generation_id, user, account)
        try:
            await worker.deny(operations.deps, found.key, reason, named)
        except ValueError as error:
            raise RefusedError(f"Nothing was changed: {error}") from None
        command_context.screen.say(f"denied generation {generation_id}, command {named.command_id}")
        return await _shown(command_context, operations, found)

    command_context.do(command)


def _named(command_id: str | None) -> Command:
    return Command(command_id=valid_id("--id", uuid4().hex if command_id is None else command_id), by=operator_name())


async def _shown(command_context: CommandContext, operations: Operations, found: AnyGeneration) -> int:
    """Show it as it is now."""
    after = (await operations.store.load(found.key)).generation or found
    await show_generation(command_context, operations, after)
    return 0
