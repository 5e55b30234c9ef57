"""Blob Storage: five containers.

containers.py   outputs, where users' apps find them; inputs that were screened and wait for their model; uploads, into
                which apps put the files that models are to read; the quarantine of outputs that were refused; dead
                letters
rest_client.py  whole blobs without the SDK: what every generation needs
sdk.py          one container by the SDK: what few need
errors.py       what the service refuses, in the words of shared/ports
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
