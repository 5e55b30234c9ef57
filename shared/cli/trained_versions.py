"""The versions that an account has trained: list them, and delete them with all that Replicate has of them.

Rules of this file:
1. What Replicate has is deleted first. If it refuses, nothing here is deleted, and its own sentence is printed.
2. Each step may be repeated: what is gone already is no error.
"""

from typing import Annotated

import typer

from shared.cli.context import (
    AccountToo,
    CommandContext,
    Operations,
    RefusedError,
    command_context_of,
    valid_id,
    valid_key,
)
from shared.cli.generations import User
from shared.core.catalog.mapping import references
from shared.core.keys import Key
from shared.core.lifecycle.generation import Generation
from shared.core.reasons import counted
from shared.core.training.versions import TrainedVersion
from shared.worker.naming import handed_name

_Name = Annotated[str, typer.Argument(help="A version that an account has trained.", metavar="OWNER/NAME:VERSION")]
_Account = Annotated[str, typer.Option("--account", "-a", help="Whose it is.", metavar="ACCOUNT")]
_Training = Annotated[str, typer.Argument(help="The id of a training.", metavar="GENERATION")]

version = typer.Typer(help="Versions that accounts have trained: list them, delete them.", no_args_is_help=True)


@version.command("list")
def list_versions(context: typer.Context, account: _Account) -> None:
    """List what an account has trained and may name as its model."""
    command_context, account_id = command_context_of(context), valid_id("the account", account)

    async def command(operations: Operations) -> int:
        found = [each async for each in operations.deps.store.versions(account_id)]
        if not found:
            command_context.screen.say(f"{account_id} has trained no version.")
        for each in found:
            command_context.screen.say(f"{each.name}  {each.made_at:%Y-%m-%d}  as {each.entry}, by {each.trainer}")
        return 0

    command_context.do(command)


@version.command("delete")
def delete(context: typer.Context, name: _Name, account: _Account) -> None:
    """Delete a version at Replicate, the files that its trainer got there, its weights here, and its row."""
    command_context, account_id = command_context_of(context), valid_id("the account", account)

    async def command(operations: Operations) -> int:
        store = operations.deps.store
        found = (await store.load(Key(account_id, "none"), name)).version
        if found is None:
            raise RefusedError(f"{account_id} has no version {name}. `version list` has all.")
        await _delete_there(operations, found)
        await _delete_files(command_context, operations, found.key)
        kept = await operations.deps.outputs.discard_outputs(found.weights) if found.weights else 0
        if kept:
            raise RefusedError(f"{found.weights} cannot be deleted now: it is leased, or a policy holds it. Try again.")
        await store.forget_version(account_id, name)
        command_context.screen.say(f"deleted {name}")
        return 0

    command_context.do(command)


@version.command("delete-files")
def delete_files(context: typer.Context, training: _Training, user: User, account: AccountToo = None) -> None:
    """Delete what was handed to Replicate for a training, however it ended. Replicate keeps it for a day at most."""
    command_context, key = command_context_of(context), valid_key(user, training, account)

    async def command(operations: Operations) -> int:
        await _delete_files(command_context, operations, key)
        return 0

    command_context.do(command)


async def _delete_there(operations: Operations, found: TrainedVersion) -> None:
    """Delete a version at Replicate. Raises RefusedError with Replicate's sentence."""
    from shared.adapters.replicate.sdk.errors import NotFoundError, ReplicateError  # noqa: PLC0415  # a large library

    model, _, version_id = found.name.partition(":")
    try:
        await operations.replicate.api.versions.delete(model, version_id)
    except NotFoundError:
        return
    except ReplicateError as error:
        raise RefusedError(f"{found.name} was not deleted: {error}") from None


async def _delete_files(command_context: CommandContext, operations: Operations, key: Key) -> None:
    """Delete the files that were handed to Replicate for a training. Raises RefusedError with Replicate's sentence."""
    from shared.adapters.replicate.sdk.errors import NotFoundError, ReplicateError  # noqa: PLC0415  # as above

    generation = (await operations.deps.store.load(key)).generation
    if not isinstance(generation, Generation):
        raise RefusedError(f"There is no training {key.generation_id} that has opened.")
    names = {handed_name(each) for each in references(generation.attempt.inputs)}
    files, deleted = operations.replicate.api.files, 0
    try:
        for file in [each async for each in files.list() if each.name in names]:
            try:
                await files.delete(file.id)
            except NotFoundError:
                continue
            deleted += 1
    except ReplicateError as error:
        raise RefusedError(f"The files of {key.generation_id} were not all deleted: {error}") from None
    command_context.screen.say(f"deleted {counted(deleted, 'file')} at Replicate")
