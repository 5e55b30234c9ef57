"""Blob Storage: implements ``Blobs``, and reads what is stored for operators.

Five containers: outputs, where users' apps find them; dead letters; inputs that were screened and wait for their model;
the quarantine of outputs that were refused; and uploads, into which apps put the files that models are to read.

Rules of this file:
1. A file is streamed in blocks of 4 MiB; it is never in memory as a whole. Writing the same name twice is once.
2. Metadata travels as HTTP headers, so values are percent-encoded and read back decoded.
3. A blob that may not be changed (a lease, a legal hold, a policy of immutability) is no trouble: what was to be
   deleted stays and is counted; what was to be written again is there already, where its length is the same.
4. What the SDK raises goes through errors.py: what may work later is Unavailable, and the SDK's own texts stay
   there.
"""

import base64
import os
import string
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any, BinaryIO
from urllib.parse import quote, unquote
from urllib.request import getproxies

from azure.core.exceptions import ResourceExistsError, ResourceNotFoundError
from azure.storage.blob import BlobProperties, BlobSasPermissions, ContentSettings, UserDelegationKey, generate_blob_sas
from azure.storage.blob.aio import BlobServiceClient, ContainerClient

from shared.adapters.azure_storage.blobs.errors import BlobKept, is_container_missing, translated
from shared.ports import DeadLetter, Unavailable

#: A picture is a few MiB: most are one request, and what is larger needs no more memory than one block.
BLOCK_BYTES = 4 * 1024 * 1024

#: For BlobServiceClient. Its own retries start after 15 s, which is too long for a function call: a message that
#: fails is put off and comes again, so 3 retries (about 1, 3 and 5 s apart) are enough.
CLIENT_OPTIONS: Mapping[str, Any] = {
    "max_single_put_size": BLOCK_BYTES,
    "max_block_size": BLOCK_BYTES,
    # Its own 32 MiB would be in memory twice before the first of them is handed on.
    "max_single_get_size": BLOCK_BYTES,
    "max_chunk_get_size": BLOCK_BYTES,
    "retry_total": 3,
    "initial_backoff": 1,
    "increment_base": 2,
    "random_jitter_range": 1,
    "connection_timeout": 5,
    "read_timeout": 20,
    # Only where there is a proxy: else aiohttp would look for one on another thread, for every request.
    "use_env_settings": bool(getproxies()),
}

#: A signature begins a little earlier, for clocks differ; a key to sign with is asked for anew once a day at most (the
#: service gives it for seven).
_CLOCK_SKEW, _DELEGATION_LIFE = timedelta(minutes=15), timedelta(days=1)

#: What stands in a header as it is. A space would not survive at either end.
_HEADER_SAFE = string.ascii_letters + string.digits + string.punctuation.replace("%", "")


