"""Dead letters: list, show, replay.

Rules of this file:
1. A dead letter is a message that could not be read, or that failed in every delivery. The app has archived it.
   Reading one changes nothing, and a replayed one stays in the archive.
2. A dead letter may contain a prompt, or anything else. Its content is shown only with ``--raw``.
3. A replay first reads the dead letter with the message handler's own parser. If it is not a message it is not sent,
   because it would only be archived again.
"""

import re
from typing import Annotated, assert_never
from uuid import uuid4

import typer

from shared.cli import account_commands
from shared.cli.context import CommandContext, Operations, RefusedError, command_context_of
from shared.cli.printing import plain
from shared.config.settings import Settings
from shared.core.keys import user_named
from shared.core.lifecycle.generation import AnyGeneration
from shared.core.requests.messages import (
    CancelRequest,
    Check,
    GenerationRequest,
    Look,
    Malformed,
    Message,
    PredictionEvent,
)
from shared.core.requests.parsing import parse_event, parse_request
from shared.ports import Envelope, Sendable
from shared.ports.reading import DeadLetter
from shared.views.times import moment

dead_letters = typer.Typer(
    help="Messages that could not be processed: list, show, replay.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

#: How the app names a dead letter: its queue, the day, and a digest of its content.
_NAME = re.compile(r"(?P<queue>.+)/\d{4}-\d{2}-\d{2}/[0-9a-f]{32}\.json")

Name = Annotated[str, typer.Argument(help="The dead letter's name, as `list` prints it.", metavar="NAME")]


@dead_letters.command("list")
def list_dead_letters(
    context: typer.Context,
    queue: Annotated[str | None, typer.Option(help="Only dead letters of this queue.", metavar="QUEUE")] = None,
    limit: Annotated[int, typer.Option(help="At most N.", metavar="N", min=1, max=5000)] = 100,
) -> None:
    """List the archived messages, by queue and day."""
    command_context = command_context_of(context)

    async def command(operations: Operations) -> int:
        prefix = f"{_own_queue(operations.settings, queue)}/" if queue is not None else ""
        found = await operations.dead_letters.list_dead_letters(prefix, limit)
        if not found:
            command_context.screen.say("There are no dead letters.")
            return 0
        rows = []
        for dead_letter in found:
            owner, generation = _whose(dead_letter), dead_letter.metadata.get("generation_id", "-")
            reason = dead_letter.metadata.get("reason", "-")
            rows.append(
                (moment(dead_letter.archived_at), reason, owner, generation, dead_letter.size_bytes, dead_letter.name)
            )
        command_context.screen.table(("ARCHIVED", "REASON", "USER", "GENERATION", "BYTES", "NAME"), rows)
        if len(found) == limit:
            command_context.screen.complain(f"There may be more than these {limit}: see --limit.")
        return 0

    command_context.do(command)


@dead_letters.command("show")
def show_dead_letter(
    context: typer.Context,
    name: Name,
    raw: Annotated[
        bool, typer.Option("--raw", help="Print the message itself, which may hold a prompt, and nothing else.")
    ] = False,
) -> None:
    """Show what a dead letter is about; with --raw, its content."""
    queue = _queue_of(name)
    command_context = command_context_of(context)

    async def command(operations: Operations) -> int:
        content = await _read(operations, name)
        if raw:
            lines = content.decode(errors="backslashreplace").splitlines()
            command_context.screen.say("\n".join(plain(line) for line in lines))
            return 0
        (dead_letter,) = await operations.dead_letters.list_dead_letters(name, 1) or (None,)
        facts = [
            ("name", name),
            ("queue", queue),
            ("archived", moment(dead_letter.archived_at) if dead_letter else ""),
            ("reason", dead_letter.metadata.get("reason", "") if dead_letter else ""),
            ("bytes", str(len(content))),
        ]
        command_context.screen.facts([*facts, *await _facts_of(operations, queue, content)])
        return 0

    command_context.do(command)


async def _facts_of(operations: Operations, queue: str, content: bytes) -> list[tuple[str, str]]:
    """What a dead letter is about."""
    if queue == operations.settings.command_queue:
        return account_commands.facts_of(content)
    message = _parse(operations.settings, queue, content)
    return [
        ("message", _kind(message)),
        ("account", message.key.account_id if message.key else ""),
        ("user", message.key.user_id if message.key else ""),
        ("generation", message.key.generation_id if message.key else ""),
        ("generation is", await _state_of_generation(operations, message)),
    ]


@dead_letters.command("replay")
def replay_dead_letter(
    context: typer.Context,
    name: Name,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Send a dead letter to its queue again, with a new message id.

    An ended generation stays as it is. A replay helps only if the generation was never opened, or is still open.
    """
    queue = _queue_of(name)
    command_context = command_context_of(context)

    async def command(operations: Operations) -> int:
        content = await _read(operations, name)
        if queue == operations.settings.command_queue:
            return await account_commands.replay(command_context, operations, content, yes=yes)
        message = _parse(operations.settings, queue, content)
        if isinstance(message, Malformed):
            raise RefusedError(
                f"Nothing was sent: this is not a message of the app: {message.text}. It would only be archived again."
            )
        await _warn(command_context, operations, message)
        if not yes:
            command_context.screen.confirm(f"Send it to {queue} again?")
        (archived,) = await operations.dead_letters.list_dead_letters(name, 1) or (None,)
        digest = archived.metadata.get("request_digest", "") if archived else ""
        await operations.messenger.send(message, Envelope(f"replay:{uuid4().hex}", digest=digest))
        command_context.screen.say(f"sent to {queue}: {_kind(message)} {message.key or ''}".rstrip())
        return 0

    command_context.do(command)


async def _warn(command_context: CommandContext, operations: Operations, message: Sendable) -> None:
    """Say what a replay would do, before it is sent."""
    if isinstance(message, Look):
        command_context.screen.say(f"This is {_kind(message)}: it is safe to repeat.")
        return
    generation = (await operations.store.load(message.key)).generation
    text = f"This is {_kind(message)} {message.key}."
    if generation is None:
        text += " No generation was opened for it."
    elif generation.state.ended:
        text += f" The generation has ended ({_state(generation)}), and sending this again changes nothing."
        if isinstance(message, GenerationRequest):
            text += f"\nTo generate it after all, submit it with a new id: {command_context.program} submit --help"
    else:
        text += f" The generation is open ({_state(generation)}) and continues from there."
    command_context.screen.say(text)


def _whose(dead_letter: DeadLetter) -> str:
    user_id = dead_letter.metadata.get("user_id")
    return user_named(dead_letter.metadata.get("account_id", user_id), user_id) if user_id else "-"


def _queue_of(name: str) -> str:
    named = _NAME.fullmatch(name)
    if named is None:
        raise typer.BadParameter("NAME is not the name of a dead letter; `dead-letters list` prints the names")
    return named["queue"]


def _own_queue(settings: Settings, queue: str) -> str:
    queues = (settings.generation_queue, settings.prediction_queue, settings.command_queue)
    if queue not in queues:
        raise RefusedError(f"{queue!r} is not a queue of this app: {', '.join(queues)}")
    return queue


def _parse(settings: Settings, queue: str, content: bytes) -> Message:
    """The message, as the trigger of its queue reads it."""
    if _own_queue(settings, queue) == settings.generation_queue:
        return parse_request(content)[0]
    return parse_event(content)


async def _read(operations: Operations, name: str) -> bytes:
    try:
        return await operations.dead_letters.read_dead_letter(name)
    except FileNotFoundError:
        raise RefusedError(f"There is no dead letter {name}.") from None


async def _state_of_generation(operations: Operations, message: Message) -> str:
    if message.key is None:
        return ""
    generation = (await operations.store.load(message.key)).generation
    return _state(generation) if generation else "not found"


def _state(generation: AnyGeneration) -> str:
    return f"{generation.state}, {generation.reason}" if generation.reason else generation.state.value


def _kind(message: Message) -> str:
    match message:
        case GenerationRequest():
            return "the request of generation"
        case CancelRequest():
            return "a cancel of generation"
        case PredictionEvent(attempt=attempt):
            return f"an event of attempt {attempt} of generation"
        case Check():
            return "a check of generation"
        case Look():
            return "a look for free turns"
        case Malformed(text=text):
            return f"malformed: {text}"
        case _:
            assert_never(message)
