"""Applies what Replicate reports about a prediction: by webhook, in the answer to a create, or when the timer asks.

Rules of this file:
1. Late, duplicate and foreign news change nothing. A prediction that no attempt waits for is canceled. One of a
   generation that has not opened, or does not exist, is foreign: none of ours is created before its generation opens.
2. Only a finished status ends anything. Outputs that are present before it are ignored.
3. Outputs are stored before the end is saved, under names that a second try overwrites.
4. A prediction that has succeeded without showing outputs is read once more before it is given up (patience.py).
"""

from shared.core.dependency import dependency_of
from shared.core.keys import Key
from shared.core.lifecycle import transitions
from shared.core.lifecycle.attempt import Delivery
from shared.core.lifecycle.generation import Generation, Transition
from shared.core.lifecycle.state import State
from shared.core.lifecycle.steps import LogStep
from shared.core.metric import Metric
from shared.core.money.payer import Payer
from shared.core.provider.prediction import Prediction, Status
from shared.core.reasons import Reason, Refusal
from shared.core.requests.messages import PredictionEvent
from shared.ports import Dependencies, Loaded, Unavailable
from shared.worker.deferring import schedule_retry
from shared.worker.delivery import deliver
from shared.worker.finishing import end
from shared.worker.patience import whole
from shared.worker.saving import Absent, Changed, advance, reload
from shared.worker.screening import with_records


async def event(deps: Dependencies, message: PredictionEvent) -> None:
    """Apply a webhook's news of a prediction."""
    deps.telemetry.step(LogStep.OBSERVED, message.key, status=message.prediction.status)
    loaded = await deps.store.load(message.key)
    await adopt(deps, message.key, message.attempt, message.prediction, loaded)


async def adopt_when_asked(deps: Dependencies, loaded: Loaded, key: Key, number: int, prediction: Prediction) -> None:
    """Apply the prediction that Replicate returned when it was asked.

    The delivery of a success writes files, so it starts from a fresh load, not from ``loaded``.
    """
    fresh = await reload(deps, key) if prediction.status is Status.SUCCEEDED else loaded
    await adopt(deps, key, number, prediction, fresh)


async def adopt(deps: Dependencies, key: Key, number: int, prediction: Prediction, loaded: Loaded) -> None:
    """Make the prediction this attempt's, if the attempt has none yet; then apply its status."""

    def step(found: Generation, _: Payer | None) -> Transition[Generation] | None:
        return transitions.adopted(found, number, prediction.prediction_id)

    saved = await advance(deps, key, step, loaded)
    if isinstance(saved, Absent):
        deps.telemetry.count(Metric.FOREIGN_PREDICTIONS)
        return
    generation = saved.generation
    if transitions.concerns(generation, number, prediction.prediction_id):
        await _apply_status(deps, generation, saved.loaded, prediction)
    elif not prediction.status.finished and not _is_expected(generation, prediction):
        await cancel_orphan(deps, generation, prediction)
    elif generation.state.ended and await deps.index.get(key) is not None:
        await end(deps, generation)


def _is_expected(generation: Generation, prediction: Prediction) -> bool:
    """True if the prediction belongs to the current or the succeeded attempt.

    The update may be late, or name another attempt.
    """
    waited_for = generation.state is State.SUCCEEDED or not generation.state.ended
    return waited_for and _is_known(generation, prediction)


def _is_known(generation: Generation, prediction: Prediction) -> bool:
    return generation.attempt.prediction_id == prediction.prediction_id


async def cancel_orphan(deps: Dependencies, generation: Generation, prediction: Prediction) -> None:
    """Cancel a prediction that no attempt waits for, and count it as extra if no attempt had adopted it.

    A prediction that finished otherwise before the cancel is not counted: it is an earlier attempt's, and its news
    came late. Raises Unavailable if the provider does not know the prediction that it has reported.
    """
    ref = generation.attempt.ref(prediction.prediction_id)
    canceled = await deps.providers[ref.provider].cancel(ref)
    if canceled is None:
        raise Unavailable(dependency_of(ref.provider), "it does not know a prediction that it has reported")
    stops = canceled.status is Status.CANCELED or not canceled.status.finished
    if stops and not _is_known(generation, prediction):
        deps.telemetry.step(LogStep.EXTRA_PREDICTION, generation.key, prediction=prediction.prediction_id)
        deps.telemetry.count(Metric.EXTRA_PREDICTIONS)


async def _apply_status(deps: Dependencies, generation: Generation, loaded: Loaded, prediction: Prediction) -> None:
    """Apply the status of a RUNNING generation's prediction: deliver, fail, or cancel it."""
    if prediction.status is Status.SUCCEEDED:
        await _handle_success(deps, loaded, generation, generation.attempt.number, prediction)
    elif prediction.status.finished:
        await _record_failure(deps, loaded, generation, generation.attempt.number, prediction)
    elif generation.requested_end is not None:
        await stop(deps, generation, loaded)
    elif prediction.status is Status.UNKNOWN:
        deps.telemetry.count(Metric.UNKNOWN_STATUSES)


async def _handle_success(
    deps: Dependencies, loaded: Loaded, generation: Generation, number: int, prediction: Prediction
) -> None:
    prediction = await whole(deps, loaded, generation, prediction)
    if prediction.status is not Status.SUCCEEDED:
        await _record_failure(deps, loaded, generation, number, prediction)
        return
    has_outputs = prediction.data_removed or not prediction.complete or generation.attempt.promised
    if has_outputs and not prediction.outputs:
        delivery = Delivery(problem=Refusal.of(Reason.OUTPUT_EXPIRED))
    else:
        delivery = await deliver(deps, generation, prediction)
    key = generation.key

    def step(found: Generation, payer: Payer | None) -> Transition[Generation] | None:
        ended = transitions.delivered(found, payer, number, prediction, delivery, deps.now())
        return ended and with_records(ended, delivery.screenings)

    saved = await advance(deps, key, step, loaded)
    if isinstance(saved, Absent):
        return
    if saved.generation.state.ended:
        # Even if another call saved the end: ``end`` deletes what this call stored, unless the generation succeeded.
        await end(deps, saved.generation)


async def _record_failure(
    deps: Dependencies, loaded: Loaded, generation: Generation, number: int, prediction: Prediction
) -> None:
    key, seed = generation.key, deps.new_seed()

    def step(found: Generation, payer: Payer | None) -> Transition[Generation] | None:
        return transitions.attempt_failed(found, payer, deps.catalog, number, prediction, seed=seed, now=deps.now())

    saved = await advance(deps, key, step, loaded)
    if isinstance(saved, Changed):
        await after_failed_attempt(deps, saved.generation)


async def after_failed_attempt(deps: Dependencies, generation: Generation) -> None:
    """After an attempt has failed or was lost: publish the end, or schedule the next attempt."""
    if generation.state.ended:
        await end(deps, generation)
    elif generation.state is State.WAITING:
        await schedule_retry(deps, generation)


async def stop(deps: Dependencies, generation: Generation, loaded: Loaded) -> None:
    """Cancel the prediction of a generation that is to end, and apply the answer.

    A 404 proves nothing yet (checking.py): the prediction may still run, cost money, and succeed.
    """
    attempt = generation.attempt
    if generation.state is not State.RUNNING or attempt.prediction_id is None:
        return
    prediction = await deps.providers[attempt.provider].cancel(attempt.ref(attempt.prediction_id))
    if prediction is not None and prediction.status.finished:
        await adopt_when_asked(deps, loaded, generation.key, attempt.number, prediction)
    else:
        await deps.index.move(generation.key, deps.now())
