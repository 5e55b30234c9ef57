"""Train: packs a folder of pictures, asks for a training, follows it, and brings the weights home.

Rules of this file:
1. Everything is checked and priced before anything is made, uploaded or sent. A question comes before the first of
   them, unless ``--yes`` was given.
2. The request goes through the queue, as an app's would. Nothing here changes a generation.
3. A training goes on if this command ends. Its last line says how to look at it.
"""

import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Annotated, Any, BinaryIO, cast
from uuid import uuid4

import typer

from shared.cli.context import AccountToo, CommandContext, Operations, RefusedError, command_context_of, valid_key
from shared.cli.destinations import USUAL_HARDWARE, Destination, Hardware, Public, check_destination, create_destination
from shared.cli.generations import User, show_generation, show_line
from shared.cli.submitting import read_back, with_options
from shared.cli.trainers import sentence_about
from shared.cli.training_folder import Folder, check_folder, check_size, pack, read_folder
from shared.core.catalog.choosing import Quote
from shared.core.keys import Key
from shared.core.lifecycle.generation import AnyGeneration, Generation
from shared.core.lifecycle.state import State
from shared.core.modality import Modality
from shared.core.reasons import Reason, Refusal, counted
from shared.core.requests.field_types import Field
from shared.core.requests.fields import FIELD, FIELDS
from shared.core.requests.messages import GenerationRequest
from shared.core.training.contents import EntryKind
from shared.core.training.progress import Progress, progress_of
from shared.ports import Envelope
from shared.worker.admission import admit
from shared.worker.saving import payer_of

#: How often the training is looked at, and for how long by default.
_POLL_S = 5
_WITHIN_S = 6 * 3600

#: A line is printed when the progress has grown by so many percent.
_PERCENT_A_LINE = 5

#: The fields of a training's request that have no parameter of their own below.
_OWN = ("prompt", "input_file", "destination")
_OPTIONS: tuple[Field, ...] = (
    *(field for field in FIELDS if Modality.TRAINING in field.modalities and field.name not in _OWN),
    FIELD["model"],
    FIELD["max_credits"],
)

_Folder = Annotated[
    Path, typer.Argument(help="The folder of pictures and captions.", metavar="FOLDER", exists=True, file_okay=False)
]
_To = Annotated[str, typer.Option("--destination", "-d", help=FIELD["destination"].help, metavar="OWNER/NAME")]
_Create = Annotated[bool, typer.Option("--create", help="Make the destination at Replicate if it does not exist.")]
_Id = Annotated[str | None, typer.Option("--id", help="The generation's id; default: a new one.", metavar="ID")]
_Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
_Into = Annotated[Path, typer.Option(help="Where the weights are written.", metavar="FOLDER", file_okay=False)]
_Within = Annotated[int, typer.Option(help="How long to follow it at most.", metavar="SECONDS", min=1)]


@dataclass(frozen=True, slots=True)
class _Order:
    """What was asked for on the command line."""

    message: GenerationRequest
    folder: Path
    destination: Destination
    into: Path
    yes: bool
    within_s: int


@with_options(_OPTIONS)
def train(  # noqa: PLR0913  # each is an option of the command
    context: typer.Context,
    folder: _Folder,
    *,
    user: User,
    destination: _To,
    account: AccountToo = None,
    create: _Create = False,
    hardware: Hardware = USUAL_HARDWARE,
    public: Public = False,
    generation_id: _Id = None,
    yes: _Yes = False,
    into: _Into = Path(),
    within: _Within = _WITHIN_S,
    **fields: Any,
) -> None:
    """Train a model on a folder of pictures (jpg, png, webp) and captions (txt of the same name).

    The exit code is 0 only if the training succeeded and its weights are here.
    """
    key = valid_key(user, uuid4().hex if generation_id is None else generation_id, account)
    name = f"{key.account_id}/{key.user_id}/{key.generation_id}.zip"
    wanted = {"modality": "training", "destination": destination, "input_file": name, **fields}
    asked = Destination(destination, key.account_id, create, hardware, public)
    order = _Order(read_back(key, wanted), folder, asked, into, yes, within)
    command_context = command_context_of(context)
    command_context.do(partial(_train, command_context, order))


async def _train(command_context: CommandContext, order: _Order, operations: Operations) -> int:
    screen, message = command_context.screen, order.message
    folder = read_folder(order.folder)
    if folder.left_out:
        screen.complain(f"Left out, as neither a picture nor a caption: {', '.join(folder.left_out)}")
    check_size(folder)
    with _bar("checking", len(folder.files)) as step:
        await check_folder(folder, operations.deps.images, step)
    pictures, captions = folder.count(EntryKind.PICTURE), folder.count(EntryKind.CAPTION)
    screen.say(
        f"{counted(pictures, 'picture')}, {counted(captions, 'caption')}: {folder.packed_bytes} bytes when packed"
    )
    quoted = await _quoted(operations, message)
    to_create = await check_destination(operations, order.destination)
    screen.say(_quote_line(quoted))
    if not order.yes:
        screen.confirm("Train now?")
    _check_into(order.into)
    if to_create:
        await create_destination(operations, order.destination)
        screen.say(f"made {order.destination.name}, {'public' if order.destination.public else 'private'}")
    await _upload(operations, folder, message.input_file or "")
    await operations.messenger.send(message, Envelope(f"cli:{uuid4().hex}"))
    screen.say(f"sent generation {message.key.generation_id}\n{show_line(command_context, message.key)}")
    return await _follow(command_context, order, operations)


