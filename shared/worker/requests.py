"""What users ask: a generation, or that one be canceled.

Rules of this file:
1. Nothing is paid before the prompt was screened and the hold is saved.
2. A create is POSTed once for each time that SUBMITTING was saved, by the one who saved it. Whoever finds
   SUBMITTING does not know the outcome and leaves it to the webhook or the timer.
3. A generation that is known is carried on from its state: a request that comes twice opens nothing. Of one that has
   ended, the end is told again.
4. What was taken in (RECEIVED) opens by the request that is saved with it: the first of an id is the one.
"""

import logging
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

from shared.core.catalog.catalog import Quote, quote
from shared.core.keys import Key
from shared.core.lifecycle import opening, transitions
from shared.core.lifecycle.attempt import Attempt
from shared.core.lifecycle.generation import Generation, Transition
from shared.core.lifecycle.state import State
from shared.core.money.ledger import Account, Plan
from shared.core.provider.prediction import Created, CreateOutcome, CreateRefused, NotCreated, OutcomeUnknown
from shared.core.reasons import Reason, Refusal
from shared.core.requests.messages import CancelRequest, GenerationRequest, Malformed
from shared.core.safety.screening_record import ScreeningRecord
from shared.ports import Dependencies, Loaded, OpenRow
from shared.worker import observing
from shared.worker.deferring import schedule_retry
from shared.worker.finishing import archive, end, event_of, open_row, output_prefix, publish_refusal
from shared.worker.saving import save
from shared.worker.screening import screen_request, with_input_urls, with_records

logger = logging.getLogger("darkroom.worker")


async def request(deps: Dependencies, message: GenerationRequest, again: str = "") -> None:
    """Open a generation and submit it; or carry on with the one that is there.

    ``again`` names the occasion on which an app asks, to tell it the end once more; empty for a copy of our own.
    """
    key = message.key
    deps.telemetry.step("received", key)
    loaded = await deps.store.load(key)
    if loaded.generation is not None and not opening.unopened(loaded.generation):
        await _resume(deps, loaded.generation, again)
        await _drop_input(deps, message, loaded.generation)
        return
    if loaded.generation is not None and loaded.generation.request is not None:
        message = loaded.generation.request
    quoted = quote(deps.catalog, message, _plan(loaded.account))
    seed = deps.new_seed()
    preview = opening.opened(message, loaded.account, deps.catalog, quoted, seed=seed, now=deps.now()).generation
    records: tuple[ScreeningRecord, ...] = ()
    if preview.state is not State.REJECTED and isinstance(quoted, Quote):
        looked = await screen_request(deps, message, quoted, _plan(loaded.account))
        message, records, quoted = looked.message, looked.records, looked.refusal or quoted
    elif preview.reason is not None:
        # It stays refused, whatever changes until it is saved (a new day has a new limit): nobody screened it.
        quoted = Refusal(preview.reason, preview.text)
    expected_s = quoted.model.expected_s if isinstance(quoted, Quote) else 0
    await open_row(deps, key, expected_s)
    saved = await save(deps, key, _opening(deps, message, quoted, seed, records), loaded)
    if saved.changed and saved.generation is not None:
        await _after_opening(deps, saved.generation, saved.loaded)
    elif saved.generation is not None:
        await _drop_input(deps, message, saved.generation)


def _opening(
    deps: Dependencies,
    message: GenerationRequest,
    quoted: Quote | Refusal,
    seed: int,
    records: tuple[ScreeningRecord, ...],
) -> Callable[[Loaded], Transition | None]:
    """Opens it on the account as it is when it is saved; nothing where it is open by then."""

    def decide(current: Loaded) -> Transition | None:
        if not opening.unopened(current.generation):
            return None
        now = deps.now()
        fresh = quoted if isinstance(quoted, Refusal) else quote(deps.catalog, message, _plan(current.account))
        trace_parent = deps.telemetry.trace_parent()
        opened = opening.opened(
            message, current.account, deps.catalog, fresh, seed=seed, now=now, trace_parent=trace_parent
        )
        return with_records(opened, records)

    return decide


