"""Approvals: approve, deny.

Rules of this file:
1. Without --limit and --most it is approved what the generation waits for now, and no more.
2. Who decides is the operator who runs the command line. It is kept with the generation.
3. What cannot be is said at once. What can be is sent to the queue of account commands, as a backend would send it: an
   operator has no role to write the open index, and none to publish or to delete an input.
4. What became of it is read from the generation. The app applies a command within a second or two.
"""

import json
from collections.abc import Mapping
from datetime import timedelta
from typing import Annotated
from uuid import uuid4

import typer

from shared import worker
from shared.cli.account_commands import said
from shared.cli.context import (
    AccountToo,
    CommandContext,
    Operations,
    RefusedError,
    command_context_of,
    operator_name,
    valid_id,
)
from shared.cli.generations import User, find_one, show_generation, show_line, valid_names
from shared.core.commands.acts import MalformedCommand
from shared.core.commands.parsing import parse_command
from shared.core.keys import Key
from shared.core.money.credits import MOST_CREDITS
from shared.ports import Envelope
from shared.worker import Command, Yes

#: How long it is waited for what became of a command, and how often the generation is read meanwhile.
_WAIT_S = 10
_POLL_S = 0.5

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
        yes = Yes(limit or asked.limit_id, asked.credits if most is None else most)
        body = {"type": "approve", "limit_id": yes.limit_id, "max_credits": yes.most_credits}
        return await _send(command_context, operations, found.key, named, yes, body)

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
        body = {"type": "deny", "reason": reason or None}
        return await _send(command_context, operations, found.key, named, reason, body)

    command_context.do(command)


def _named(command_id: str | None) -> Command:
    return Command(command_id=valid_id("--id", uuid4().hex if command_id is None else command_id), by=operator_name())


async def _send(
    command_context: CommandContext,
    operations: Operations,
    key: Key,
    named: Command,
    answer: Yes | str,
    body: Mapping[str, object],
) -> int:
    """Send the command, and say what became of it."""
    if await _is_to_be_decided(operations, key, named, answer, "Nothing was changed: "):
        whose = {"account_id": key.account_id, "user_id": key.user_id, "generation_id": key.generation_id}
        given = {"command_id": named.command_id, "by": named.by, **whose}
        message = parse_command(json.dumps({**given, **body}).encode())
        if isinstance(message, MalformedCommand):
            raise RefusedError(f"Nothing was sent: {message.text}")
        await operations.messenger.send_command(message, Envelope(f"cli:{uuid4().hex}"))
        if not await _is_applied(operations, key, named, answer):
            sent = f"sent {said(message)}; it is not applied yet. Look later:\n{show_line(command_context, key)}"
            command_context.screen.say(sent)
            return 0
    done = "approved" if isinstance(answer, Yes) else "denied"
    command_context.screen.say(f"{done} generation {key.generation_id}, command {named.command_id}")
    after = (await operations.store.load(key)).generation
    if after is not None:
        await show_generation(command_context, operations, after)
    return 0


async def _is_applied(operations: Operations, key: Key, named: Command, answer: Yes | str) -> bool:
    """Whether the command is applied within some seconds. Raises RefusedError if it cannot be any more."""
    deps = operations.deps
    until = deps.now() + timedelta(seconds=_WAIT_S)
    while deps.now() < until:
        await deps.sleep(_POLL_S)
        if not await _is_to_be_decided(operations, key, named, answer, "The command was sent and changes nothing: "):
            return True
    return False


async def _is_to_be_decided(operations: Operations, key: Key, named: Command, answer: Yes | str, says: str) -> bool:
    """Whether the decision is still to be made; False if this command has made it. Raises RefusedError."""
    loaded = await operations.store.load(key)
    try:
        return await worker.check_decision(operations.deps, loaded, named, answer)
    except ValueError as error:
        raise RefusedError(f"{says}{error}") from None
