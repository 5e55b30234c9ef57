"""Reads and writes whole blobs without the SDK. A write is one streamed Put Blob, a read is one Get Blob.

The formats: learn.microsoft.com/rest/api/storageservices/put-blob and .../get-blob. The SDK reads a "stream" below its
single-put size into memory as a whole, takes 3 ms of CPU for 1.5 MB, and 250 ms to be imported. This client holds one
chunk at a time and takes half the CPU. Requests are signed, sent and repeated by transport.py.

Rules of this file:
1. Writing the same name twice has the effect of writing it once. So a write whose success is not certain is repeated, a
   few times.
2. Metadata is sent as HTTP headers, so its values are percent-encoded.
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

#: Size of one chunk of a file: large enough to cost little CPU. An upload holds one chunk in memory.
CHUNK_BYTES = 256 * 1024

#: Pauses between tries, in seconds.
PAUSES_S = (1.0, 3.0)

#: Limit of the wait for each part of an answer, in seconds.
_READ_S = 20

#: Maximum of concurrent requests: one for each of the 16 concurrent calls of a queue, and room.
_CONNECTIONS = 64

#: The version of the API. With this one a single Put Blob may have 5000 MiB.
_VERSION = {"x-ms-version": "2021-12-02"}


class BlobRestClient:
    """The blobs of one storage account."""

    def __init__(self, account: StorageAccount, *, pauses_s: Sequence[float] = PAUSES_S) -> None:
        self._transport = Transport(
            account, Dependency.BLOBS, pauses_s=pauses_s, connections=_CONNECTIONS, read_s=_READ_S
        )

    async def put(
        self, container: str, name: str, file: BinaryIO, content_type: str, metadata: Mapping[str, str]
    ) -> None:
        """Write a file from its current position to its end as a blob. An existing blob is replaced.

        Raises:
            Unavailable: it was not written, and may be later.
            BlobsRefused: the service will never accept it.
        """
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
            body: Any = _chunks(file, length) if length else b""
            try:
                await self._transport.send("PUT", _target(container, name), headers, body)
            except Answered as answered:
                if answered.status not in (HTTPStatus.CONFLICT, HTTPStatus.PRECONDITION_FAILED):
                    raise
                await self._expect_written(container, name, length)

        with translated():
            await self._transport.retry(put)

    async def _expect_written(self, container: str, name: str, length: int) -> None:
        """Take a blob of this length that may not be changed (leased, immutable) as written by an earlier try."""
        try:
            answer = await self._transport.send("HEAD", _target(container, name), _VERSION)
        except Answered:
            there = None
        else:
            there = answer.headers.get("Content-Length")
        if there != str(length):
            raise Unavailable(Dependency.BLOBS, "a blob of this name may not be changed")

    async def read(self, container: str, name: str, most_bytes: int) -> bytes:
        """The bytes of a small blob.

        Raises:
            FileNotFoundError: the blob or its container does not exist.
            PermissionError: access was denied.
            OSError: it is larger than ``most_bytes``. The ``strerror`` of each of the three is readable.
        """
        headers = {**_VERSION, "x-ms-range": f"bytes=0-{most_bytes}"}  # one byte more than allowed, to notice it
        with translated():
            try:
                answer = await self._transport.retry(
                    lambda: self._transport.send("GET", _target(container, name), headers)
                )
            except Answered as answered:
                return _empty_or_raise(answered)
        if len(answer.body) > most_bytes:
            raise OSError(errno.EFBIG, f"it has more than {most_bytes} bytes")
        return answer.body

    async def close(self) -> None:
        """Close the connections. The next use opens new ones."""
        await self._transport.close()


def _empty_or_raise(answered: Answered) -> bytes:
    """The content if the answer to a read is not a success: empty for an empty blob, else an error is raised."""
    if answered.is_denied:
        raise PermissionError(errno.EACCES, access_denied(READ_ROLE))
    if answered.status == HTTPStatus.NOT_FOUND:
        raise FileNotFoundError(errno.ENOENT, "it does not exist")
    if answered.status == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
        return b""  # an empty blob has no first byte
    raise answered


def _target(container: str, name: str) -> str:
    return f"{container}/{quote(name)}"


async def _chunks(file: BinaryIO, length: int) -> AsyncIterator[bytes]:
    read = getattr(file, "read1", file.read)  # a file held in chunks returns them as they are, without a copy
    while length > 0 and (chunk := read(min(CHUNK_BYTES, length))):
        length -= len(chunk)
        yield chunk