async def _after_opening(deps: Dependencies, generation: Generation, loaded: Loaded) -> None:
    if generation.state is State.REJECTED:
        deps.telemetry.step("rejected", generation.key, reason=generation.reason or "")
        await end(deps, generation)
        return
    deps.telemetry.step("credits_held", generation.key, credits=generation.held_credits)
    await (retry(deps, generation.key, loaded) if generation.state is State.WAITING else submit(deps, loaded))


async def _drop_input(deps: Dependencies, message: GenerationRequest, generation: Generation) -> None:
    """A cancel was faster than the request that has stored its input, here or before it died: nobody wants it."""
    if message.image_url is not None and generation.state.ended:
        await deps.input_files.discard_inputs(output_prefix(generation.key))


def _plan(account: Account | None) -> Plan:
    return account.plan if account else Plan.FREE


async def receive(deps: Dependencies, message: GenerationRequest, waits_for: Refusal, comes_at: datetime) -> None:
    """Take in a request that comes again at ``comes_at``: it has a row, and the timer misses it if it does not come."""
    key, now = message.key, deps.now()
    loaded = await deps.store.load(key)
    due_at = comes_at + timedelta(seconds=deps.timing.check_after_s)
    if loaded.generation is not None:
        if opening.unopened(loaded.generation):
            await deps.index.move(key, due_at)
        return
    lost_at = now + timedelta(seconds=deps.limits.patience_s + deps.timing.output_life_s)
    await deps.index.put(OpenRow(key=key, due_at=due_at, expires_at=lost_at, written_at=now))

    def decide(current: Loaded) -> Transition | None:
        if current.generation is not None:
            return None
        return opening.received(message, waits_for, now, trace_parent=deps.telemetry.trace_parent())

    await save(deps, key, decide, loaded)


async def refuse(deps: Dependencies, message: Malformed, queue: str) -> None:
    """Something that is no message: kept, told to the app where the ids could be read, and done with."""
    name = await archive(deps, message.raw, message.key, message.reason.value, queue)
    logger.warning("%s: no message of ours, kept as %s: %s", queue, name, message.text)
    deps.telemetry.count("darkroom.malformed_messages", queue=queue)
    if queue != deps.limits.request_queue:
        return
    refusal = Refusal(message.reason, message.text)
    if message.key is not None:
        await reject(deps, message.key, None, refusal)
    elif message.given_ids is not None:
        await publish_refusal(deps, message, message.given_ids)


async def reject(deps: Dependencies, key: Key, message: GenerationRequest | None, refusal: Refusal) -> None:
    """Write down that a generation was refused, unless there is one of this id already.

    ``message`` is the request that has waited for too long: it ends what was taken in, too.
    """
    loaded = await deps.store.load(key)
    if loaded.generation is not None and not (message and opening.unopened(loaded.generation)):
        await _resume(deps, loaded.generation)
        return
    await open_row(deps, key, 0)

    def decide(current: Loaded) -> Transition | None:
        if current.generation is None:
            return opening.rejected(key, message, refusal, deps.now())
        return opening.given_up(current.generation, deps.now(), refusal) if message else None

    saved = await save(deps, key, decide, loaded)
    if saved.changed and saved.generation is not None:
        await _after_opening(deps, saved.generation, saved.loaded)


async def _resume(deps: Dependencies, generation: Generation, again: str = "") -> None:
    """The same request again: after a crash, as a copy that was put off, or sent twice."""
    if generation.state is State.WAITING:
        await retry(deps, generation.key)
    elif generation.state.ended and await deps.index.get(generation.key) is not None:
        await end(deps, generation)
    elif generation.state.ended and again:
        await deps.messenger.publish(event_of(generation), again)


async def retry(deps: Dependencies, key: Key, loaded: Loaded | None = None) -> None:
    """Try the create of a WAITING generation, if its wait is over. ``loaded`` spares the first look.

    What the model is to read is made ready first, while surely nothing was created: an archive may take a minute.
    """
    loaded = loaded or await deps.store.load(key)
    held = loaded.generation
    if held is None or held.attempt is None or transitions.retried(held, deps.now()) is None:
        return
    attempt = held.attempt
    sent = await with_input_urls(deps, attempt)

    def decide(current: Loaded) -> Transition | None:
        found = current.generation
        return transitions.retried(found, deps.now()) if found and found.attempt == attempt else None

    saved = await save(deps, key, decide, loaded)
    if saved.changed:
        await submit(deps, saved.loaded, sent)


