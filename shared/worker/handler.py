"""handle(): every message, from whichever door, walks through here.

Rules of this file:
1. What is expected (refused, late, double, out of credits) returns, and the message is done.
2. What a dependency cannot do now puts the message off: a copy is scheduled with back-off, and only then is the
   original done. The broker's own redelivery would come at once and burn all deliveries in seconds.
3. A message of an open generation is put off a few times only: the timer comes back for it anyway. A check is not
   put off at all for longer than the timer takes to send the next.
4. A request that is put off before it opened is taken in first: it has a row and is in the open index, so that it is
   not lost with its message. Where the tables are the trouble there is the message alone.
5. Anything else is raised: the door lets the broker deliver it again, and in the end it is buried.
"""

from contextlib import suppress
from datetime import datetime
from typing import assert_never

from shared.core.dependency import Dependency
from shared.core.reasons import Reason, Refusal
from shared.core.requests.messages import CancelRequest, Check, GenerationRequest, Malformed, Message, PredictionEvent
from shared.ports import Dependencies, Envelope, Unavailable
from shared.worker import checking, observing, requests
from shared.worker.deferring import defer, deferred_until
from shared.worker.wariness import with_wariness

#: How often news of a prediction is put off before it is left to the timer.
EVENT_TRIES = 6

#: What a walk through the corridor is called in a trace.
_SPANS: dict[type[Message], str] = {
    GenerationRequest: "request",
    CancelRequest: "cancel",
    PredictionEvent: "observe",
    Check: "check",
    Malformed: "refuse",
}


async def handle(deps: Dependencies, message: Message, envelope: Envelope, queue: str) -> None:
    """Do what a message of ``queue`` asks for, or put it off. Raises only what nobody expected."""
    deps = with_wariness(deps, envelope)
    try:
        with deps.telemetry.span(_SPANS[type(message)], message.key):
            await _dispatch(deps, message, envelope, queue)
    except Unavailable as trouble:
        if isinstance(message, Malformed):
            raise
        await _defer(deps, message, envelope, trouble)


async def _dispatch(deps: Dependencies, message: Message, envelope: Envelope, queue: str) -> None:
    match message:
        case GenerationRequest():
            # A copy asks nothing anew; who sends a request of an ended generation again wants to hear its end.
            again = "" if envelope.is_copy else str(envelope.enqueued_at or envelope.message_id)
            await requests.request(deps, message, again)
        case CancelRequest():
            await requests.cancel(deps, message)
        case PredictionEvent():
            await observing.event(deps, message)
        case Check():
            await checking.check(deps, message)
        case Malformed():
            await requests.refuse(deps, message, queue)
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
    deps.telemetry.step("deferred", message.key, dependency=trouble.dependency, tries=envelope.deferrals)
    deps.telemetry.count("darkroom.deferrals", dependency=trouble.dependency)
    if isinstance(message, PredictionEvent | Check):
        if envelope.deferrals >= EVENT_TRIES or _is_left_to_timer(deps, message, trouble):
            return
    elif isinstance(message, GenerationRequest):
        if (now - since).total_seconds() > deps.limits.patience_s:
            await requests.reject(deps, message.key, message, _refusal(trouble))
            return
        if trouble.dependency is not Dependency.TABLES:
            comes_at = deferred_until(now, envelope.deferrals, trouble.retry_after_s, chance)
            await _save_received(deps, message, trouble, comes_at)
    await defer(deps.messenger, message, envelope, trouble, now=now, chance=chance)


async def _save_received(
    deps: Dependencies, message: GenerationRequest, trouble: Unavailable, comes_at: datetime
) -> None:
    """Save that the request waits. Where that cannot be done, the copy alone brings it on, as it did before."""
    with suppress(Unavailable):
        await requests.receive(deps, message, _refusal(trouble), comes_at)


def _is_left_to_timer(deps: Dependencies, message: PredictionEvent | Check, trouble: Unavailable) -> bool:
    """Whether the timer is back before the dependency is: a check has moved its row, and comes again by itself.

    Only for Replicate, which is asked after the row was moved: what could not even read the row has moved nothing.
    """
    too_long = (trouble.retry_after_s or 0) >= deps.timing.check_after_s
    return isinstance(message, Check) and trouble.dependency.runs_models and too_long


def _refusal(trouble: Unavailable) -> Refusal:
    safety = trouble.dependency is Dependency.CONTENT_SAFETY
    return Refusal.of(Reason.SAFETY_UNAVAILABLE if safety else Reason.PROVIDER_UNAVAILABLE)
