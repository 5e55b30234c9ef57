"""How long outputs are waited for that a succeeded prediction does not show.

Rules of this file:
1. A prediction that was paid for is read once more before it is given up: a webhook may come without outputs, and a
   read may lag (reads of one prediction differ between Replicate's stores).
2. A missing output is tried again until its hour is nearly over. The wait ends before that, so that the other outputs
   of the prediction can still be delivered.
3. The first tries are deferred copies of the news. The later ones are the timer's checks, at growing intervals.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta

from shared.core.dependency import dependency_of
from shared.core.keys import Key
from shared.core.lifecycle import transitions
from shared.core.lifecycle.attempt import Attempt
from shared.core.lifecycle.generation import Generation, Transition
from shared.core.money.payer import Payer
from shared.core.provider.prediction import Prediction, Status
from shared.core.reasons import Reason
from shared.ports import Dependencies, Loaded, OutputUnfit, Unavailable
from shared.worker.saving import advance


@asynccontextmanager
async def awaited(deps: Dependencies, key: Key, attempt: Attempt, prediction: Prediction) -> AsyncIterator[None]:
    """Fetch an output inside this context: a missing output raises Unavailable while it may still appear."""
    try:
        yield
    except OutputUnfit as unfit:
        if unfit.refusal.reason is Reason.OUTPUT_EXPIRED and _left_s(deps, attempt, prediction) > 0:
            await _wait(deps, key, attempt, prediction, "an output is missing")
        raise


async def whole(deps: Dependencies, loaded: Loaded, generation: Generation, prediction: Prediction) -> Prediction:
    """A succeeded prediction with its outputs, read from Replicate again if needed; unchanged if there is no more.

    Raises Unavailable while Replicate contradicts itself: it has reported success but a read says "not finished" or
    404, or it has announced outputs and shows none.
    """
    attempt = generation.attempt
    if prediction.complete and prediction.outputs:
        return prediction
    shown = await deps.providers[attempt.provider].get(attempt.ref(prediction.prediction_id))
    if shown is not None and shown.status.finished and shown.status is not Status.SUCCEEDED:
        return shown  # an answer to a read takes precedence over a webhook
    found = shown if shown is not None and shown.status is Status.SUCCEEDED else None
    if found is not None and found.outputs:
        return found
    promised = attempt.promised or not prediction.complete
    if prediction.data_removed or (found is not None and (found.data_removed or not promised)):
        return found or prediction
    if _left_s(deps, attempt, found or prediction) <= 0:
        return found or prediction
    if not prediction.complete:
        await _record_promise(deps, loaded, generation.key, attempt.number, prediction)
    await _wait(deps, generation.key, attempt, found or prediction, "a succeeded prediction shows no outputs")
    return prediction


async def _record_promise(deps: Dependencies, loaded: Loaded, key: Key, number: int, prediction: Prediction) -> None:
    """Save that outputs were announced: the next news of the prediction may not say so."""

    def step(found: Generation, _: Payer | None) -> Transition[Generation] | None:
        return transitions.promised(found, number, prediction.prediction_id)

    await advance(deps, key, step, loaded)


def _finished_at(deps: Dependencies, attempt: Attempt, prediction: Prediction) -> datetime:
    """When the outputs' hour began, as far as known; never later than the prediction can have ended."""
    latest = min(attempt.canceled_at(deps.timing), deps.now())
    return min(prediction.completed_at or attempt.submitted_at, latest)


def _left_s(deps: Dependencies, attempt: Attempt, prediction: Prediction) -> float:
    """For how many more seconds the outputs are waited for; negative when the wait is over."""
    waited_s = (deps.now() - _finished_at(deps, attempt, prediction)).total_seconds()
    return deps.timing.output_wait_s - waited_s


async def _wait(deps: Dependencies, key: Key, attempt: Attempt, prediction: Prediction, why: str) -> None:
    """Raise Unavailable with a wait that grows with the time waited so far, and move the index row to match it.

    The timer's next check is no earlier than that wait, and still before the wait for outputs ends.
    """
    left_s = _left_s(deps, attempt, prediction)
    wait_s = min((deps.timing.output_wait_s - left_s) / 2, left_s)
    pause_s = min(max(wait_s, deps.timing.check_after_s), left_s)
    await deps.index.move(key, deps.now() + timedelta(seconds=pause_s))
    raise Unavailable(dependency_of(attempt.provider), why, wait_s)