async def submit(deps: Dependencies, loaded: Loaded, sent: Attempt | NotCreated | CreateRefused | None = None) -> None:
    """Make the create of a generation that this caller has just saved as SUBMITTING.

    ``sent`` is the attempt with what the model reads, or why that was not to be had; None: it is not ready yet.
    """
    generation = loaded.generation
    if generation is None or generation.attempt is None:
        raise ValueError("there is no attempt to submit")
    attempt = generation.attempt
    sent = sent or await with_input_urls(deps, attempt)
    if isinstance(sent, Attempt):
        ready = replace(attempt, inputs=sent.inputs)
        with deps.telemetry.span("create prediction", generation.key):
            outcome = await deps.providers[attempt.provider].create(generation.key, ready)
    else:
        outcome = sent
    await _record_outcome(deps, loaded, generation.key, attempt, outcome)


async def _record_outcome(
    deps: Dependencies, loaded: Loaded, key: Key, attempt: Attempt, outcome: CreateOutcome
) -> None:
    match outcome:
        case Created(prediction):
            deps.telemetry.step("prediction_created", key, prediction=prediction.prediction_id)
            await observing.adopt(deps, key, attempt.number, prediction, loaded)
        case NotCreated(why, retry_after_s):
            await _defer_create(deps, key, attempt, why, retry_after_s)
        case CreateRefused(reason, text):
            await _refused(deps, key, attempt.number, Refusal(reason, text))
        case OutcomeUnknown(why):
            deps.telemetry.step("outcome_unknown", key, why=why)
            deps.telemetry.count("darkroom.creates_unknown")


async def _defer_create(deps: Dependencies, key: Key, attempt: Attempt, why: str, retry_after_s: float) -> None:
    """Surely nothing was created: save that, then come back with a copy of the request."""
    retry_at = deps.now() + timedelta(seconds=retry_after_s * (1 + deps.chance() / 4))
    deps.telemetry.step("create_deferred", key, why=why, seconds=round(retry_after_s))
    deps.telemetry.count("darkroom.creates_deferred", why=why)

    def decide(current: Loaded) -> Transition | None:
        found = current.generation
        if found is None:
            return None
        return transitions.deferred(
            found, current.account, attempt.number, attempt.posts, retry_at=retry_at, now=deps.now()
        )

    saved = await save(deps, key, decide)
    if saved.changed and saved.generation is not None:
        await (end if saved.generation.state.ended else schedule_retry)(deps, saved.generation)


async def _refused(deps: Dependencies, key: Key, number: int, refusal: Refusal) -> None:
    seed = deps.new_seed()

    def decide(current: Loaded) -> Transition | None:
        found = current.generation
        if found is None:
            return None
        return transitions.refused(found, current.account, deps.catalog, number, refusal, seed=seed, now=deps.now())

    saved = await save(deps, key, decide)
    if saved.changed and saved.generation is not None:
        deps.telemetry.step("create_refused", key, reason=refusal.reason)
        await observing.after_failed_attempt(deps, saved.generation)


async def cancel(deps: Dependencies, message: CancelRequest) -> None:
    """End a generation as its user wishes; one that has ended, or is about to succeed, is left as it is."""
    key = message.key
    loaded = await deps.store.load(key)
    if loaded.generation is None:
        await open_row(deps, key, 0)

    def decide(current: Loaded) -> Transition | None:
        if current.generation is None:
            return opening.canceled_unopened(key, deps.now())
        return transitions.end_requested(current.generation, current.account, Reason.CANCELED_BY_USER, deps.now())

    saved = await save(deps, key, decide, loaded)
    generation = saved.generation
    if generation is None:
        return
    if generation.state.ended:
        if saved.changed or await deps.index.get(key) is not None:
            await end(deps, generation)
        return
    await observing.stop(deps, generation)
