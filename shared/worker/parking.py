"""What has no turn is parked: it is saved, it holds what it held before, and waits in line.

Rules of this file:
1. Its open row has no turn from before it is saved, and is due again: its check lines it up once more.
2. It is saved before it stands in line, so what stands there has a request that can be sent.
3. It keeps its place among its user's requests by the time at which it was taken in or opened.
4. Nobody gives it up: a limit in flight never refuses. How long it has waited is counted with each check (an alert
   watches it).
"""

from datetime import datetime, timedelta

from shared.core.catalog.choosing import Quote
from shared.core.keys import Key
from shared.core.lifecycle import opening, parking
from shared.core.lifecycle.attempt import Attempt
from shared.core.lifecycle.generation import Generation, Received, Transition
from shared.core.money.payer import Payer
from shared.core.reasons import Reason, Refusal
from shared.core.requests.messages import GenerationRequest
from shared.core.turns.giving import new_place
from shared.core.turns.shares import Asking, Turn
from shared.core.values import replace
from shared.ports import PLACES_FRESH, Dependencies, Loaded, OpenRow, Waiting
from shared.worker.clashes import clashes
from shared.worker.grouping import too_many
from shared.worker.looking import ask_for_looks, asking_of, count_wait, keep_place, send_turn, waits_for_turn
from shared.worker.open_index import keeps_until, row_for
from shared.worker.saving import Changed, advance, save
from shared.worker.turns import Wanted, held_credits, take

#: What is parked is checked so long after it was lined up. So a place that a crash has lost is free again.
LINED_UP_S = 120


async def has_turn(deps: Dependencies, message: GenerationRequest, quoted: Quote, loaded: Loaded) -> bool:
    """Whether a request that may open now has a turn. If not, it is parked."""
    key, found = message.key, loaded.generation
    asking = asking_of(deps, key.account_id, key.user_id, loaded)
    opened = await deps.index.get(key) if waits_for_turn(found) else None
    if opened is not None and opened.turn is None and found is not None:
        await _line_up_again(deps, Waiting(key, found.opened_at), asking, loaded)
        return False
    row = row_for(deps, key, quoted.model.expected_s, found)
    wanted = Wanted(asking, row, held_credits(loaded), given=opened is not None)
    if await take(deps, wanted):
        return True
    await _park(deps, message, loaded, wanted)
    return False


async def _park(deps: Dependencies, message: GenerationRequest, loaded: Loaded, wanted: Wanted) -> None:
    key, now = message.key, deps.now()
    due_at = _due_at(deps)
    await deps.index.put(replace(wanted.row, due_at=due_at, expires_at=keeps_until(deps, due_at)))
    waits, first = Refusal.of(Reason.WAITS_FOR_TURN), loaded.generation is None

    def decide(current: Loaded) -> Transition[Received] | None:
        found = current.generation
        if found is None:
            return opening.received(message, waits, now, trace_parent=deps.telemetry.trace_parent())
        if not isinstance(found, Received) or clashes(found, message.digest) or (first and waits_for_turn(found)):
            return None
        return parking.parked_received(found, waits)

    after = (await save(deps, key, decide, loaded)).loaded.generation
    if isinstance(after, Generation) and not after.state.ended:
        # Another delivery has opened it meanwhile: it has the turn that was taken from the row here.
        turn = Turn(key=key, weight=wanted.asking.weight, since=now, begun=True)
        await deps.index.give(turn, after.due_at(deps.timing))
    elif isinstance(after, Received):
        await _line_up(deps, Waiting(key, after.opened_at), wanted.asking)
    if clashes(after, message.digest):
        raise too_many()  # another request of this id came between: the next delivery sees it, and is refused by name


async def may_go_on(deps: Dependencies, waiting: Generation, loaded: Loaded) -> bool:
    """Whether a WAITING generation has a turn: what was paused has lost it, and waits for another one."""
    if waiting.reason not in (Reason.PAUSED, Reason.WAITS_FOR_TURN):
        return True
    key = waiting.key
    asking = asking_of(deps, key.account_id, key.user_id, loaded)
    opened = await deps.index.get(key)
    given = opened is not None and opened.turn is not None
    if waits_for_turn(waiting) and not given:
        await _line_up_again(deps, Waiting(key, waiting.opened_at), asking, loaded)
        return False
    row = row_for(deps, key, waiting.attempt.expected_s, waiting)
    if await take(deps, Wanted(asking, row, held_credits(loaded), given)):
        return True
    await _park_opened(deps, waiting.attempt, key, loaded, asking)
    return False


async def _park_opened(deps: Dependencies, attempt: Attempt, key: Key, loaded: Loaded, asking: Asking) -> None:
    def step(found: Generation, _: Payer | None) -> Transition[Generation] | None:
        return parking.parked(found, attempt, Refusal.of(Reason.WAITS_FOR_TURN), deps.now())

    saved = await advance(deps, key, step, loaded)
    if isinstance(saved, Changed):
        due_at = _due_at(deps)
        await deps.index.release(key, due_at, keeps_until(deps, due_at))
        await _line_up(deps, Waiting(key, saved.generation.opened_at), asking)


async def check_parked(deps: Dependencies, found: Received, loaded: Loaded, row: OpenRow) -> None:
    """The check of a parked request: send it if it has a turn whose message is lost, else line it up once more."""
    if row.turn is not None:
        await deps.index.move(found.key, _due_at(deps))
        await send_turn(deps, found.request, deps.now())
    else:
        waiting = Waiting(found.key, found.opened_at)
        asking = asking_of(deps, found.key.account_id, found.key.user_id, loaded)
        await _line_up_again(deps, waiting, asking, loaded)


async def _line_up_again(deps: Dependencies, waiting: Waiting, asking: Asking, loaded: Loaded) -> None:
    await deps.index.move(waiting.key, _due_at(deps))
    await _renew_place(deps, asking, loaded)
    await _line_up(deps, waiting, asking)
    await count_wait(deps, loaded, given=False)


async def _renew_place(deps: Dependencies, asking: Asking, loaded: Loaded) -> None:
    """Write what the account may have now into its place; it is read unless this instance has read it just now."""
    recent, account_id = deps.recent_turns, asking.account_id
    known = {row.place.account_id: row for row in recent.rows}
    row = known.get(account_id)
    if row is None or recent.is_older(PLACES_FRESH, deps.now()):
        row = await deps.waiting.place(account_id)
    if row is not None:
        await keep_place(deps, row, asking, loaded)


async def _line_up(deps: Dependencies, waiting: Waiting, asking: Asking) -> None:
    await deps.waiting.wait(waiting, new_place(asking, deps.recent_turns.places, deps.now()))
    await ask_for_looks(deps)


def _due_at(deps: Dependencies) -> datetime:
    return deps.now() + timedelta(seconds=LINED_UP_S)
