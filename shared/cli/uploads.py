"""Upload: stores a file that a request can name as its ``input_file``.

Rules of this file:
1. A file that no request could use is refused before a byte of it is sent.
2. An existing file is replaced only with ``--replace``, because a waiting request may still read it.
"""

from pathlib import Path
from typing import Annotated

import typer

from shared.cli.context import AccountToo, Operations, RefusedError, command_context_of, valid_key
from shared.cli.submitting import read_back

_MIB = 1024 * 1024


def upload(
    context: typer.Context,
    user: Annotated[str, typer.Argument(help="The user whose requests may use the file.", metavar="USER")],
    file: Annotated[
        Path,
        typer.Argument(
            help="An audio file, or the archive of a training.", metavar="FILE", exists=True, dir_okay=False
        ),
    ],
    account: AccountToo = None,
    name: Annotated[
        str | None, typer.Option(help="The name of the upload; default: the file's own.", metavar="NAME")
    ] = None,
    replace: Annotated[bool, typer.Option("--replace", help="Overwrite a file of this name.")] = False,
) -> None:
    """Store a file in the uploads, as your app would.

    Prints the upload's name, for `submit --input-file`. A file has 1 byte to 100 MiB.
    """
    key = valid_key(user, "upload", account)
    target = f"{key.account_id}/{key.user_id}/{name or file.name}"
    read_back(key, {"prompt": "upload", "input_file": target})  # refuses a name that no request may have
    command_context = command_context_of(context)

    async def command(operations: Operations) -> int:
        _check_size(file, operations.deps.limits.upload_bytes)
        if not replace and await operations.uploads.upload_size(target) is not None:
            raise RefusedError(f"Nothing was sent: the file {target} exists already. --replace overwrites it.")
        try:
            content = file.open("rb")
        except OSError as error:
            raise RefusedError(f"{file} cannot be read: {error.strerror}") from None
        with content:
            await operations.uploads.put_upload(target, content)
        command_context.screen.say(target)
        return 0

    command_context.do(command)


def _check_size(file: Path, most: int) -> None:
    size_bytes = file.stat().st_size
    if not 0 < size_bytes <= most:
        raise RefusedError(f"Nothing was sent: {file} has {size_bytes} bytes, not 1 to {most} ({most // _MIB} MiB).")
