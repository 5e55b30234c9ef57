"""What Replicate tells us, in our own words: a prediction, and the answers to a create.

Rules of this file:
1. One type for the answer to a POST, a webhook and a GET, so that one function reads all three.
2. Read leniently: real answers omit fields that the documentation calls required. Only ``id`` and
   ``status`` are needed; what is malformed otherwise is treated as absent.
3. Every documented status is mapped; an unknown one is treated as not finished.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from shared.core.provider.metrics import kept_metrics
from shared.core.provider.outputs import LABEL_CHARACTERS, outputs_of
from shared.core.reasons import Reason


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

    ``outputs`` are https or data URIs (or plain texts), in order; ``labels`` are the names of the fields in which they
    stood, where there are any (outputs.py tells which of them are the result). ``complete`` is False when the outputs
    were left out because the message would have been too large: ask Replicate again.
    ``metrics`` is Replicate's open bag, as much of it as can be kept (metrics.py). ``webhook`` is its callback URL
    where it is echoed.
    ``seed`` is the input's seed where the input is still readable.
    """

    prediction_id: str
    status: Status
    model: str = ""
    outputs: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
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
        outputs, labels = outputs_of(raw.get("output"))
        inputs = raw.get("input")
        seed = inputs.get("seed") if isinstance(inputs, Mapping) else None
        return cls(
            prediction_id=prediction_id,
            status=_STATUSES.get(status, Status.UNKNOWN),
            model=_text(raw.get("model"))[:NAME_CHARACTERS],
            outputs=outputs,
            labels=labels or _own_labels(raw.get("labels"), len(outputs)),
            complete=raw.get("complete") is not False,
            error=_text(raw.get("error"))[:ERROR_CHARACTERS],
            metrics=kept_metrics(raw.get("metrics")),
            webhook=_text(raw.get("webhook"))[:ADDRESS_CHARACTERS],
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
        if self.labels:
            raw["labels"] = list(self.labels)
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

#: Longer names and addresses than these are none that we sent.
NAME_CHARACTERS, ADDRESS_CHARACTERS = 200, 8192


def _own_labels(value: object, count: int) -> tuple[str, ...]:
    """The labels as ``to_json`` writes them, beside a list of outputs that has none."""
    if not isinstance(value, list) or len(value) != count or not all(isinstance(each, str) for each in value):
        return ()
    return tuple(each[:LABEL_CHARACTERS] for each in value)


def _text(value: object) -> str:
    if isinstance(value, str) or value is None:
        return value or ""
    try:
        return json.dumps(value, default=str)
    except (RecursionError, ValueError):
        return type(value).__name__


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
