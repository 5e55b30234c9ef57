"""The timer's checks of overdue generations. A check is a message, and ``handle`` processes it like any other.

An unknown outcome of a create is resolved in this order, never by a POST that could make a second prediction:
1. By its webhook (observing.py): the callback address names the attempt. If the provider guarantees idempotency, the
   same create is POSTed again (reposting.py), and the steps below are not needed.
2. By Replicate's list of recent predictions, matched by the echoed callback address or the attempt's own seed. One
   match is adopted. Of several, the oldest is adopted and the others are canceled.
3. By ``Cancel-After``: once it has passed, no prediction can be running. Only then is the next attempt opened.

A 404 for a prediction does not prove that it has ended, because reads lag and differ between Replicate's stores. It is
given up when the 404 lasts and ``Cancel-After`` has passed. Where no ``Cancel-After`` is guaranteed, the list must be
without it too.
"""

from datetime import timedelta

from shared.core.dependency import Dependency
from shared.core.keys import Key
from shared.core.lifecycle import approving, opening, parking, transitions
from shared.core.lifecycle.attempt import Attempt, created
from shared.core.lifecycle.generation import Closed, Generation, Received, Transition
from shared.core.lifecycle.state import State
from shared.core.lifecycle.steps import LogStep
from shared.core.metric import Metric
from shared.core.money.payer import Payer
from shared.core.provider.prediction import Prediction
from shared.core.reasons import Reason, Refusal
from shared.core.requests.messages import Check
from shared.ports import Dependencies, Envelope, Loaded, OpenRow, Paused, Unavailable
from shared.worker import observing
from shared.worker.creates import retry
from shared.worker.deferring import refusal_for
from shared.worker.finishing import end
from shared.worker.looking import waits_for_turn
from shared.worker.open_index import lost_at, open_row
from shared.worker.parking import check_parked
from shared.worker.pausing import moved_until, paused_for, request_paused_for
from shared.worker.quotes import quoted_now
from shared.worker.reposting import post_again
from shared.worker.requests import open_approved
from shared.worker.saving import Absent, Changed, Unchanged, advance, reload, save
from shared.worker.warnings import publish_warnings

#: For how many rows one tick of the timer sends checks. The next tick takes the rest.
TICK_ROWS = 1000

#: How often the timer looks whether the app has limits, and whether its use is to be rebuilt.
LOOK_EVERY = timedelta(minutes=4, seconds=30)

#: Allowed skew between our clock and Replicate's: a search of the list starts this long before the create.
_SKEW_S = 300

#: A row without a generation is stale at this age: no function call that wrote it can still be running.
_STALE_ROW_S = 900


async def reconcile(deps: Dependencies) -> int:
    """Send a check for each overdue row of the open index, at most ``TICK_ROWS``, the first to expire first.

    Returns how many were sent.
    """
    now = deps.now()
    rows = await deps.index.due(now, TICK_ROWS)
    for row in rows:
        # The same row at the same due time is the same message: the broker drops it while the first is queued.
        envelope = Envelope(row.key.named("check", f"{row.due_at.timestamp():.0f}"))
        await deps.messenger.send(Check(row.key), envelope)
    if rows:
        slack_s = min((row.expires_at - now).total_seconds() for row in rows)
        deps.telemetry.count(Metric.SLACK_S, slack_s)
    deps.telemetry.count(Metric.OVERDUE, len(rows))
    await _rebuild_app_use(deps)
    return len(rows)


async def _rebuild_app_use(deps: Dependencies) -> None:
    """Rebuild what the app uses, if it has limits of its own. The next tick does what this one could not."""
    if deps.app_use.looked_at is not None and deps.now() - deps.app_use.looked_at < LOOK_EVERY:
        return
    deps.app_use.looked_at = deps.now()
    limits = await deps.recent_switches.limits(deps.switches, deps.now())
    if limits.limits:
        from shared.worker.app_rebuild import rebuild_if_due  # noqa: PLC0415  # only an app with limits of its own

        await rebuild_if_due(deps, limits.limits)


