"""The transitions of an opened generation: the create and its answers, what Replicate reports, requested ends.

The rules are those of ``generation.py``; ``opening.py`` has the transitions of what has not opened.
"""

from datetime import datetime, timedelta

from shared.core.catalog.catalog import Catalog
from shared.core.events.generation_event import ChosenBy, PassedOver
from shared.core.lifecycle.attempt import Attempt, Delivery, Timing, attempt_on
from shared.core.lifecycle.generation import Generation, Transition, ended, ended_as_wished, step
from shared.core.lifecycle.metering import abandoned, metered, unmeasured
from shared.core.lifecycle.state import State
from shared.core.lifecycle.steps import Step, happened
from shared.core.lifecycle.trained import catalog_of, loss_of, version_made
from shared.core.money.payer import Payer
from shared.core.provider.failure import REASONS, Failure
from shared.core.provider.prediction import NotCreated, Prediction, Status
from shared.core.provider.redaction import redacted
from shared.core.reasons import Reason, Refusal
from shared.core.values import replace

# The create and its answers.


def deferred(
    generation: Generation,
    payer: Payer | None,
    number: int,
    posts: int,
    answer: NotCreated,
    *,
    retry_at: datetime,
    now: datetime,
) -> Transition[Generation] | None:
    """The create was surely not made. Retry at ``retry_at``, unless an end was requested meanwhile."""
    attempt = generation.attempt
    if generation.state is not State.SUBMITTING or (attempt.number, attempt.posts) != (number, posts):
        return None
    waits = happened(Step.CREATE_DEFERRED, why=answer.why, seconds=round(answer.retry_after_s))
    if generation.requested_end is not None:
        return ended_as_wished(generation, payer, generation.requested_end, now).after(waits)
    return step(generation, State.WAITING, attempt=replace(attempt, retry_at=retry_at)).after(waits)


def retried(generation: Generation, now: datetime) -> Transition[Generation] | None:
    """The wait of a WAITING generation is over: the caller may POST once this is saved."""
    attempt = generation.attempt
    if generation.state is not State.WAITING or attempt.retry_at is None or now < attempt.retry_at:
        return None
    again = replace(attempt, posts=attempt.posts + 1, submitted_at=now, retry_at=None)
    goes_on = step(generation, State.SUBMITTING, attempt=again, reason=None, text="")
    return goes_on.after(happened(Step.CREATE_RETRIED))


def paused(
    generation: Generation,
    payer: Payer | None,
    attempt: Attempt,
    waits: Refusal,
    said: str,
    *,
    retry_at: datetime,
    now: datetime,
) -> Transition[Generation] | None:
    """A kill switch stops the create of ``attempt``, which was surely not POSTed: keep the hold, and wait.

    ``said`` is for operators: what is paused, by whom and until when.
    """
    if generation.state not in (State.SUBMITTING, State.WAITING) or generation.attempt != attempt:
        return None
    stops = happened(Step.PAUSED, why=said)
    if generation.requested_end is not None:
        return ended_as_wished(generation, payer, generation.requested_end, now).after(stops)
    later = replace(attempt, retry_at=retry_at)
    return step(generation, State.WAITING, attempt=later, reason=waits.reason, text=waits.text).after(stops)


def given_up(
    generation: Generation, payer: Payer | None, timing: Timing, now: datetime, paused_for: timedelta = timedelta()
) -> Transition[Generation] | None:
    """End a WAITING generation whose create was retried for longer than ``give_up_after_s``, without ``paused_for``."""
    waited = now - generation.opened_at - paused_for
    if generation.state is not State.WAITING or waited < timedelta(seconds=timing.give_up_after_s):
        return None
    why = Refusal.of(Reason.PROVIDER_UNAVAILABLE)
    return ended(generation, payer, State.FAILED, why, now).after(happened(Step.GIVEN_UP, reason=why.reason))


