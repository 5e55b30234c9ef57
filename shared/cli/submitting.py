"""Submit: asks for a generation, as your app would.

Rules of this file:
1. A request is sent to the queue, as your app would send it. Nothing here changes a generation.
2. The message handler's own parser reads a message before it is sent, so that a bad value is refused here.
3. The options are made from the table of fields (core/requests/fields.py). The catalogue knows which model takes which.
"""

import inspect
import json
from collections.abc import Callable, Sequence
from datetime import timedelta
from functools import partial, wraps
from typing import Annotated, Any
from uuid import uuid4

import typer

from shared.cli.context import AccountToo, CommandContext, Operations, RefusedError, command_context_of, valid_key
from shared.cli.generations import User, show_generation, show_line
from shared.core.keys import Key
from shared.core.lifecycle.state import State
from shared.core.reasons import SENTENCES, Reason
from shared.core.requests.field_types import Addresses, Field, Flag, Inputs, Number, Pairs, Text
from shared.core.requests.fields import FIELD, FIELDS
from shared.core.requests.messages import GenerationRequest, Malformed
from shared.core.requests.parsing import parse_request
from shared.ports import Envelope
from shared.worker.clashes import clashes

#: How long --wait waits by default, and how often it reads the generation. An image takes seconds, a video minutes.
WAIT_S = 120
_POLL_S = 0.5

_DAY_S = 86_400


#: The options that are not called as their field.
_NAMES = {"output_format": "--format", "duration_s": "--duration"}

#: Fields for which ``submit`` has its own parameter: an argument, a negative flag, pairs.
_BY_HAND = ("prompt", "allow_fallback", "metadata")

#: The other fields, in the order of the table and of the help.
OPTIONS: tuple[Field, ...] = tuple(field for field in FIELDS if field.name not in _BY_HAND)


def option_name(field: Field) -> str:
    """The name of a field's option, such as ``--aspect-ratio``."""
    return _NAMES.get(field.name, f"--{field.name.replace('_', '-')}")


def _kind(field: Field) -> Any:
    match field.type:
        case Text() | Inputs():
            return str
        case Addresses():
            return list[str]
        case Number(whole=whole):
            return int if whole else float
        case Flag():
            return bool
        case Pairs():
            raise TypeError(f"{field.name} has no option of this form")


def _parameter(field: Field) -> inspect.Parameter:
    """A field's option, as a parameter of the signature that typer reads."""
    name, kind = option_name(field), _kind(field)
    flags = f"{name}/--no-{name.removeprefix('--')}" if kind is bool else name
    option = typer.Option(flags, help=field.help, metavar=field.unit or None, show_default=False)
    annotation = Annotated[kind | None, option]  # type: ignore[valid-type]  # the type is known only at run time
    return inspect.Parameter(field.name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=annotation)


def with_options(options: Sequence[Field]) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command an option for each of these fields in place of its ``**fields``.

    typer makes a command's options from its signature only; its classes for options made by hand are private. A
    callable may give its signature in ``__signature__`` (PEP 362), so this one does.
    """

    def give(command: Callable[..., None]) -> Callable[..., None]:
        own = inspect.signature(command)
        fixed = [each for each in own.parameters.values() if each.kind is not inspect.Parameter.VAR_KEYWORD]
        at = [each.name for each in fixed].index("user") + 1

        @wraps(command)
        def with_them(**given: Any) -> None:
            command(**given)

        parameters = [*fixed[:at], *map(_parameter, options), *fixed[at:]]
        with_them.__signature__ = own.replace(parameters=parameters)  # type: ignore[attr-defined]  # PEP 362
        return with_them

    return give


@with_options(OPTIONS)
def submit(  # noqa: PLR0913  # each is an option of the command
    context: typer.Context,
    prompt: Annotated[str | None, typer.Argument(help=FIELD["prompt"].help, metavar=FIELD["prompt"].unit)] = None,
    *,
    user: User,
    account: AccountToo = None,
    no_fallback: Annotated[bool, typer.Option("--no-fallback", help="Do not try another model if it fails.")] = False,
    metadata: Annotated[
        list[str] | None,
        typer.Option(help=f"{FIELD['metadata'].help} May be repeated.", metavar=FIELD["metadata"].unit),
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
    """Ask for a generation, as your app would.

    With --wait the exit code is 0 only if it succeeded.
    """
    key = valid_key(user, uuid4().hex if generation_id is None else generation_id, account)
    values = {
        "prompt": prompt,
        **_decoded(fields),
        "allow_fallback": not no_fallback,
        "metadata": _pairs(metadata or []),
    }
    message = read_back(key, values)
    command_context = command_context_of(context)
    command_context.do(partial(_send_request, command_context, message, wait_s=within if wait else 0))


def _decoded(fields: dict[str, Any]) -> dict[str, Any]:
    """The options' values, with those that are JSON decoded. Raises typer.BadParameter."""
    decoded = dict(fields)
    for field in OPTIONS:
        if isinstance(field.type, Inputs) and isinstance(fields.get(field.name), str):
            try:
                decoded[field.name] = json.loads(fields[field.name])
            except (ValueError, RecursionError):
                example = json.dumps(field.example)
                raise typer.BadParameter(f"{option_name(field)} must be JSON, such as {example}") from None
    return decoded


def _pairs(given: list[str]) -> dict[str, str]:
    pairs = [each.partition("=") for each in given]
    if not all(name and sign for name, sign, _ in pairs):
        raise typer.BadParameter("--metadata must be NAME=VALUE")
    return {name: value for name, _, value in pairs}


def read_back(key: Key, fields: dict[str, Any]) -> GenerationRequest:
    """The request with these fields, as the message handler reads it. Raises typer.BadParameter with its reason."""
    body: dict[str, Any] = {**key.in_message}
    given = {name: value for name, value in fields.items() if value is not None}
    message, _ = parse_request(json.dumps(body | given).encode())
    if isinstance(message, Malformed):
        raise typer.BadParameter(message.text)
    if not isinstance(message, GenerationRequest):
        raise TypeError(f"a request was read back as {type(message).__name__}")
    return message


async def _send_request(
    command_context: CommandContext, message: GenerationRequest, operations: Operations, *, wait_s: int
) -> int:
    # Each message has a new id, so that the broker does not drop a request that is repeated on purpose.
    await operations.messenger.send(message, Envelope(f"cli:{uuid4().hex}"))
    command_context.screen.say(
        f"sent generation {message.key.generation_id}\n{show_line(command_context, message.key)}"
    )
    return await _wait_for_end(command_context, operations, message, wait_s) if wait_s else 0


async def _wait_for_end(
    command_context: CommandContext, operations: Operations, message: GenerationRequest, wait_s: int
) -> int:
    deps = operations.deps
    until = deps.now() + timedelta(seconds=wait_s)
    while deps.now() < until:
        generation = (await operations.store.load(message.key)).generation
        if clashes(generation, message.digest):
            mismatch = Reason.IDEMPOTENCY_MISMATCH
            raise RefusedError(f"{mismatch}: {SENTENCES[mismatch]}")
        if generation is not None and generation.state.ended:
            command_context.screen.say("")
            await show_generation(command_context, operations, generation)
            return 0 if generation.state is State.SUCCEEDED else 1
        await deps.sleep(_POLL_S)
    raise RefusedError(f"The generation has not ended within {wait_s} s. It continues; look at it later with `show`.")
