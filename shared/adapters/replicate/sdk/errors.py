"""What can go wrong with Replicate, as one small tree.

    ReplicateError               anything else it answers, such as a redirect
     |- AuthenticationError      the token is missing, malformed, or refused (401), or may not do this (403)
     |- CreditError              the account has no credit left (402)
     |- RateLimitError           throttled (429): surely nothing was done; `retry_after_s` says how long
     |- ValidationError          what was asked is not accepted (400, 413, 422, ...): `fields` names what and why
     |- NotFoundError            there is no such thing, or no longer (404, 410, with Replicate's own `detail`)
     |- NotOfferedError          Replicate's API has no way to do this; the text says what does it instead
     |- TransientError           it did not happen, or does no harm if asked again (no connection; a read: 5xx, broken)
     |- OutcomeUnknownError      the answer to a write was lost: it may or may not have been done
     '- TimedOutError            a read, or a wait, took longer than it may

Rules of this file:
1. A text names the operation, the status and Cloudflare's id of the request; never a token, an input or an address.
2. Replicate's own sentence is handed on, for it says what to do: cut, and without addresses, secrets and whatever was
   in the request (core/provider/redaction.py). Where it names fields, their names and rules are told instead.
"""

from collections.abc import Mapping


class ReplicateError(Exception):
    """Something did not work. ``why`` is for operators; ``status`` is 0 where there was no answer."""

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
    """The token cannot be used. A person has to mend it."""


class CreditError(ReplicateError):
    """The account has no credit left. A person has to mend it; it is never a user's business."""


class RateLimitError(ReplicateError):
    """Too many requests. Surely nothing was done, so a create may be tried again after ``retry_after_s``."""


class ValidationError(ReplicateError):
    """What was asked is not accepted, and never will be.

    ``fields`` holds the rule that each field breaks: ``{"output_format": "enum"}``.
    """

    def __init__(
        self, operation: str, why: str, fields: Mapping[str, str] | None = None, *, status: int = 0, ray: str = ""
    ) -> None:
        super().__init__(operation, why, status=status, ray=ray)
        self.fields = dict(fields or {})


class NotFoundError(ReplicateError):
    """There is no such thing: never was, or was deleted or retired."""


class NotOfferedError(ReplicateError):
    """Replicate's API has no such operation. ``instead`` says what does the same."""

    def __init__(self, operation: str, why: str, instead: str) -> None:
        super().__init__(operation, f"{why} {instead}")
        self.instead = instead


class TransientError(ReplicateError):
    """Trouble that passes. Whatever was asked may be asked again without harm."""


class OutcomeUnknownError(ReplicateError):
    """The answer to a write was lost. Look whether it was done before doing it again: the second costs too."""


class TimedOutError(ReplicateError):
    """It took longer than it may."""
