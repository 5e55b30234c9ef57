"""Predictions: create one, read it, wait for its end, cancel it.

Rules of this file:
1. A prediction that failed or was canceled is an answer of these verbs; its ``status`` and ``error`` say so.
2. A prediction that outlasts the wait is canceled, because it costs as long as it runs. The error says whether it was,
   and else until when it may run.
3. A success whose output Replicate has deleted is an error, never an empty output.
"""

import asyncio
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from itertools import repeat
from typing import Any

from shared.adapters.replicate.sdk.api import NewPrediction, ReplicateApi
from shared.adapters.replicate.sdk.api.naming import seconds
from shared.adapters.replicate.sdk.connector.results import PredictionInfo, prediction_info
from shared.adapters.replicate.sdk.connector.targets import Targets
from shared.adapters.replicate.sdk.connector.versions import without_names
from shared.adapters.replicate.sdk.errors import ExpiredError, TimedOutError
from shared.adapters.replicate.sdk.retrying import TRIED_AGAIN, Kind
from shared.adapters.replicate.sdk.types import FullPrediction
from shared.adapters.replicate.sdk.waiting import Wait, bounded, pauses_s, runs_on
from shared.core.provider.prediction import Status

_CREATE, _GET, _CANCEL = "predictions.create", "predictions.get", "predictions.cancel"

#: The first and the longest pause between two reads of a prediction, in seconds. Each is half as long again as the one
#: before, and is multiplied by a random 0.5 to 1.
LOOKS_S = (1.0, 15.0)

#: The shortest pause between two reads that a caller may ask for, in seconds: Replicate answers 3,000 reads a minute.
_SHORTEST_LOOK_S = 0.05

#: How long the verbs that do not wait for a model may take by default, in seconds.
_ANSWER_S = 60.0


class Predictions(Targets):
    """The verbs on predictions."""

    async def create_prediction(
        self,
        model_id: str,
        input_data: Mapping[str, Any] | None = None,
        version_id: str | None = None,
        *,
        webhook: str | None = None,
        cancel_after: int | None = None,
        timeout: float = _ANSWER_S,
    ) -> str:
        """Start a run of a model; returns the prediction's id.

        Args:
            model_id: owner/name of a model or a deployment, or owner/name:version, or a version.
            input_data: the inputs, by the model's names.
            version_id: the version that runs; by default the latest.
            webhook: an https address that Replicate calls with the output and at the end.
            cancel_after: Replicate ends the prediction so many seconds after its creation, 5 to 86,400.
            timeout: how long Replicate may take to answer, in seconds.

        Raises:
            ValidationError: the inputs are not accepted; ``fields`` names them.
            NotFoundError: there is no such model or version, or it has no version yet.
            OutcomeUnknownError: the answer was lost; it may have been created. The text says how long it may run.
            TimedOutError: it was not answered in time. The text says the same.
        """
        api, bound_s = self.connected("create_prediction"), seconds(_CREATE, timeout, field="timeout")
        sent = False
        async with bounded(_CREATE, bound_s, lambda: perhaps_created(cancel_after, sent=sent)):
            target = await self.target_of(api, _CREATE, model_id, version_id)
            new = NewPrediction(inputs=without_names(input_data or {}), webhook=webhook, cancel_after_s=cancel_after)
            sent = True
            return (await self.create_on(api, target, model_id, new))[0].id

    async def get_prediction(self, prediction_id: str, *, timeout: float = _ANSWER_S) -> PredictionInfo:
        """A prediction as it is now.

        Raises:
            NotFoundError: there is none.
            ExpiredError: it succeeded over an hour ago, and its output is deleted.
            TimedOutError: it was not answered in time.
        """
        api, bound_s = self.connected("get_prediction"), seconds(_GET, timeout, field="timeout")
        async with bounded(_GET, bound_s, prediction_id=prediction_id):
            return prediction_info(kept(await api.predictions.get(prediction_id)))

    async def wait_for_prediction(
        self,
        prediction_id: str,
        timeout: float = 300,
        poll_interval: float | None = None,
        *,
        cancel_on_timeout: bool = True,
    ) -> PredictionInfo:
        """A prediction as it ended: succeeded, failed, canceled, or aborted before it started.

        A transient error while reading is waited out.

        Args:
            prediction_id: the prediction.
            timeout: how long to wait, in seconds.
            poll_interval: the seconds between two reads; by default 1 at first, growing to 15.
            cancel_on_timeout: whether a prediction that takes longer is canceled.

        Raises:
            TimedOutError: it had not ended in time.
            ExpiredError: it succeeded over an hour ago, and its output is deleted.
        """
        api = self.connected("wait_for_prediction")
        bound_s = seconds(_GET, timeout, field="timeout")
        pauses: Iterator[float] = pauses_s(*LOOKS_S, 1.5)
        if poll_interval is not None:
            every_s = seconds(_GET, poll_interval, field="poll_interval")
            pauses = repeat(max(every_s, _SHORTEST_LOOK_S))
        deadline = time.monotonic() + bound_s
        ended = await wait(api, prediction_id, bound_s, deadline, pauses, cancels=cancel_on_timeout)
        return prediction_info(kept(ended))

    async def cancel_prediction(self, prediction_id: str, *, timeout: float = _ANSWER_S) -> bool:
        """End a prediction. Returns False if it had succeeded or failed before.

        Raises:
            NotFoundError: there is none.
            TimedOutError: it was not answered in time. The text says for how long it may run on.
        """
        api, bound_s = self.connected("cancel_prediction"), seconds(_CANCEL, timeout, field="timeout")
        perhaps = f"it may run on, without a Cancel-After {runs_on(None)}"
        async with bounded(_CANCEL, bound_s, lambda: perhaps, prediction_id=prediction_id, advice="Cancel it again."):
            canceled = await api.predictions.cancel(prediction_id)
        return canceled.status not in (Status.SUCCEEDED, Status.FAILED)


