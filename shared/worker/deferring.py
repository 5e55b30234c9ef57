"""Trying again later: back-off, and the copies of messages that are scheduled for it.

Rules of this file:
1. A copy's message id is made from its purpose, so that a copy scheduled twice is delivered once. It is never derived
   from the sender's message id, because two requests may have the same.
2. The copy is scheduled before the original is completed. If the copy is lost, the timer checks the generation.
3. A copy of a request carries the digest of the request as its app sent it (worker/clashes.py): the copy may be of a
   request whose picture has another address by now.
4. Waits grow and are varied by chance, so that messages that failed together are not retried together.
"""

from datetime import datetime, timedelta

from shared.core.dependency import Dependency
from shared.core.lifecycle.generation import Generation
from shared.core.reasons import Reason, Refusal
from shared.core.requests.messages import CancelRequest, Check, GenerationRequest, PredictionEvent
from shared.ports import Deferrable, Dependencies, Envelope, Messenger, Paused, Unavailable
from shared.worker.open_index import keeps_until
from shared.worker.pausing import paused_for

#: The copy is scheduled this long after ``retry_at``, in case the broker's clock is ahead of ours.
_CLOCK_ALLOWANCE_S = 1


async def schedule_retry(deps: Dependencies, generation: Generation) -> None:
    """Schedule a copy of a WAITING generation's request for the end of its wait.

    If that is after the time at which the generation is given up, a check is scheduled for that time instead.
    Raises ValueError if the generation has no wait.
    """
    attempt = generation.attempt
    if attempt.retry_at is None:
        raise ValueError(f"generation {generation.key} is not waiting for a retry")
    key, allowance = generation.key, timedelta(seconds=_CLOCK_ALLOWANCE_S)
    move = deps.index.release if generation.reason is Reason.PAUSED else deps.index.move  # what is paused has no turn
    wait = max(timedelta(), attempt.retry_at - deps.now())
    given_up_at = await _given_up_at(deps, generation, attempt.retry_at)
    if wait and attempt.retry_at >= given_up_at:
        due_at = given_up_at + timedelta(seconds=deps.timing.check_after_s)
        await move(key, due_at, keeps_until(deps, due_at))
        await deps.messenger.send(Check(key), Envelope(key.named("give-up")), at=given_up_at + allowance)
        return
    due_at = max(generation.due_at(deps.timing), attempt.retry_at + min(wait / 2, _late_at_most(deps)))
    await move(key, due_at, keeps_until(deps, due_at))
    envelope = Envelope(
        key.named("try", attempt.number, attempt.posts, *_look(generation)),
        since=generation.opened_at,
        digest=generation.request.digest,
    )
    await deps.messenger.send(generation.request, envelope, at=attempt.retry_at + allowance if wait else None)


def _late_at_most(deps: Dependencies) -> timedelta:
    """How late a copy may be before a check comes: after a long wait it may be behind a backlog.

    The check must find a prediction that the copy has created while its outputs are kept, if its webhook is lost.
    """
    return timedelta(seconds=deps.timing.output_life_s / 3)


async def _given_up_at(deps: Dependencies, generation: Generation, retry_at: datetime) -> datetime:
    """When a generation is given up, with its pauses until ``retry_at`` if they make a difference."""
    given_up_at = generation.opened_at + timedelta(seconds=deps.timing.give_up_after_s)
    if retry_at < given_up_at:
        return given_up_at
    return given_up_at + await paused_for(deps, generation, retry_at)


def _look(generation: Generation) -> tuple[str, ...]:
    """What is paused looks again more than once for one POST, and no copy must be dropped as a duplicate."""
    retry_at = generation.attempt.retry_at
    return (f"{retry_at:%Y%m%dT%H%M%S.%f}",) if retry_at and generation.reason is Reason.PAUSED else ()


async def defer(
    messenger: Messenger, message: Deferrable, envelope: Envelope, trouble: Unavailable, *, now: datetime, chance: float
) -> None:
    """Schedule a copy of a message that an unavailable dependency stopped, with its count of deferrals."""
    deferrals, since = envelope.deferrals + 1, envelope.since or now
    later = Envelope(
        _copy_id(message, envelope, deferrals),
        deferrals=deferrals,
        since=since,
        lost=envelope.lost,
        digest=sent_digest(message, envelope),
    )
    await messenger.send(message, later, at=deferred_until(now, envelope.deferrals, trouble.retry_after_s, chance))


def sent_digest(message: Deferrable, envelope: Envelope) -> str:
    """The digest of the request as its app sent it: a copy of our own carries it. Empty for any other message."""
    if not isinstance(message, GenerationRequest):
        return ""
    return envelope.digest or message.digest


def _copy_id(message: Deferrable, envelope: Envelope, deferrals: int) -> str:
    """The message id of a copy: its kind, its generation, its number, and when the original was enqueued."""
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
    """Seconds until the next try: 2, 4, 8 ... at most 300, shortened by up to a half. ``chance`` is from 0 to 1."""
    return float(min(300, 2 ** (deferrals + 1))) * (1 - chance / 2)


def deferred_until(now: datetime, deferrals: int, hint_s: float | None, chance: float) -> datetime:
    """When a deferred message is tried again: after the larger of the back-off and the dependency's hint.

    The hint is lengthened by up to a quarter: a whole queue may have got the same hint and must not retry at once.
    """
    return now + timedelta(seconds=max(backoff_s(deferrals, chance), (hint_s or 0) * (1 + chance / 4)))


def refusal_for(trouble: Unavailable) -> Refusal:
    """What a request waits for, and is refused with if that lasts too long."""
    if isinstance(trouble, Paused):
        return trouble.waits
    reasons = {Dependency.CONTENT_SAFETY: Reason.SAFETY_UNAVAILABLE, Dependency.PLANS: Reason.PLAN_UNAVAILABLE}
    return Refusal.of(reasons.get(trouble.dependency, Reason.PROVIDER_UNAVAILABLE))
