"""The six containers. Each implements a port of shared/ports/files.py; some have more methods, for operators."""

import base64
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from typing import BinaryIO
from urllib.parse import unquote

from shared.adapters.azure_storage.blobs.errors import BlobKept
from shared.adapters.azure_storage.blobs.rest_client import BlobRestClient
from shared.adapters.azure_storage.blobs.sdk import BlobSdk, Container
from shared.ports import DeadLetter


class _InContainer:
    """Base of all six: one container."""

    def __init__(self, sdk: BlobSdk, name: str) -> None:
        self._container = Container(sdk, name)

    async def ensure(self) -> None:
        """Create the container if it is missing. In production the deployment does that."""
        await self._container.ensure()


class BlobOutputs(_InContainer):
    """ports.Outputs. Outputs are written without the SDK."""

    def __init__(self, client: BlobRestClient, sdk: BlobSdk, name: str) -> None:
        super().__init__(sdk, name)
        self._client = client

    async def put_output(self, name: str, file: BinaryIO, content_type: str, metadata: Mapping[str, str]) -> str:
        """Implements ``Outputs``. Reads the file from its current position to its end."""
        await self._client.put(self._container.name, name, file, content_type, metadata)
        return self._container.name

    async def discard_outputs(self, prefix: str) -> int:
        """Implements ``Outputs``."""
        return await self._container.discard(prefix)

    async def read_output(self, name: str) -> bytes:
        """The bytes of a stored output. Raises FileNotFoundError if there is none."""
        return await self._container.read(name)

    async def list_outputs(self) -> Sequence[str]:
        """The names of all stored outputs, for operators and tests."""
        return await self._container.names()


class BlobInputFiles(_InContainer):
    """ports.InputFiles."""

    async def put_input(self, name: str, content: bytes, content_type: str) -> None:
        """Implements ``InputFiles``."""
        await self._container.put(name, content, content_type, {})

    async def put_input_file(self, name: str, file: BinaryIO, content_type: str) -> None:
        """Implements ``InputFiles``."""
        await self._container.put_file(name, file, content_type)

    async def input_address(self, name: str, life_s: int, inline_bytes: int) -> str | None:
        """Implements ``InputFiles``. The identity signs the address if there is one, else the account's key."""
        properties = await self._container.properties(name)
        if properties is None:
            return None
        if properties.size <= inline_bytes:
            content = await self._container.read(name)
            return f"data:{properties.content_settings.content_type};base64,{base64.b64encode(content).decode()}"
        return await self._container.address(name, life_s)

    async def read_input(self, name: str, file: BinaryIO) -> bool:
        """Implements ``InputFiles``."""
        return await self._container.read_into(name, file)

    async def discard_inputs(self, prefix: str) -> int:
        """Implements ``InputFiles``."""
        return await self._container.discard(prefix)

    async def sweep_inputs(self, before: datetime, is_needed: Callable[[str], Awaitable[bool]]) -> int:
        """Implements ``InputFiles``."""
        return await self._container.discard_old(before, is_needed)


class BlobUploads(_InContainer):
    """ports.Uploads."""

    async def put_upload(self, name: str, file: BinaryIO) -> None:
        """Store a file from its current position to its end. Operators do by this what the app does by itself."""
        await self._container.put_file(name, file, "application/octet-stream")

    async def upload_size(self, name: str) -> int | None:
        """Implements ``Uploads``."""
        properties = await self._container.properties(name)
        return properties.size if properties else None

    async def read_upload(self, name: str, file: BinaryIO) -> bool:
        """Implements ``Uploads``."""
        return await self._container.read_into(name, file)

    async def upload_address(self, name: str, life_s: int) -> str | None:
        """Implements ``Uploads``."""
        if await self._container.properties(name) is None:
            return None
        return await self._container.address(name, life_s)


class BlobQuarantine(_InContainer):
    """ports.Quarantine."""

    async def put_refused(self, name: str, file: BinaryIO, content_type: str, metadata: Mapping[str, str]) -> None:
        """Implements ``Quarantine``. Reads the file from its current position to its end."""
        await self._container.put_file(name, file, content_type, metadata)

    async def sweep_refused(self, before: datetime) -> int:
        """Implements ``Quarantine``."""
        return await self._container.discard_old(before)


class BlobDeadLetters(_InContainer):
    """ports.DeadLetters."""

    async def archive(self, name: str, raw: bytes, metadata: Mapping[str, str]) -> None:
        """Implements ``DeadLetters``."""
        try:
            await self._container.put(name, raw, "application/json", metadata)
        except BlobKept:  # the name is derived from the content, so this message is archived already
            return

    async def list_dead_letters(self, prefix: str, limit: int) -> Sequence[DeadLetter]:
        """At most ``limit`` (> 0) dead letters whose names begin with ``prefix``, in the order of their names."""
        return [
            DeadLetter(
                name=blob.name,
                size_bytes=blob.size,
                # In a listing an empty value is None, whatever the SDK's types say.
                metadata={key: unquote(value or "") for key, value in (blob.metadata or {}).items()},
                archived_at=blob.last_modified,
            )
            for blob in await self._container.listed(prefix, limit)
        ]

    async def read_dead_letter(self, name: str) -> bytes:
        """The raw message of a dead letter. Raises FileNotFoundError if there is none."""
        return await self._container.read(name)


class BlobProofs(_InContainer):
    """ports.Proofs. A blob is written only where there is none, and the deployment's policy keeps it as it is."""

    async def put_proof(self, name: str, content: bytes) -> bool:
        """Implements ``Proofs``."""
        return await self._container.create(name, content, "application/json")

    async def read_proof(self, name: str) -> bytes | None:
        """Implements ``Proofs``."""
        try:
            return await self._container.read(name)
        except FileNotFoundError:
            return None

    async def list_proofs(self, prefix: str, limit: int) -> Sequence[str]:
        """Implements ``Proofs``."""
        return [blob.name for blob in await self._container.listed(prefix, limit)]
