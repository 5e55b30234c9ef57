"""Dead letters: list, show, replay.

Rules of this file:
1. A dead letter is what nobody could do anything with, or what failed again and again; the app has archived it.
   Reading one changes nothing, and a replayed one stays in the archive.
2. A letter may hold a prompt, or anything at all: what is in it is shown only when ``--raw`` asks for it.
3. A replay is read by the corridor's own parser first: what is no message would only be archived again.
"""

import re
from typing import Annotated, assert_never
from uuid import uuid4

import typer

from shared.cli.context import CommandContext, Operations, RefusedError, command_context_of
from shared.cli.printing import plain
from shared.config.settings import Settings
from shared.core.keys import user_named
from shared.core.lifecycle.generation import Generation
from shared.core.requests.messages import CancelRequest, Check, GenerationRequest, Malformed, Message, PredictionEvent
from shared.core.requests.parsing import parse_event, parse_request
from shared.ports import Envelope, Sendable
from shared.ports.reading import DeadLetter
from shared.views.times import moment

dead_letters = typer.Typer(
    help="Messages that could not be done: list, look, send again.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

#: How the app names a letter: its queue, the day, a digest of its content.
_NAME = re.compile(r"(?P<queue>.+)/\d{4}-\d{2}-\d{2}/[0-9a-f]{32}\.json")

Name = Annotated[str, typer.Argument(help="The letter's name, as `list` prints it.", metavar="NAME")]


@dead_letters.command("list")
def list_dead_letters(
    context: typer.Context,
    queue: Annotated[str | None, typer.Option(help="Only those of this queue.", metavar="QUEUE")] = None,
    limit: Annotated[int, typer.Option(help="At most so many.", metavar="N", min=1, max=5000)] = 100,
) -> None:
    """List the archived messages, by queue and day."""
    command_context = command_context_of(context)

    async def command(rooms: Operations) -> int:
        prefix = f"{_own_queue(rooms.settings, queue)}/" if queue is not None else ""
        found = await rooms.dead_letters.list_dead_letters(prefix, limit)
        if not found:
            command_context.screen.say("There are no dead letters.")
            return 0
        rows = []
        for letter in found:
            owner, generation = _whose(letter), letter.metadata.get("generation_id", "-")
            reason = letter.metadata.get("reason", "-")
            rows.append((moment(letter.archived_at), reason, owner, generation, letter.size_bytes, letter.name))
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
    """Say what a dead letter is about; with --raw, what is in it."""
    queue = _queue_of(name)
    command_context = command_context_of(context)

    async def command(rooms: Operations) -> int:
        content = await _content(rooms, name)
        if raw:
            lines = content.decode(errors="backslashreplace").splitlines()
            command_context.screen.say("\n".join(plain(line) for line in lines))
            return 0
        (letter,) = await rooms.dead_letters.list_dead_letters(name, 1) or (None,)
        message = _parsed(rooms.settings, queue, content)
        command_context.screen.facts(
            [
                ("name", name),
                ("queue", queue),
                ("archived", moment(letter.archived_at) if letter else ""),
                ("reason", letter.metadata.get("reason", "") if letter else ""),
                ("bytes", str(len(content))),
                ("message", _kind(message)),
                ("account", message.key.account_id if message.key else ""),
                ("user", message.key.user_id if message.key else ""),
                ("generation", message.key.generation_id if message.key else ""),
                ("generation is", await _standing(rooms, message)),
            ]
        )
        return 0

    command_context.do(command)


@dead_letters.command("replay")
def replay_dead_letter(
    context: typer.Context,
    name: Name,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Send a dead letter to its queue again, under a new message id.

    A generation that has ended is final: a replay helps only where none was opened or it is still open.
    """
    queue = _queue_of(name)
    command_context = command_context_of(context)

    async def command(rooms: Operations) -> int:
        message = _parsed(rooms.settings, queue, await _content(rooms, name))
        if isinstance(message, Malformed):
            raise RefusedError(f"This is no message: {message.text}. Sent again, it would only be archived again.")
        await _warn(command_context, rooms, message)
        if not yes:
            command_context.screen.confirm(f"Send it to {queue} again?")
        await rooms.messenger.send(message, Envelope(f"replay:{uuid4().hex}"))
        command_context.screen.say(f"sent to {queue}: {_kind(message)} {message.key}")
        return 0

    command_context.do(command)


async def _warn(command_context: CommandContext, rooms: Operations, message: Sendable) -> None:
    """Say, before anything is sent, what sending it again can do."""
    generation = (await rooms.store.load(message.key)).generation
    text = f"This is {_kind(message)} {message.key}."
    if generation is None:
        text += " No generation was opened for it."
    elif generation.state.ended:
        text += (
            f" The generation has ended ({_state(generation)}), and ended is final: sending this again changes nothing."
        )
        if isinstance(message, GenerationRequest):
            text += f"\nTo make it after all, ask for it under a new id: {command_context.program} submit --help"
    else:
        text += f" The generation is open ({_state(generation)}) and carries on from there."
    command_context.screen.say(text)


def _whose(letter: DeadLetter) -> str:
    user_id = letter.metadata.get("user_id")
    return user_named(letter.metadata.get("account_id", user_id), user_id) if user_id else "-"


def _queue_of(name: str) -> str:
    named = _NAME.fullmatch(name)
    if named is None:
        raise typer.BadParameter("this is no name of a dead letter; `dead-letters list` prints them")
    return named["queue"]


def _own_queue(settings: Settings, queue: str) -> str:
    queues = (settings.generation_queue, settings.prediction_queue)
    if queue not in queues:
        raise RefusedError(f"{queue!r} is none of the app's queues: {', '.join(queues)}")
    return queue


def _parsed(settings: Settings, queue: str, content: bytes) -> Message:
    """The message, as the door of its queue reads it."""
    if _own_queue(settings, queue) == settings.generation_queue:
        return parse_request(content)[0]
    return parse_event(content)


async def _content(rooms: Operations, name: str) -> bytes:
    try:
        return await rooms.dead_letters.read_dead_letter(name)
    except FileNotFoundError:
        raise RefusedError(f"There is no dead letter {name}.") from None


async def _standing(rooms: Operations, message: Message) -> str:
    if message.key is None:
        return ""
    generation = (await rooms.store.load(message.key)).generation
    return _state(generation) if generation else "not there"


def _state(generation: Generation) -> str:
    return f"{generation.state}, {generation.reason}" if generation.reason else generation.state.value


def _kind(message: Message) -> str:
    match message:
        case GenerationRequest():
            return "the request of generation"
        case CancelRequest():
            return "a cancel of generation"
        case PredictionEvent(attempt=attempt):
            return f"news of attempt {attempt} of generation"
        case Check():
            return "a check of generation"
        case Malformed(text=text):
            return f"none: {text}"
        case _:
            assert_never(message)
