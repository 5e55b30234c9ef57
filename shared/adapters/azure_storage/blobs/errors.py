"""Turns the errors of Blob Storage into ours. What tables share is in azure_storage/errors.py.

What may work later is Unavailable. What never will is BlobsRefused.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus

from shared.adapters.azure_storage.errors import Answered, answered_by_sdk, unavailable
from shared.core.dependency import Dependency
from shared.ports import Unavailable

#: The roles that an identity needs to write blobs, and to read them.
ROLE, READ_ROLE = "Storage Blob Data Contributor", "Storage Blob Data Reader"


class BlobsRefused(Exception):  # noqa: N818  # it says what happened
    """A request that Blob Storage will never accept, such as one with a forbidden name."""


class BlobKept(BlobsRefused):
    """The blob exists and may not be changed or deleted: it is leased, on legal hold, immutable, or another by now."""


#: The statuses of a write or a delete that mean BlobKept: 409 for a policy or a legal hold, 412 for a lease, or for a
#: blob that was written since it was listed (learn.microsoft.com/rest/api/storageservices/blob-service-error-codes).
_KEPT = (HTTPStatus.CONFLICT, HTTPStatus.PRECONDITION_FAILED)

#: Codes of 409 that concern no blob and pass by themselves.
_PASSING = {"ContainerBeingDeleted", "ContainerDisabled", "AccountBeingCreated", "PendingCopyOperation"}


@contextmanager
def translated() -> Iterator[None]:
    """Turn an ``Answered`` raised in the body into one of our errors."""
    try:
        yield
    except Answered as answered:
        raise _our_error(answered) from None


@contextmanager
def sdk_translated() -> Iterator[None]:
    """The same for errors of the SDK."""
    from azure.core.exceptions import AzureError  # noqa: PLC0415  # only where the SDK is used

    try:
        yield
    except AzureError as error:
        raise _our_error(answered_by_sdk(error)) from None


def is_container_missing(answered: Answered) -> bool:
    """Whether the container is missing, and not only the blob."""
    return answered.code == "ContainerNotFound"


def _our_error(answered: Answered) -> Exception:
    if is_container_missing(answered):
        return Unavailable(Dependency.BLOBS, "a container does not exist: deploy the infrastructure, or create it")
    if answered.status in _KEPT:
        if answered.code in _PASSING:
            return Unavailable(Dependency.BLOBS, f"it answered {answered}")
        return BlobKept(f"a blob may not be changed: {answered}")
    return unavailable(Dependency.BLOBS, answered, ROLE) or BlobsRefused(f"blobs refused a request: {answered}")
