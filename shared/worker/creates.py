"""One POST of a create, and its four outcomes.

Rules of this file:
1. Each save of SUBMITTING is followed by one POST, sent by the call that saved it. Any other call that reads
   SUBMITTING does not know the outcome, and leaves it to the webhook or the timer.
2. A create that surely did not happen is retried later. A create that was refused for good ends the generation, or
   goes to the next model. An unknown outcome is resolved by checking.py, never by a second POST.
3. The kill switches are read last before each POST, for what comes before it may take minutes. What they stop was
   surely not created: it keeps its hold, and waits.
"""

from datetime import timedelta

from shared.core.keys import Key
from shared.core.lifecycle import transitions
from shared.core.lifecycle.attempt import Attempt
from shared.core.lifecycle.generation import Generation, Transition
from shared.core.lifecycle.steps import LogStep
from shared.core.metric import Metric
from shared.core.money.payer import Payer
from shared.core.provider.prediction import (
    Created,
    CreateOutcome,
    CreateRefused,
    DeferReason,
    NotCreated,
    OutcomeUnknown,
)
from shared.core.reasons import Refusal
from shared.core.switches import Switch
from shared.core.values import replace
from shared.ports import Dependencies, Loaded, Unavailable
from shared.worker import observing
from shared.worker.deferring import schedule_retry
from shared.worker.finishing import end
from shared.worker.parking import may_go_on
from shared.worker.pausing import look_after_s, said_of, stop_of, waits_of
from shared.worker.saving import Changed, advance
from shared.worker.screening import with_input_urls

#: A create is tried again this long after the kill switches could not be read.
SWITCHES_AGAIN_S = 5


async def retry(deps: Dependencies, waiting: Generation, loaded: Loaded) -> None:
    """Send the create of a WAITING generation, if its wait is over.

    Its input URLs are resolved before SUBMITTING is saved: uploading an archive may take a minute, and a crash during
    it surely has created nothing.
    """
    if transitions.retried(waiting, deps.now()) is None:
        return
    attempt = waiting.attempt
    stops = await stop_of(deps, waiting)
    if stops is not None:
        await _pause(deps, loaded, waiting.key, attempt, stops)
        return
    if not await may_go_on(deps, waiting, loaded):
        return
    resolved = await with_input_urls(deps, attempt)

    def step(found: Generation, _: Payer | None) -> Transition[Generation] | None:
        return transitions.retried(found, deps.now()) if found.attempt == attempt else None

    saved = await advance(deps, waiting.key, step, loaded)
    if isinstance(saved, Changed):
        await submit(deps, saved.generation, saved.loaded, resolved)


async def submit(
    deps: Dependencies,
    generation: Generation,
    loaded: Loaded,
    resolved: Attempt | NotCreated | CreateRefused | None = None,
) -> None:
    """Send the create of a generation that this caller has just saved as SUBMITTING.

    ``resolved``: the attempt with its input URLs resolved, or why they could not be; None if not yet resolved.
    """
    attempt = generation.attempt
    resolved = resolved or await with_input_urls(deps, attempt)
    if isinstance(resolved, Attempt):
        try:
            stops = await stop_of(deps, generation)
        except Unavailable as trouble:
            unread = NotCreated(DeferReason.SWITCHES_UNAVAILABLE, trouble.retry_after_s or SWITCHES_AGAIN_S)
            await _defer_create(deps, loaded, generation.key, attempt, unread)
            return
        if stops is not None:
            await _pause(deps, loaded, generation.key, attempt, stops)
            return
        ready = replace(attempt, inputs=resolved.inputs)
        with deps.telemetry.span("create prediction", generation.key):
            outcome = await deps.providers[attempt.provider].create(generation.key, ready)
    else:
        outcome = resolved
    await _record_outcome(deps, loaded, generation.key, attempt, outcome)


async def _record_outcome(
    deps: Dependencies, loaded: Loaded, key: Key, attempt: Attempt, outcome: CreateOutcome
) -> None:
    match outcome:
        case Created(prediction):
            await observing.adopt(deps, key, attempt.number, prediction, loaded)
        case NotCreated(why, retry_after_s):
            await _defer_create(deps, loaded, key, attempt, NotCreated(why, retry_after_s))
        case CreateRefused(reason, text):
            await _record_refusal(deps, loaded, key, attempt.number, Refusal(reason, text))
        case OutcomeUnknown(why):
            deps.telemetry.step(LogStep.OUTCOME_UNKNOWN, key, why=why)
            deps.telemetry.count(Metric.CREATES_UNKNOWN)


async def _pause(deps: Dependencies, loaded: Loaded, key: Key, attempt: Attempt, stops: Switch) -> None:
    """A kill switch stops the create: save the wait, then schedule a copy of the request."""
    retry_at = deps.now() + timedelta(seconds=look_after_s(deps, stops))
    waits, said = waits_of(stops), said_of(stops)

    def step(found: Generation, payer: Payer | None) -> Transition[Generation] | None:
        return transitions.paused(found, payer, attempt, waits, said, retry_at=retry_at, now=deps.now())

    saved = await advance(deps, key, step, loaded)
    if isinstance(saved, Changed):
        await (end if saved.generation.state.ended else schedule_retry)(deps, saved.generation)


async def _defer_create(deps: Dependencies, loaded: Loaded, key: Key, attempt: Attempt, outcome: NotCreated) -> None:
    """Surely nothing was created: save the wait, then schedule a copy of the request."""
    retry_at = deps.now() + timedelta(seconds=outcome.retry_after_s * (1 + deps.chance() / 4))

    def step(found: Generation, payer: Payer | None) -> Transition[Generation] | None:
        now = deps.now()
        return transitions.deferred(found, payer, attempt.number, attempt.posts, outcome, retry_at=retry_at, now=now)

    saved = await advance(deps, key, step, loaded)
    if isinstance(saved, Changed):
        await (end if saved.generation.state.ended else schedule_retry)(deps, saved.generation)


async def _record_refusal(deps: Dependencies, loaded: Loaded, key: Key, number: int, refusal: Refusal) -> None:
    seed = deps.new_seed()

    def step(found: Generation, payer: Payer | None) -> Transition[Generation] | None:
        return transitions.refused(found, payer, deps.catalog, number, refusal, seed=seed, now=deps.now())

    saved = await advance(deps, key, step, loaded)
    if isinstance(saved, Changed):
        await observing.after_failed_attempt(deps, saved.generation)
