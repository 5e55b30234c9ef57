"""One container through the SDK, for what few generations need.

Rules of this file:
1. The SDK takes 250 ms to be imported. It is imported, and its client made, at the first use of any container.
2. A file is streamed in blocks of 4 MiB and is never in memory as a whole. Writing the same name twice has the effect
   of writing it once.
3. Metadata is sent as HTTP headers, so its values are percent-encoded, and decoded when they are read.
4. A blob that may not be deleted (a lease, a legal hold, an immutability policy) is not an error: it stays and is
   counted.
5. errors.py translates what the SDK raises. What may work later is Unavailable, and no text of the SDK is passed on.
"""

import os
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any, BinaryIO
from urllib.request import getproxies

from shared.adapters.azure_storage.blobs.errors import BlobKept, is_container_missing, sdk_translated
from shared.adapters.azure_storage.errors import answered_by_sdk
from shared.adapters.azure_storage.transport import header_text

if TYPE_CHECKING:
    from azure.core.exceptions import ResourceNotFoundError
    from azure.storage.blob import BlobProperties, UserDelegationKey
    from azure.storage.blob.aio import BlobServiceClient, ContainerClient

#: A picture has a few MiB, so most are one request. A larger file needs no more memory than one block.
BLOCK_BYTES = 4 * 1024 * 1024

#: For BlobServiceClient. Its default retries start after 15 s, which is too long for a function call. A message that
#: fails is deferred, so 3 retries (about 1, 3 and 5 s apart) are enough.
CLIENT_OPTIONS: Mapping[str, Any] = {
    "max_single_put_size": BLOCK_BYTES,
    "max_block_size": BLOCK_BYTES,
    # The default of 32 MiB would be in memory twice before the first byte is passed on.
    "max_single_get_size": BLOCK_BYTES,
    "max_chunk_get_size": BLOCK_BYTES,
    "retry_total": 3,
    "initial_backoff": 1,
    "increment_base": 2,
    "random_jitter_range": 1,
    "connection_timeout": 5,
    "read_timeout": 20,
    # Only if there is a proxy. Otherwise aiohttp would look for one on another thread, for every request.
    "use_env_settings": bool(getproxies()),
}

#: The codes of a create that is refused because the blob exists.
_THERE_ALREADY = ("BlobAlreadyExists", "BlobImmutableDueToPolicy")

#: A signature is valid from 15 minutes before now, because clocks differ. A user delegation key is fetched at most once
#: a day (the service allows seven days).
_CLOCK_SKEW, _DELEGATION_LIFE = timedelta(minutes=15), timedelta(days=1)


class BlobSdk:
    """One account through the SDK. ``make`` makes its client with ``CLIENT_OPTIONS``; the caller closes the client."""

    def __init__(self, make: "Callable[[], BlobServiceClient]") -> None:
        self._make = make
        self._delegation: tuple[datetime, UserDelegationKey] | None = None

    @cached_property
    def service(self) -> "BlobServiceClient":
        """The SDK's client, made at first use."""
        return self._make()

    async def signing(self, until: datetime) -> Mapping[str, Any]:
        """The SDK's arguments for signing an address: the account's key, or the identity's user delegation key."""
        key = getattr(self.service.credential, "account_key", None)
        if key is not None:
            return {"account_key": key}
        if self._delegation is None or self._delegation[0] < until:
            now = datetime.now(UTC)
            expiry = max(until, now) + _DELEGATION_LIFE
            with sdk_translated():
                self._delegation = (expiry, await self.service.get_user_delegation_key(now - _CLOCK_SKEW, expiry))
        return {"user_delegation_key": self._delegation[1]}


