"""Blob Storage: six containers.

containers.py   the six: outputs, where users' apps find them; screened inputs that wait for their model; uploads,
                files that apps put there for models to read; the quarantine of refused outputs; dead letters; proofs
rest_client.py  reads and writes whole blobs without the SDK, for every generation
edited_file.py  a small file that operators edit, written only over the version that was read
sdk.py          one container through the SDK, for what few generations need
errors.py       turns the service's errors into those of shared/ports
"""

from shared.adapters.azure_storage.blobs.containers import (
    BlobDeadLetters,
    BlobInputFiles,
    BlobOutputs,
    BlobProofs,
    BlobQuarantine,
    BlobUploads,
)
from shared.adapters.azure_storage.blobs.edited_file import BlobEditedFile
from shared.adapters.azure_storage.blobs.rest_client import BlobRestClient
from shared.adapters.azure_storage.blobs.sdk import BLOCK_BYTES, CLIENT_OPTIONS, BlobSdk

__all__ = [
    "BLOCK_BYTES",
    "CLIENT_OPTIONS",
    "BlobDeadLetters",
    "BlobEditedFile",
    "BlobInputFiles",
    "BlobOutputs",
    "BlobProofs",
    "BlobQuarantine",
    "BlobRestClient",
    "BlobSdk",
    "BlobUploads",
]
