"""Coming back later: back-off, and the copy of the request that brings a WAITING generation on.

Rules of this file:
1. A copy has a message id of its own, made from what it is for: scheduled twice, it comes once. It never follows from
   the id that a sender has chosen: two requests may have the same.
2. The copy is scheduled before the original is done with; the timer comes back too, should the copy be lost.
3. Waits grow, and chance makes them longer or shorter: what failed together does not come back together.
"""

from datetime import datetime, timedelta

from shared.core.lifecycle.generation import Generation
from shared.core.requests.messages import CancelRequest, Check, GenerationRequest, PredictionEvent
from shared.ports import Dependencies, Envelope, Messenger, Sendable, Unavailable

#: The copy comes this long after ``retry_at``, so that the broker's clock may be a little early.
_CLOCK_ALLOWANCE_S = 1


async def schedule_retry(deps: Dependencies, generation: Generation) -> None:
    """Schedule a copy of the request of a WAITING generation for when its wait is over.

    Where that would be later than it is tried at all, a check comes in time to give it up.
    """
    attempt = generation.attempt
    if generation.request is None or attempt is None or attempt.retry_at is None:
        raise ValueError(f"generation {generation.key} is not held for a request")
    key, allowance = generation.key, timedelta(seconds=_CLOCK_ALLOWANCE_S)
    wait = max(timedelta(), attempt.retry_at - deps.now())
    given_up_at = generation.opened_at + timedelta(seconds=deps.timing.give_up_after_s)
    if wait and attempt.retry_at >= given_up_at:
        await deps.index.move(key, given_up_at + timedelta(seconds=deps.timing.check_after_s))
        await deps.messenger.send(Check(key), Envelope(key.named("give-up")), at=given_up_at + allowance)
        return
    # A copy that had to wait for long may be late for long, behind all the others: it is not missed before that.
    await deps.index.move(key, max(generation.due_at(deps.timing), attempt.retry_at + wait / 2))
    envelope = Envelope(key.named("try", attempt.number, attempt.posts), since=generation.opened_at)
    await deps.messenger.send(generation.request, envelope, at=attempt.retry_at + allowance if wait else None)


async def defer(
    messenger: Messenger, message: Sendable, envelope: Envelope, trouble: Unavailable, *, now: datetime, chance: float
) -> None:
    """Schedule a copy of a message that failed for a dependency's sake; it counts on from where the original was."""
    deferrals, since = envelope.deferrals + 1, envelope.since or now
    later = Envelope(_copy_id(message, envelope, deferrals), deferrals=deferrals, since=since, lost=envelope.lost)
    await messenger.send(message, later, at=deferred_until(now, envelope.deferrals, trouble.retry_after_s, chance))


def _copy_id(message: Sendable, envelope: Envelope, deferrals: int) -> str:
    """The id of a copy: what it is, whose, the how-manyth, and of which message: by when that came."""
    match message:
        case GenerationRequest():
            what: tuple[object, ...] = ("generate",)
        case CancelRequest():
            what = ("cancel",)
        case Check():
            what = ("check",)
        case PredictionEvent(attempt=attempt, prediction=prediction):
            what = ("prediction", attempt, prediction.prediction_id, prediction.status)
    came = f"{envelope.enqueued_at:%Y%m%dT%H%M%S.%f}" if envelope.enqueued_at else ""
    return message.key.named("deferred", *what, deferrals, came)


def backoff_s(deferrals: int, chance: float) -> float:
    """Seconds until the next try after ``deferrals`` of them: 2, 4, 8 ... at most 300, less up to a half by chance."""
    return float(min(300, 2 ** (deferrals + 1))) * (1 - chance / 2)


def deferred_until(now: datetime, deferrals: int, hint_s: float | None, chance: float) -> datetime:
    """When a message that failed for a dependency's sake should come again: the larger of back-off and hint.

    A hint is longer by up to a quarter: a whole queue may have been given the same one, and must not come in step.
    """
    return now + timedelta(seconds=max(backoff_s(deferrals, chance), (hint_s or 0) * (1 + chance / 4)))