def refused(
    generation: Generation,
    payer: Payer | None,
    catalog: Catalog,
    number: int,
    refusal: Refusal,
    *,
    seed: int,
    now: datetime,
) -> Transition[Generation] | None:
    """The create was refused for good. A refused input ends the generation; a missing model moves it to the next."""
    if generation.state is not State.SUBMITTING or generation.attempt.number != number:
        return None
    said = happened(Step.CREATE_REFUSED, reason=refusal.reason)
    if refusal.reason is not Reason.UNKNOWN_MODEL:
        return ended(generation, payer, State.FAILED, refusal, now).after(said)
    if generation.requested_end is not None:
        return ended_as_wished(generation, payer, generation.requested_end, now).after(said)
    following = _following_model(generation)
    return _next_attempt(generation, payer, catalog, following, refusal, seed=seed, now=now).after(said)


def adopted(generation: Generation, number: int, prediction_id: str) -> Transition[Generation] | None:
    """The prediction of this attempt is known: from the create's answer, its webhook, or Replicate's list."""
    attempt = generation.attempt
    if generation.state not in (State.SUBMITTING, State.WAITING) or attempt.number != number:
        return None
    adopting = replace(attempt, prediction_id=prediction_id, retry_at=None)
    return step(generation, State.RUNNING, attempt=adopting, reason=None, text="").after(
        happened(Step.PREDICTION_CREATED, prediction=prediction_id)
    )


def lost(
    generation: Generation,
    payer: Payer | None,
    catalog: Catalog,
    timing: Timing,
    *,
    seed: int,
    now: datetime,
) -> Transition[Generation] | None:
    """No trace of a create whose ``Cancel-After`` has passed: it was never made, or is over. Open the next attempt.

    Without a guaranteed ``Cancel-After`` an unseen prediction may still run, so there is no next attempt.
    """
    attempt = generation.attempt
    if generation.state is not State.SUBMITTING or now < attempt.canceled_at(timing):
        return None
    is_lost, generation = loss_of(attempt), unmeasured(generation)
    if generation.requested_end is not None:
        return ended_as_wished(generation, payer, generation.requested_end, now).after(is_lost)
    again = attempt.model if attempt.guarantees.cancel_after else None
    why = Refusal.of(Reason.LOST)
    return _next_attempt(generation, payer, catalog, again, why, seed=seed, now=now).after(is_lost)


def posted_again(
    generation: Generation, timing: Timing, now: datetime, paused_for: timedelta = timedelta()
) -> Transition[Generation] | None:
    """The outcome of an idempotent create has been unknown for long: it may be POSTed again once this is saved.

    Returns None if an end is requested (``Cancel-After`` then ends whatever runs), and after a limited time.
    """
    attempt = generation.attempt
    if generation.state is not State.SUBMITTING or not attempt.guarantees.idempotent:
        return None
    if now < attempt.submitted_at + timedelta(seconds=timing.list_grace_s):
        return None
    if generation.requested_end is not None and attempt.guarantees.cancel_after:
        return None
    if now >= generation.opened_at + timedelta(seconds=timing.give_up_after_s) + paused_for:
        return None
    again = replace(attempt, posts=attempt.posts + 1, submitted_at=now)
    return step(generation, State.SUBMITTING, attempt=again).after(happened(Step.CREATE_REPEATED, post=again.posts))


#: Attempts beyond the fallback chain: how often a model is tried again after the outcome of a create was lost.
LOST_ATTEMPTS = 2


def _next_attempt(
    generation: Generation,
    payer: Payer | None,
    catalog: Catalog,
    model_name: str | None,
    refusal: Refusal,
    *,
    seed: int,
    now: datetime,
) -> Transition[Generation]:
    """Open the next attempt on ``model_name`` within the hold. End with ``refusal`` if there is no next model.

    It opens in WAITING, due immediately, so that its create takes the same path as any retried create.
    """
    attempt = generation.attempt
    if model_name is None or attempt.number >= len(generation.chain) + LOST_ATTEMPTS:
        return ended(generation, payer, State.FAILED, refusal, now)
    known, number = catalog_of(attempt, catalog), attempt.number + 1
    following = attempt_on(known, generation.request, model_name, number=number, seed=seed, now=now)
    if isinstance(following, Refusal) or following.unit_credits * following.outputs > generation.held_credits:
        return ended(generation, payer, State.FAILED, refusal, now)
    following = replace(following, posts=0, retry_at=now)
    opens = happened(Step.NEXT_ATTEMPT, model=following.model)
    if following.model == attempt.model:
        return step(generation, State.WAITING, attempt=following).after(opens)
    passed = (*generation.passed_over, PassedOver(attempt.model, refusal.reason))
    changed = step(generation, State.WAITING, attempt=following, chosen_by=ChosenBy.FALLBACK, passed_over=passed)
    return changed.after(opens)


