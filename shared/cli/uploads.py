"""Upload: puts a file where a request can name it as its ``input_file``.

Rules of this file:
1. A file that no model would get is refused before a byte of it is sent.
2. What is there is not replaced unasked: a request that waits may still read it.
"""

from pathlib import Path
from typing import Annotated

import typer

from shared.cli.context import AccountToo, Operations, RefusedError, command_context_of, valid_key
from shared.cli.submitting import read_back

_MIB = 1024 * 1024


def upload(
    context: typer.Context,
    user: Annotated[
        str, typer.Argument(help="Whose file it is: only this user's requests may name it.", metavar="USER")
    ],
    file: Annotated[
        Path,
        typer.Argument(help="A sound, or a training's archive.", metavar="FILE", exists=True, dir_okay=False),
    ],
    account: AccountToo = None,
    name: Annotated[str | None, typer.Option(help="Its name there; default: the file's own.", metavar="NAME")] = None,
    replace: Annotated[bool, typer.Option("--replace", help="Overwrite a file of this name.")] = False,
) -> None:
    """Put a file into the uploads, as the app would.

    Prints its name there, for `submit --input-file`. It must have from 1 byte to 100 MiB.
    """
    key = valid_key(user, "upload", account)
    target = f"{key.account_id}/{key.user_id}/{name or file.name}"
    read_back(key, {"prompt": "upload", "input_file": target})  # a name that no request could say is refused
    command_context = command_context_of(context)

    async def command(rooms: Operations) -> int:
        size_bytes, most = file.stat().st_size, rooms.deps.limits.upload_bytes
        if not 0 < size_bytes <= most:
            raise RefusedError(
                f"Nothing was sent: {file} has {size_bytes} bytes, not 1 to {most} ({most // _MIB} MiB)."
            )
        if not replace and await rooms.uploads.upload_size(target) is not None:
            raise RefusedError(f"Nothing was sent: there is a file {target} already. --replace overwrites it.")
        try:
            content = file.open("rb")
        except OSError as error:
            raise RefusedError(f"{file} cannot be read: {error.strerror}") from None
        with content:
            await rooms.uploads.put_upload(target, content)
        command_context.screen.say(target)
        return 0

    command_context.do(command)