async def check(deps: Dependencies, message: Check) -> None:
    """Check one generation, and do what its state needs."""
    key = message.key
    row = await deps.index.get(key)
    loaded = await deps.store.load(key)
    generation = loaded.generation
    if row is None:
        if generation is not None and not generation.state.ended:
            # A check removed the row as stale, and crashed before it restored it.
            await open_row(deps, key, 0, generation)
        return
    deps.telemetry.step(LogStep.CHECKED, key, state=generation.state if generation else "none")
    if generation is None:
        await _remove_stale_row(deps, row)
        return
    await publish_warnings(deps, generation)
    if isinstance(generation, Closed) or (isinstance(generation, Generation) and generation.state.ended):
        await end(deps, generation)
        return
    # Move the row first: if this check crashes, the next one comes after the usual wait.
    due_at = max(generation.due_at(deps.timing), deps.now() + _pause(deps))
    await deps.index.move(key, due_at, lost_at(deps, generation, due_at))
    if isinstance(generation, Received):
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
    """Remove a row whose generation never opened, once it is old enough; else check it again later."""
    if deps.now() - row.written_at > timedelta(seconds=_STALE_ROW_S):
        await deps.index.remove(row.key)
        if (await reload(deps, row.key)).generation is not None:
            await deps.index.put(row)  # it opened between the read and the removal
    else:
        await deps.index.move(row.key, deps.now() + _pause(deps))


async def _check_received(deps: Dependencies, found: Received, loaded: Loaded, row: OpenRow) -> None:
    """The copy of a RECEIVED request is overdue: send it again, or give the request up after ``patience_s``."""
    if found.approval is not None:
        await _check_approval(deps, found, loaded, row.asked)
        return
    if waits_for_turn(found):
        await check_parked(deps, found, loaded, row)
        return
    since = parking.went_on_at(found) or found.opened_at
    waited_s = (deps.now() - since).total_seconds()
    paused = await request_paused_for(deps, found.request, loaded, since)
    if waited_s <= deps.limits.patience_s + paused.total_seconds():
        # Continue the back-off where the lost copy was: waits double, so the time waited gives the count.
        tries = int(max(waited_s, 1)).bit_length()
        message_id = found.key.named("again", f"{row.due_at.timestamp():.0f}")
        envelope = Envelope(message_id, tries, since, digest=found.request.digest)
        await deps.messenger.send(found.request, envelope)
        return
    await _give_up(deps, found.key, loaded)


async def _check_approval(deps: Dependencies, found: Received, loaded: Loaded, published: int) -> None:
    """Open what was approved, end what nobody has decided in time, and ask again for what a crash left unasked.

    What was approved and cannot open is given up after ``patience_s``, as a request is that was never asked about.
    """
    quoted = await quoted_now(deps, found.request, loaded)
    until = await moved_until(deps, found, found.approval, loaded, quoted) if found.approval else deps.now()

    def decide(current: Loaded) -> Transition[Closed] | None:
        waits = current.generation
        return approving.expired(waits, until, deps.now()) if isinstance(waits, Received) else None

    saved = await save(deps, found.key, decide, loaded)
    if isinstance(saved, Changed):
        await end(deps, saved.generation)
    elif isinstance(saved.loaded.generation, Received):
        waits, loaded = saved.loaded.generation, saved.loaded
        try:
            await open_approved(deps, waits, loaded, published, quoted)
        except Unavailable as trouble:
            if not await _is_out_of_patience(deps, waits, loaded, trouble):
                raise
            await _give_up(deps, waits.key, loaded, refusal_for(trouble))


async def _is_out_of_patience(deps: Dependencies, waits: Received, loaded: Loaded, trouble: Unavailable) -> bool:
    """Whether too much time has passed since its approval or its turn, without its pauses."""
    approved_at = waits.approval.approved_at if waits.approval else None
    if approved_at is None or isinstance(trouble, Paused) or trouble.dependency is Dependency.TABLES:
        return False
    since = max(approved_at, parking.went_on_at(waits) or approved_at)
    paused = await request_paused_for(deps, waits.request, loaded, since)
    return deps.now() - since - paused > timedelta(seconds=deps.limits.patience_s)


async def _give_up(deps: Dependencies, key: Key, loaded: Loaded, refusal: Refusal | None = None) -> None:
    """End what waits, with what it waited for or with a refusal."""

    def decide(current: Loaded) -> Transition[Closed] | None:
        waits = current.generation
        return opening.given_up(waits, deps.now(), refusal) if isinstance(waits, Received) else None

    saved = await save(deps, key, decide, loaded)
    if isinstance(saved, Changed):
        await end(deps, saved.generation)


async def _check_waiting(deps: Dependencies, generation: Generation, loaded: Loaded) -> None:
    paused = await paused_for(deps, generation, deps.now())

    def step(found: Generation, payer: Payer | None) -> Transition[Generation] | None:
        if waits_for_turn(found):
            return None
        return transitions.given_up(found, payer, deps.timing, deps.now(), paused)

    saved = await advance(deps, generation.key, step, loaded)
    if isinstance(saved, Changed):
        await observing.after_failed_attempt(deps, saved.generation)
    elif isinstance(saved, Unchanged):
        await retry(deps, saved.generation, saved.loaded)


