"""Generations: submit, cancel, show, open.

Rules of this file:
1. A request or a cancel is sent to the queue, as the app sends it; nothing here changes a generation.
2. A message is read back by the corridor's own parser before it is sent, so that a bad value is refused here.
"""

import json
import shlex
from datetime import timedelta
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Annotated, Any
from uuid import uuid4

import typer

from shared.cli.describing import as_json, as_lines
from shared.cli.desk import Desk, RefusedError, Rooms, desk_of, valid_id, valid_key
from shared.cli.screen import moment, seen_from, span
from shared.core.generation import Generation, State
from shared.core.messages import CancelRequest, GenerationRequest, Key, Malformed, parse_request
from shared.ports import Envelope

#: How long --wait waits, and how often it looks. A picture takes seconds; what takes longer is better looked up later.
WAIT_S = 120
_LOOK_EVERY_S = 0.5

#: The open index is asked for what is due until then, which is everything.
_EVER = timedelta(days=3650)

User = Annotated[str, typer.Option("--user", "-u", help="Whose generation it is.", metavar="USER")]


def submit(  # noqa: PLR0913, PLR0917  # each is an option of the command
    context: typer.Context,
    prompt: Annotated[str, typer.Argument(help="What to make.", metavar="PROMPT")],
    user: User,
    model: Annotated[
        str | None, typer.Option(help="A model of the catalogue; default: by the user's plan.", metavar="MODEL")
    ] = None,
    width: Annotated[int | None, typer.Option(help="The width that is wanted.", metavar="PIXELS")] = None,
    height: Annotated[int | None, typer.Option(help="The height that is wanted.", metavar="PIXELS")] = None,
    aspect_ratio: Annotated[
        str | None, typer.Option(help="Such as 16:9, in place of width and height.", metavar="W:H")
    ] = None,
    num_outputs: Annotated[int | None, typer.Option(help="How many.", metavar="N")] = None,
    seed: Annotated[int | None, typer.Option(help="The same seed makes the same picture.", metavar="N")] = None,
    output_format: Annotated[
        str | None, typer.Option("--format", help="Such as webp, png, jpg.", metavar="FORMAT")
    ] = None,
    negative_prompt: Annotated[str | None, typer.Option(help="What not to make.", metavar="TEXT")] = None,
    quality: Annotated[str | None, typer.Option(help="Such as economy, standard, premium.", metavar="QUALITY")] = None,
    max_credits: Annotated[int | None, typer.Option(help="The most it may cost.", metavar="N")] = None,
    no_fallback: Annotated[bool, typer.Option("--no-fallback", help="Try no other model if it fails.")] = False,
    generation_id: Annotated[
        str | None, typer.Option("--id", help="The generation's id; default: a new one.", metavar="ID")
    ] = None,
    wait: Annotated[bool, typer.Option("--wait", help=f"Wait until it has ended, at most {WAIT_S} s.")] = False,
) -> None:
    """Ask for a generation, as the app would.

    With --wait the exit code is 0 only if it succeeded.
    """
    fields = {
        "model": model,
        "width": width,
        "height": height,
        "aspect_ratio": aspect_ratio,
        "num_outputs": num_outputs,
        "seed": seed,
        "output_format": output_format,
        "negative_prompt": negative_prompt,
        "quality": quality,
        "max_credits": max_credits,
    }
    key = valid_key(user, generation_id or uuid4().hex)
    message = _request(key, prompt, fields, allow_fallback=not no_fallback)
    desk = desk_of(context)
    desk.do(partial(_submitted, desk, message, wait=wait))


async def _submitted(desk: Desk, message: GenerationRequest, rooms: Rooms, *, wait: bool) -> int:
    await rooms.messenger.send(message, _envelope())
    desk.screen.say(f"sent generation {message.key.generation_id}\n{_show_line(desk, message.key)}")
    return await _awaited(desk, rooms, message.key) if wait else 0


def _request(key: Key, prompt: str, fields: dict[str, Any], *, allow_fallback: bool) -> GenerationRequest:
    body = {"generation_id": key.generation_id, "user_id": key.user_id, "prompt": prompt}
    said = {name: value for name, value in fields.items() if value is not None}
    message, _ = parse_request(json.dumps(body | said | {"allow_fallback": allow_fallback}).encode())
    if isinstance(message, Malformed):
        raise typer.BadParameter(message.text)
    if not isinstance(message, GenerationRequest):
        raise TypeError(f"a request was read back as {type(message).__name__}")
    return message


def _envelope() -> Envelope:
    """A message id of its own: what is sent twice on purpose is no duplicate to the broker."""
    return Envelope(f"cli:{uuid4().hex}")


def _show_line(desk: Desk, key: Key) -> str:
    return f"{desk.program} show {shlex.quote(key.generation_id)} --user {shlex.quote(key.user_id)}"


