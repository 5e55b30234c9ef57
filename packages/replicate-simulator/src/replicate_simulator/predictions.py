"""PURE: the life of one prediction. No clock, no I/O, no random: the time is an argument.

A prediction is planned when it is created, so its state at any moment can be computed, and a clock that jumps skips
nothing: `advance` walks through every step on the way, at its own time.

    starting --> processing --> succeeded | failed
       |              |
       |              '--> canceled      by the user, or by the deadline while it ran
       '--> canceled                     by the user
       '--> aborted                      by the deadline, or by Replicate, before it started
       '--> failed                       it could not boot; there is no started_at

Rule: a terminal prediction never changes, except that its data is removed an hour after its end. A training lives as a
prediction does, and what it made stays.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final

from replicate_simulator.metrics import counted
from replicate_simulator.schemas import Order

#: How long Replicate keeps input, output, logs and files of a prediction made through the API.
RETENTION: Final = timedelta(hours=1)


class Status(StrEnum):
    """The six statuses of the API."""

    STARTING = "starting"
    PROCESSING = "processing"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELED = "canceled"
    ABORTED = "aborted"


TERMINAL: Final = frozenset({Status.SUCCEEDED, Status.FAILED, Status.CANCELED, Status.ABORTED})


@dataclass(frozen=True, slots=True)
class Plan:
    """How a prediction goes if nobody interferes.

    Attributes:
        start_s: from its creation to its start.
        run_s: from its start to its end; None: it never ends by itself.
        outputs: the URLs it makes, or the chunks of its text, or a version and the URL of its weights.
        logs: what it writes while it runs.
        error: it fails, with this text.
        boots: False: instead of starting it ends, failed with `error`, or aborted where there is none.
    """

    start_s: float
    run_s: float | None
    outputs: tuple[str, ...]
    logs: str = ""
    error: str | None = None
    boots: bool = True


@dataclass(frozen=True, slots=True)
class Prediction:
    """A prediction at one moment."""

    id: str
    order: Order
    plan: Plan
    created_at: datetime
    status: Status = Status.STARTING
    started_at: datetime | None = None
    completed_at: datetime | None = None
    error: str | None = None
    outputs: tuple[str, ...] | None = None
    data_removed: bool = False

    @property
    def deadline(self) -> datetime | None:
        """The moment that `Cancel-After` set, counted from the creation."""
        after_s = self.order.cancel_after_s
        return None if after_s is None else self.created_at + timedelta(seconds=after_s)

    @property
    def trains(self) -> bool:
        """Whether it is a training."""
        return self.order.target.model.modality == "training"

    @property
    def is_terminal(self) -> bool:
        """Whether it has come to its end."""
        return self.status in TERMINAL


@dataclass(frozen=True, slots=True)
class Event:
    """What a webhook may announce: its name (see `schemas.EVENTS`) and the prediction as it was then."""

    name: str
    prediction: Prediction


@dataclass(frozen=True, slots=True)
class _Step:
    at: datetime
    after: Prediction
    events: tuple[Event, ...] = ()


def next_change(prediction: Prediction) -> datetime | None:
    """Returns when the prediction changes next by itself, or None if it never will."""
    step = _next_step(prediction)
    return None if step is None else step.at


def advance(prediction: Prediction, now: datetime) -> tuple[Prediction, tuple[Event, ...]]:
    """Returns the prediction as it is at `now`, and what happened since, in order."""
    events: tuple[Event, ...] = ()
    while (step := _next_step(prediction)) is not None and step.at <= now:
        prediction = step.after
        events += step.events
    return prediction, events


def cancel(prediction: Prediction, now: datetime) -> tuple[Prediction, tuple[Event, ...]]:
    """Returns the prediction canceled by its user; one that has ended stays as it is."""
    prediction, events = advance(prediction, now)
    if prediction.is_terminal:
        return prediction, events
    canceled = replace(prediction, status=Status.CANCELED, completed_at=now)
    return canceled, (*events, Event("completed", canceled))


def _next_step(prediction: Prediction) -> _Step | None:
    if prediction.data_removed:
        return None
    if prediction.completed_at is not None and prediction.trains:
        return None
    if prediction.completed_at is not None:
        return _Step(prediction.completed_at + RETENTION, replace(prediction, data_removed=True))
    if prediction.started_at is None:
        return _leave_the_queue(prediction)
    return _end(prediction, prediction.started_at)


def _leave_the_queue(waiting: Prediction) -> _Step:
    plan = waiting.plan
    at = waiting.created_at + timedelta(seconds=plan.start_s)
    deadline = waiting.deadline
    if deadline is not None and deadline <= at:
        # No event: the documented ones do not cover `aborted`, so a client has to ask.
        return _Step(deadline, replace(waiting, status=Status.ABORTED, completed_at=deadline))
    if plan.boots:
        started = replace(waiting, status=Status.PROCESSING, started_at=at)
        return _Step(at, started, (Event("start", started), Event("logs", started)))
    if plan.error is None:
        return _Step(at, replace(waiting, status=Status.ABORTED, completed_at=at))
    failed = replace(waiting, status=Status.FAILED, completed_at=at, error=plan.error)
    return _Step(at, failed, (Event("completed", failed),))


def _end(running: Prediction, started_at: datetime) -> _Step | None:
    plan = running.plan
    at = None if plan.run_s is None else started_at + timedelta(seconds=plan.run_s)
    deadline = running.deadline
    if deadline is not None and (at is None or deadline <= at):
        canceled = replace(running, status=Status.CANCELED, completed_at=deadline)
        return _Step(deadline, canceled, (Event("completed", canceled),))
    if at is None:
        return None
    if plan.error is not None:
        failed = replace(running, status=Status.FAILED, completed_at=at, error=plan.error)
        return _Step(at, failed, (Event("completed", failed),))
    # The output event comes before the status changes: a client must not take an output for the end.
    uploaded = replace(running, outputs=plan.outputs)
    done = replace(uploaded, status=Status.SUCCEEDED, completed_at=at)
    return _Step(at, done, (Event("output", uploaded), Event("completed", done)))


def view(prediction: Prediction, base_url: str) -> dict[str, Any]:
    """Returns the prediction as the API and the webhooks show it: the JSON of GET /predictions/{id}."""
    order = prediction.order
    gone = prediction.data_removed
    place = f"{base_url}/v1/{'trainings' if prediction.trains else 'predictions'}/{prediction.id}"
    shown: dict[str, Any] = {
        "id": prediction.id,
        "model": order.target.model.name,
        "version": order.target.version,
        "input": {} if gone else dict(order.input),
        "logs": None if gone else _logs(prediction),
        "output": None if gone else _output(prediction),
        "data_removed": gone,
        "error": prediction.error,
        "status": prediction.status.value,
        "source": "api",
        "created_at": written(prediction.created_at, digits=3),
        "urls": {
            "cancel": f"{place}/cancel",
            "get": place,
            "web": f"https://replicate.com/p/{prediction.id}",
        },
    }
    if not prediction.trains:
        shown["urls"]["stream"] = f"{base_url}/stream/{prediction.id}"
    return {**shown, **_times(prediction), **_asked(order)}


def training_view(training: Prediction, base_url: str) -> dict[str, Any]:
    """Returns a training as GET /trainings/{id} and its webhooks show it: it has no output before its end."""
    shown = view(training, base_url)
    return {
        name: value for name, value in shown.items() if name != "data_removed" and (name, value) != ("output", None)
    }


def _times(prediction: Prediction) -> Mapping[str, Any]:
    """Returns what is there only when it happened."""
    shown: dict[str, Any] = {}
    if prediction.started_at is not None:
        shown["started_at"] = written(prediction.started_at, digits=6)
    if prediction.deadline is not None:
        shown["deadline"] = written(prediction.deadline, digits=3)
    if prediction.completed_at is not None:
        shown["completed_at"] = written(prediction.completed_at, digits=9)
        shown["metrics"] = _metrics(prediction, prediction.completed_at)
    return shown


def _asked(order: Order) -> Mapping[str, Any]:
    """Returns the echo of what the request chose to send."""
    shown: dict[str, Any] = {}
    if order.target.deployment is not None:
        shown["deployment"] = order.target.deployment
    if order.webhook is not None:
        shown["webhook"] = order.webhook
    if order.events_filter is not None:
        shown["webhook_events_filter"] = list(order.events_filter)
    return shown


def _metrics(prediction: Prediction, completed_at: datetime) -> Mapping[str, float]:
    metrics: dict[str, float] = {"total_time": (completed_at - prediction.created_at).total_seconds()}
    if prediction.started_at is not None:
        metrics["predict_time"] = (completed_at - prediction.started_at).total_seconds()
    if prediction.outputs is not None:
        metrics |= counted(prediction.order, prediction.outputs)
    return metrics


def _logs(prediction: Prediction) -> str:
    return prediction.plan.logs if prediction.started_at is not None else ""


def _output(prediction: Prediction) -> list[str] | dict[str, str] | str | None:
    if prediction.outputs is None:
        return None
    match prediction.order.target.model.output:
        case "single":
            return prediction.outputs[0]
        case "object":  # Bark's
            return {"audio_out": prediction.outputs[0]}
        case "version":
            return dict(zip(("version", "weights"), prediction.outputs, strict=True))
        case "list" | "chunks":
            return list(prediction.outputs)


def written(moment: datetime, digits: int) -> str:
    """Writes a time with so many digits of a second: the API mixes 3, 6 and 9, so a client has to read them all."""
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment:%f}".ljust(29, "0")[: 20 + digits] + "Z"
