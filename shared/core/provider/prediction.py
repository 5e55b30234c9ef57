"""A prediction in Darkroom's terms, and the possible results of a create.

Rules of this file:
1. One type serves for the answer to a POST, a webhook and a GET, so that one function handles all three. An adapter
   converts its provider's answer into it. A queue message carries it as ``to_json`` writes it.
2. Malformed parts of a message are left out. Only ``id`` and ``status`` are required.
3. An unknown status counts as not finished.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from shared.core.dependency import Dependency
from shared.core.money.pricing import Measured, Unit
from shared.core.provider.failure import Failure
from shared.core.provider.metrics import kept_metrics
from shared.core.provider.outputs import LABEL_CHARACTERS, MOST_OUTPUTS
from shared.core.reasons import Reason


class Status(StrEnum):
    """The status of a prediction. UNKNOWN is any status that a provider may add."""

    STARTING = "starting"
    PROCESSING = "processing"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELED = "canceled"
    ABORTED = "aborted"
    UNKNOWN = "unknown"

    @property
    def finished(self) -> bool:
        """Whether the status is final. An ``aborted`` prediction ended before it started."""
        return self in _FINISHED


_STATUSES = {status.value: status for status in Status}

_FINISHED = {Status.SUCCEEDED, Status.FAILED, Status.CANCELED, Status.ABORTED}


@dataclass(frozen=True, slots=True, kw_only=True)
class Prediction:
    """One prediction as last seen.

    ``outputs`` are https or data URIs, or plain texts, in order. ``labels`` are the names of the fields that contained
    them, if there are any (outputs.py decides which outputs are the result). ``complete`` is False if the outputs were
    left out because the message would have been too large: read the prediction from the provider.
    ``failure`` is the kind of a FAILED prediction. ``metrics`` are the provider's open map, as far as it can be kept
    (metrics.py); ``measured`` are those that count for a price. ``webhook`` is its callback URL, if that is echoed.
    ``seed`` is the input's seed, while the input is readable.
    """

    prediction_id: str
    status: Status
    model: str = ""
    outputs: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    complete: bool = True
    error: str = ""
    failure: Failure = Failure.MODEL
    metrics: Mapping[str, float | str | bool] = field(default_factory=dict)
    measured: Measured = field(default_factory=dict)
    webhook: str = ""
    seed: int | None = None
    created_at: datetime | None = None
    completed_at: datetime | None = None
    data_removed: bool = False

    @classmethod
    def from_json(cls, raw: object) -> "Prediction | None":
        """The prediction that ``to_json`` has written, or None if it is not one. Malformed parts are left out."""
        if not isinstance(raw, Mapping):
            return None
        prediction_id, status = raw.get("id"), raw.get("status")
        if not isinstance(prediction_id, str) or not PREDICTION_ID.fullmatch(prediction_id):
            return None
        if not isinstance(status, str):
            return None
        known = _STATUSES.get(status, Status.UNKNOWN)
        failure = _FAILURES.get(_text(raw.get("failure")), Failure.MODEL)
        outputs = _texts(raw.get("outputs"))[:MOST_OUTPUTS]
        labels = tuple(label[:LABEL_CHARACTERS] for label in _texts(raw.get("labels")))
        return cls(
            prediction_id=prediction_id,
            status=known,
            model=_text(raw.get("model"))[:NAME_CHARACTERS],
            outputs=outputs,
            labels=labels if len(labels) == len(outputs) else (),
            complete=raw.get("complete") is not False,
            error=_text(raw.get("error"))[:ERROR_CHARACTERS],
            failure=failure if known is Status.FAILED else Failure.MODEL,
            metrics=kept_metrics(raw.get("metrics")),
            measured=_measured(raw.get("measured")),
            created_at=_moment(raw.get("created_at")),
            completed_at=_moment(raw.get("completed_at")),
            data_removed=raw.get("data_removed") is True,
        )

    def to_json(self) -> dict[str, Any]:
        """The JSON object that ``from_json`` reads back, without callback, seed and absent values."""
        raw: dict[str, Any] = {"id": self.prediction_id, "status": self.status.value}
        optional: dict[str, Any] = {
            "model": self.model,
            "outputs": list(self.outputs),
            "labels": list(self.labels),
            "error": self.error,
            "failure": self.failure.value if self.status is Status.FAILED else "",
            "metrics": dict(self.metrics),
            "measured": {unit.value: count for unit, count in self.measured.items()},
            "created_at": self.created_at.isoformat() if self.created_at else "",
            "completed_at": self.completed_at.isoformat() if self.completed_at else "",
            "data_removed": self.data_removed,
        }
        raw |= {name: value for name, value in optional.items() if value}
        return raw if self.complete else {**raw, "complete": False}


#: A valid prediction id, of any provider: it becomes part of an address.
PREDICTION_ID = re.compile(r"[A-Za-z0-9_-]{8,64}")

#: Enough of an error text to classify it; tracebacks of models may be long.
ERROR_CHARACTERS = 2000

#: Longer names and addresses are not ones that Darkroom sent.
NAME_CHARACTERS, ADDRESS_CHARACTERS = 200, 8192

_FAILURES = {failure.value: failure for failure in Failure}


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _texts(value: object) -> tuple[str, ...]:
    """A list of texts; empty if the value is anything else."""
    return tuple(value) if isinstance(value, list) and all(isinstance(each, str) for each in value) else ()


def _measured(value: object) -> dict[Unit, float]:
    counts = value if isinstance(value, Mapping) else {}
    read = ((unit, counts.get(unit.value)) for unit in Unit)
    return {
        unit: float(count)
        for unit, count in read
        if isinstance(count, (int, float)) and not isinstance(count, bool) and 0 <= count < 1e9
    }


def _moment(value: object) -> datetime | None:
    try:
        read = datetime.fromisoformat(_text(value))
        return read.astimezone(UTC) if read.tzinfo else read.replace(tzinfo=UTC)
    except (ValueError, OverflowError):  # OverflowError: the first or last day of the calendar, in another zone
        return None


# The four possible results of a create. Each is handled differently.


@dataclass(frozen=True, slots=True)
class Created:
    """The provider returned the prediction."""

    prediction: Prediction


class DeferReason(StrEnum):
    """Why surely nothing was created, as a word for operators."""

    # The provider's answer.
    THROTTLED = "throttled"
    UNAUTHORIZED = "unauthorized"
    NO_CREDIT = "no credit"
    FORBIDDEN = "forbidden"  # by the provider itself
    NOT_PERMITTED = "not permitted"  # several models in a row "do not exist"
    WEBHOOK_REFUSED = "webhook refused"  # the provider does not accept the callback address
    # Something on the way.
    BLOCKED = "blocked"  # a 403 of an edge in front of the provider
    MISROUTED = "misrouted"  # another answer that is not the provider's
    UNREACHABLE = "unreachable"
    CONNECTION_CLOSED = "connection closed"  # before a byte was written: a new connection will do, soon
    # Not sent.
    CIRCUIT_OPEN = "circuit open"
    PACED = "paced"
    NOT_CONFIGURED = "not configured"
    # A dependency that a create needs is unavailable.
    TABLES_UNAVAILABLE = "tables unavailable"
    BLOBS_UNAVAILABLE = "blobs unavailable"
    SERVICE_BUS_UNAVAILABLE = "service bus unavailable"
    CONTENT_SAFETY_UNAVAILABLE = "content safety unavailable"
    KEY_VAULT_UNAVAILABLE = "key vault unavailable"
    SECRETS_UNAVAILABLE = "secrets unavailable"
    REPLICATE_UNAVAILABLE = "replicate unavailable"
    PROVIDER_UNAVAILABLE = "provider unavailable"
    IMAGES_UNAVAILABLE = "images unavailable"
    INPUTS_UNAVAILABLE = "inputs unavailable"
    SWITCHES_UNAVAILABLE = "kill switches unavailable"
    PLANS_UNAVAILABLE = "plans unavailable"

    @classmethod
    def unavailable(cls, dependency: Dependency) -> "DeferReason":
        """The reason for a dependency that is unavailable."""
        return cls(f"{dependency} unavailable")


@dataclass(frozen=True, slots=True)
class NotCreated:
    """Surely nothing was created (429, 401, 402, 403, no connection): retry after a wait.

    ``per_minute`` is the lower limit of creates that a 429 names (None: it names none).
    """

    why: DeferReason
    retry_after_s: float
    per_minute: float | None = None


@dataclass(frozen=True, slots=True)
class CreateRefused:
    """Surely nothing was created, and a retry would not help: the model or the input is not accepted (404, 422).

    ``perhaps_ours``: the answer may be about this model, or about Darkroom's account with the provider.
    """

    reason: Reason
    text: str
    perhaps_ours: bool = False


@dataclass(frozen=True, slots=True)
class OutcomeUnknown:
    """The answer was lost (time-out, 5xx, broken connection): the prediction may or may not exist."""

    why: str


CreateOutcome = Created | NotCreated | CreateRefused | OutcomeUnknown
