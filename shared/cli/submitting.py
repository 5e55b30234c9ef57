"""Submit: asks for a generation, as the app would.

Rules of this file:
1. A request is sent to the queue, as the app sends it; nothing here changes a generation.
2. A message is read back by the corridor's own parser before it is sent, so that a bad value is refused here.
3. Every field of a request has its option (a test compares them); which model takes what, the catalogue knows.
"""

import inspect
import json
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Annotated, Any
from uuid import uuid4

import typer

from shared.cli.context import CommandContext, Operations, RefusedError, command_context_of, valid_key
from shared.cli.generations import User, show_generation, show_line
from shared.core.keys import Key
from shared.core.lifecycle.state import State
from shared.core.requests.messages import GenerationRequest, Malformed
from shared.core.requests.parsing import MODALITIES, parse_request
from shared.ports import Envelope

#: How long --wait waits by itself, and how often it looks. A picture takes seconds, a video minutes.
WAIT_S = 120
_LOOK_EVERY_S = 0.5

_DAY_S = 86_400


@dataclass(frozen=True, slots=True)
class _Option:
    """The option of one field: its kind, its help, what its value is called; ``flag``: where it has another name."""

    field: str
    kind: type
    help: str
    metavar: str = ""
    flag: str = ""

    @property
    def parameter(self) -> inspect.Parameter:
        """As typer reads it in a function's signature."""
        name = self.flag or f"--{self.field.replace('_', '-')}"
        flags = f"{name}/--no-{name.removeprefix('--')}" if self.kind is bool else name
        option = typer.Option(flags, help=self.help, metavar=self.metavar or None, show_default=False)
        annotation = Annotated[self.kind | None, option]  # type: ignore[name-defined]  # it is made at run time
        return inspect.Parameter(self.field, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=annotation)


#: In the order in which the help lists them: what is made, then how, then with what.
OPTIONS: tuple[_Option, ...] = (
    _Option("modality", str, "What to make, where no model is named.", "|".join(MODALITIES)),
    _Option("model", str, "A model of the catalogue; default: by the user's plan.", "MODEL"),
    _Option("quality", str, "In place of a model: economy, standard, premium.", "QUALITY"),
    _Option("width", int, "The width that is wanted.", "PIXELS"),
    _Option("height", int, "The height that is wanted.", "PIXELS"),
    _Option("aspect_ratio", str, "Such as 16:9, in place of width and height.", "W:H"),
    _Option("num_outputs", int, "How many.", "N"),
    _Option("seed", int, "The same seed makes the same picture.", "N"),
    _Option("output_format", str, "Such as webp, png, jpg, mp3, wav.", "FORMAT", "--format"),
    _Option("negative_prompt", str, "What not to make.", "TEXT"),
    _Option("num_inference_steps", int, "How many steps.", "N"),
    _Option("guidance_scale", float, "How closely to follow the prompt.", "X"),
    _Option("image_url", str, "The https address of a picture to start from.", "URL"),
    _Option("prompt_strength", float, "How far to leave that picture, 0 to 1.", "X"),
    _Option("duration_s", int, "How long a video or a sound.", "SECONDS", "--duration"),
    _Option("resolution", str, "As the model names it, such as 1 MP.", "NAME"),
    _Option("system_prompt", str, "How a text model should behave.", "TEXT"),
    _Option("max_tokens", int, "The longest text.", "N"),
    _Option("temperature", float, "How freely a model chooses.", "X"),
    _Option("continuation", bool, "Go on from the sound of --input-file."),
    _Option("input_file", str, "A sound, or a training's archive: what `upload` printed.", "USER/NAME"),
    _Option("destination", str, "The model that a training makes a version of.", "OWNER/NAME"),
    _Option("trigger_word", str, "The word that calls what was trained.", "WORD"),
    _Option("training_steps", int, "How long to train.", "N"),
    _Option("max_credits", int, "The most it may cost.", "N"),
    _Option("strict", bool, "Refuse what would be ignored."),
)


