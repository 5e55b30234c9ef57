"""What Blob Storage refuses, in our words. What tables have too is in azure_storage/errors.py.

What may work later is Unavailable, what never will is BlobsRefused.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus

from shared.adapters.azure_storage.errors import Answered, answered_by_sdk, unavailable
from shared.core.dependency import Dependency
from shared.ports import Unavailable

#: What an identity needs to write blobs, and to read them.
ROLE, READ_ROLE = "Storage Blob Data Contributor", "Storage Blob Data Reader"


class BlobsRefused(Exception):  # noqa: N818  # it says what happened
    """A request that Blob Storage will never accept, such as a name that it forbids."""


class BlobKept(BlobsRefused):
    """A blob that is there and may not be changed or deleted: it is leased, held, or immutable."""


#: Answers to a write or a delete that say so: 409 by a policy or a legal hold, 412 by a lease
#: (learn.microsoft.com/rest/api/storageservices/blob-service-error-codes). We send no condition of our own.
_KEPT = (HTTPStatus.CONFLICT, HTTPStatus.PRECONDITION_FAILED)

#: Conflicts that pass by themselves, and are no property of a blob.
_PASSING = {"ContainerBeingDeleted", "ContainerDisabled", "AccountBeingCreated", "PendingCopyOperation"}


@contextmanager
def translated() -> Iterator[None]:
    """Turn what was answered into our words."""
    try:
        yield
    except Answered as answered:
        raise _in_our_words(answered) from None


@contextmanager
def sdk_translated() -> Iterator[None]:
    """The same for what the SDK raises."""
    from azure.core.exceptions import AzureError  # noqa: PLC0415  # only where the SDK is used

    try:
        yield
    except AzureError as error:
        raise _in_our_words(answered_by_sdk(error)) from None


def is_container_missing(answered: Answered) -> bool:
    """Whether it is the container that is not there, and not only the blob."""
    return answered.code == "ContainerNotFound"


def _in_our_words(answered: Answered) -> Exception:
    if is_container_missing(answered):
        return Unavailable(Dependency.BLOBS, "a container does not exist: deploy the infrastructure, or create it")
    if answered.status in _KEPT:
        if answered.code in _PASSING:
            return Unavailable(Dependency.BLOBS, f"it answered {answered}")
        return BlobKept(f"a blob may not be changed: {answered}")
    return unavailable(Dependency.BLOBS, answered, ROLE) or BlobsRefused(f"blobs refused a request: {answered}")
