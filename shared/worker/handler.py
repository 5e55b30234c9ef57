"""handle(): every message, from whichever door, walks through here.

Rules of this file:
1. What is expected (refused, late, double, out of credits) returns, and the message is done.
2. What a neighbour cannot do now puts the message off: a copy is scheduled with back-off, and only then is the
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

from shared.core.reasons import Reason, Refusal
from shared.core.requests.messages import CancelRequest, Check, GenerationRequest, Malformed, Message, PredictionEvent
from shared.ports import Envelope, House, Unavailable
from shared.worker import checking, observing, requests
from shared.worker.deferring import put_off, put_off_until
from shared.worker.wariness import warned

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


async def handle(house: House, message: Message, envelope: Envelope, queue: str) -> None:
    """Do what a message of ``queue`` asks for, or put it off. Raises only what nobody expected."""
    house = warned(house, envelope)
    try:
        with house.telemetry.span(_SPANS[type(message)], message.key):
            await _walk(house, message, envelope, queue)
    except Unavailable as trouble:
        if isinstance(message, Malformed):
            raise
        await _put_off(house, message, envelope, trouble)


async def _walk(house: House, message: Message, envelope: Envelope, queue: str) -> None:
    match message:
        case GenerationRequest():
            # A copy asks nothing anew; who sends a request of an ended generation again wants to hear its end.
            again = "" if envelope.is_copy else str(envelope.enqueued_at or envelope.message_id)
            await requests.request(house, message, again)
        case CancelRequest():
            await requests.cancel(house, message)
        case PredictionEvent():
            await observing.event(house, message)
        case Check():
            await checking.check(house, message)
        case Malformed():
            await requests.refuse(house, message, queue)
        case _:
            assert_never(message)


async def _put_off(
    house: House,
    message: GenerationRequest | CancelRequest | PredictionEvent | Check,
    envelope: Envelope,
    trouble: Unavailable,
) -> None:
    now, chance = house.now(), house.chance()
    since = envelope.since or now
    house.telemetry.step("put_off", message.key, neighbour=trouble.neighbour, tries=envelope.tries)
    house.telemetry.count("darkroom.put_off", neighbour=trouble.neighbour)
    if isinstance(message, PredictionEvent | Check):
        if envelope.tries >= EVENT_TRIES or _is_the_timers(house, message, trouble):
            return
    elif isinstance(message, GenerationRequest):
        if (now - since).total_seconds() > house.limits.patience_s:
            await requests.reject(house, message.key, message, _refusal(trouble))
            return
        if trouble.neighbour != "tables":
            comes_at = put_off_until(now, envelope.tries, trouble.retry_after_s, chance)
            await _take_in(house, message, trouble, comes_at)
    await put_off(house.messenger, message, envelope, trouble, now=now, chance=chance)


async def _take_in(house: House, message: GenerationRequest, trouble: Unavailable, comes_at: datetime) -> None:
    """Save that the request waits. Where that cannot be done, the copy alone brings it on, as it did before."""
    with suppress(Unavailable):
        await requests.receive(house, message, _refusal(trouble), comes_at)


def _is_the_timers(house: House, message: PredictionEvent | Check, trouble: Unavailable) -> bool:
    """Whether the timer is back before the neighbour is: a check has moved its row, and comes again by itself.

    Only for Replicate, which is asked after the row was moved: what could not even read the row has moved nothing.
    """
    too_long = (trouble.retry_after_s or 0) >= house.timing.check_after_s
    return isinstance(message, Check) and trouble.neighbour == "replicate" and too_long


def _refusal(trouble: Unavailable) -> Refusal:
    safety = trouble.neighbour == "content safety"
    return Refusal.of(Reason.SAFETY_UNAVAILABLE if safety else Reason.PROVIDER_UNAVAILABLE)
