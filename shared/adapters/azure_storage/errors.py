"""What a storage account answers, of tables and of blobs alike, before either says it in the words of shared/ports.

Rules of this file:
1. What may work later is Unavailable, wrong access among it: an operator mends it, and the messages wait meanwhile.
2. The service's and the SDK's own texts stay here: they quote addresses (which may carry a signature) and what was
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

#: Tables says its code in the body only.
_CODE = re.compile(rb'"code"\s*:\s*"(\w+)"')


class Answered(Exception):  # noqa: N818  # it says what happened
    """An answer that is no success; ``code`` is machine-readable, such as ``PropertyValueTooLarge``, or empty.

    The status is -1 where nothing was sent, 0 where no answer came or none that can be read.
    """

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
        return cls(status, code, retry_after_s(headers.get("Retry-After")))

    @property
    def is_denied(self) -> bool:
        """Whether it is about access."""
        return self.status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN)

    @property
    def is_temporary(self) -> bool:
        """Whether the same request may succeed later."""
        passing = (HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS)
        return self.status < 400 or self.status >= 500 or self.status in passing


def answered_by_sdk(error: "AzureError") -> Answered:
    """An exception of the SDK's."""
    from azure.core.exceptions import (  # noqa: PLC0415  # whoever has such an error has imported it
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
    """What an operator is told who has to grant it."""
    return f"access denied: the identity needs the role {role}"


def unavailable(dependency: Dependency, answered: Answered, role: str) -> Unavailable | None:
    """What may work later, in our words; None for what never will. ``role`` is what an identity needs there."""
    if answered.is_denied:
        return Unavailable(dependency, f"{access_denied(role)}, or the key is wrong")
    if answered.status <= 0:
        return Unavailable(dependency, "no connection" if answered.status < 0 else "the answer was lost")
    if answered.is_temporary:
        return Unavailable(dependency, f"it answered {answered}", answered.retry_after_s)
    return None