class Container:
    """One container, with the operations that the six of containers.py use."""

    def __init__(self, sdk: BlobSdk, name: str) -> None:
        self._sdk = sdk
        self.name = name

    @cached_property
    def client(self) -> "ContainerClient":
        """The SDK's client of this container, made at first use."""
        return self._sdk.service.get_container_client(self.name)

    async def ensure(self) -> None:
        """Create the container if it is missing. In production the deployment creates it."""
        from azure.core.exceptions import ResourceExistsError

        with sdk_translated(), suppress(ResourceExistsError):
            await self.client.create_container()

    async def put_file(
        self, name: str, file: BinaryIO, content_type: str, metadata: Mapping[str, str] | None = None
    ) -> None:
        """Write a file from its current position to its end. Raises BlobKept if the blob may not be changed."""
        start = file.tell()
        # With a length the SDK does not call ``fileno``, which would write a spooled file to disk.
        length = file.seek(0, os.SEEK_END) - start
        file.seek(start)
        await self._put(name, file, length, content_type, metadata or {})

    async def put(self, name: str, content: bytes, content_type: str, metadata: Mapping[str, str]) -> None:
        """Write bytes from memory. Raises BlobKept if the blob may not be changed."""
        await self._put(name, content, len(content), content_type, metadata)

    async def create(self, name: str, content: bytes, content_type: str) -> bool:
        """Write a blob that does not exist yet (``If-None-Match: *``). Returns False, unchanged, if it exists.

        A try whose answer was lost has written it, and the next try finds the same content: that is a success too.
        """
        from azure.core.exceptions import ResourceExistsError
        from azure.storage.blob import ContentSettings

        with sdk_translated():
            try:
                await self.client.upload_blob(
                    name, content, overwrite=False, content_settings=ContentSettings(content_type=content_type)
                )
            except ResourceExistsError as error:
                if answered_by_sdk(error).code not in _THERE_ALREADY:
                    raise
            else:
                return True
        return await self.read(name) == content

    async def _put(
        self, name: str, data: BinaryIO | bytes, length: int, content_type: str, metadata: Mapping[str, str]
    ) -> None:
        from azure.storage.blob import ContentSettings

        with sdk_translated():
            await self.client.upload_blob(
                name,
                data,
                length=length,
                metadata={key: header_text(value) for key, value in metadata.items()},
                overwrite=True,
                content_settings=ContentSettings(content_type=content_type),
                max_concurrency=1,
            )

    async def properties(self, name: str) -> "BlobProperties | None":
        """The properties of a blob (size, type, metadata); None if there is none."""
        from azure.core.exceptions import ResourceNotFoundError

        with sdk_translated():
            try:
                return await self.client.get_blob_client(name).get_blob_properties()
            except ResourceNotFoundError as error:
                _expect_container(error)
        return None

    async def read(self, name: str) -> bytes:
        """The bytes of a blob. Raises FileNotFoundError if there is none."""
        from azure.core.exceptions import ResourceNotFoundError

        with sdk_translated():
            try:
                download = await self.client.download_blob(name)
                return await download.readall()
            except ResourceNotFoundError as error:
                _expect_container(error)
        raise FileNotFoundError(name)

    async def read_into(self, name: str, file: BinaryIO) -> bool:
        """Write a blob into a file chunk by chunk; returns False if there is no such blob."""
        from azure.core.exceptions import ResourceNotFoundError

        with sdk_translated():
            try:
                download = await self.client.download_blob(name)
                async for chunk in download.chunks():
                    file.write(chunk)
            except ResourceNotFoundError as error:
                _expect_container(error)
                return False
        return True

    async def names(self) -> Sequence[str]:
        """The names of all blobs in the container."""
        with sdk_translated():
            return [name async for name in self.client.list_blob_names()]

    async def listed(self, prefix: str, limit: int) -> "Sequence[BlobProperties]":
        """At most ``limit`` (> 0) blobs whose names begin with ``prefix``, in the order of their names."""
        found: list[BlobProperties] = []
        with sdk_translated():
            pages = self.client.list_blobs(
                name_starts_with=prefix, include=["metadata"], results_per_page=min(limit, 1000)
            )
            async for blob in pages:
                found.append(blob)
                if len(found) == limit:
                    break
        return found

    async def discard(self, prefix: str) -> int:
        """Delete the blobs whose names begin with a prefix; returns how many may not be deleted."""
        kept = 0
        with sdk_translated():
            async for name in self.client.list_blob_names(name_starts_with=prefix):
                kept += not await self._delete(name)
        return kept

    async def discard_old(self, before: datetime, is_needed: Callable[[str], Awaitable[bool]] | None = None) -> int:
        """Delete the blobs last written before a time, as far as allowed; returns how many were deleted.

        ``is_needed`` says which of them stay. So does one that was written again after it was listed.
        """
        deleted = 0
        with sdk_translated():
            async for blob in self.client.list_blobs():
                if blob.last_modified < before and not (is_needed and await is_needed(blob.name)):
                    deleted += await self._delete(blob.name, blob.etag)
        return deleted

    async def _delete(self, name: str, etag: str = "") -> bool:
        """Delete a blob; returns False if it may not be deleted, or has another ETag than the one that is given."""
        from azure.core import MatchConditions
        from azure.core.exceptions import ResourceNotFoundError

        only: Mapping[str, Any] = {"etag": etag, "match_condition": MatchConditions.IfNotModified} if etag else {}
        try:
            with sdk_translated(), suppress(ResourceNotFoundError):  # already deleted
                await self.client.delete_blob(name, delete_snapshots="include", **only)
        except BlobKept:
            return False
        return True

    async def address(self, name: str, life_s: int) -> str:
        """A signed URL that reads one blob for ``life_s`` seconds."""
        from azure.storage.blob import BlobSasPermissions, generate_blob_sas

        blob, now = self.client.get_blob_client(name), datetime.now(UTC)
        signature = generate_blob_sas(
            account_name=str(self._sdk.service.account_name),
            container_name=self.name,
            blob_name=name,
            permission=BlobSasPermissions(read=True),
            start=now - _CLOCK_SKEW,
            expiry=now + timedelta(seconds=life_s),
            protocol="https,http" if blob.url.startswith("http:") else "https",
            **await self._sdk.signing(now + timedelta(seconds=life_s)),
        )
        return f"{blob.url}?{signature}"


def _expect_container(error: "ResourceNotFoundError") -> None:
    """Raise the error again if the container is missing. A missing blob is an ordinary answer."""
    if is_container_missing(answered_by_sdk(error)):
        raise error