# What Replicate reports about a prediction.


def concerns(generation: Generation, number: int, prediction_id: str) -> bool:
    """Whether this prediction is the one that the generation runs on. Late, duplicate and foreign ones are not."""
    attempt = generation.attempt
    return generation.state is State.RUNNING and attempt.number == number and attempt.prediction_id == prediction_id


def delivered(
    generation: Generation,
    payer: Payer | None,
    number: int,
    prediction: Prediction,
    delivery: Delivery,
    now: datetime,
) -> Transition[Generation] | None:
    """A prediction succeeded and its outputs were handled: capture for those stored, release the rest."""
    attempt = generation.attempt
    if not concerns(generation, number, prediction.prediction_id):
        return None
    done = replace(metered(generation, prediction, delivery), refused_outputs=delivery.refused_outputs)
    if not delivery.outputs:
        refusal = delivery.refused or delivery.problem or Refusal.of(Reason.OUTPUT_INVALID)
        return ended(done, payer, State.FAILED, refusal, now)
    done = replace(done, outputs=delivery.outputs)
    captured = attempt.unit_credits * len(delivery.outputs)
    succeeded = ended(done, payer, State.SUCCEEDED, None, now, captured=captured)
    return replace(succeeded, version=version_made(done, now))


def attempt_failed(
    generation: Generation,
    payer: Payer | None,
    catalog: Catalog,
    number: int,
    prediction: Prediction,
    *,
    seed: int,
    now: datetime,
) -> Transition[Generation] | None:
    """A prediction failed, or was canceled or aborted: end, or try the next model of the chain."""
    attempt = generation.attempt
    if not concerns(generation, number, prediction.prediction_id):
        return None
    generation = metered(generation, prediction)
    after = _after_failure(generation, payer, catalog, prediction, seed=seed, now=now)
    steps = [happened(Step.PREDICTION_ENDED, status=prediction.status)]
    if prediction.status is Status.FAILED:
        kind, said = prediction.failure, after.generation.provider_error
        steps.append(happened(Step.PREDICTION_FAILED, model=attempt.model, kind=kind, said=said))
    return after.after(*steps)


def _after_failure(
    generation: Generation,
    payer: Payer | None,
    catalog: Catalog,
    prediction: Prediction,
    *,
    seed: int,
    now: datetime,
) -> Transition[Generation]:
    """The transition after a prediction that did not succeed."""
    if prediction.status is Status.FAILED:
        generation = replace(generation, provider_error=redacted(prediction.error, _written(generation)))
    if generation.requested_end is not None:
        return ended_as_wished(generation, payer, generation.requested_end, now)
    if prediction.status is Status.CANCELED:
        # Not canceled by us: Cancel-After ended it, or somebody canceled it on Replicate's own page.
        return ended(generation, payer, State.FAILED, Refusal.of(Reason.TIMED_OUT), now)
    refusal = Refusal.of(Reason.TIMED_OUT)  # aborted: it never started within Cancel-After, so it was not charged
    if prediction.status is Status.FAILED:
        refusal = Refusal.of(REASONS[prediction.failure])
        if prediction.failure not in (Failure.TRANSIENT, Failure.MODEL):
            return ended(generation, payer, State.FAILED, refusal, now)
    following = _following_model(generation)
    return _next_attempt(generation, payer, catalog, following, refusal, seed=seed, now=now)


def _written(generation: Generation) -> list[str]:
    """The texts that the user may have written and an error may quote. They are redacted from errors."""
    sent, asked = generation.attempt.inputs.values(), generation.request.written_texts
    return [text for text in (*sent, *asked) if isinstance(text, str)]


def _following_model(generation: Generation) -> str | None:
    """The next model of the chain after the one that failed."""
    chain, attempt = generation.chain, generation.attempt
    if attempt.model not in chain:
        return None
    after = chain[chain.index(attempt.model) + 1 :]
    return after[0] if after else None


# What Replicate does not report.


