"""What goes wrong with Tables, in the words of shared/ports.py.

Rules of this file:
1. What may work later is Unavailable, wrong access and a missing table among it: an operator mends them, and the
   messages wait meanwhile. A request that will be refused for ever is TablesRefused.
2. The SDK's own texts stay here: they quote addresses (which may carry a signature) and what was to be signed.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http import HTTPStatus

from azure.core.exceptions import AzureError, ClientAuthenticationError, HttpResponseError, ServiceRequestError
from azure.data.tables import TableErrorCode

from shared.ports import Unavailable

#: What an identity needs to read and write rows.
ROLE = "Storage Table Data Contributor"


class TablesRefused(Exception):  # noqa: N818  # it says what happened
    """A request that Tables will never accept: a row beyond its limits, a key of forbidden characters."""


@contextmanager
def translated(table: str) -> Iterator[None]:
    """Turn the SDK's exceptions into ours."""
    try:
        yield
    except AzureError as error:
        raise _in_our_words(error, table) from None


def is_rivalry(error: HttpResponseError) -> bool:
    """Whether a conditional write failed because the row is not, or no longer, what was expected."""
    if error.status_code == HTTPStatus.NOT_FOUND:
        return not _is_table_missing(error)
    return error.status_code in (HTTPStatus.CONFLICT, HTTPStatus.PRECONDITION_FAILED)


def is_row_missing(error: HttpResponseError) -> bool:
    """Whether the row that was asked for is not there, while its table is."""
    return error.status_code == HTTPStatus.NOT_FOUND and not _is_table_missing(error)


def _is_table_missing(error: HttpResponseError) -> bool:
    # An insert never misses a row, and only for an insert there may be no code (azure-data-tables 12.7).
    return _code(error) in ("", TableErrorCode.TABLE_NOT_FOUND)


def _in_our_words(error: AzureError, table: str) -> Exception:
    status = error.status_code if isinstance(error, HttpResponseError) else None
    if isinstance(error, ClientAuthenticationError) or status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
        return Unavailable("tables", f"access denied: the identity needs the role {ROLE}, or the key is wrong")
    if not isinstance(error, HttpResponseError) or status is None:
        why = "no connection" if isinstance(error, ServiceRequestError) else "the answer was lost"
        return Unavailable("tables", why)
    if status == HTTPStatus.NOT_FOUND and _is_table_missing(error):
        return Unavailable("tables", f"the table {table!r} does not exist: deploy the infrastructure, or create it")
    said = f"{status} {_code(error)}".strip()
    temporary = status < 400 or status >= 500 or status in (HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS)
    if temporary:
        return Unavailable("tables", f"it answered {said}", _retry_after_s(error))
    return TablesRefused(f"tables refused a request on {table!r}: {said}")


def _code(error: HttpResponseError) -> str:
    """The machine-readable code, such as ``PropertyValueTooLarge``."""
    code = getattr(error, "error_code", None) or _headers(error).get("x-ms-error-code", "")
    return str(getattr(code, "value", code))


def _retry_after_s(error: HttpResponseError) -> float | None:
    """The service's own hint in seconds; a date, which HTTP allows too, Storage does not send."""
    value = _headers(error).get("Retry-After", "")
    return float(value) if value.isdigit() else None


def _headers(error: HttpResponseError) -> Mapping[str, str]:
    headers: Mapping[str, str] = getattr(error.response, "headers", {})
    return headers
