"""Errors of a storage account that tables and blobs share. Each of the two turns them into the errors of shared/ports.

Rules of this file:
1. What may work later is Unavailable. That includes denied access: an operator grants it, and the messages wait until
   then.
2. No text of the service's or the SDK's is passed on. These texts quote URLs (which may carry a signature) and the text
   to be signed.
3. Importing this file imports no SDK.
"""

import re
from collections.abc import Mapping
from http import HTTPStatus
from typing import TYPE_CHECKING

from shared.adapters.net.hints import retry_after_s
from shared.core.dependency import Dependency
from shared.ports import Unavailable

if TYPE_CHECKING:
    from azure.core.exceptions import AzureError

#: Table Storage puts its error code into the body only.
_CODE = re.compile(rb'"code"\s*:\s*"(\w+)"')


class Answered(Exception):  # noqa: N818  # it says what happened
    """An answer that is not a success. ``code`` is the service's, such as ``PropertyValueTooLarge``, or empty.

    ``status`` is the HTTP status, -1 if nothing was sent, or 0 if no readable answer came.
    """

    def __init__(self, status: int, code: str, retry_after_s: float | None = None) -> None:
        super().__init__(f"{status} {code}".strip())
        self.status = status
        self.code = code
        self.retry_after_s = retry_after_s

    @classmethod
    def read(cls, status: int, headers: Mapping[str, str], body: bytes) -> "Answered":
        """From an HTTP response."""
        found = _CODE.search(body)
        code = headers.get("x-ms-error-code", "") or (found[1].decode() if found else "")
        return cls(status, code, retry_after_s(headers.get("Retry-After")))

    @property
    def is_denied(self) -> bool:
        """Whether access was denied."""
        return self.status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN)

    @property
    def is_temporary(self) -> bool:
        """Whether the same request may succeed later."""
        passing = (HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS)
        return self.status < 400 or self.status >= 500 or self.status in passing


def answered_by_sdk(error: "AzureError") -> Answered:
    """The ``Answered`` for an exception of the SDK's."""
    from azure.core.exceptions import (  # noqa: PLC0415  # the error's own module is loaded already
        ClientAuthenticationError,
        HttpResponseError,
        ServiceRequestError,
    )

    if isinstance(error, ClientAuthenticationError):
        return Answered(HTTPStatus.UNAUTHORIZED, "")
    if isinstance(error, HttpResponseError) and error.status_code is not None:
        headers: Mapping[str, str] = getattr(error.response, "headers", {})
        code = getattr(error, "error_code", None) or headers.get("x-ms-error-code", "")
        hint_s = retry_after_s(headers.get("Retry-After"))
        return Answered(error.status_code, str(getattr(code, "value", code)), hint_s)
    return Answered(-1 if isinstance(error, ServiceRequestError) else 0, "")


def access_denied(role: str) -> str:
    """The text for the operator, who has to grant the role."""
    return f"access denied: the identity needs the role {role}"


def unavailable(dependency: Dependency, answered: Answered, role: str) -> Unavailable | None:
    """The Unavailable for an answer that may change later; None if it never will. ``role`` is what access needs."""
    if answered.is_denied:
        return Unavailable(dependency, f"{access_denied(role)}, or the key is wrong")
    if answered.status <= 0:
        return Unavailable(dependency, "no connection" if answered.status < 0 else "the answer was lost")
    if answered.is_temporary:
        return Unavailable(dependency, f"it answered {answered}", answered.retry_after_s)
    return None
