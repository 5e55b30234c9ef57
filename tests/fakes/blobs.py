"""The blob containers in memory."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import BinaryIO

from shared.adapters.blobs import DeadLetter

#: Fakes have no clock: every letter was archived at this moment.
ARCHIVED_AT = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Blob:
    """One stored blob."""

    content: bytes
    content_type: str
    metadata: Mapping[str, str]


class FakeBlobs:
    """Implements ``Blobs`` and the reading side of ``BlobContainers``. Tests read ``outputs`` and ``dead_letters``."""

    def __init__(self, container: str = "outputs") -> None:
        self.container = container
        self.outputs: dict[str, Blob] = {}
        self.dead_letters: dict[str, Blob] = {}

    async def put_output(self, name: str, file: BinaryIO, content_type: str, metadata: Mapping[str, str]) -> str:
        """See ``Blobs``. Reads from where the file stands."""
        await asyncio.sleep(0)
        self.outputs[name] = Blob(file.read(), content_type, dict(metadata))
        return self.container

    async def discard_outputs(self, prefix: str) -> None:
        """See ``Blobs``."""
        await asyncio.sleep(0)
        for name in [name for name in self.outputs if name.startswith(prefix)]:
            del self.outputs[name]

    async def archive(self, name: str, raw: bytes, metadata: Mapping[str, str]) -> None:
        """See ``Blobs``."""
        await asyncio.sleep(0)
        self.dead_letters[name] = Blob(raw, "application/json", dict(metadata))

    async def read_output(self, name: str) -> bytes:
        """See ``BlobContainers``."""
        await asyncio.sleep(0)
        return _content(self.outputs, name)

    async def list_dead_letters(self, prefix: str, limit: int) -> Sequence[DeadLetter]:
        """See ``BlobContainers``."""
        await asyncio.sleep(0)
        names = sorted(name for name in self.dead_letters if name.startswith(prefix))[:limit]
        return [
            DeadLetter(name=name, size_bytes=len(blob.content), metadata=blob.metadata, archived_at=ARCHIVED_AT)
            for name, blob in ((name, self.dead_letters[name]) for name in names)
        ]

    async def read_dead_letter(self, name: str) -> bytes:
        """See ``BlobContainers``."""
        await asyncio.sleep(0)
        return _content(self.dead_letters, name)


def _content(blobs: Mapping[str, Blob], name: str) -> bytes:
    if name not in blobs:
        raise FileNotFoundError(name)
    return blobs[name].content