async def _check_submitting(deps: Dependencies, generation: Generation, loaded: Loaded) -> None:
    attempt = generation.attempt
    if deps.now() < attempt.submitted_at + timedelta(seconds=deps.timing.list_grace_s):
        return
    if attempt.guarantees.idempotent and await post_again(deps, generation.key, loaded):
        return
    try:
        found = await _find_created(deps, generation, attempt)
    except Unavailable:
        over = attempt.canceled_at(deps.timing) + timedelta(seconds=deps.timing.output_life_s)
        if deps.now() < over:
            raise
        found = []  # any prediction has ended and its outputs are deleted, so there is nothing left to find
    if found:
        oldest, *others = found
        await observing.adopt(deps, generation.key, attempt.number, oldest, loaded)
        for other in others:
            if not other.status.finished:
                await observing.cancel_orphan(deps, generation, other)
        return
    await _record_loss(deps, generation.key, loaded)


async def _find_created(deps: Dependencies, generation: Generation, attempt: Attempt) -> list[Prediction]:
    """This attempt's predictions in its provider's list, oldest first. Empty if the provider has no list."""
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

    def step(found: Generation, payer: Payer | None) -> Transition[Generation] | None:
        return transitions.lost(found, payer, deps.catalog, deps.timing, seed=seed, now=deps.now())

    saved = await advance(deps, key, step, loaded)
    if isinstance(saved, Changed):
        await observing.after_failed_attempt(deps, saved.generation)


async def _check_running(deps: Dependencies, generation: Generation, loaded: Loaded) -> None:
    attempt = generation.attempt
    if attempt.prediction_id is None:
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
    """Apply the finished status that Replicate returned, or cancel a prediction that is overdue or is to end."""
    if prediction.status.finished:
        await observing.adopt_when_asked(deps, loaded, generation.key, number, prediction)
    elif transitions.overdue(generation, deps.timing, deps.now()) or generation.requested_end:
        await _expire(deps, generation.key, loaded)


async def _handle_missing(deps: Dependencies, key: Key, attempt: Attempt, loaded: Loaded) -> None:
    """Replicate answered 404 for the prediction: save when that began, and end the attempt if it lasts too long."""
    prediction_id = attempt.prediction_id or ""

    def note(found: Generation, _: Payer | None) -> Transition[Generation] | None:
        return transitions.missed(found, attempt.number, prediction_id, deps.now())

    noted = await advance(deps, key, note, loaded)
    if isinstance(noted, Absent) or not transitions.is_missing(noted.generation, deps.timing, deps.now()):
        return  # its row was moved, so the timer checks again
    if not attempt.guarantees.cancel_after and await _runs_unseen(deps, noted.generation, prediction_id, noted.loaded):
        return

    def step(found: Generation, payer: Payer | None) -> Transition[Generation] | None:
        return transitions.vanished(found, payer, deps.timing, deps.now())

    saved = await advance(deps, key, step, noted.loaded)
    if isinstance(saved, Changed):
        await observing.after_failed_attempt(deps, saved.generation)


async def _runs_unseen(deps: Dependencies, generation: Generation, prediction_id: str, loaded: Loaded) -> bool:
    """Whether a prediction without ``Cancel-After`` still exists: it is in the list, or a cancel finds it.

    If so, its status is applied.
    """
    attempt = generation.attempt
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
    def step(found: Generation, _: Payer | None) -> Transition[Generation] | None:
        return transitions.known_again(found, number, prediction_id)

    return (await advance(deps, key, step, loaded)).loaded


async def _expire(deps: Dependencies, key: Key, loaded: Loaded) -> None:
    """Save the requested end TIMED_OUT, then cancel the prediction. Replicate's answer ends the generation."""

    def step(found: Generation, payer: Payer | None) -> Transition[Generation] | None:
        return transitions.end_requested(found, payer, Reason.TIMED_OUT, deps.now())

    saved = await advance(deps, key, step, loaded)
    if not isinstance(saved, Absent) and not await _release_unheard(deps, key, saved.loaded):
        await observing.stop(deps, saved.generation, saved.loaded)


async def _release_unheard(deps: Dependencies, key: Key, loaded: Loaded) -> bool:
    """End a generation of which Replicate can report nothing any more. False: it may still report something."""

    def step(found: Generation, payer: Payer | None) -> Transition[Generation] | None:
        return transitions.unheard(found, payer, deps.timing, deps.now())

    saved = await advance(deps, key, step, loaded)
    if isinstance(saved, Changed):
        await observing.after_failed_attempt(deps, saved.generation)
    return isinstance(saved, Changed)
