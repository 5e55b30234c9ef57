"""The timer's look at what should have been heard of. There is no second repair logic: a check walks the corridor.

An unknown outcome of a create is resolved in this order, and never by a second POST that could be a second prediction:
1. its webhook (observing.py), for the callback address carries the attempt; where its provider promises that the same
   create is the same prediction, the same create again (reposting.py), and nothing else is needed;
2. Replicate's list of recent predictions, by the echoed address or the attempt's own seed. One match is adopted;
   of several the oldest is, and the others are canceled;
3. its ``Cancel-After`` has passed: whatever was created is over. Only then is the next attempt opened.

A prediction that Replicate does not know any more (404) may run all the same: reads lag and differ. It is given up when
the 404 lasts and ``Cancel-After`` has passed; where none is guaranteed, when the list is without it too.
"""

from datetime import timedelta

from shared.core.keys import Key
from shared.core.lifecycle import opening, transitions
from shared.core.lifecycle.attempt import Attempt, created
from shared.core.lifecycle.generation import Generation, Transition
from shared.core.lifecycle.state import State
from shared.core.money.ledger import Account
from shared.core.provider.prediction import Prediction
from shared.core.reasons import Reason
from shared.core.requests.messages import Check
from shared.ports import Dependencies, Envelope, Loaded, OpenRow, Unavailable
from shared.worker import observing
from shared.worker.creates import retry
from shared.worker.finishing import end
from shared.worker.open_index import open_row
from shared.worker.reposting import post_again
from shared.worker.saving import Absent, Changed, advance, reload

#: How many rows one tick of the timer sends on. What is left over is due in the next one.
TICK_ROWS = 1000

#: How far apart our clock and Replicate's may be when their list is asked for what was created since.
_SKEW_S = 300

#: A row without a generation is younger than any function call that could be about to save one, or it is stale.
_STALE_ROW_S = 900


async def reconcile(deps: Dependencies) -> int:
    """Send a check for every overdue row of the open index, what expires first at the front; returns how many."""
    now = deps.now()
    rows = await deps.index.due(now, TICK_ROWS)
    for row in rows:
        # The same row at the same due time is the same message: the broker drops it while the first is queued.
        envelope = Envelope(row.key.named("check", f"{row.due_at.timestamp():.0f}"))
        await deps.messenger.send(Check(row.key), envelope)
    if rows:
        slack_s = min((row.expires_at - now).total_seconds() for row in rows)
        deps.telemetry.count("darkroom.slack_s", slack_s)
    deps.telemetry.count("darkroom.overdue", len(rows))
    return len(rows)


async def check(deps: Dependencies, message: Check) -> None:
    """Look at one generation, and do whatever its state asks for."""
    key = message.key
    row = await deps.index.get(key)
    loaded = await deps.store.load(key)
    generation = loaded.generation
    if row is None:
        if generation is not None and not generation.state.ended:
            await open_row(deps, key, 0)  # a check that took it for stale died before it could put it back
        return
    deps.telemetry.step("checked", key, state=generation.state if generation else "none")
    if generation is None:
        await _remove_stale_row(deps, row)
        return
    if generation.state.ended:
        await end(deps, generation)
        return
    # Move the row first: should this check die, the next one comes after the same wait as any other.
    await deps.index.move(key, max(generation.due_at(deps.timing), deps.now() + _pause(deps)))
    if generation.state is State.RECEIVED:
        await _check_received(deps, generation, loaded, row)
    elif generation.state is State.WAITING:
        await _check_waiting(deps, generation, loaded)
    elif generation.state is State.SUBMITTING:
        await _check_submitting(deps, generation, loaded)
    else:
        await _check_running(deps, generation, loaded)


def _pause(deps: Dependencies) -> timedelta:
    return timedelta(seconds=deps.timing.check_after_s)


