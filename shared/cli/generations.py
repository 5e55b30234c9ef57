"""Generations: cancel, show, open. What asks for one is in submitting.py.

Rules of this file:
1. A cancel is sent to the queue, as the app sends it; nothing here changes a generation.
2. What its user wrote or got (prompts, texts) is shown only where it is asked for.
"""

import shlex
from datetime import timedelta
from pathlib import Path, PurePosixPath
from typing import Annotated
from uuid import uuid4

import typer

from shared.cli.context import (
    AccountToo,
    CommandContext,
    Operations,
    RefusedError,
    command_context_of,
    valid_account,
    valid_id,
    valid_key,
)
from shared.core.keys import Key
from shared.core.lifecycle.generation import Generation
from shared.core.requests.messages import CancelRequest
from shared.ports import Envelope
from shared.views.generation import GenerationView
from shared.views.times import moment, seen_from, span

#: The open index is asked for what is due until then, which is everything.
_EVER = timedelta(days=3650)

User = Annotated[str, typer.Option("--user", "-u", help="Whose generation it is.", metavar="USER")]


def show_line(command_context: CommandContext, key: Key) -> str:
    """The line that shows a generation."""
    line = f"{command_context.program} show {shlex.quote(key.generation_id)} --user {shlex.quote(key.user_id)}"
    return line if key.account_id == key.user_id else f"{line} --account {shlex.quote(key.account_id)}"


def cancel(
    context: typer.Context,
    generation_id: Annotated[str, typer.Argument(help="The generation's id.", metavar="GENERATION")],
    user: User,
    account: AccountToo = None,
) -> None:
    """Ask for a generation to be canceled, as the app would.

    What has ended stays as it is, and what succeeds before the cancel arrives is delivered.
    """
    key = valid_key(user, generation_id, account)
    command_context = command_context_of(context)

    async def command(rooms: Operations) -> int:
        generation = await one(rooms, generation_id, user, account)
        if generation.state.ended:
            raise RefusedError(f"It has ended already: {generation.state}. Nothing was sent.")
        await rooms.messenger.send(CancelRequest(key), Envelope(f"cli:{uuid4().hex}"))
        command_context.screen.say(f"sent cancel of generation {generation_id}\n{show_line(command_context, key)}")
        return 0

    command_context.do(command)


def show(  # noqa: PLR0913, PLR0917  # each is an option of the command
    context: typer.Context,
    generation_id: Annotated[str, typer.Argument(help="The generation's id.", metavar="GENERATION")],
    user: Annotated[
        str | None,
        typer.Option("--user", "-u", help="Whose it is; without it the whole table is searched.", metavar="USER"),
    ] = None,
    account: AccountToo = None,
    save: Annotated[
        Path | None, typer.Option(help="Save the outputs as files in this folder.", metavar="FOLDER", file_okay=False)
    ] = None,
    prompt: Annotated[bool, typer.Option("--prompt", help="Show the prompts too.")] = False,
    text: Annotated[bool, typer.Option("--text", help="Show texts that were made, where they are short.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show how a generation stands.

    And why, what it cost, and where its outputs are. Prompts and texts are its user's own, and are shown only with
    --prompt and --text.
    """
    valid_names(generation_id, user, account)
    command_context = command_context_of(context)

    async def command(rooms: Operations) -> int:
        generation = await one(rooms, generation_id, user, account)
        await show_generation(command_context, rooms, generation, prompt=prompt, text=text, json_wanted=as_json)
        if save is not None:
            await _save(command_context, rooms, generation, save)
        return 0

    command_context.do(command)


def valid_names(generation_id: str, user: str | None, account: str | None) -> None:
    """What names a generation for ``one``. Raises typer.BadParameter."""
    valid_id("the generation", generation_id)
    if user is not None:
        valid_id("the user", user)
    valid_account(account)


async def one(rooms: Operations, generation_id: str, user: str | None, account: str | None) -> Generation:
    """The one generation of this id: a user's, or whosever it is. RefusedError if there is none, or several."""
    if user is not None:
        key = Key(user, generation_id, account or "")
        generation = (await rooms.store.load(key)).generation
        if generation is None:
            of_account = f" of account {account!r}" if account else ""
            raise RefusedError(
                f"User {user!r}{of_account} has no generation {generation_id!r}. A request may still be in the queue."
            )
        return generation
    found = [each for each in await rooms.store.find(generation_id) if account in (None, each.key.account_id)]
    if not found:
        raise RefusedError(f"There is no generation {generation_id!r}. A request may still be in the queue.")
    if len(found) > 1:
        owners = ", ".join(sorted(each.key.whose for each in found))
        how = "--user" if all(each.key.account_id == each.key.user_id for each in found) else "--account and --user"
        raise RefusedError(f"Several users have a generation {generation_id!r}; choose one with {how}: {owners}")
    return found[0]


async def show_generation(
    command_context: CommandContext,
    rooms: Operations,
    generation: Generation,
    *,
    prompt: bool = False,
    text: bool = False,
    json_wanted: bool = False,
) -> None:
    """Print a generation; ``prompt`` and ``text``: with what its user wrote, with what was written for them."""
    told = GenerationView(generation, await rooms.index.get(generation.key), prompt=prompt, text=text)
    if json_wanted:
        command_context.screen.json(told.as_json())
    else:
        command_context.screen.facts(told.as_lines(rooms.deps.now()))


async def _save(command_context: CommandContext, rooms: Operations, generation: Generation, folder: Path) -> None:
    """Save each output as ``GENERATION-ATTEMPT-INDEX.EXT``; an earlier file of this name is replaced."""
    if not generation.outputs:
        raise RefusedError("It has no outputs to save.")
    for output in generation.outputs:
        try:
            content = await rooms.outputs.read_output(output.name)
        except FileNotFoundError:
            raise RefusedError(f"The output {output.container}/{output.name} is not there any more.") from None
        file = folder / f"{generation.key.generation_id}-{PurePosixPath(output.name).name}"
        _write(file, content)
        command_context.screen.complain(f"saved {file}")


def _write(file: Path, content: bytes) -> None:
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
    except OSError as error:
        raise RefusedError(f"{file} cannot be written: {error.strerror}") from None


def open_(
    context: typer.Context,
    limit: Annotated[int, typer.Option(help="At most so many.", metavar="N", min=1, max=1000)] = 100,
) -> None:
    """List what is not finished and announced.

    What is lost first stands at the top: "due" is when the timer looks at it, "expires" when its outputs may be lost.
    """
    command_context = command_context_of(context)

    async def command(rooms: Operations) -> int:
        now = rooms.deps.now()
        rows = await rooms.index.due(now + _EVER, limit)
        if not rows:
            command_context.screen.say("Nothing is open.")
            return 0
        heads = ("USER", "GENERATION", "DUE", "EXPIRES", "AGE")
        command_context.screen.table(
            heads,
            [
                (
                    row.key.whose,
                    row.key.generation_id,
                    seen_from(now, row.due_at),
                    f"{moment(row.expires_at)}, {seen_from(now, row.expires_at)}",
                    span(now - row.written_at),
                )
                for row in rows
            ],
        )
        if len(rows) == limit:
            command_context.screen.complain(f"There may be more than these {limit}: see --limit.")
        return 0

    command_context.do(command)
