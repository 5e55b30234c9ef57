"""The exceptions of the library, as one small tree. Each is a builtin exception too, for callers that know only these.

    ReplicateError               a RuntimeError: any other answer that is not a success, such as a redirect
     |- AuthenticationError      ValueError: the token is missing, malformed, or refused (401), or may not do this (403)
     |- CreditError              the account has no credit left (402)
     |- RateLimitError           throttled (429): nothing was done; `retry_after_s` says how long to wait
     |- ValidationError          ValueError: not accepted (400, 413, 422, ...): `fields` says which and why
     |- NotFoundError            it does not exist, or no longer (404, 410, with Replicate's own `detail`)
     |- NoFileError              FileNotFoundError: there is no file at the path of an upload
     |- NotOfferedError          Replicate's API cannot do this; the text says what does it instead
     |- NotConnectedError        a verb of the connector was called before `connect`
     |- TransientError           ConnectionError: it may be repeated without harm (no connection; a proxy that let
     |                           nothing through; for a read: a 5xx, a broken answer)
     |- OutcomeUnknownError      the answer to a write was lost: it may or may not have been done
     |- TimedOutError            TimeoutError: a read or a wait took longer than its bound
     |- FailedError              a prediction or a training ended without a success
     '- ExpiredError             a prediction succeeded, and Replicate has deleted its output since

Rules of this file:
1. A text names the operation, the status and Cloudflare's id of the request. It never holds a token, an input or an
   address.
2. A text quotes Replicate's own sentence, because that says what to do. The sentence is cut, and addresses, secrets and
   the texts of the request are removed (core/provider/redaction.py). If Replicate names fields, the text names these
   with their rules, and quotes its sentence about each.
3. A text ends with what to do, where that is known: ``advice``. ``why`` is the text without it.
"""

from collections.abc import Mapping
from typing import ClassVar


class ReplicateError(RuntimeError):
    """The base of the tree. ``why`` is for operators; ``status`` is 0 if there was no answer."""

    #: What to do about it, unless the instance knows better.
    advice: ClassVar[str] = ""

    def __init__(  # each is a matter of its own
        self,
        operation: str,
        why: str,
        *,
        status: int = 0,
        retry_after_s: float | None = None,
        ray: str = "",
        advice: str = "",
    ) -> None:
        text = f"{operation}: {why}{f' (cf-ray {ray})' if ray else ''}"
        todo = advice or self.advice
        end = "" if text.endswith("?") else "."
        super().__init__(f"{text.rstrip('.')}{end} {todo}" if todo else text)
        self.operation = operation
        self.why = why
        self.status = status
        self.retry_after_s = retry_after_s
        self.ray = ray


class AuthenticationError(ReplicateError, ValueError):
    """The token cannot be used. A person must replace it."""


class CreditError(ReplicateError):
    """The account has no credit left. A person must add credit; it is never the user's fault."""

    advice = "Add credit at replicate.com/account/billing, and try again some minutes later."


class RateLimitError(ReplicateError):
    """Too many requests. Nothing was done, so even a create may be repeated after ``retry_after_s``."""

    advice = "Nothing was done: wait as long as retry_after_s says, and send it again."


class ValidationError(ReplicateError, ValueError):
    """The request is not accepted, and never will be.

    ``fields`` holds the rule that each field breaks: ``{"output_format": "enum"}``.
    """

    def __init__(  # each is a matter of its own
        self,
        operation: str,
        why: str,
        fields: Mapping[str, str] | None = None,
        *,
        status: int = 0,
        ray: str = "",
        advice: str = "",
    ) -> None:
        super().__init__(operation, why, status=status, ray=ray, advice=advice)
        self.fields = dict(fields or {})


class NotFoundError(ReplicateError):
    """It does not exist: it never did, or it was deleted or retired."""


class NoFileError(ReplicateError, FileNotFoundError):
    """There is no file or folder at that path."""


class NotOfferedError(ReplicateError):
    """Replicate's API has no such operation. ``instead`` says what does the same."""

    def __init__(self, operation: str, why: str, instead: str) -> None:
        super().__init__(operation, f"{why} {instead}")
        self.instead = instead


class NotConnectedError(ReplicateError):
    """A verb was called before ``connect``, or after ``disconnect``. Nothing was sent."""

    def __init__(self, operation: str, why: str = "Not connected to Replicate") -> None:
        super().__init__(operation, why)
        self.args = (f'{why}: call connect({{"api_token": ...}}) before {operation}.',)


class TransientError(ReplicateError, ConnectionError):
    """An error that passes. The operation may be repeated without harm."""

    advice = "It passes: send it again later, which does no harm."


class OutcomeUnknownError(ReplicateError):
    """The answer to a write was lost. Look whether it was done before you repeat it: the second one costs too."""

    advice = "It may have been done: look before you send it again, because the second one costs too."

    def with_advice(self, advice: str) -> "OutcomeUnknownError":
        """The same error, with what to do about this one."""
        return OutcomeUnknownError(
            self.operation,
            self.why,
            status=self.status,
            retry_after_s=self.retry_after_s,
            ray=self.ray,
            advice=advice,
        )


class TimedOutError(ReplicateError, TimeoutError):
    """A read or a wait took longer than its bound. ``prediction_id`` is empty if the id is not known."""

    def __init__(self, operation: str, why: str, *, prediction_id: str = "", advice: str = "") -> None:
        super().__init__(operation, why, advice=advice)
        self.prediction_id = prediction_id


class FailedError(ReplicateError):
    """A prediction or a training ended without a success; ``prediction_id`` is its id."""

    def __init__(self, operation: str, why: str, *, prediction_id: str = "", advice: str = "") -> None:
        super().__init__(operation, why, advice=advice)
        self.prediction_id = prediction_id


class ExpiredError(ReplicateError):
    """A prediction succeeded, and its output is deleted: Replicate keeps it for an hour."""

    advice = "Replicate keeps an output for an hour after the end: run it again, and fetch the output sooner."

    def __init__(self, operation: str, why: str, *, status: int = 0, prediction_id: str = "") -> None:
        super().__init__(operation, why, status=status)
        self.prediction_id = prediction_id
