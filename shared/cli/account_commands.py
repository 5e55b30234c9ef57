"""Account commands: ``account command`` sends one, and dead letters of their queue are shown and replayed.

Rules of this file:
1. A command is sent to the queue, as a backend would send it. Nothing here changes an account.
2. The message handler's own parser reads it before it is sent, so that a bad value is refused here.
"""

import sys
from pathlib import Path
from typing import Annotated, Any
from uuid import uuid4

import typer

from shared.cli.context import CommandContext, Operations, RefusedError, command_context_of
from shared.core.commands.acts import AccountCommand, MalformedCommand
from shared.core.commands.parsing import COMMAND_BYTES, parse_command
from shared.ports import Envelope


def send_account_command(
    context: typer.Context,
    file: Annotated[
        str, typer.Argument(help="A file with one command as JSON; - reads it from stdin.", metavar="FILE")
    ],
) -> None:
    """Send a command about an account, as your backend would.

    The event on the topic says what became of it. The same command twice is applied once.
    """
    message = parse_command(_content(file))
    if isinstance(message, MalformedCommand):
        raise typer.BadParameter(message.text)
    command_context = command_context_of(context)

    async def send(operations: Operations) -> int:
        # Each message has a new id, so that the broker does not drop a command that is repeated on purpose.
        await operations.messenger.send_command(message, Envelope(f"cli:{uuid4().hex}"))
        command_context.screen.say(f"sent {said(message)}")
        return 0

    command_context.do(send)


def _content(file: str) -> bytes:
    """The bytes of a file, or of stdin, as far as the parser reads."""
    if file == "-":
        if sys.stdin is None:
            raise typer.BadParameter("stdin is closed: there is no command to read")
        stream: Any = getattr(sys.stdin, "buffer", sys.stdin)
        content = stream.read(COMMAND_BYTES + 1)
        return content if isinstance(content, bytes) else content.encode(errors="surrogateescape")
    try:
        with Path(file).open("rb") as opened:
            return opened.read(COMMAND_BYTES + 1)
    except OSError as error:
        raise typer.BadParameter(f"{file} cannot be read: {error.strerror}") from None


def said(command: AccountCommand) -> str:
    """A command in words."""
    whose = f"account {command.account_id}" if command.account_id else "the whole app"
    return f"command {command.command_id} ({command.act.kind}) of {whose}"


def facts_of(content: bytes) -> list[tuple[str, str]]:
    """What a dead letter of the queue of commands is about."""
    message = parse_command(content)
    if isinstance(message, MalformedCommand):
        return [("message", f"malformed: {message.text}")]
    return [
        ("message", f"the account command {message.act.kind}"),
        ("account", message.account_id),
        ("command", message.command_id),
        ("given by", message.by),
        ("why", message.why),
    ]


async def replay(command_context: CommandContext, operations: Operations, content: bytes, *, yes: bool) -> int:
    """Send a dead letter of the queue of commands again. What an earlier delivery has done is not done twice."""
    message = parse_command(content)
    if isinstance(message, MalformedCommand):
        raise RefusedError(f"Nothing was sent: this is no command: {message.text}. It would only be archived again.")
    queue = operations.settings.command_queue
    command_context.screen.say(f"This is {said(message)}. If it was applied before, it changes nothing.")
    if not yes:
        command_context.screen.confirm(f"Send it to {queue} again?")
    await operations.messenger.send_command(message, Envelope(f"replay:{uuid4().hex}"))
    command_context.screen.say(f"sent to {queue}: {said(message)}")
    return 0
