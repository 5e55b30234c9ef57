"""Whole blobs without the SDK: each is one streamed Put Blob request, or one Get Blob of a small one.

The formats: learn.microsoft.com/rest/api/storageservices/put-blob and .../get-blob. The SDK reads a "stream" below its
single-put size into memory as a whole, takes 3 ms of CPU for 1.5 MB, and 250 ms to be imported: this holds one piece at
a time, takes half of that, and leaves the SDK to what few generations need. How a request is signed, sent and sent
again: transport.py.

Rules of this file:
1. Writing the same name twice is once, so whatever did not surely succeed is sent again, a few times.
2. Metadata travels as HTTP headers, so values are percent-encoded.
"""

import errno
import os
from collections.abc import AsyncIterator, Mapping, Sequence
from http import HTTPStatus
from typing import Any, BinaryIO
from urllib.parse import quote

from shared.adapters.azure_storage.access import StorageAccount
from shared.adapters.azure_storage.blobs.errors import READ_ROLE, translated
from shared.adapters.azure_storage.errors import Answered, access_denied
from shared.adapters.azure_storage.transport import Transport, header_text
from shared.core.dependency import Dependency
from shared.ports import Unavailable

#: One piece of a file: large enough to cost little, and all that an upload has in memory.
CHUNK_BYTES = 256 * 1024

#: Pauses before each further try, in seconds.
PAUSES_S = (1.0, 3.0)

#: How long an answer may take to begin.
_READ_S = 20

#: So many requests at once: one for each of the 16 calls of a queue, and room.
_CONNECTIONS = 64

#: The version of the API: one that puts 5000 MiB at once.
_VERSION = {"x-ms-version": "2021-12-02"}


class BlobRestClient:
    """The blobs of one account."""

    def __init__(self, account: StorageAccount, *, pauses_s: Sequence[float] = PAUSES_S) -> None:
        self._transport = Transport(
            account, Dependency.BLOBS, pauses_s=pauses_s, connections=_CONNECTIONS, read_s=_READ_S
        )

    async def put(
        self, container: str, name: str, file: BinaryIO, content_type: str, metadata: Mapping[str, str]
    ) -> None:
        """Write the file, from where it stands to its end, as a blob."""
        start = file.tell()
        length = file.seek(0, os.SEEK_END) - start
        headers = {
            "Content-Type": content_type,
            "Content-Length": str(length),
            "x-ms-blob-type": "BlockBlob",
            **_VERSION,
            **{f"x-ms-meta-{key}": header_text(value) for key, value in metadata.items()},
        }

        async def put() -> None:
            file.seek(start)
            body: Any = _pieces(file, length) if length else b""
            try:
                await self._transport.send("PUT", _target(container, name), headers, body)
            except Answered as answered:
                if answered.status not in (HTTPStatus.CONFLICT, HTTPStatus.PRECONDITION_FAILED):
                    raise
                await self._expect_there(container, name, length)

        with translated():
            await self._transport.retried(put)

    async def _expect_there(self, container: str, name: str, length: int) -> None:
        """A blob that may not be changed (leased, immutable) is what an earlier try wrote, if it has this length."""
        try:
            answer = await self._transport.send("HEAD", _target(container, name), _VERSION)
        except Answered:
            there = None
        else:
            there = answer.headers.get("Content-Length")
        if there != str(length):
            raise Unavailable(Dependency.BLOBS, "a blob of this name may not be changed")

    async def read(self, container: str, name: str, most_bytes: int) -> bytes:
        """A small blob, whole.

        Raises:
            FileNotFoundError: it is not there, or its container is not.
            PermissionError: it may not be read.
            OSError: it is larger than ``most_bytes``. The ``strerror`` of each says so.
        """
        headers = {**_VERSION, "x-ms-range": f"bytes=0-{most_bytes}"}  # one more than is taken
        with translated():
            try:
                answer = await self._transport.retried(
                    lambda: self._transport.send("GET", _target(container, name), headers)
                )
            except Answered as answered:
                return _nothing(answered)
        if len(answer.body) > most_bytes:
            raise OSError(errno.EFBIG, f"it has more than {most_bytes} bytes")
        return answer.body

    async def close(self) -> None:
        """Close the connections; the next use opens new ones."""
        await self._transport.close()


def _nothing(answered: Answered) -> bytes:
    """What is read where the answer is no success."""
    if answered.is_denied:
        raise PermissionError(errno.EACCES, access_denied(READ_ROLE))
    if answered.status == HTTPStatus.NOT_FOUND:
        raise FileNotFoundError(errno.ENOENT, "it is not there")
    if answered.status == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
        return b""  # an empty blob has no first byte
    raise answered


def _target(container: str, name: str) -> str:
    return f"{container}/{quote(name)}"


async def _pieces(file: BinaryIO, length: int) -> AsyncIterator[bytes]:
    read = getattr(file, "read1", file.read)  # a file that is held in pieces gives them as they are, without a copy
    while length > 0 and (piece := read(min(CHUNK_BYTES, length))):
        length -= len(piece)
        yield piece