async def _awaited(desk: Desk, rooms: Rooms, key: Key) -> int:
    house = rooms.house
    until = house.now() + timedelta(seconds=WAIT_S)
    while house.now() < until:
        generation = (await rooms.store.load(key)).generation
        if generation is not None and generation.state.ended:
            desk.screen.say("")
            await _show(desk, rooms, generation, prompt=False)
            return 0 if generation.state is State.SUCCEEDED else 1
        await house.sleep(_LOOK_EVERY_S)
    raise RefusedError(f"It has not ended within {WAIT_S} s. It goes on without you; look at it later.")


def cancel(
    context: typer.Context,
    generation_id: Annotated[str, typer.Argument(help="The generation's id.", metavar="GENERATION")],
    user: User,
) -> None:
    """Ask for a generation to be canceled, as the app would.

    What has ended stays as it is, and what succeeds before the cancel arrives is delivered.
    """
    key = valid_key(user, generation_id)
    desk = desk_of(context)

    async def command(rooms: Rooms) -> int:
        generation = await one(rooms, generation_id, user)
        if generation.state.ended:
            raise RefusedError(f"It has ended already: {generation.state}. Nothing was sent.")
        await rooms.messenger.send(CancelRequest(key), _envelope())
        desk.screen.say(f"sent cancel of generation {generation_id}\n{_show_line(desk, key)}")
        return 0

    desk.do(command)


def show(
    context: typer.Context,
    generation_id: Annotated[str, typer.Argument(help="The generation's id.", metavar="GENERATION")],
    user: Annotated[
        str | None,
        typer.Option("--user", "-u", help="Whose it is; without it the whole table is searched.", metavar="USER"),
    ] = None,
    save: Annotated[
        Path | None, typer.Option(help="Save the outputs as files in this folder.", metavar="FOLDER", file_okay=False)
    ] = None,
    prompt: Annotated[bool, typer.Option("--prompt", help="Show the prompt too.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show how a generation stands.

    And why, what it cost, and where its outputs are. The prompt is its user's own and is shown only with --prompt.
    """
    valid_id("the generation", generation_id)
    if user is not None:
        valid_id("the user", user)
    desk = desk_of(context)

    async def command(rooms: Rooms) -> int:
        generation = await one(rooms, generation_id, user)
        await _show(desk, rooms, generation, prompt=prompt, json_wanted=as_json)
        if save is not None:
            await _save(desk, rooms, generation, save)
        return 0

    desk.do(command)


async def one(rooms: Rooms, generation_id: str, user: str | None) -> Generation:
    """The one generation of this id: a user's, or whosever it is. RefusedError if there is none, or several."""
    if user is not None:
        generation = (await rooms.store.load(Key(user, generation_id))).generation
        if generation is None:
            raise RefusedError(
                f"User {user!r} has no generation {generation_id!r}. A request may still be in the queue."
            )
        return generation
    found = await rooms.store.find(generation_id)
    if not found:
        raise RefusedError(f"There is no generation {generation_id!r}. A request may still be in the queue.")
    if len(found) > 1:
        owners = ", ".join(sorted(generation.key.user_id for generation in found))
        raise RefusedError(f"Several users have a generation {generation_id!r}; choose one with --user: {owners}")
    return found[0]


async def _show(desk: Desk, rooms: Rooms, generation: Generation, *, prompt: bool, json_wanted: bool = False) -> None:
    row = await rooms.index.get(generation.key)
    if json_wanted:
        desk.screen.json(as_json(generation, row, prompt=prompt))
    else:
        desk.screen.facts(as_lines(generation, row, rooms.house.now(), prompt=prompt))


async def _save(desk: Desk, rooms: Rooms, generation: Generation, folder: Path) -> None:
    """Save each output as ``GENERATION-ATTEMPT-INDEX.EXT``; an earlier file of this name is replaced."""
    if not generation.outputs:
        raise RefusedError("It has no outputs to save.")
    for output in generation.outputs:
        try:
            content = await rooms.blobs.read_output(output.name)
        except FileNotFoundError:
            raise RefusedError(f"The output {output.container}/{output.name} is not there any more.") from None
        file = folder / f"{generation.key.generation_id}-{PurePosixPath(output.name).name}"
        _write(file, content)
        desk.screen.complain(f"saved {file}")


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
    desk = desk_of(context)

    async def command(rooms: Rooms) -> int:
        now = rooms.house.now()
        rows = await rooms.index.due(now + _EVER, limit)
        if not rows:
            desk.screen.say("Nothing is open.")
            return 0
        heads = ("USER", "GENERATION", "DUE", "EXPIRES", "AGE")
        desk.screen.table(
            heads,
            [
                (
                    row.key.user_id,
                    row.key.generation_id,
                    seen_from(now, row.due_at),
                    f"{moment(row.expires_at)}, {seen_from(now, row.expires_at)}",
                    span(now - row.written_at),
                )
                for row in rows
            ],
        )
        if len(rows) == limit:
            desk.screen.complain(f"There may be more than these {limit}: see --limit.")
        return 0

    desk.do(command)
