"""What waits for its turn (core/turns): before it has opened, or with a hold after a pause.

A wait for a turn has no end, so it uses up no patience: that begins anew when it goes on.
"""

from datetime import datetime

from shared.core.lifecycle.attempt import Attempt
from shared.core.lifecycle.generation import AnyGeneration, Generation, Received, Transition, stepped
from shared.core.lifecycle.state import State
from shared.core.lifecycle.steps import Entry, Step, happened
from shared.core.reasons import Reason, Refusal
from shared.core.values import replace


def parked_received(found: Received, waits: Refusal) -> Transition[Received]:
    """It waits for a turn. Its row changes each time: whoever opens it meanwhile has not seen that, and leaves it."""
    changed = stepped(found.state, replace(found, reason=waits.reason, text=waits.text))
    return changed.after(happened(Step.PARKED))


def parked(generation: Generation, attempt: Attempt, waits: Refusal, now: datetime) -> Transition[Generation] | None:
    """A WAITING generation could go on, and waits for a turn: it keeps its hold, and is sent when it has one."""
    if generation.state is not State.WAITING or generation.attempt != attempt:
        return None
    waiting = replace(generation, attempt=replace(attempt, retry_at=now), reason=waits.reason, text=waits.text)
    return stepped(generation.state, waiting).after(happened(Step.PARKED))


def is_parking(entry: Entry) -> bool:
    """Whether this entry of a history says that it began to wait for a turn."""
    return entry.step == Step.PARKED or entry.why == Reason.WAITS_FOR_TURN


def went_on_at(found: AnyGeneration) -> datetime | None:
    """When it went on after it last waited for its turn. None: it never did, or waits still."""
    parked = [entry.last_at for entry in found.history if is_parking(entry)]
    if not parked:
        return None
    last = max(parked)
    return min(
        (entry.at if entry.at > last else entry.last_at for entry in found.history if entry.last_at > last),
        default=None,
    )
