"""What Blob Storage refuses, in our words.

What may work later is Unavailable, what never will is BlobsRefused; the SDK's own texts, which quote addresses and what
was to be signed, stay here.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus

from azure.core.exceptions import AzureError, ClientAuthenticationError, HttpResponseError, ServiceRequestError
from azure.storage.blob import StorageErrorCode

from shared.ports import Unavailable

#: What an identity needs to read and write blobs.
ROLE = "Storage Blob Data Contributor"


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
    """Turn the SDK's exceptions into ours."""
    try:
        yield
    except AzureError as error:
        raise _in_our_words(error) from None


def _in_our_words(error: AzureError) -> Exception:
    status = error.status_code if isinstance(error, HttpResponseError) else None
    if isinstance(error, ClientAuthenticationError) or status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
        return Unavailable("blobs", f"access denied: the identity needs the role {ROLE}, or the key is wrong")
    if not isinstance(error, HttpResponseError) or status is None:
        why = "no connection" if isinstance(error, ServiceRequestError) else "the answer was lost"
        return Unavailable("blobs", why)
    if is_container_missing(error):
        return Unavailable("blobs", "a container does not exist: deploy the infrastructure, or create it")
    said = f"{status} {_code(error)}".strip()
    if status in _KEPT:
        if _code(error) in _PASSING:
            return Unavailable("blobs", f"it answered {said}")
        return BlobKept(f"a blob may not be changed: {said}")
    temporary = status < 400 or status >= 500 or status in (HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS)
    if temporary:
        return Unavailable("blobs", f"it answered {said}", _retry_after_s(error))
    return BlobsRefused(f"blobs refused a request: {said}")


def is_container_missing(error: HttpResponseError) -> bool:
    """Whether it is the container that is not there, and not only the blob."""
    return getattr(error, "error_code", None) == StorageErrorCode.CONTAINER_NOT_FOUND


def _code(error: HttpResponseError) -> str:
    """The machine-readable code, such as ``InvalidResourceName``."""
    code = getattr(error, "error_code", None)
    return str(getattr(code, "value", code or ""))


def _retry_after_s(error: HttpResponseError) -> float | None:
    """The service's own hint in seconds; a date, which HTTP allows too, Storage does not send."""
    value = getattr(error.response, "headers", {}).get("Retry-After", "")
    return float(value) if value.isdigit() else None
