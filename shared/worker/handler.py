"""handle(): processes every message, from every trigger.

Rules of this file:
1. An expected result (refused, late, duplicate, out of credits) returns, and the message is completed.
2. An unavailable dependency defers the message: a copy is scheduled with back-off, and the original is completed after
   that. The broker's own redelivery is immediate and would use up all deliveries within seconds.
3. A look for free turns is not deferred: the next one comes within a second or two.
4. News of an open generation is deferred only ``EVENT_TRIES`` times, because the timer checks the generation anyway. A
   check is not deferred for longer than the timer takes to send the next one.
5. A request that is deferred before it opened is saved as RECEIVED, with a row in the open index, so that it survives
   the loss of its message. If the tables are unavailable, there is only the message.
6. Any other exception is raised: the trigger lets the broker deliver the message again, and in the end the broker
   dead-letters it.
"""

from contextlib import suppress
from datetime import datetime
from typing import assert_never

from shared.core.dependency import Dependency
from shared.core.lifecycle.steps import LogStep
from shared.core.metric import Metric
from shared.core.requests.messages import (
    CancelRequest,
    Check,
    GenerationRequest,
    Look,
    Malformed,
    Message,
    PredictionEvent,
)
from shared.ports import Dependencies, Envelope, Paused, Unavailable
from shared.worker import checking, looking, observing, requests
from shared.worker.deferring import defer, deferred_until, refusal_for, sent_digest
from shared.worker.pausing import request_paused_for
from shared.worker.wariness import with_wariness

#: How often news of a prediction is deferred before it is left to the timer.
EVENT_TRIES = 6

#: The name of the span in which a message is processed.
_SPANS: dict[type[Message], str] = {
    GenerationRequest: "request",
    CancelRequest: "cancel",
    PredictionEvent: "observe",
    Check: "check",
    Look: "look",
    Malformed: "refuse",
}


async def handle(deps: Dependencies, message: Message, envelope: Envelope, queue: str) -> None:
    """Process a message of ``queue``, or defer it if a dependency is unavailable. Raises only unexpected errors."""
    deps = with_wariness(deps, envelope)
    try:
        with deps.telemetry.span(_SPANS[type(message)], message.key):
            await _dispatch(deps, message, envelope, queue)
    except Unavailable as trouble:
        if isinstance(message, Malformed):
            raise
        if isinstance(message, Look):
            return
        await _defer(deps, message, envelope, trouble)


async def _dispatch(deps: Dependencies, message: Message, envelope: Envelope, queue: str) -> None:
    match message:
        case GenerationRequest():
            # An app that repeats the request of an ended generation gets its event again. A copy of our own does not.
            again = "" if envelope.is_copy else str(envelope.enqueued_at or envelope.message_id)
            await requests.request(deps, message, again, sent_digest(message, envelope))
        case CancelRequest():
            await requests.cancel(deps, message)
        case PredictionEvent():
            await observing.event(deps, message)
        case Check():
            await checking.check(deps, message)
        case Look():
            await looking.look(deps)
        case Malformed():
            await requests.refuse(deps, message, queue, str(envelope.enqueued_at or envelope.message_id))
        case _:
            assert_never(message)


async def _defer(
    deps: Dependencies,
    message: GenerationRequest | CancelRequest | PredictionEvent | Check,
    envelope: Envelope,
    trouble: Unavailable,
) -> None:
    now, chance = deps.now(), deps.chance()
    since = envelope.since or now
    deps.telemetry.step(LogStep.DEFERRED, message.key, dependency=trouble.dependency, deferrals=envelope.deferrals)
    deps.telemetry.count(Metric.DEFERRALS, dependency=trouble.dependency)
    if isinstance(message, PredictionEvent | Check):
        if envelope.deferrals >= EVENT_TRIES or _is_left_to_timer(deps, message, trouble):
            return
    elif isinstance(message, GenerationRequest):
        if await _is_out_of_patience(deps, message, trouble, since):
            await requests.reject(deps, message.key, message, refusal_for(trouble), sent_digest(message, envelope))
            return
        if trouble.dependency is not Dependency.TABLES:
            comes_at = deferred_until(now, envelope.deferrals, trouble.retry_after_s, chance)
            await _save_received(deps, message, trouble, comes_at)
    await defer(deps.messenger, message, envelope, trouble, now=now, chance=chance)


async def _save_received(
    deps: Dependencies, message: GenerationRequest, trouble: Unavailable, comes_at: datetime
) -> None:
    """Save the request as RECEIVED. If that fails, the scheduled copy alone carries it."""
    paused = trouble.why if isinstance(trouble, Paused) else ""
    with suppress(Unavailable):
        await requests.receive(deps, message, refusal_for(trouble), comes_at, paused)


async def _is_out_of_patience(
    deps: Dependencies, message: GenerationRequest, trouble: Unavailable, since: datetime
) -> bool:
    """Whether a request has waited for too long, without its pauses. One that is paused never has.

    While its pauses cannot be read it has not either: it may have been paused all the time, and its copy asks again.
    """
    waited_s = (deps.now() - since).total_seconds()
    if isinstance(trouble, Paused) or waited_s <= deps.limits.patience_s:
        return False
    try:
        paused = await request_paused_for(deps, message, await deps.store.load(message.key), since)
    except Unavailable:
        return False
    return waited_s > deps.limits.patience_s + paused.total_seconds()


def _is_left_to_timer(deps: Dependencies, message: PredictionEvent | Check, trouble: Unavailable) -> bool:
    """Whether the timer sends the next check before the dependency is available again, so that no copy is needed.

    True only if a provider is unavailable: it is called after the check has moved its row. A check that failed on
    another dependency may not have moved its row, so it needs the copy.
    """
    too_long = (trouble.retry_after_s or 0) >= deps.timing.check_after_s
    return isinstance(message, Check) and trouble.dependency.runs_models and too_long
