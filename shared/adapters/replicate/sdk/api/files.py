"""Files: inputs that Replicate keeps for a day. A file that is too large is refused before a byte is sent."""

import asyncio
import base64
import hashlib
import hmac
import json
from collections.abc import AsyncGenerator, Mapping
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from io import SEEK_END, BytesIO, TextIOBase
from os import PathLike, fspath
from pathlib import Path
from typing import Any, BinaryIO

from shared.adapters.replicate.sdk.calling import Caller
from shared.adapters.replicate.sdk.errors import ValidationError
from shared.adapters.replicate.sdk.types import File

#: The largest file, in bytes: Replicate's limit.
MOST_BYTES = 100 * 1024 * 1024
#: The longest name, in bytes of UTF-8.
_NAME_BYTES = 255
#: The slowest upload, in bytes a second: an upload may take that long beyond the usual time.
_SLOWEST_BYTES_PER_S = 1024 * 1024


#: What can be uploaded: the path of a file, bytes, or an open binary file.
Content = str | PathLike[str] | bytes | bytearray | memoryview | BinaryIO


class Files:
    """Operations on files."""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller

    async def create(
        self,
        content: Content,
        *,
        filename: str = "",
        content_type: str = "application/octet-stream",
        metadata: Mapping[str, Any] | None = None,
    ) -> File:
        """Upload a file, whole.

        Args:
            content: its path, or its bytes, or an open seekable binary file, which is read from its beginning.
            filename: 1 to 255 bytes of UTF-8; by default the name of the path.
            content_type: its media type.
            metadata: a JSON object that Replicate keeps with it.

        Raises:
            FileNotFoundError: there is no file at that path.
            ValidationError: the content is of another type, empty or too large, or the name is too long or missing;
                nothing was sent.
        """
        if isinstance(content, (str, PathLike)):
            path = Path(fspath(content))
            file: BinaryIO = await asyncio.to_thread(path.open, "rb")
            try:
                return await self._create(file, filename or path.name, content_type, metadata)
            finally:
                file.close()
        file = BytesIO(content) if isinstance(content, (bytes, bytearray, memoryview)) else content
        return await self._create(file, filename, content_type, metadata)

    async def _create(
        self, file: BinaryIO, filename: str, content_type: str, metadata: Mapping[str, Any] | None
    ) -> File:
        size_bytes = _size(file)
        _check(size_bytes, filename)
        form = {
            "content": (filename, file, content_type),
            "filename": (None, filename),
            "type": (None, content_type),
            "metadata": (None, json.dumps(dict(metadata or {})), "application/json"),
        }
        extra_s = size_bytes / _SLOWEST_BYTES_PER_S
        return await self._caller.one(File.read, "files.create", files=form, extra_s=extra_s)

    def list(self) -> AsyncGenerator[File, None]:
        """The account's files, the newest first."""
        return self._caller.pages(File.read, "files.list")

    async def get(self, file_id: str) -> File:
        """One file's description. NotFoundError if it has expired."""
        return await self._caller.one(File.read, "files.get", file_id)

    async def delete(self, file_id: str) -> None:
        """Delete a file before it expires."""
        await self._caller.call("files.delete", file_id)

    def download(
        self, file_id: str, *, owner: str, expiry: datetime, signature: str
    ) -> AbstractAsyncContextManager[AsyncGenerator[bytes, None]]:
        """Stream a file's content. ``signature`` is what ``signed`` returns for the same owner and expiry."""
        params = {"owner": owner, "expiry": int(expiry.timestamp()), "signature": signature}
        return self._caller.opened("files.download", file_id, params=params)


def signed(secret: str, *, owner: str, file_id: str, expiry: datetime) -> str:
    """The signature of a download: HMAC-SHA256 in base64, with the account's Files signing secret."""
    message = f"{owner} {file_id} {int(expiry.timestamp())}"
    return base64.b64encode(hmac.new(secret.encode(), message.encode(), hashlib.sha256).digest()).decode()


def _size(file: Any) -> int:
    """The size of a file in bytes. ValidationError if it is not a seekable binary file."""
    try:
        size_bytes: int | None = None if isinstance(file, TextIOBase) else file.seek(0, SEEK_END)
    except (AttributeError, OSError, TypeError, ValueError):  # a socket, a closed file, no file at all
        size_bytes = None
    if size_bytes is None:
        raise ValidationError(
            "files.create",
            f"content must be a path, bytes, or an open binary file that can be sought in, not {type(file).__name__}",
            {"content": "type"},
        )
    return size_bytes


def _check(size_bytes: int, filename: str) -> None:
    name = "files.create"
    if not 0 < size_bytes <= MOST_BYTES:
        bounds = f"1 byte to {MOST_BYTES // 1024**2} MiB"
        raise ValidationError(name, f"content must have {bounds}, and has {size_bytes} bytes", {"content": "size"})
    length = len(filename.encode(errors="replace"))
    if not 0 < length <= _NAME_BYTES:
        raise ValidationError(
            name, f"filename must have 1 to {_NAME_BYTES} bytes, and has {length}", {"filename": "length"}
        )
