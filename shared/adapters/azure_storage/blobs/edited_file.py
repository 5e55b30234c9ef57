"""A small file that operators edit in place, as a blob: read with its version, and written only over that version."""

from typing import Any

from shared.adapters.azure_storage.blobs.errors import BlobKept, sdk_translated
from shared.adapters.azure_storage.blobs.sdk import BlobSdk
from shared.adapters.azure_storage.errors import answered_by_sdk


class BlobEditedFile:
    """One blob, ``container`` and ``name``."""

    def __init__(self, sdk: BlobSdk, container: str, name: str) -> None:
        self._sdk, self._container, self._name = sdk, container, name

    async def read(self, most_bytes: int) -> tuple[bytes, str] | None:
        """The content and its ETag; None if there is no such blob. Raises OSError if it is larger than allowed."""
        from azure.core.exceptions import ResourceNotFoundError

        client = self._sdk.service.get_blob_client(self._container, self._name)
        with sdk_translated():
            try:
                download = await client.download_blob(offset=0, length=most_bytes + 1)
                content = await download.readall()
            except ResourceNotFoundError as error:
                if answered_by_sdk(error).code != "BlobNotFound":
                    raise
                return None
        if len(content) > most_bytes:
            raise OSError(f"it is larger than {most_bytes} bytes")
        return content, download.properties.etag

    async def write(self, content: bytes, etag: str | None) -> bool:
        """Write over this version of the blob (``If-Match``), or where there is none yet (``If-None-Match: *``).

        Returns False, unchanged, if it is another version now. A first try whose answer was lost counts as written.
        """
        from azure.core import MatchConditions
        from azure.storage.blob import ContentSettings

        client = self._sdk.service.get_blob_client(self._container, self._name)
        # Without an ETag ``overwrite=False`` sends ``If-None-Match: *``. The SDK takes no condition that is None.
        condition: dict[str, Any] = {"etag": etag, "match_condition": MatchConditions.IfNotModified} if etag else {}
        try:
            with sdk_translated():
                await client.upload_blob(
                    content,
                    overwrite=bool(etag),
                    content_settings=ContentSettings(content_type="application/toml; charset=utf-8"),
                    **condition,
                )
        except BlobKept:
            there = await self.read(len(content) + 1)
            return there is not None and there[0] == content
        return True
