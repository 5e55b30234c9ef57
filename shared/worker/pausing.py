"""What the kill switches stop, and for how long they have.

Rules of this file:
1. Whoever is about to create asks here. The switches are at most 5 s old; one read serves all who ask meanwhile.
2. What is paused looks again when the pause ends, at the latest every ``LOOK_S`` seconds: a pause that is ended early
   is noticed then. Looks are spread by chance, so that not all come at once.
3. A pause counts against no deadline, and no wait for a turn does (core/lifecycle/parking.py). A pause counts for the
   models that a generation has been on, for its account and for its user.
"""

from collections.abc import Collection
from datetime import datetime, timedelta

from shared.core import switches
from shared.core.catalog.choosing import Quote
from shared.core.keys import Key
from shared.core.lifecycle.approval import Asked
from shared.core.lifecycle.generation import Generation, Received
from shared.core.lifecycle.parking import went_on_at
from shared.core.reasons import Reason, Refusal
from shared.core.requests.messages import GenerationRequest
from shared.core.switches import Switch
from shared.ports import Dependencies, Loaded, Paused
from shared.worker.quotes import quoted_now

#: What is paused looks again after at most this long.
LOOK_S = 300


async def wait_if_paused(deps: Dependencies, key: Key, quoted: Quote) -> None:
    """Raise Paused if the create of a request that would open now is stopped."""
    stops = await _stop_of(deps, _names_of(quoted), key)
    if stops is not None:
        raise Paused(waits_of(stops), said_of(stops), look_after_s(deps, stops))


async def stop_of(deps: Dependencies, generation: Generation) -> Switch | None:
    """The pause that stops the create of a generation's attempt."""
    return await _stop_of(deps, {generation.attempt.model, generation.attempt.entry}, generation.key)


def _names_of(quoted: Quote) -> set[str]:
    """The names by which a model is paused. A trained version stops with the entry from which it inherits."""
    return {quoted.model.name, quoted.model.inherits} - {""}


async def _stop_of(deps: Dependencies, models: Collection[str], key: Key) -> Switch | None:
    now = deps.now()
    return switches.pause_of(await deps.recent_switches.get(deps.switches, now), models, key, now)


async def paused_for(deps: Dependencies, generation: Generation, until: datetime) -> timedelta:
    """For how long of its time a generation was paused or waited for its turn, or will be paused until then."""
    attempt, since = generation.attempt, went_on_at(generation) or generation.opened_at
    models = {attempt.model, attempt.entry, *(each.model for each in generation.passed_over)}
    recent = await deps.recent_switches.get(deps.switches, deps.now())
    return since - generation.opened_at + switches.paused_for(recent, models, generation.key, since, until)


async def request_paused_for(
    deps: Dependencies, request: GenerationRequest, loaded: Loaded, since: datetime
) -> timedelta:
    """For how long a request that has not opened was paused."""
    recent = await deps.recent_switches.get(deps.switches, deps.now())
    return switches.paused_for(recent, await _models_of(deps, request, loaded), request.key, since, deps.now())


async def moved_until(
    deps: Dependencies, waits: Received, asked: Asked, loaded: Loaded, quoted: Quote | Refusal | None = None
) -> datetime:
    """When the time to approve a request is over: it moves by the length of the pauses since it was asked.

    ``quoted`` is its quote, if it was quoted before.
    """
    recent = await deps.recent_switches.get(deps.switches, deps.now())
    models = await _models_of(deps, waits.request, loaded, quoted)
    return switches.moved(recent, models, waits.key, asked.asked_at, asked.until)


async def _models_of(
    deps: Dependencies, request: GenerationRequest, loaded: Loaded, quoted: Quote | Refusal | None = None
) -> set[str]:
    """The model of a request that has not opened: the one that it would get now."""
    if quoted is None:
        quoted = await quoted_now(deps, request, loaded)
    return _names_of(quoted) if isinstance(quoted, Quote) else set()


def waits_of(stops: Switch) -> Refusal:
    """What its user reads of a pause."""
    text = f"This is paused until {stops.spans[-1].until:%Y-%m-%d %H:%M} UTC. It goes on by itself."
    return Refusal(Reason.PAUSED, f"{stops.order.reason} {text}".strip())


def said_of(stops: Switch) -> str:
    """What operators read of a pause."""
    order = stops.order
    return f"{order.target.said} by {order.by} until {stops.spans[-1].until:%Y-%m-%dT%H:%M:%SZ}, {order.command_id}"


def look_after_s(deps: Dependencies, stops: Switch) -> float:
    """In how many seconds to look again (rule 2)."""
    left_s = (stops.spans[-1].until - deps.now()).total_seconds()
    return max(0.0, min(left_s, LOOK_S * (1 - deps.chance() / 4)))