class BlobContainers:
    """The containers. The client, made with ``CLIENT_OPTIONS``, belongs to the caller."""

    def __init__(
        self,
        service: BlobServiceClient,
        outputs: str,
        dead_letters: str,
        inputs: str = "inputs",
        quarantine: str = "quarantine",
        uploads: str = "uploads",
    ) -> None:
        self._service = service
        self._outputs_name = outputs
        self._outputs = service.get_container_client(outputs)
        self._dead_letters = service.get_container_client(dead_letters)
        self._inputs = service.get_container_client(inputs)
        self._quarantine = service.get_container_client(quarantine)
        self._uploads = service.get_container_client(uploads)
        self._delegation: tuple[datetime, UserDelegationKey] | None = None

    async def ensure(self) -> None:
        """Create the containers if they are missing. In production the deployment does that."""
        for container in (self._outputs, self._dead_letters, self._inputs, self._quarantine, self._uploads):
            with translated():
                try:
                    await container.create_container()
                except ResourceExistsError:
                    continue

    async def put_output(self, name: str, file: BinaryIO, content_type: str, metadata: Mapping[str, str]) -> str:
        """See ``Blobs``. Reads from where the file stands to its end."""
        start = file.tell()
        # Given the length, the SDK does not ask the file for its descriptor, which would write a spooled one to disk.
        length = file.seek(0, os.SEEK_END) - start
        file.seek(start)
        try:
            await _upload(self._outputs, name, file, length, content_type, metadata)
        except BlobKept:
            there = await _properties(self._outputs, name)
            if there is None or there.size != length:
                raise Unavailable("blobs", "a blob of this name may not be changed") from None
        return self._outputs_name

    async def discard_outputs(self, prefix: str) -> int:
        """See ``Blobs``."""
        return await _discard(self._outputs, prefix)

    async def put_input(self, name: str, content: bytes, content_type: str) -> None:
        """See ``Blobs``."""
        await _upload(self._inputs, name, content, len(content), content_type, {})

    async def input_address(self, name: str, life_s: int, inline_bytes: int) -> str | None:
        """See ``Blobs``. The signature is of the identity where there is one, else of the account's key."""
        properties = await _properties(self._inputs, name)
        if properties is None:
            return None
        if properties.size <= inline_bytes:
            content = await _read(self._inputs, name)
            return f"data:{properties.content_settings.content_type};base64,{base64.b64encode(content).decode()}"
        return await self._address(self._inputs, name, life_s)

    async def put_upload(self, name: str, file: BinaryIO) -> None:
        """Store a file in the uploads, from where it stands to its end: what the app does, for operators."""
        start = file.tell()
        length = file.seek(0, os.SEEK_END) - start
        file.seek(start)
        await _upload(self._uploads, name, file, length, "application/octet-stream", {})

    async def upload_size(self, name: str) -> int | None:
        """See ``Blobs``."""
        properties = await _properties(self._uploads, name)
        return properties.size if properties else None

    async def read_upload(self, name: str, file: BinaryIO) -> bool:
        """See ``Blobs``."""
        return await _read_into(self._uploads, name, file)

    async def read_input(self, name: str, file: BinaryIO) -> bool:
        """See ``Blobs``."""
        return await _read_into(self._inputs, name, file)

    async def upload_address(self, name: str, life_s: int) -> str | None:
        """See ``Blobs``."""
        if await _properties(self._uploads, name) is None:
            return None
        return await self._address(self._uploads, name, life_s)

    async def _address(self, container: ContainerClient, name: str, life_s: int) -> str:
        """An address with a signature that reads one blob for so long."""
        blob = container.get_blob_client(name)
        now = datetime.now(UTC)
        signature = generate_blob_sas(
            account_name=str(self._service.account_name),
            container_name=str(container.container_name),
            blob_name=name,
            permission=BlobSasPermissions(read=True),
            start=now - _CLOCK_SKEW,
            expiry=now + timedelta(seconds=life_s),
            protocol="https,http" if blob.url.startswith("http:") else "https",
            **await self._signing(now + timedelta(seconds=life_s)),
        )
        return f"{blob.url}?{signature}"

    async def _signing(self, until: datetime) -> Mapping[str, Any]:
        """What signs an address: the account's key, or a key that the identity was given for a day."""
        key = getattr(self._service.credential, "account_key", None)
        if key is not None:
            return {"account_key": key}
        if self._delegation is None or self._delegation[0] < until:
            now = datetime.now(UTC)
            expiry = max(until, now) + _DELEGATION_LIFE
            with translated():
                self._delegation = (expiry, await self._service.get_user_delegation_key(now - _CLOCK_SKEW, expiry))
        return {"user_delegation_key": self._delegation[1]}

    async def discard_inputs(self, prefix: str) -> int:
        """See ``Blobs``."""
        return await _discard(self._inputs, prefix)

    async def quarantine(self, name: str, file: BinaryIO, content_type: str, metadata: Mapping[str, str]) -> None:
        """See ``Blobs``. Reads from where the file stands to its end."""
        start = file.tell()
        length = file.seek(0, os.SEEK_END) - start
        file.seek(start)
        await _upload(self._quarantine, name, file, length, content_type, metadata)

    async def sweep(self, *, inputs_before: datetime, quarantine_before: datetime) -> int:
        """See ``Blobs``."""
        swept = await _discard_old(self._inputs, inputs_before)
        return swept + await _discard_old(self._quarantine, quarantine_before)

    async def archive(self, name: str, raw: bytes, metadata: Mapping[str, str]) -> None:
        """See ``Blobs``."""
        try:
            await _upload(self._dead_letters, name, raw, len(raw), "application/json", metadata)
        except BlobKept:  # under a name that its content decides: it is archived
            return

    async def read_output(self, name: str) -> bytes:
        """A stored output, whole. FileNotFoundError where there is none."""
        return await _read(self._outputs, name)

    async def list_outputs(self) -> Sequence[str]:
        """The names of all stored outputs, for a look at the whole."""
        with translated():
            return [name async for name in self._outputs.list_blob_names()]

    async def list_dead_letters(self, prefix: str, limit: int) -> Sequence[DeadLetter]:
        """At most ``limit`` (> 0) dead letters whose names begin with ``prefix``, in the order of their names."""
        dead_letters: list[DeadLetter] = []
        with translated():
            pages = self._dead_letters.list_blobs(
                name_starts_with=prefix, include=["metadata"], results_per_page=min(limit, 1000)
            )
            async for blob in pages:
                dead_letters.append(_letter(blob))
                if len(dead_letters) == limit:
                    break
        return dead_letters

    async def read_dead_letter(self, name: str) -> bytes:
        """The raw message of a dead letter. FileNotFoundError where there is none."""
        return await _read(self._dead_letters, name)