def _check_into(folder: Path) -> None:
    """Make the folder of the weights and write to it, before they are paid for. Raises RefusedError."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise RefusedError(f"Nothing was sent: {folder} cannot be written: {error.strerror}") from None


async def _quoted(operations: Operations, message: GenerationRequest) -> Quote:
    """The price of the training for its account. Raises RefusedError with what the app would answer."""
    deps = operations.deps
    loaded = await operations.store.load(message.key)
    if loaded.generation is not None:
        raise RefusedError(f"Nothing was sent: there is a generation {message.key.generation_id} already.")
    quoted = admit(deps, message, payer_of(deps, loaded)).quoted
    if isinstance(quoted, Refusal):
        why = f"Nothing was sent: {quoted.text} ({quoted.reason})"
        if quoted.reason in (Reason.MODEL_RETIRED, Reason.UNKNOWN_MODEL):
            why = f"{why} {await sentence_about(operations, message.model or '')}".rstrip()
        raise RefusedError(why)
    return quoted


def _quote_line(quoted: Quote) -> str:
    minutes = max(1, quoted.model.expected_s // 60)
    usd = quoted.worst_cost_usd_micros / 1_000_000
    most = f"{counted(quoted.hold_credits, 'credit')} at most"
    return f"{quoted.model.name}: {most}, at Replicate no more than {usd:.2f} USD; about {minutes} minutes"


async def _upload(operations: Operations, folder: Folder, name: str) -> None:
    with tempfile.TemporaryFile() as packed:
        with _bar("packing", len(folder.files)) as step:
            pack(folder, cast("BinaryIO", packed), step)
        packed.seek(0)
        await operations.uploads.put_upload(name, cast("BinaryIO", packed))


@contextmanager
def _bar(label: str, length: int) -> Iterator[Callable[[], None]]:
    """A progress bar on stderr, if that is a terminal; a pipe gets nothing."""
    if not sys.stderr.isatty():
        yield lambda: None
        return
    with typer.progressbar(length=length, label=label, file=sys.stderr) as bar:
        yield lambda: bar.update(1)


async def _follow(command_context: CommandContext, order: _Order, operations: Operations) -> int:
    """Print states and progress until the training has ended; then bring its weights home."""
    deps, screen, key = operations.deps, command_context.screen, order.message.key
    until, state, percent = deps.now() + timedelta(seconds=order.within_s), "", -_PERCENT_A_LINE
    while deps.now() < until:
        generation = (await operations.store.load(key)).generation
        if generation is not None and generation.state.ended:
            await show_generation(command_context, operations, generation)
            return await _bring_home(command_context, order, operations, generation)
        if generation is not None and generation.state != state:
            state = generation.state
            screen.say(f"{state}")
        done = await _progress(operations, generation, order.message)
        if done is not None and done.percent >= percent + _PERCENT_A_LINE:
            percent = done.percent
            screen.say(f"step {done.step} of {done.steps} ({percent} %)")
        await deps.sleep(_POLL_S)
    raise RefusedError(f"It has not ended within {order.within_s} s. It continues: {show_line(command_context, key)}")


async def _progress(
    operations: Operations, generation: AnyGeneration | None, message: GenerationRequest
) -> Progress | None:
    """How far the training is by Replicate's logs. None if that is not known now."""
    from shared.adapters.replicate.sdk.errors import ReplicateError  # noqa: PLC0415  # a large library

    if not isinstance(generation, Generation) or generation.state is not State.RUNNING:
        return None
    training_id = generation.attempt.prediction_id
    if training_id is None:
        return None
    try:
        found = await operations.replicate.api.trainings.get(training_id)
    except ReplicateError:
        return None
    return progress_of(found.logs or "", message.training_steps or 0)


async def _bring_home(
    command_context: CommandContext, order: _Order, operations: Operations, generation: AnyGeneration
) -> int:
    """Write the outputs of a training that succeeded. A file that exists is never overwritten."""
    if not isinstance(generation, Generation) or generation.state is not State.SUCCEEDED:
        return 1
    for output in generation.outputs:
        file = order.into / f"{_safe(generation.key)}.{output.name.rpartition('/')[2].partition('.')[2]}"
        try:
            order.into.mkdir(parents=True, exist_ok=True)
            with file.open("xb") as written:
                written.write(await operations.outputs.read_output(output.name))
        except OSError as error:
            raise RefusedError(
                f"{file} was not written: {error.strerror}. The weights are kept: {output.name}"
            ) from None
        command_context.screen.say(f"{file}\n{output.text}".rstrip())
    return 0


def _safe(key: Key) -> str:
    """The generation's id as the name of a file on any system."""
    return "".join(char if char.isalnum() or char in "._-" else "-" for char in key.generation_id)