def perhaps_created(cancel_after_s: int | None, *, sent: bool) -> str:
    """What may have been created by a create that was not answered in time."""
    if not sent:
        return "nothing was created"
    return f"one may have been created, and may run on {runs_on(cancel_after_s)}"


def kept(prediction: FullPrediction) -> FullPrediction:
    """The prediction, unless it is a success without its output. ExpiredError in that case."""
    if prediction.data_removed and prediction.status is Status.SUCCEEDED:
        gone = f"prediction {prediction.id} succeeded, and its output is deleted"
        raise ExpiredError(_GET, gone, prediction_id=prediction.id)
    return prediction


async def wait(  # each is a matter of its own
    api: ReplicateApi,
    prediction_id: str,
    bound_s: float,
    deadline: float,
    pauses: Iterator[float],
    *,
    cancels: bool = True,
    cancel_after_s: int | None = None,
) -> FullPrediction:
    """The prediction as it ended. At the deadline, ``bound_s`` after the beginning, it is canceled.

    ``cancel_after_s`` is what its create said. The error says for how long it may run if it cannot be canceled.
    """
    waiting = Wait(_GET, api.predictions.get, prediction_id, bound_s=bound_s, deadline=deadline, pauses=pauses)
    with suppress(TimedOutError):
        return await waiting.end()
    on = runs_on(cancel_after_s)
    if waiting.known is not None and waiting.known.deadline is not None:
        on = f"until {waiting.known.deadline:%H:%M:%S} UTC, its Cancel-After"
    if not cancels:
        raise too_long(prediction_id, bound_s, f"it may run on {on}")
    canceled = await canceled_in_time(api, prediction_id, bound_s)
    if canceled is not None and canceled.status in (Status.SUCCEEDED, Status.FAILED):  # it ended just now
        return canceled
    done = "canceled" if canceled else f"it could not be canceled, and may run on {on}"
    raise too_long(prediction_id, bound_s, done)


async def canceled_in_time(api: ReplicateApi, prediction_id: str, bound_s: float) -> FullPrediction | None:
    """Cancel a prediction within four tenths of a bound. None if Replicate did not answer."""
    with suppress(TimeoutError, *TRIED_AGAIN[Kind.CANCEL]):
        async with asyncio.timeout(min(max(0.4 * bound_s, 0.3), 5.0)):
            return await api.predictions.cancel(prediction_id)
    return None


def too_long(prediction_id: str, bound_s: float, done: str) -> TimedOutError:
    """The error of a prediction that outlasts its time."""
    why = f"prediction {prediction_id} took over {bound_s:g} s: {done}"
    return TimedOutError(_GET, why, prediction_id=prediction_id)
