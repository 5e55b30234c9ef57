"""The exceptions of the library, as one small tree.

    ReplicateError               any other answer that is not a success, such as a redirect
     |- AuthenticationError      the token is missing, malformed, or refused (401), or may not do this (403)
     |- CreditError              the account has no credit left (402)
     |- RateLimitError           throttled (429): nothing was done; `retry_after_s` says how long to wait
     |- ValidationError          the request is not accepted (400, 413, 422, ...): `fields` says which and why
     |- NotFoundError            it does not exist, or no longer (404, 410, with Replicate's own `detail`)
     |- NotOfferedError          Replicate's API cannot do this; the text says what does it instead
     |- TransientError           it may be repeated without harm (no connection; a proxy that let nothing through; for a
     |                           read: a 5xx, a broken answer)
     |- OutcomeUnknownError      the answer to a write was lost: it may or may not have been done
     '- TimedOutError            a read or a wait took longer than its bound

Rules of this file:
1. A text names the operation, the status and Cloudflare's id of the request. It never holds a token, an input or an
   address.
2. A text quotes Replicate's own sentence, because that says what to do. The sentence is cut, and addresses, secrets and
   the texts of the request are removed (core/provider/redaction.py). If Replicate names fields, the text names these
   and their rules instead.
"""

from collections.abc import Mapping


class ReplicateError(Exception):
    """The base of the tree. ``why`` is for operators; ``status`` is 0 if there was no answer."""

    def __init__(
        self, operation: str, why: str, *, status: int = 0, retry_after_s: float | None = None, ray: str = ""
    ) -> None:
        super().__init__(f"{operation}: {why}{f' (cf-ray {ray})' if ray else ''}")
        self.operation = operation
        self.why = why
        self.status = status
        self.retry_after_s = retry_after_s
        self.ray = ray


class AuthenticationError(ReplicateError):
    """The token cannot be used. A person must replace it."""


class CreditError(ReplicateError):
    """The account has no credit left. A person must add credit; it is never the user's fault."""


class RateLimitError(ReplicateError):
    """Too many requests. Nothing was done, so even a create may be repeated after ``retry_after_s``."""


class ValidationError(ReplicateError):
    """The request is not accepted, and never will be.

    ``fields`` holds the rule that each field breaks: ``{"output_format": "enum"}``.
    """

    def __init__(
        self, operation: str, why: str, fields: Mapping[str, str] | None = None, *, status: int = 0, ray: str = ""
    ) -> None:
        super().__init__(operation, why, status=status, ray=ray)
        self.fields = dict(fields or {})


class NotFoundError(ReplicateError):
    """It does not exist: it never did, or it was deleted or retired."""


class NotOfferedError(ReplicateError):
    """Replicate's API has no such operation. ``instead`` says what does the same."""

    def __init__(self, operation: str, why: str, instead: str) -> None:
        super().__init__(operation, f"{why} {instead}")
        self.instead = instead


class TransientError(ReplicateError):
    """An error that passes. The operation may be repeated without harm."""


class OutcomeUnknownError(ReplicateError):
    """The answer to a write was lost. Look whether it was done before you repeat it: the second one costs too."""


class TimedOutError(ReplicateError):
    """A read or a wait took longer than its bound."""
