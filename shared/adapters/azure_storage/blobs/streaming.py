"""Outputs on their way into Blob Storage: each is one streamed Put Blob request, without the SDK.

A small blob that the app needs at its start is read the same way. The formats:
learn.microsoft.com/rest/api/storageservices/put-blob and .../get-blob. The SDK reads a "stream" below its single-put
size into memory as a whole, takes 3 ms of CPU for 1.5 MB, and 250 ms to be imported: this holds one piece at a time,
takes half of that, and leaves the SDK to what few generations need.

Rules of this file:
1. Writing the same name twice is once, so whatever did not surely succeed is sent again, a few times.
2. Metadata travels as HTTP headers, so values are percent-encoded.
3. What may work later is Unavailable; no error quotes an address, for it may carry a signature.
"""

import asyncio
import errno
import os
import string
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from datetime import datetime
from functools import cached_property
from http import HTTPStatus
from typing import Any, BinaryIO, TypeVar
from urllib.parse import quote
from urllib.request import getproxies

import aiohttp
import yarl

from shared.adapters.azure_storage.access import NoToken, StorageAccount
from shared.ports import Blobs, Unavailable

#: One piece of a file: large enough to cost little, and all that an upload has in memory.
CHUNK_BYTES = 256 * 1024

#: Pauses before each further try, in seconds. The corridor puts a message off for longer outages.
PAUSES_S = (1.0, 3.0)

#: So many uploads at once: one for each of the 16 calls of a queue, and room.
_CONNECTIONS = 64

#: Idle connections are kept so long: short of the 4 minutes after which Azure's outbound NAT forgets them.
_IDLE_S = 60

#: The version of the API: one that puts 5000 MiB at once.
_VERSION = "2021-12-02"

#: What an identity needs to write blobs, and to read them.
ROLE, READ_ROLE = "Storage Blob Data Contributor", "Storage Blob Data Reader"

#: What stands in a header as it is. A space would not survive at either end.
_HEADER_SAFE = string.ascii_letters + string.digits + string.punctuation.replace("%", "")


T = TypeVar("T")


class UploadRefused(Exception):  # noqa: N818  # it says what happened
    """A request that Blob Storage will never accept, such as a name that it forbids."""


