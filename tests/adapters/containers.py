"""The six containers of an account as one object with all their methods, like FakeBlobs."""

import asyncio
from typing import Any, cast

from azure.storage.blob.aio import BlobServiceClient

from shared.adapters.azure_storage.access import StorageAccount
from shared.adapters.azure_storage.blobs import (
    BlobDeadLetters,
    BlobInputFiles,
    BlobOutputs,
    BlobProofs,
    BlobQuarantine,
    BlobRestClient,
    BlobSdk,
    BlobUploads,
)


class AllBlobs:
    """Outputs are written through ``account``, everything else goes through ``service``."""

    def __init__(  # names of containers, in the order of the fixtures
        self,
        service: BlobServiceClient,
        outputs: str = "outputs",
        dead_letters: str = "dead-letters",
        inputs: str = "inputs",
        quarantine: str = "quarantine",
        uploads: str = "uploads",
        account: StorageAccount | None = None,
        proofs: str = "proofs",
    ) -> None:
        self.sdk = BlobSdk(lambda: service)
        self.client = BlobRestClient(account, pauses_s=()) if account else cast("BlobRestClient", None)
        self.outputs = BlobOutputs(self.client, self.sdk, outputs)
        self.input_files = BlobInputFiles(self.sdk, inputs)
        self.uploads = BlobUploads(self.sdk, uploads)
        self.quarantine = BlobQuarantine(self.sdk, quarantine)
        self.dead_letters = BlobDeadLetters(self.sdk, dead_letters)
        self.proofs = BlobProofs(self.sdk, proofs)
        others = (self.uploads, self.quarantine, self.dead_letters, self.proofs)
        self._parts = (self.outputs, self.input_files, *others)

    async def ensure(self) -> None:
        """Create the containers that are missing."""
        await asyncio.gather(*(part.ensure() for part in self._parts))

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        for part in self._parts:
            if hasattr(part, name):
                return getattr(part, name)
        raise AttributeError(name)