def submit(  # noqa: PLR0913  # each is an option of the command
    context: typer.Context,
    prompt: Annotated[
        str | None, typer.Argument(help="What to make; only a training needs none.", metavar="PROMPT")
    ] = None,
    *,
    user: User,
    no_fallback: Annotated[bool, typer.Option("--no-fallback", help="Try no other model if it fails.")] = False,
    metadata: Annotated[
        list[str] | None, typer.Option(help="Given back in the event; may be repeated.", metavar="NAME=VALUE")
    ] = None,
    generation_id: Annotated[
        str | None, typer.Option("--id", help="The generation's id; default: a new one.", metavar="ID")
    ] = None,
    wait: Annotated[bool, typer.Option("--wait", help="Wait until it has ended.")] = False,
    within: Annotated[
        int, typer.Option(help="How long to wait at most.", metavar="SECONDS", min=1, max=_DAY_S)
    ] = WAIT_S,
    **fields: Any,
) -> None:
    """Ask for a generation, as the app would.

    With --wait the exit code is 0 only if it succeeded.
    """
    key = valid_key(user, uuid4().hex if generation_id is None else generation_id)
    said = {"prompt": prompt, **fields, "allow_fallback": not no_fallback, "metadata": _pairs(metadata or [])}
    message = read_back(key, said)
    command_context = command_context_of(context)
    command_context.do(partial(_submitted, command_context, message, wait_s=within if wait else 0))


def _with_options() -> inspect.Signature:
    """What typer reads in place of ``**fields``: an option for each."""
    own = inspect.signature(submit)
    *fixed, _ = own.parameters.values()
    first = [each for each in fixed if each.name in ("context", "prompt", "user")]
    last = [each for each in fixed if each not in first]
    return own.replace(parameters=[*first, *(option.parameter for option in OPTIONS), *last])


vars(submit)["__signature__"] = _with_options()


def _pairs(given: list[str]) -> dict[str, str]:
    pairs = [each.partition("=") for each in given]
    if not all(name and sign for name, sign, _ in pairs):
        raise typer.BadParameter("--metadata must be NAME=VALUE")
    return {name: value for name, _, value in pairs}


def read_back(key: Key, fields: dict[str, Any]) -> GenerationRequest:
    """The request with these fields, as the corridor reads it. Raises typer.BadParameter with its own reason."""
    body = {"generation_id": key.generation_id, "user_id": key.user_id}
    said = {name: value for name, value in fields.items() if value is not None}
    message, _ = parse_request(json.dumps(body | said).encode())
    if isinstance(message, Malformed):
        raise typer.BadParameter(message.text)
    if not isinstance(message, GenerationRequest):
        raise TypeError(f"a request was read back as {type(message).__name__}")
    return message


async def _submitted(
    command_context: CommandContext, message: GenerationRequest, rooms: Operations, *, wait_s: int
) -> int:
    # A message id of its own: what is sent twice on purpose is no duplicate to the broker.
    await rooms.messenger.send(message, Envelope(f"cli:{uuid4().hex}"))
    command_context.screen.say(
        f"sent generation {message.key.generation_id}\n{show_line(command_context, message.key)}"
    )
    return await _awaited(command_context, rooms, message.key, wait_s) if wait_s else 0


async def _awaited(command_context: CommandContext, rooms: Operations, key: Key, wait_s: int) -> int:
    deps = rooms.deps
    until = deps.now() + timedelta(seconds=wait_s)
    while deps.now() < until:
        generation = (await rooms.store.load(key)).generation
        if generation is not None and generation.state.ended:
            command_context.screen.say("")
            await show_generation(command_context, rooms, generation)
            return 0 if generation.state is State.SUCCEEDED else 1
        await deps.sleep(_LOOK_EVERY_S)
    raise RefusedError(f"It has not ended within {wait_s} s. It goes on without you; look at it later.")
