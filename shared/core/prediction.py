"""What Replicate tells us, in our own words: a prediction, the answers to a create, the kinds of failure.

Rules of this file:
1. One type for the answer to a POST, a webhook and a GET, so that one function reads all three.
2. Read leniently: real answers omit fields that the documentation calls required. Only ``id`` and
   ``status`` are needed; what is malformed otherwise is treated as absent.
3. Every documented status is mapped; an unknown one is treated as not finished.
4. A failure is classified once, here, by Replicate's published error codes and texts
   (replicate.com/docs/topics/predictions/error-codes, and the texts of the models themselves).
5. Reading raises nothing, whatever there is to be read: a field that is too deep, too long or too large is absent.
"""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, TypeVar

from shared.core.reasons import Reason

T = TypeVar("T")


class Status(StrEnum):
    """Replicate's six statuses, and one for whatever they may add."""

    STARTING = "starting"
    PROCESSING = "processing"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELED = "canceled"
    ABORTED = "aborted"
    UNKNOWN = "unknown"

    @property
    def finished(self) -> bool:
        """Whether nothing more will happen to the prediction. ``aborted`` ended before it started."""
        return self in _FINISHED


_STATUSES = {status.value: status for status in Status}

_FINISHED = {Status.SUCCEEDED, Status.FAILED, Status.CANCELED, Status.ABORTED}


@dataclass(frozen=True, slots=True, kw_only=True)
class Prediction:
    """One prediction as last seen.

    ``outputs`` are https or data URIs (or plain texts), in order. ``complete`` is False when the outputs
    were left out because the message would have been too large: ask Replicate again.
    ``metrics`` is Replicate's open bag, kept raw. ``webhook`` is its callback URL where it is echoed.
    ``seed`` is the input's seed where the input is still readable.
    """

    prediction_id: str
    status: Status
    model: str = ""
    outputs: tuple[str, ...] = ()
    complete: bool = True
    error: str = ""
    metrics: Mapping[str, float | str | bool] = field(default_factory=dict)
    webhook: str = ""
    seed: int | None = None
    created_at: datetime | None = None
    completed_at: datetime | None = None
    data_removed: bool = False

    @classmethod
    def read(cls, raw: object) -> "Prediction | None":
        """The prediction in a decoded JSON object of Replicate's, or None if it is none."""
        if not isinstance(raw, Mapping):
            return None
        prediction_id, status = raw.get("id"), raw.get("status")
        if not isinstance(prediction_id, str) or not _ID.fullmatch(prediction_id) or not isinstance(status, str):
            return None
        inputs = raw.get("input")
        seed = inputs.get("seed") if isinstance(inputs, Mapping) else None
        return cls(
            prediction_id=prediction_id,
            status=_STATUSES.get(status, Status.UNKNOWN),
            model=_told(_text, raw.get("model"), ""),
            outputs=_told(output_uris, raw.get("output"), ()),
            complete=raw.get("complete") is not False,
            error=_told(_text, raw.get("error"), "")[:ERROR_CHARACTERS],
            metrics=_told(_metrics, raw.get("metrics"), {}),
            webhook=_told(_text, raw.get("webhook"), ""),
            seed=seed if isinstance(seed, int) and not isinstance(seed, bool) else None,
            created_at=_time(raw.get("created_at")),
            completed_at=_time(raw.get("completed_at")),
            data_removed=raw.get("data_removed") is True,
        )

    def to_json(self) -> dict[str, Any]:
        """The JSON object that ``read`` reads back; without input, logs, or what is absent."""
        raw: dict[str, Any] = {"id": self.prediction_id, "status": self.status.value}
        if self.model:
            raw["model"] = self.model
        if self.outputs:
            raw["output"] = list(self.outputs)
        if not self.complete:
            raw["complete"] = False
        if self.error:
            raw["error"] = self.error
        if self.metrics:
            raw["metrics"] = dict(self.metrics)
        if self.created_at:
            raw["created_at"] = self.created_at.isoformat()
        if self.completed_at:
            raw["completed_at"] = self.completed_at.isoformat()
        if self.data_removed:
            raw["data_removed"] = True
        return raw


#: Replicate's ids are 26 characters of [a-z0-9]; read loosely, for they have changed before.
_ID = re.compile(r"[A-Za-z0-9_-]{8,64}")

#: Enough of an error text to classify it; tracebacks of models can be long.
ERROR_CHARACTERS = 2000


def output_uris(output: object) -> tuple[str, ...]:
    """The outputs of every shape a model may give: a string, a list, an object of strings, or null.

    Anything else is left out: it cannot be stored, and the caller sees that something is missing.
    """
    if isinstance(output, str):
        return (output,) if output else ()
    if isinstance(output, Mapping):
        return tuple(uri for value in output.values() for uri in output_uris(value))
    if isinstance(output, list):
        return tuple(uri for value in output for uri in output_uris(value))
    return ()


