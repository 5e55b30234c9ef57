"""Reads a prediction of Replicate's JSON into the app's own type.

Rules of this file:
1. One function reads the answer to a POST, a webhook and a GET.
2. It reads leniently, because real answers omit fields that the documentation calls required. Only ``id`` and
   ``status`` are needed. Any other malformed field counts as absent.
3. Every documented status is mapped. An unknown status counts as not finished.
"""

import json
from collections.abc import Mapping

from shared.adapters.replicate.failures import failure_of
from shared.adapters.replicate.metrics import MEASURED_NAMES, measured_of
from shared.adapters.replicate.reading import fields, moment, text
from shared.core.provider.failure import Failure
from shared.core.provider.metrics import kept_metrics
from shared.core.provider.outputs import outputs_of
from shared.core.provider.prediction import (
    ADDRESS_CHARACTERS,
    ERROR_CHARACTERS,
    NAME_CHARACTERS,
    PREDICTION_ID,
    Prediction,
    Status,
)

#: Replicate's six statuses. An ``aborted`` prediction ended before it started.
_STATUSES: Mapping[str, Status] = {
    "starting": Status.STARTING,
    "processing": Status.PROCESSING,
    "succeeded": Status.SUCCEEDED,
    "failed": Status.FAILED,
    "canceled": Status.CANCELED,
    "aborted": Status.ABORTED,
}


def prediction_of(raw: object) -> Prediction | None:
    """The prediction in decoded JSON, or None if that is not a prediction."""
    data = fields(raw)
    prediction_id, said = data.get("id"), data.get("status")
    # Replicate's ids are 26 characters of [a-z0-9]. The pattern is looser, because they have changed before.
    if not isinstance(prediction_id, str) or not PREDICTION_ID.fullmatch(prediction_id) or not isinstance(said, str):
        return None
    status = _STATUSES.get(said, Status.UNKNOWN)
    outputs, labels = outputs_of(data.get("output"))
    error = _sentence(data.get("error"))[:ERROR_CHARACTERS]
    metrics = kept_metrics(data.get("metrics"), MEASURED_NAMES)
    seed = fields(data.get("input")).get("seed")
    return Prediction(
        prediction_id=prediction_id,
        status=status,
        model=_sentence(data.get("model"))[:NAME_CHARACTERS],
        outputs=outputs,
        labels=labels,
        error=error,
        failure=failure_of(error) if status is Status.FAILED else Failure.MODEL,
        metrics=metrics,
        measured=measured_of(metrics),
        webhook=text(data.get("webhook"))[:ADDRESS_CHARACTERS],
        seed=seed if isinstance(seed, int) and not isinstance(seed, bool) else None,
        created_at=moment(data.get("created_at")),
        completed_at=moment(data.get("completed_at")),
        data_removed=data.get("data_removed") is True,
    )


def _sentence(value: object) -> str:
    """A text as it is, anything else as its JSON: an error may be an object."""
    if isinstance(value, str) or value is None:
        return value or ""
    try:
        return json.dumps(value, default=str)
    except (RecursionError, ValueError):
        return type(value).__name__
