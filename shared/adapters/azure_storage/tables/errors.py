"""What goes wrong with Tables, in the words of shared/ports.

Rules of this file:
1. What may work later is Unavailable, wrong access and a missing table among it: an operator mends them, and the
   messages wait meanwhile. A request that will be refused for ever is TablesRefused.
2. The service's and the SDK's own texts stay here: they quote addresses (which may carry a signature) and what was
   to be signed.
"""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http import HTTPStatus
from typing import TYPE_CHECKING

from shared.ports import Unavailable

if TYPE_CHECKING:
    from azure.core.exceptions import AzureError

#: What an identity needs to read and write rows; in Cosmos DB it is a role of the account's own, and not of Azure's.
ROLE, COSMOS_ROLE = "Storage Table Data Contributor", "Cosmos DB Built-in Data Contributor"

_CODE = re.compile(rb'"code"\s*:\s*"(\w+)"')


class TablesRefused(Exception):  # noqa: N818  # it says what happened
    """A request that Tables will never accept: a row beyond its limits, a key of forbidden characters."""


class Answered(Exception):  # noqa: N818  # it says what happened
    """An answer that is no success; ``code`` is machine-readable, such as ``PropertyValueTooLarge``, or empty."""

    def __init__(self, status: int, code: str, retry_after_s: float | None = None) -> None:
        super().__init__(f"{status} {code}".strip())
        self.status = status
        self.code = code
        self.retry_after_s = retry_after_s

    @classmethod
    def read(cls, status: int, headers: Mapping[str, str], body: bytes) -> "Answered":
        """From an HTTP answer."""
        found = _CODE.search(body)
        code = headers.get("x-ms-error-code", "") or (found[1].decode() if found else "")
        return cls(status, code, _seconds(headers.get("Retry-After", "")))

    @property
    def is_rivalry(self) -> bool:
        """Whether a conditional write failed because the row is not, or no longer, what was expected."""
        if self.status == HTTPStatus.NOT_FOUND:
            return not self.is_table_missing
        return self.status in (HTTPStatus.CONFLICT, HTTPStatus.PRECONDITION_FAILED)

    @property
    def is_row_missing(self) -> bool:
        """Whether the row that was asked for is not there, while its table is."""
        return self.status == HTTPStatus.NOT_FOUND and not self.is_table_missing

    @property
    def is_table_missing(self) -> bool:
        """Whether the table is not there. An insert never misses a row, and only for an insert there may be no code."""
        return self.status == HTTPStatus.NOT_FOUND and self.code in ("", "TableNotFound")


@contextmanager
def translated(table: str, role: str) -> Iterator[None]:
    """Turn what was answered into our words; ``role`` is what an identity needs there."""
    try:
        yield
    except Answered as answered:
        raise _in_our_words(answered, table, role) from None


@contextmanager
def sdk_translated(table: str, role: str) -> Iterator[None]:
    """The same for what the SDK raises."""
    from azure.core.exceptions import AzureError  # noqa: PLC0415  # only where the SDK is used

    try:
        yield
    except AzureError as error:
        raise _in_our_words(answered_by_sdk(error), table, role) from None


def answered_by_sdk(error: "AzureError") -> Answered:
    """An exception of the SDK's; status -1 where nothing was sent, 0 where no answer came."""
    from azure.core.exceptions import (  # noqa: PLC0415  # as above
        ClientAuthenticationError,
        HttpResponseError,
        ServiceRequestError,
    )

    if isinstance(error, HttpResponseError) and error.status_code is not None:
        headers: Mapping[str, str] = getattr(error.response, "headers", {})
        code = getattr(error, "error_code", None) or headers.get("x-ms-error-code", "")
        return Answered(error.status_code, str(getattr(code, "value", code)), _seconds(headers.get("Retry-After", "")))
    if isinstance(error, ClientAuthenticationError):
        return Answered(HTTPStatus.UNAUTHORIZED, "")
    return Answered(-1 if isinstance(error, ServiceRequestError) else 0, "")


def _in_our_words(answered: Answered, table: str, role: str) -> Exception:
    status = answered.status
    if status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
        return Unavailable("tables", f"access denied: the identity needs the role {role}, or the key is wrong")
    if status <= 0:
        return Unavailable("tables", "no connection" if status < 0 else "the answer was lost")
    if answered.is_table_missing:
        return Unavailable("tables", f"the table {table!r} does not exist: deploy the infrastructure, or create it")
    temporary = status < 400 or status >= 500 or status in (HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS)
    if temporary:
        return Unavailable("tables", f"it answered {answered}", answered.retry_after_s)
    return TablesRefused(f"tables refused a request on {table!r}: {answered}")


def _seconds(hint: str) -> float | None:
    """The service's own hint in seconds; a date, which HTTP allows too, Storage does not send."""
    return float(hint) if hint.isascii() and hint.isdigit() else None
