"""Coming back later: back-off, and the copy of the request that brings a HELD generation on.

Rules of this file:
1. A copy has a message id of its own, made from what it is for: scheduled twice, it comes once.
2. The copy is scheduled before the original is done with; the timer comes back too, should the copy be lost.
"""

from datetime import datetime, timedelta

from shared.core.generation import Generation
from shared.ports import Envelope, House

#: The copy comes this long after ``retry_at``, so that the broker's clock may be a little early.
_CLOCK_ALLOWANCE_S = 1


async def come_back(house: House, generation: Generation) -> None:
    """Schedule a copy of the request of a HELD generation for when its wait is over."""
    attempt = generation.attempt
    if generation.request is None or attempt is None or attempt.retry_at is None:
        raise ValueError(f"generation {generation.key} is not held for a request")
    await house.index.move(generation.key, generation.due_at(house.timing))
    envelope = Envelope(f"{generation.key}:try:{attempt.number}.{attempt.tries}", since=generation.opened_at)
    wait = attempt.retry_at > house.now()
    at = attempt.retry_at + timedelta(seconds=_CLOCK_ALLOWANCE_S) if wait else None
    await house.messenger.send(generation.request, envelope, at=at)


def backoff_s(tries: int, chance: float) -> float:
    """Seconds until the next try after ``tries`` of them: 2, 4, 8 ... at most 300, less up to a half by chance."""
    return float(min(300, 2 ** (tries + 1))) * (1 - chance / 2)


def put_off_until(now: datetime, tries: int, hint_s: float | None, chance: float) -> datetime:
    """When a message that failed for a neighbour's sake should come again: the larger of back-off and hint."""
    return now + timedelta(seconds=max(backoff_s(tries, chance), hint_s or 0))
