"""The destination of a training: a model of the operator's account at Replicate, which gets the new version.

Rules of this file:
1. Replicate trains only into a model that exists. ``create`` makes it: private unless asked otherwise, on hardware
   that Replicate has.
2. A destination belongs to one account: the first to which it was given. The row is written before the model is made,
   so that a training can never find the model without its owner.
"""

from dataclasses import dataclass
from functools import partial
from typing import Annotated

import typer

from shared.cli.context import CommandContext, Operations, RefusedError, command_context_of, operator_name, valid_id
from shared.cli.submitting import read_back
from shared.core.keys import Key

_Name = Annotated[str, typer.Argument(help="A model of Darkroom's account at Replicate.", metavar="OWNER/NAME")]
_Account = Annotated[str, typer.Option("--account", "-a", help="Whose it is.", metavar="ACCOUNT")]
Hardware = Annotated[str, typer.Option(help="The hardware of a destination that is made.", metavar="SKU")]
Public = Annotated[bool, typer.Option("--public", help="Let everybody see a destination that is made.")]

#: The hardware on which a trained FLUX model runs.
USUAL_HARDWARE = "gpu-l40s"

destination = typer.Typer(help="Destinations of trainings: make them, give them to accounts.", no_args_is_help=True)


@dataclass(frozen=True, slots=True)
class Destination:
    """What was asked about a destination, and for which account."""

    name: str
    account_id: str
    create: bool
    hardware: str
    public: bool


@destination.command("create")
def create(
    context: typer.Context,
    name: _Name,
    account: _Account,
    hardware: Hardware = USUAL_HARDWARE,
    *,
    public: Public = False,
) -> None:
    """Make a model at Replicate for an account to train into. Private by default."""
    command_context = command_context_of(context)
    asked = Destination(_valid(name), valid_id("the account", account), create=True, hardware=hardware, public=public)
    command_context.do(partial(_create, command_context, asked))


@destination.command("give")
def give(context: typer.Context, name: _Name, account: _Account) -> None:
    """Let an account train into a model that exists. It cannot be taken back or given on."""
    command_context = command_context_of(context)
    named, account_id = _valid(name), valid_id("the account", account)

    async def command(operations: Operations) -> int:
        if await operations.deps.destinations.owner(named) is None:
            await _check_exists(operations, named)
        await _give(operations, named, account_id)
        command_context.screen.say(f"{named} belongs to {account_id}")
        return 0

    command_context.do(command)


@destination.command("show")
def show(context: typer.Context, name: _Name) -> None:
    """Say whose a destination is."""
    command_context, named = command_context_of(context), _valid(name)

    async def command(operations: Operations) -> int:
        owner = await operations.deps.destinations.owner(named)
        command_context.screen.say(owner or "nobody's")
        return 0 if owner else 1

    command_context.do(command)


def _valid(name: str) -> str:
    """The name, if a request may have it. Raises typer.BadParameter."""
    read_back(Key("any", "any"), {"prompt": "any", "destination": name})
    return name


async def _create(command_context: CommandContext, asked: Destination, operations: Operations) -> int:
    if not await check_destination(operations, asked):
        raise RefusedError(f"{asked.name} exists already, and belongs to {asked.account_id}.")
    await create_destination(operations, asked)
    command_context.screen.say(f"made {asked.name}, {'public' if asked.public else 'private'}, for {asked.account_id}")
    return 0


async def _give(operations: Operations, name: str, account_id: str) -> None:
    deps = operations.deps
    owner = await deps.destinations.give(name, account_id, operator_name(), deps.now())
    if owner != account_id:
        raise RefusedError(f"{name} belongs to {owner} already.")


async def check_destination(operations: Operations, asked: Destination) -> bool:
    """Check what can be checked before anything is made. Returns whether it has to be made. Raises RefusedError."""
    from shared.adapters.replicate.sdk.errors import ReplicateError  # noqa: PLC0415  # a large library

    owner = await operations.deps.destinations.owner(asked.name)
    if owner not in (None, asked.account_id):
        raise RefusedError(f"{asked.name} belongs to {owner}, not to {asked.account_id}.")
    try:
        if await _exists(operations, asked.name):
            if owner is None:
                raise RefusedError(f"{asked.name} belongs to nobody here. `destination give` gives it to an account.")
            return False
        known = [machine.sku for machine in await operations.replicate.api.hardware.list()]
    except ReplicateError as error:
        raise RefusedError(f"Replicate could not be asked about {asked.name}: {error}") from None
    if not asked.create:
        raise RefusedError(f"{asked.name} does not exist at Replicate. --create makes it, private by default.")
    if asked.hardware not in known:
        raise RefusedError(f"Replicate has no hardware {asked.hardware!r}. It has {', '.join(known)}.")
    return True


async def _check_exists(operations: Operations, name: str) -> None:
    """Check that Replicate has the model: what is given cannot be taken back. Raises RefusedError."""
    from shared.adapters.replicate.sdk.errors import ReplicateError  # noqa: PLC0415  # a large library

    try:
        there = await _exists(operations, name)
    except ReplicateError as error:
        raise RefusedError(f"Replicate could not be asked about {name}: {error}") from None
    if not there:
        raise RefusedError(f"{name} does not exist at Replicate. `destination create` makes it.")


async def _exists(operations: Operations, name: str) -> bool:
    from shared.adapters.replicate.sdk.errors import NotFoundError  # noqa: PLC0415  # as above

    try:
        await operations.replicate.api.models.get(name)
    except NotFoundError:
        return False
    return True


async def create_destination(operations: Operations, asked: Destination) -> None:
    """Give the destination to its account, and make the model. Raises RefusedError with Replicate's own sentence."""
    from shared.adapters.replicate.sdk.errors import ReplicateError  # noqa: PLC0415  # as above

    await _give(operations, asked.name, asked.account_id)
    try:
        await operations.replicate.api.models.create(asked.name, hardware=asked.hardware, private=not asked.public)
    except ReplicateError as error:
        raise RefusedError(f"{asked.name} was not made: {error}") from None