def _told(read: Callable[[object], T], value: object, absent: T) -> T:
    """A field as ``read`` reads it; absent where that cannot be done: it is nested too deep, or too large a number."""
    try:
        return read(value)
    except (RecursionError, ValueError, OverflowError):
        return absent


def _text(value: object) -> str:
    if isinstance(value, str):
        return value
    return "" if value is None else json.dumps(value, default=str)


def _metrics(value: object) -> dict[str, float | str | bool]:
    if not isinstance(value, Mapping):
        return {}
    return {str(name): item for name, item in value.items() if isinstance(item, (int, float, str, bool))}


def _time(value: object) -> datetime | None:
    """RFC 3339 with any number of fraction digits (2 to 9 were seen), as aware UTC."""
    if not isinstance(value, str):
        return None
    trimmed = re.sub(r"\.(\d{1,6})\d*", r".\1", value.strip()).replace("Z", "+00:00")
    try:
        moment = datetime.fromisoformat(_pad_fraction(trimmed))
        return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    except (ValueError, OverflowError):  # OverflowError: the first or the last day there is, in another zone
        return None


def _pad_fraction(text: str) -> str:
    return re.sub(r"\.(\d{1,6})", lambda match: f".{match[1]:0<6}", text)


# What became of a create. Exactly one of these four is true, and each is answered differently.


@dataclass(frozen=True, slots=True)
class Created:
    """Replicate answered with the prediction."""

    prediction: Prediction


@dataclass(frozen=True, slots=True)
class NotCreated:
    """Surely nothing was created (429, 401, 402, 403, no connection): to be tried again after a wait.

    ``why`` is for operators: a word such as ``throttled``, ``unauthorized``, ``no credit``, ``unreachable``.
    ``per_minute`` is the lower limit of creates that a 429 names (None: it names none).
    """

    why: str
    retry_after_s: float
    per_minute: float | None = None


@dataclass(frozen=True, slots=True)
class CreateRefused:
    """Surely nothing was created, and nothing will be: the model or the input is not accepted (404, 422).

    ``perhaps_ours``: the answer does not tell whether it is about this model, or about our account with the provider.
    """

    reason: Reason
    text: str
    perhaps_ours: bool = False


@dataclass(frozen=True, slots=True)
class OutcomeUnknown:
    """The answer was lost (time-out, 5xx, broken connection): a prediction may or may not exist."""

    why: str


CreateOutcome = Created | NotCreated | CreateRefused | OutcomeUnknown


class Failure(StrEnum):
    """The kinds of failed predictions, by what can be done about them."""

    TRANSIENT = "transient"  # another attempt may well succeed
    CONTENT = "content"  # refused for what was asked; the user must reword
    INPUT = "input"  # the input does not suit the model; the user must change it
    OPERATOR = "operator"  # our account with the provider; nothing a user can do
    MODEL = "model"  # the model broke; another model may do


REASONS: dict[Failure, Reason] = {
    Failure.TRANSIENT: Reason.PROVIDER_FAILED,
    Failure.CONTENT: Reason.CONTENT_REFUSED,
    Failure.INPUT: Reason.PROVIDER_REFUSED,
    Failure.OPERATOR: Reason.PROVIDER_UNAVAILABLE,
    Failure.MODEL: Reason.PROVIDER_FAILED,
}

# Read from the top, first match wins: a content refusal may come wrapped in a code of another kind.
_FAILURES: tuple[tuple[re.Pattern[str], Failure], ...] = (
    (
        re.compile(r"\bE005\b|NSFW|flagged|sensitive|moderat|safety (?:filter|checker|system)", re.IGNORECASE),
        Failure.CONTENT,
    ),
    (re.compile(r"\bE00[12]\b|insufficient credit|spend limit|billing", re.IGNORECASE), Failure.OPERATOR),
    (
        re.compile(
            r"code: PA\b|\bE1000\b|\bE(?:6716|8367|8765|9243|9825|9828)\b|\bE00[34]\b|Director:"
            r"|interrupted|queue reached limit|temporarily unavailable",
            re.IGNORECASE,
        ),
        Failure.TRANSIENT,
    ),
    (re.compile(r"ValueError|must be|invalid|unable to read|\bE1001\b|out of memory", re.IGNORECASE), Failure.INPUT),
)


def failure_of(error: str) -> Failure:
    """The kind of a failed prediction, from its error text."""
    for pattern, failure in _FAILURES:
        if pattern.search(error):
            return failure
    return Failure.MODEL