async def _discard(container: ContainerClient, prefix: str) -> int:
    """Delete what begins with a prefix; returns how many may not be deleted."""
    kept = 0
    with translated():
        async for name in container.list_blob_names(name_starts_with=prefix):
            kept += not await _delete(container, name)
    return kept


async def _discard_old(container: ContainerClient, before: datetime) -> int:
    """Delete what was last written before, as far as it may be; returns how many went."""
    swept = 0
    with translated():
        async for blob in container.list_blobs():
            if blob.last_modified < before:
                swept += await _delete(container, blob.name)
    return swept


async def _delete(container: ContainerClient, name: str) -> bool:
    """Delete a blob; False where it may not be."""
    try:
        with translated(), suppress(ResourceNotFoundError):  # another was faster
            await container.delete_blob(name, delete_snapshots="include")
    except BlobKept:
        return False
    return True


async def _upload(
    container: ContainerClient,
    name: str,
    data: BinaryIO | bytes,
    length: int,
    content_type: str,
    metadata: Mapping[str, str],
) -> None:
    with translated():
        await container.upload_blob(
            name,
            data,
            length=length,
            metadata={key: quote(value, safe=_HEADER_SAFE) for key, value in metadata.items()},
            overwrite=True,
            content_settings=ContentSettings(content_type=content_type),
            max_concurrency=1,
        )


async def _properties(container: ContainerClient, name: str) -> BlobProperties | None:
    with translated():
        try:
            return await container.get_blob_client(name).get_blob_properties()
        except ResourceNotFoundError as error:
            if is_container_missing(error):
                raise
    return None


async def _read(container: ContainerClient, name: str) -> bytes:
    with translated():
        try:
            download = await container.download_blob(name)
            return await download.readall()
        except ResourceNotFoundError as error:
            if is_container_missing(error):
                raise
    raise FileNotFoundError(name)


async def _read_into(container: ContainerClient, name: str, file: BinaryIO) -> bool:
    """Write a blob into a file by its chunks; False where there is none."""
    with translated():
        try:
            download = await container.download_blob(name)
            async for chunk in download.chunks():
                file.write(chunk)
        except ResourceNotFoundError as error:
            if is_container_missing(error):
                raise
            return False
    return True


def _letter(blob: BlobProperties) -> DeadLetter:
    # In a listing an empty value is None, whatever the SDK's types say.
    metadata = {key: unquote(value or "") for key, value in (blob.metadata or {}).items()}
    return DeadLetter(name=blob.name, size_bytes=blob.size, metadata=metadata, archived_at=blob.last_modified)