async def _remove_stale_row(deps: Dependencies, row: OpenRow) -> None:
    """A row whose generation never opened."""
    if deps.now() - row.written_at > timedelta(seconds=_STALE_ROW_S):
        await deps.index.remove(row.key)
        if (await reload(deps, row.key)).generation is not None:
            await deps.index.put(row)  # it opened between the look and the removal
    else:
        await deps.index.move(row.key, deps.now() + _pause(deps))


async def _check_received(deps: Dependencies, generation: Generation, loaded: Loaded, row: OpenRow) -> None:
    """A request that was taken in has not come again: send it again, or give it up after too long."""
    key, waited_s = generation.key, (deps.now() - generation.opened_at).total_seconds()
    if generation.request is not None and waited_s <= deps.limits.patience_s:
        # At the pace that it had: waits have doubled since.
        tries = int(max(waited_s, 1)).bit_length()
        envelope = Envelope(key.named("again", f"{row.due_at.timestamp():.0f}"), tries, generation.opened_at)
        await deps.messenger.send(generation.request, envelope)
        return

    def step(found: Generation, _: Account | None) -> Transition | None:
        return opening.given_up(found, deps.now())

    saved = await advance(deps, key, step, loaded)
    if isinstance(saved, Changed):
        await end(deps, saved.generation)


async def _check_waiting(deps: Dependencies, generation: Generation, loaded: Loaded) -> None:
    def step(found: Generation, account: Account | None) -> Transition | None:
        return transitions.given_up(found, account, deps.timing, deps.now())

    saved = await advance(deps, generation.key, step, loaded)
    if isinstance(saved, Changed):
        await observing.after_failed_attempt(deps, saved.generation)
    else:
        await retry(deps, generation.key, saved.loaded)


async def _check_submitting(deps: Dependencies, generation: Generation, loaded: Loaded) -> None:
    attempt = generation.attempt
    if attempt is None or deps.now() < attempt.submitted_at + timedelta(seconds=deps.timing.list_grace_s):
        return
    if attempt.guarantees.idempotent and await post_again(deps, generation.key, loaded):
        return
    try:
        found = await _find_created(deps, generation, attempt)
    except Unavailable:
        over = attempt.canceled_at(deps.timing) + timedelta(seconds=deps.timing.output_life_s)
        if deps.now() < over:
            raise
        found = []  # whatever was created is over, and even its outputs are deleted: nothing is left to be found
    if found:
        oldest, *others = found
        await observing.adopt(deps, generation.key, attempt.number, oldest, loaded)
        for other in others:
            if not other.status.finished:
                await observing.cancel_orphan(deps, generation, other)
        return
    await _record_loss(deps, generation.key, loaded)


async def _find_created(deps: Dependencies, generation: Generation, attempt: Attempt) -> list[Prediction]:
    """This attempt's predictions in its provider's list, oldest first; none where there is no list."""
    if not attempt.guarantees.listed:
        return []
    since = attempt.submitted_at - timedelta(seconds=_SKEW_S)
    key = generation.key
    own = [
        prediction
        async for prediction in deps.providers[attempt.provider].recent(since, attempt.kind)
        if created(attempt, key, prediction)
    ]
    return sorted(own, key=lambda prediction: (prediction.created_at or since, prediction.prediction_id))


async def _record_loss(deps: Dependencies, key: Key, loaded: Loaded) -> None:
    seed = deps.new_seed()

    def step(found: Generation, account: Account | None) -> Transition | None:
        return transitions.lost(found, account, deps.catalog, deps.timing, seed=seed, now=deps.now())

    saved = await advance(deps, key, step, loaded)
    if isinstance(saved, Changed):
        await observing.after_failed_attempt(deps, saved.generation)


