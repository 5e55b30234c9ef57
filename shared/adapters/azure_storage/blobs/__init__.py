"""Blob Storage: five containers.

containers.py   the five: outputs, where users' apps find them; screened inputs that wait for their model; uploads,
                files that apps put there for models to read; the quarantine of refused outputs; dead letters
rest_client.py  reads and writes whole blobs without the SDK, for every generation
sdk.py          one container through the SDK, for what few generations need
errors.py       turns the service's errors into those of shared/ports
"""

from shared.adapters.azure_storage.blobs.containers import (
    BlobDeadLetters,
    BlobInputFiles,
    BlobOutputs,
    BlobQuarantine,
    BlobUploads,
)
from shared.adapters.azure_storage.blobs.rest_client import BlobRestClient
from shared.adapters.azure_storage.blobs.sdk import BLOCK_BYTES, CLIENT_OPTIONS, BlobSdk

__all__ = [
    "BLOCK_BYTES",
    "CLIENT_OPTIONS",
    "BlobDeadLetters",
    "BlobInputFiles",
    "BlobOutputs",
    "BlobQuarantine",
    "BlobRestClient",
    "BlobSdk",
    "BlobUploads",
]
