"""Generations: cancel, show, open. `submit` is in submitting.py.

Rules of this file:
1. A cancel is sent to the queue, as your app would send it. Nothing here changes a generation directly.
2. Texts that a user wrote (prompts) or received are shown only with ``--prompt`` and ``--text``.
"""

import shlex
from datetime import datetime, timedelta
from pathlib import Path, PurePosixPath
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
    valid_account,
    valid_id,
    valid_key,
)
from shared.core.keys import Key
from shared.core.lifecycle.generation import AnyGeneration, Generation
from shared.core.provider.guarantees import REPLICATE
from shared.core.requests.messages import CancelRequest
from shared.ports import Envelope
from shared.views.generation import GenerationView, Seen
from shared.views.times import moment, seen_from, span

#: `open` lists what is due within this span: everything.
_EVER = timedelta(days=3650)

User = Annotated[str, typer.Option("--user", "-u", help="Whose generation it is.", metavar="USER")]


def show_line(command_context: CommandContext, key: Key) -> str:
    """The command line that shows a generation."""
    line = f"{command_context.program} show {shlex.quote(key.generation_id)} --user {shlex.quote(key.user_id)}"
    return line if key.account_id == key.user_id else f"{line} --account {shlex.quote(key.account_id)}"


def cancel(
    context: typer.Context,
    generation_id: Annotated[str, typer.Argument(help="The generation's id.", metavar="GENERATION")],
    user: User,
    account: AccountToo = None,
) -> None:
    """Ask for a generation to be canceled, as your app would.

    An ended generation stays as it is. One that succeeds before the cancel arrives is delivered.
    """
    key = valid_key(user, generation_id, account)
    command_context = command_context_of(context)

    async def command(operations: Operations) -> int:
        generation = await find_one(operations, generation_id, user, account)
        if generation.state.ended:
            raise RefusedError(f"It has ended already: {generation.state}. Nothing was sent.")
        await operations.messenger.send(CancelRequest(key), Envelope(f"cli:{uuid4().hex}"))
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
    prompt: Annotated[bool, typer.Option("--prompt", help="Also show the prompts.")] = False,
    text: Annotated[bool, typer.Option("--text", help="Show generated texts, if they are short.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show how a generation stands.

    Also shows why, what it cost, and where its outputs are. Prompts and texts are private to the user, and are shown
    only with --prompt and --text.
    """
    valid_names(generation_id, user, account)
    command_context = command_context_of(context)

    async def command(operations: Operations) -> int:
        generation = await find_one(operations, generation_id, user, account)
        await show_generation(command_context, operations, generation, prompt=prompt, text=text, json_wanted=as_json)
        if save is not None:
            await _save(command_context, operations, generation, save)
        return 0

    command_context.do(command)


async def _decidable_until(operations: Operations, generation: AnyGeneration) -> datetime | None:
    """Until when somebody can approve or deny it: pauses move that. None: it does not wait for that."""
    if generation.approval is None or not generation.approval.pending:
        return None
    return await worker.decidable_until(operations.deps, await operations.store.load(generation.key))


def valid_names(generation_id: str, user: str | None, account: str | None) -> None:
    """Check the ids that name a generation for ``find_one``. Raises typer.BadParameter."""
    valid_id("the generation", generation_id)
    if user is not None:
        valid_id("the user", user)
    valid_account(account)


async def find_one(operations: Operations, generation_id: str, user: str | None, account: str | None) -> AnyGeneration:
    """The generation of this id, of this user or of any. RefusedError if there is none, or more than one."""
    if user is not None:
        key = Key(user, generation_id, account or "")
        generation = (await operations.store.load(key)).generation
        if generation is None:
            of_account = f" of account {account!r}" if account else ""
            raise RefusedError(
                f"User {user!r}{of_account} has no generation {generation_id!r}. A request may still be in the queue."
            )
        return generation
    found = [each for each in await operations.store.find(generation_id) if account in (None, each.key.account_id)]
    if not found:
        raise RefusedError(f"There is no generation {generation_id!r}. A request may still be in the queue.")
    if len(found) > 1:
        owners = ", ".join(sorted(each.key.whose for each in found))
        how = "--user" if all(each.key.account_id == each.key.user_id for each in found) else "--account and --user"
        raise RefusedError(f"Several users have a generation {generation_id!r}; choose one with {how}: {owners}")
    return found[0]


async def show_generation(
    command_context: CommandContext,
    operations: Operations,
    generation: AnyGeneration,
    *,
    prompt: bool = False,
    text: bool = False,
    json_wanted: bool = False,
) -> None:
    """Print a generation. ``prompt`` adds what its user wrote, ``text`` what a model wrote."""
    row = await operations.index.get(generation.key)
    seen, until = await _seen(operations, generation), await _decidable_until(operations, generation)
    view = GenerationView(generation, row, prompt=prompt, text=text, seen=seen, decidable_until=until)
    if json_wanted:
        command_context.screen.json(view.as_json())
    else:
        command_context.screen.facts(view.as_lines(operations.deps.now()))


async def _seen(operations: Operations, generation: AnyGeneration) -> Seen:
    """What the provider says of a generation that it still works on."""
    if not isinstance(generation, Generation) or generation.state.ended or generation.attempt.provider != REPLICATE:
        return Seen()
    return await operations.look(generation.attempt.prediction_id or "")


async def _save(
    command_context: CommandContext, operations: Operations, generation: AnyGeneration, folder: Path
) -> None:
    """Save each output as ``GENERATION-ATTEMPT-INDEX.EXT``; a file of this name is replaced."""
    if not isinstance(generation, Generation) or not generation.outputs:
        raise RefusedError("It has no outputs to save.")
    for output in generation.outputs:
        try:
            content = await operations.outputs.read_output(output.name)
        except FileNotFoundError:
            raise RefusedError(f"The output {output.container}/{output.name} does not exist any more.") from None
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
    limit: Annotated[int, typer.Option(help="At most N.", metavar="N", min=1, max=1000)] = 100,
) -> None:
    """List the generations that are not finished and announced.

    "due" is when the timer checks it. "expires" is when its outputs may be lost; of what waits and has no outputs, an
    hour after it is due. The first to expire is listed first.
    """
    command_context = command_context_of(context)

    async def command(operations: Operations) -> int:
        now = operations.deps.now()
        rows = await operations.index.due(now + _EVER, limit)
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