async def _check_running(deps: Dependencies, generation: Generation, loaded: Loaded) -> None:
    attempt = generation.attempt
    if attempt is None or attempt.prediction_id is None:
        return
    try:
        prediction = await deps.providers[attempt.provider].get(attempt.ref(attempt.prediction_id))
        if prediction is None:
            await _handle_missing(deps, generation.key, attempt, loaded)
            return
    except Unavailable:
        if await _release_unheard(deps, generation.key, loaded):
            return
        raise
    if attempt.missing_since is not None:
        loaded = await _clear_missing(deps, generation.key, prediction.prediction_id, attempt.number, loaded)
    await _act_on(deps, generation, attempt.number, prediction, loaded)


async def _act_on(
    deps: Dependencies, generation: Generation, number: int, prediction: Prediction, loaded: Loaded
) -> None:
    """Take the end of a prediction that was asked for, or end it where it is past its time."""
    if prediction.status.finished:
        await observing.adopt_when_asked(deps, loaded, generation.key, number, prediction)
    elif transitions.overdue(generation, deps.timing, deps.now()) or generation.requested_end:
        await _expire(deps, generation.key, loaded)


async def _handle_missing(deps: Dependencies, key: Key, attempt: Attempt, loaded: Loaded) -> None:
    """Replicate does not know the prediction. The first time is noted; what lasts beyond its time ends it."""
    prediction_id = attempt.prediction_id or ""

    def note(found: Generation, _: Account | None) -> Transition | None:
        return transitions.missed(found, attempt.number, prediction_id, deps.now())

    noted = await advance(deps, key, note, loaded)
    if isinstance(noted, Absent) or not transitions.is_missing(noted.generation, deps.timing, deps.now()):
        return  # its row was moved: the timer looks again
    if not attempt.guarantees.cancel_after and await _runs_unseen(deps, noted.generation, prediction_id, noted.loaded):
        return

    def step(found: Generation, account: Account | None) -> Transition | None:
        return transitions.vanished(found, account, deps.timing, deps.now())

    saved = await advance(deps, key, step, noted.loaded)
    if isinstance(saved, Changed):
        await observing.after_failed_attempt(deps, saved.generation)


async def _runs_unseen(deps: Dependencies, generation: Generation, prediction_id: str, loaded: Loaded) -> bool:
    """Whether what nothing bounds is known elsewhere: the list must be without it, and a cancel in vain."""
    attempt = generation.attempt
    if attempt is None:
        return False
    since = attempt.submitted_at - timedelta(seconds=_SKEW_S)
    provider, listed = deps.providers[attempt.provider], []
    if attempt.guarantees.listed:
        recent = provider.recent(since, attempt.kind)
        listed = [each async for each in recent if each.prediction_id == prediction_id]
    known = listed[0] if listed else await provider.cancel(attempt.ref(prediction_id))
    if known is None:
        return False
    await _act_on(deps, generation, attempt.number, known, loaded)
    return True


async def _clear_missing(deps: Dependencies, key: Key, prediction_id: str, number: int, loaded: Loaded) -> Loaded:
    def step(found: Generation, _: Account | None) -> Transition | None:
        return transitions.known_again(found, number, prediction_id)

    return (await advance(deps, key, step, loaded)).loaded


async def _expire(deps: Dependencies, key: Key, loaded: Loaded) -> None:
    """Past its time: note the wish to end, cancel at Replicate, and end on its word."""

    def step(found: Generation, account: Account | None) -> Transition | None:
        return transitions.end_requested(found, account, Reason.TIMED_OUT, deps.now())

    saved = await advance(deps, key, step, loaded)
    if not isinstance(saved, Absent) and not await _release_unheard(deps, key, saved.loaded):
        await observing.stop(deps, saved.generation, saved.loaded)


async def _release_unheard(deps: Dependencies, key: Key, loaded: Loaded) -> bool:
    """Release what Replicate will not speak of any more. False: there is still hope."""

    def step(found: Generation, account: Account | None) -> Transition | None:
        return transitions.unheard(found, account, deps.timing, deps.now())

    saved = await advance(deps, key, step, loaded)
    if isinstance(saved, Changed):
        await observing.after_failed_attempt(deps, saved.generation)
    return isinstance(saved, Changed)