class Uploads:
    """The connections to one account, opened at first use."""

    def __init__(self, account: StorageAccount, *, pauses_s: tuple[float, ...] = PAUSES_S) -> None:
        self._account = account
        self._path = yarl.URL(account.url).raw_path.rstrip("/")
        self._pauses_s = pauses_s
        self._session: aiohttp.ClientSession | None = None

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
            "x-ms-version": _VERSION,
            **{f"x-ms-meta-{key}": quote(value, safe=_HEADER_SAFE) for key, value in metadata.items()},
        }

        async def put() -> None:
            file.seek(start)
            body: Any = _pieces(file, length) if length else b""
            status, answered, _ = await self._send_once("PUT", container, name, headers, body)
            if status in (HTTPStatus.CONFLICT, HTTPStatus.PRECONDITION_FAILED):
                await self._expect_there(container, name, length)
            elif status >= 300:
                raise _in_our_words(status, answered)

        await self._send_with_retries(put)

    async def _expect_there(self, container: str, name: str, length: int) -> None:
        """A blob that may not be changed (leased, immutable) is what an earlier try wrote, if it has this length."""
        status, answered, _ = await self._send_once("HEAD", container, name, {"x-ms-version": _VERSION}, None)
        if status >= 300 or answered.get("Content-Length") != str(length):
            raise Unavailable("blobs", "a blob of this name may not be changed")

    async def read(self, container: str, name: str, most_bytes: int) -> bytes:
        """A small blob, whole.

        Raises:
            FileNotFoundError: it is not there, or its container is not.
            PermissionError: it may not be read.
            OSError: it is larger than ``most_bytes``. The ``strerror`` of each says so.
        """

        async def read() -> bytes:
            headers = {"x-ms-version": _VERSION, "x-ms-range": f"bytes=0-{most_bytes}"}  # one more than is taken
            status, answered, content = await self._send_once("GET", container, name, headers, None)
            if status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
                raise PermissionError(errno.EACCES, f"access denied: the identity needs the role {READ_ROLE}")
            if status == HTTPStatus.NOT_FOUND:
                raise FileNotFoundError(errno.ENOENT, "it is not there")
            if status == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
                return b""  # an empty blob has no first byte
            if status >= 300:
                raise _in_our_words(status, answered)
            if len(content) > most_bytes:
                raise OSError(errno.EFBIG, f"it has more than {most_bytes} bytes")
            return content

        return await self._send_with_retries(read)

    async def close(self) -> None:
        """Close the connections; the next use opens new ones."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def _send_with_retries(self, step: Callable[[], Awaitable[T]]) -> T:
        for pause_s in (*self._pauses_s, None):
            try:
                return await step()
            except Unavailable as trouble:
                if pause_s is None or (trouble.retry_after_s or 0) > pause_s:
                    raise
            await asyncio.sleep(pause_s)
        raise AssertionError("the last pause is None")

    async def _send_once(
        self, verb: str, container: str, name: str, headers: Mapping[str, str], body: Any
    ) -> tuple[int, Mapping[str, str], bytes]:
        """Send one request; status, headers and body of its answer, whatever they are."""
        target, signed = f"{container}/{quote(name)}", dict(headers)
        try:
            query = await self._account.access.sign(verb, f"{self._path}/{target}", signed)
        except NoToken as trouble:
            raise Unavailable("blobs", str(trouble)) from None
        url = yarl.URL(f"{self._account.url}/{target}{'?' if query else ''}{query}", encoded=True)
        try:
            async with self._opened().request(verb, url, data=body, headers=signed, allow_redirects=False) as response:
                return response.status, response.headers, await response.read()
        except aiohttp.ClientConnectorError:
            raise Unavailable("blobs", "no connection") from None
        except (aiohttp.ClientError, OSError):  # a TimeoutError is an OSError
            raise Unavailable("blobs", "the answer was lost") from None

    def _opened(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=_CONNECTIONS, keepalive_timeout=_IDLE_S),
                cookie_jar=aiohttp.DummyCookieJar(),
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=5, sock_read=20),
                # Only where there is a proxy: else aiohttp would look for one on another thread, for every request.
                trust_env=bool(getproxies()),
            )
        return self._session


async def _pieces(file: BinaryIO, length: int) -> AsyncIterator[bytes]:
    read = getattr(file, "read1", file.read)  # a file that is held in pieces gives them as they are, without a copy
    while length > 0 and (piece := read(min(CHUNK_BYTES, length))):
        length -= len(piece)
        yield piece


def _in_our_words(status: int, answered: Mapping[str, str]) -> Exception:
    """An answer that is no success. Its Retry-After is in seconds (Storage sends no dates)."""
    code, hint = answered.get("x-ms-error-code", ""), answered.get("Retry-After", "")
    if status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
        return Unavailable("blobs", f"access denied: the identity needs the role {ROLE}, or the key is wrong")
    if code == "ContainerNotFound":
        return Unavailable("blobs", "a container does not exist: deploy the infrastructure, or create it")
    said = f"{status} {code}".strip()
    temporary = status < 400 or status >= 500 or status in (HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS)
    if temporary:
        return Unavailable("blobs", f"it answered {said}", float(hint) if hint.isascii() and hint.isdigit() else None)
    return UploadRefused(f"blobs refused a request: {said}")


class StreamedBlobs:
    """ports.Blobs: outputs go by ``uploads``; everything else to what ``others`` makes, at its first use."""

    def __init__(self, uploads: Uploads, outputs: str, others: Callable[[], Blobs]) -> None:
        self._uploads = uploads
        self._outputs = outputs
        self._make_others = others

    async def put_output(self, name: str, file: BinaryIO, content_type: str, metadata: Mapping[str, str]) -> str:
        """See ``Blobs``. Reads from where the file stands to its end."""
        await self._uploads.put(self._outputs, name, file, content_type, metadata)
        return self._outputs

    @cached_property
    def _others(self) -> Blobs:
        return self._make_others()

    async def discard_outputs(self, prefix: str) -> int:
        """See ``Blobs``."""
        return await self._others.discard_outputs(prefix)

    async def put_input(self, name: str, content: bytes, content_type: str) -> None:
        """See ``Blobs``."""
        await self._others.put_input(name, content, content_type)

    async def input_address(self, name: str, life_s: int, inline_bytes: int) -> str | None:
        """See ``Blobs``."""
        return await self._others.input_address(name, life_s, inline_bytes)

    async def upload_size(self, name: str) -> int | None:
        """See ``Blobs``."""
        return await self._others.upload_size(name)

    async def read_input(self, name: str, file: BinaryIO) -> bool:
        """See ``Blobs``."""
        return await self._others.read_input(name, file)

    async def read_upload(self, name: str, file: BinaryIO) -> bool:
        """See ``Blobs``."""
        return await self._others.read_upload(name, file)

    async def upload_address(self, name: str, life_s: int) -> str | None:
        """See ``Blobs``."""
        return await self._others.upload_address(name, life_s)

    async def discard_inputs(self, prefix: str) -> int:
        """See ``Blobs``."""
        return await self._others.discard_inputs(prefix)

    async def quarantine(self, name: str, file: BinaryIO, content_type: str, metadata: Mapping[str, str]) -> None:
        """See ``Blobs``."""
        await self._others.quarantine(name, file, content_type, metadata)

    async def sweep(self, *, inputs_before: datetime, quarantine_before: datetime) -> int:
        """See ``Blobs``."""
        return await self._others.sweep(inputs_before=inputs_before, quarantine_before=quarantine_before)

    async def archive(self, name: str, raw: bytes, metadata: Mapping[str, str]) -> None:
        """See ``Blobs``."""
        await self._others.archive(name, raw, metadata)
