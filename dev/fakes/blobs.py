"""The blob containers in memory."""

import asyncio
import base64
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import BinaryIO

from shared.ports import DeadLetter

#: Fakes have no clock: every dead letter was archived at this moment.
ARCHIVED_AT = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Blob:
    """One stored blob."""

    content: bytes
    content_type: str
    metadata: Mapping[str, str]


class FakeBlobs:
    """Implements the ports of shared/ports/files.py and Proofs, and what operators read.

    Tests read the containers as they are.

    ``written_at`` says when each blob of ``inputs`` and ``quarantined`` was stored, by the clock ``now``.
    """

    def __init__(self, container: str = "outputs", now: Callable[[], datetime] = lambda: ARCHIVED_AT) -> None:
        self.container = container
        self.now = now
        self.inputs: dict[str, Blob] = {}
        self.quarantined: dict[str, Blob] = {}
        self.written_at: dict[str, datetime] = {}
        self.outputs: dict[str, Blob] = {}
        self.dead_letters: dict[str, Blob] = {}
        #: Names of outputs and inputs that may not be deleted: leased, or immutable.
        self.kept: set[str] = set()
        #: What the app has put there, by name.
        self.uploads: dict[str, bytes] = {}
        #: Signed heads and public keys, by name.
        self.proofs: dict[str, bytes] = {}

    async def put_output(self, name: str, file: BinaryIO, content_type: str, metadata: Mapping[str, str]) -> str:
        """See shared/ports/files.py. Reads from where the file stands."""
        await asyncio.sleep(0)
        self.outputs[name] = Blob(file.read(), content_type, dict(metadata))
        return self.container

    async def discard_outputs(self, prefix: str) -> int:
        """See shared/ports/files.py."""
        await asyncio.sleep(0)
        return self._discard(self.outputs, prefix)

    async def put_input(self, name: str, content: bytes, content_type: str) -> None:
        """See shared/ports/files.py."""
        await asyncio.sleep(0)
        self.inputs[name] = Blob(content, content_type, {})
        self.written_at[name] = self.now()

    async def put_input_file(self, name: str, file: BinaryIO, content_type: str) -> None:
        """See shared/ports/files.py. Reads from where the file stands."""
        await self.put_input(name, file.read(), content_type)

    async def input_address(self, name: str, life_s: int, inline_bytes: int) -> str | None:
        """See shared/ports/files.py. The address says what it leads to and until when."""
        await asyncio.sleep(0)
        if name not in self.inputs:
            return None
        blob = self.inputs[name]
        if len(blob.content) <= inline_bytes:
            return f"data:{blob.content_type};base64,{base64.b64encode(blob.content).decode()}"
        return f"https://inputs.example/{name}?until={self.now() + timedelta(seconds=life_s):%Y-%m-%dT%H:%M:%SZ}"

    async def read_input(self, name: str, file: BinaryIO) -> bool:
        """See shared/ports/files.py."""
        await asyncio.sleep(0)
        if name in self.inputs:
            file.write(self.inputs[name].content)
        return name in self.inputs

    async def put_upload(self, name: str, file: BinaryIO) -> None:
        """As operators do. Reads from where the file stands."""
        await asyncio.sleep(0)
        self.uploads[name] = file.read()

    async def upload_size(self, name: str) -> int | None:
        """See shared/ports/files.py."""
        await asyncio.sleep(0)
        return len(self.uploads[name]) if name in self.uploads else None

    async def read_upload(self, name: str, file: BinaryIO) -> bool:
        """See shared/ports/files.py."""
        await asyncio.sleep(0)
        file.write(self.uploads.get(name, b""))
        return name in self.uploads

    async def upload_address(self, name: str, life_s: int) -> str | None:
        """See shared/ports/files.py. The address says what it leads to and until when."""
        await asyncio.sleep(0)
        if name not in self.uploads:
            return None
        return f"https://uploads.example/{name}?until={self.now() + timedelta(seconds=life_s):%Y-%m-%dT%H:%M:%SZ}"

    async def discard_inputs(self, prefix: str) -> int:
        """See shared/ports/files.py."""
        await asyncio.sleep(0)
        return self._discard(self.inputs, prefix)

    def _discard(self, blobs: dict[str, Blob], prefix: str) -> int:
        found = [name for name in blobs if name.startswith(prefix)]
        for name in found:
            if name not in self.kept:
                del blobs[name]
        return len(self.kept.intersection(found))

    async def put_refused(self, name: str, file: BinaryIO, content_type: str, metadata: Mapping[str, str]) -> None:
        """See shared/ports/files.py. Reads from where the file stands."""
        await asyncio.sleep(0)
        self.quarantined[name] = Blob(file.read(), content_type, dict(metadata))
        self.written_at[name] = self.now()

    async def sweep_inputs(self, before: datetime, is_needed: Callable[[str], Awaitable[bool]]) -> int:
        """See ``InputFiles``."""
        await asyncio.sleep(0)
        swept = 0
        for name, blob in self._old(self.inputs, before):
            if not await is_needed(name) and self.inputs.get(name) is blob:
                del self.inputs[name]
                swept += 1
        return swept

    async def sweep_refused(self, before: datetime) -> int:
        """See ``Quarantine``."""
        await asyncio.sleep(0)
        old = self._old(self.quarantined, before)
        for name, _ in old:
            del self.quarantined[name]
        return len(old)

    def _old(self, blobs: Mapping[str, Blob], before: datetime) -> list[tuple[str, Blob]]:
        return [(name, blob) for name, blob in blobs.items() if self.written_at[name] < before]

    async def archive(self, name: str, raw: bytes, metadata: Mapping[str, str]) -> None:
        """See shared/ports/files.py."""
        await asyncio.sleep(0)
        self.dead_letters[name] = Blob(raw, "application/json", dict(metadata))

    async def put_proof(self, name: str, content: bytes) -> bool:
        """See shared/ports/proofs.py."""
        await asyncio.sleep(0)
        return self.proofs.setdefault(name, content) == content

    async def read_proof(self, name: str) -> bytes | None:
        """See shared/ports/proofs.py."""
        await asyncio.sleep(0)
        return self.proofs.get(name)

    async def list_proofs(self, prefix: str, limit: int) -> Sequence[str]:
        """See shared/ports/proofs.py."""
        await asyncio.sleep(0)
        return sorted(name for name in self.proofs if name.startswith(prefix))[:limit]

    async def read_output(self, name: str) -> bytes:
        """See shared/ports/reading.py."""
        await asyncio.sleep(0)
        return _content(self.outputs, name)

    async def list_dead_letters(self, prefix: str, limit: int) -> Sequence[DeadLetter]:
        """See shared/ports/reading.py."""
        await asyncio.sleep(0)
        names = sorted(name for name in self.dead_letters if name.startswith(prefix))[:limit]
        return [
            DeadLetter(name=name, size_bytes=len(blob.content), metadata=blob.metadata, archived_at=ARCHIVED_AT)
            for name, blob in ((name, self.dead_letters[name]) for name in names)
        ]

    async def read_dead_letter(self, name: str) -> bytes:
        """See shared/ports/reading.py."""
        await asyncio.sleep(0)
        return _content(self.dead_letters, name)


def _content(blobs: Mapping[str, Blob], name: str) -> bytes:
    if name not in blobs:
        raise FileNotFoundError(name)
    return blobs[name].content
