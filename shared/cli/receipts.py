"""Receipts and public keys: receipt, keys.

Rules of this file:
1. ``receipt verify FILE --keys KEYS`` needs no settings and no network: whoever checks a receipt has neither.
2. What is printed is the document itself, so that it can be kept in a file and checked.
"""

import asyncio
import sys
from pathlib import Path
from typing import Annotated

import typer

from shared import worker
from shared.cli.context import AccountToo, CommandContext, Operations, RefusedError, command_context_of
from shared.cli.generations import find_one, valid_names
from shared.composition.proofs import offline_fits
from shared.core.money import signed

#: The word in place of a generation's id that checks a receipt.
_VERIFY = "verify"

_Generation = Annotated[
    str, typer.Argument(help="The generation's id; or the word verify, and a file.", metavar="GENERATION")
]
_File = Annotated[
    Path | None, typer.Argument(help="After verify: the receipt to check.", metavar="[FILE]", dir_okay=False)
]
_User = Annotated[
    str | None,
    typer.Option("--user", "-u", help="Whose it is; without it the whole table is searched.", metavar="USER"),
]
_Keys = Annotated[
    Path | None, typer.Option("--keys", help="With verify: the public keys, as `keys` prints them.", metavar="FILE")
]


def receipt(  # each is an option of the command
    context: typer.Context,
    generation_id: _Generation,
    file: _File = None,
    user: _User = None,
    account: AccountToo = None,
    keys_file: _Keys = None,
) -> None:
    """Print the signed receipt of an ended generation, or check one: receipt verify FILE.

    With --keys a receipt is checked offline, without any settings. Without it the published keys are read. The exit
    code is 1 if it is not genuine.
    """
    command_context = command_context_of(context)
    if file is not None:
        if generation_id != _VERIFY:
            raise typer.BadParameter("a file goes with the word verify: receipt verify FILE")
        _verify(command_context, file, keys_file)
        return
    if keys_file is not None:
        raise typer.BadParameter("--keys goes with receipt verify FILE")
    valid_names(generation_id, user, account)

    async def command(operations: Operations) -> int:
        generation = await find_one(operations, generation_id, user, account)
        found = await worker.receipt(operations.deps, generation)
        if found is None:
            raise RefusedError(f"It has not ended: {generation.state}. A receipt is made at the end.")
        _print(found)
        return 0

    command_context.do(command)


def keys(context: typer.Context) -> None:
    """Print the public keys of receipts and heads, old ones too, as JSON."""

    async def command(operations: Operations) -> int:
        _print(worker.keys_document(await worker.public_keys(operations.deps)))
        return 0

    command_context_of(context).do(command)


def _verify(command_context: CommandContext, file: Path, keys_file: Path | None) -> None:
    """Check a receipt with the keys of a file, or with those that were published. Raises typer.Exit."""
    document, known = _documents(command_context, file, keys_file)

    async def command(operations: Operations) -> int:
        return _say(command_context, document, genuine=await worker.fits(operations.deps, document))

    if known is None:
        command_context.do(command)
    public_key = (known or {}).get(document.signed_by.key_id, "")
    genuine = asyncio.run(offline_fits(public_key, document))
    raise typer.Exit(_say(command_context, document, genuine=genuine))


def _documents(
    command_context: CommandContext, file: Path, keys_file: Path | None
) -> tuple[signed.Document, dict[str, str] | None]:
    """The receipt and the public keys, if they are a file. Raises typer.Exit."""
    try:
        document = signed.read(_read(file))
        return document, dict(signed.read_keys(_read(keys_file))) if keys_file is not None else None
    except OSError as error:
        command_context.screen.complain(f"{error.filename} cannot be read: {error.strerror}")
    except ValueError as error:
        command_context.screen.complain(f"Not genuine: {error}.")
    raise typer.Exit(1)


def _say(command_context: CommandContext, document: signed.Document, *, genuine: bool) -> int:
    key_id = document.signed_by.key_id
    if not genuine:
        command_context.screen.complain(f"Not genuine: the facts are not what key {key_id} has signed.")
        return 1
    facts = document.facts
    command_context.screen.say(f"genuine, signed by {key_id}: {facts.get('generation_id')}, {facts.get('outcome')}")
    return 0


def _read(file: Path) -> bytes:
    """A file within the bound of a document. Raises OSError if it cannot be read."""
    with file.open("rb") as opened:
        return opened.read(signed.MOST_BYTES + 1)


def _print(document: bytes) -> None:
    sys.stdout.write(document.decode() + "\n")