def missed(generation: Generation, number: int, prediction_id: str, now: datetime) -> Transition[Generation] | None:
    """Replicate does not know the running prediction. Record the first time: only a lasting absence proves anything."""
    attempt = generation.attempt
    if not concerns(generation, number, prediction_id) or attempt.missing_since is not None:
        return None
    return step(generation, State.RUNNING, attempt=replace(attempt, missing_since=now)).after(
        happened(Step.PREDICTION_MISSING, prediction=prediction_id)
    )


def known_again(generation: Generation, number: int, prediction_id: str) -> Transition[Generation] | None:
    """Replicate knows the prediction again: forget that it was missing."""
    attempt = generation.attempt
    if not concerns(generation, number, prediction_id) or attempt.missing_since is None:
        return None
    return step(generation, State.RUNNING, attempt=replace(attempt, missing_since=None)).after(
        happened(Step.PREDICTION_KNOWN_AGAIN, prediction=prediction_id)
    )


def promised(generation: Generation, number: int, prediction_id: str) -> Transition[Generation] | None:
    """Replicate has announced outputs that it has not listed. Wait for them, even if it then reports none."""
    attempt = generation.attempt
    if not concerns(generation, number, prediction_id) or attempt.promised:
        return None
    return step(generation, State.RUNNING, attempt=replace(attempt, promised=True)).after(
        happened(Step.OUTPUTS_PROMISED, prediction=prediction_id)
    )


def is_missing(generation: Generation, timing: Timing, now: datetime) -> bool:
    """Whether a RUNNING prediction has been unknown for so long, and is so late, that it cannot run any more.

    Without a guaranteed ``Cancel-After`` the caller has to look elsewhere too.
    """
    attempt = generation.attempt
    if generation.state is not State.RUNNING or attempt.missing_since is None:
        return False
    lasts = now >= attempt.missing_since + timedelta(seconds=timing.missing_s)
    return lasts and (not attempt.guarantees.cancel_after or now >= attempt.canceled_at(timing))


def vanished(
    generation: Generation, payer: Payer | None, timing: Timing, now: datetime
) -> Transition[Generation] | None:
    """The prediction is gone for good: end, and release the hold."""
    if not is_missing(generation, timing, now):
        return None
    prediction_id = generation.attempt.prediction_id or ""
    return ended_as_wished(unmeasured(generation), payer, generation.requested_end or Reason.LOST, now).after(
        happened(Step.PREDICTION_VANISHED, prediction=prediction_id)
    )


# Requested ends.


def end_requested(
    generation: Generation, payer: Payer | None, wish: Reason, now: datetime
) -> Transition[Generation] | None:
    """End now if no prediction can be running. Otherwise record the request: the next update ends it."""
    if generation.state.ended:
        return None
    if generation.state is State.WAITING:
        return ended_as_wished(generation, payer, wish, now).after(happened(Step.END_REQUESTED, reason=wish))
    if generation.requested_end is not None:
        return None
    return step(generation, generation.state, requested_end=wish).after(happened(Step.END_REQUESTED, reason=wish))


def overdue(generation: Generation, timing: Timing, now: datetime) -> bool:
    """Whether a RUNNING generation is past the time at which Replicate should have cancelled it."""
    return generation.state is State.RUNNING and now >= generation.attempt.canceled_at(timing)


def unheard(
    generation: Generation, payer: Payer | None, timing: Timing, now: datetime
) -> Transition[Generation] | None:
    """Replicate has not answered until even a finished prediction's outputs would be deleted: end, and release."""
    if not overdue(generation, timing, now):
        return None
    if now < generation.attempt.canceled_at(timing) + timedelta(seconds=timing.output_life_s):
        return None
    return ended_as_wished(unmeasured(generation), payer, generation.requested_end or Reason.TIMED_OUT, now).after(
        happened(Step.PREDICTION_UNHEARD)
    )


def dead_lettered(
    generation: Generation, payer: Payer | None, now: datetime, found: Prediction | None = None
) -> Transition[Generation] | None:
    """Its message was dead-lettered: end, and release the hold. ``found`` is its prediction after it was canceled."""
    if generation.state.ended:
        return None
    why = Refusal.of(Reason.DEAD_LETTERED)
    return ended(abandoned(generation, found), payer, State.FAILED, why, now).after(happened(Step.DEAD_LETTERED))
