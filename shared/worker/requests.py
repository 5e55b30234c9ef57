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
from shared.core.lifecycle import opening
from shared.core.lifecycle import transitions as life
from shared.core.lifecycle.attempt import Attempt
from shared.core.lifecycle.generation import Generation, Transition
from shared.core.lifecycle.state import State
from shared.core.money.credits import Account, Plan
from shared.core.provider.prediction import Created, CreateOutcome, CreateRefused, NotCreated, OutcomeUnknown
from shared.core.reasons import Reason, Refusal
from shared.core.requests.messages import CancelRequest, GenerationRequest, Malformed
from shared.core.safety.screening_record import Record
from shared.ports import House, Loaded, OpenRow
from shared.worker import observing
from shared.worker.deferring import come_back
from shared.worker.finishing import archive, end, event_of, open_row, output_prefix, tell_refused
from shared.worker.saving import save
from shared.worker.screening import look_at_request, readable, recorded

logger = logging.getLogger("darkroom.worker")


async def request(house: House, message: GenerationRequest, again: str = "") -> None:
    """Open a generation and submit it; or carry on with the one that is there.

    ``again`` names the occasion on which an app asks, to tell it the end once more; empty for a copy of our own.
    """
    key = message.key
    house.telemetry.step("received", key)
    loaded = await house.store.load(key)
    if loaded.generation is not None and not opening.unopened(loaded.generation):
        await _carry_on(house, loaded.generation, again)
        await _drop_input(house, message, loaded.generation)
        return
    if loaded.generation is not None and loaded.generation.request is not None:
        message = loaded.generation.request
    quoted = quote(house.catalog, message, _plan(loaded.account))
    seed = house.new_seed()
    preview = opening.opened(message, loaded.account, house.catalog, quoted, seed=seed, now=house.now()).generation
    records: tuple[Record, ...] = ()
    if preview.state is not State.REJECTED and isinstance(quoted, Quote):
        looked = await look_at_request(house, message, quoted, _plan(loaded.account))
        message, records, quoted = looked.message, looked.records, looked.refusal or quoted
    elif preview.reason is not None:
        # It stays refused, whatever changes until it is saved (a new day has a new limit): nobody screened it.
        quoted = Refusal(preview.reason, preview.text)
    expected_s = quoted.model.expected_s if isinstance(quoted, Quote) else 0
    await open_row(house, key, expected_s)
    saved = await save(house, key, _opening(house, message, quoted, seed, records), loaded)
    if saved.changed and saved.generation is not None:
        await _opened(house, saved.generation, saved.loaded)
    elif saved.generation is not None:
        await _drop_input(house, message, saved.generation)


def _opening(
    house: House, message: GenerationRequest, quoted: Quote | Refusal, seed: int, records: tuple[Record, ...]
) -> Callable[[Loaded], Transition | None]:
    """Opens it on the account as it is when it is saved; nothing where it is open by then."""

    def decide(current: Loaded) -> Transition | None:
        if not opening.unopened(current.generation):
            return None
        now = house.now()
        fresh = quoted if isinstance(quoted, Refusal) else quote(house.catalog, message, _plan(current.account))
        trace_parent = house.telemetry.trace_parent()
        opened = opening.opened(
            message, current.account, house.catalog, fresh, seed=seed, now=now, trace_parent=trace_parent
        )
        return recorded(opened, records)

    return decide


async def _opened(house: House, generation: Generation, loaded: Loaded) -> None:
    if generation.state is State.REJECTED:
        house.telemetry.step("rejected", generation.key, reason=generation.reason or "")
        await end(house, generation)
        return
    house.telemetry.step("held", generation.key, credits=generation.held_credits)
    await (retry(house, generation.key, loaded) if generation.state is State.HELD else submit(house, loaded))


async def _drop_input(house: House, message: GenerationRequest, generation: Generation) -> None:
    """A cancel was faster than the request that has stored its input, here or before it died: nobody wants it."""
    if message.image_url is not None and generation.state.ended:
        await house.blobs.discard_inputs(output_prefix(generation.key))


def _plan(account: Account | None) -> Plan:
    return account.plan if account else Plan.FREE


async def receive(house: House, message: GenerationRequest, waits_for: Refusal, comes_at: datetime) -> None:
    """Take in a request that comes again at ``comes_at``: it has a row, and the timer misses it if it does not come."""
    key, now = message.key, house.now()
    loaded = await house.store.load(key)
    due_at = comes_at + timedelta(seconds=house.timing.check_after_s)
    if loaded.generation is not None:
        if opening.unopened(loaded.generation):
            await house.index.move(key, due_at)
        return
    lost_at = now + timedelta(seconds=house.limits.patience_s + house.timing.output_life_s)
    await house.index.put(OpenRow(key=key, due_at=due_at, expires_at=lost_at, written_at=now))

    def decide(current: Loaded) -> Transition | None:
        if current.generation is not None:
            return None
        return opening.received(message, waits_for, now, trace_parent=house.telemetry.trace_parent())

    await save(house, key, decide, loaded)


async def refuse(house: House, message: Malformed, queue: str) -> None:
    """Something that is no message: kept, told to the app where the ids could be read, and done with."""
    name = await archive(house, message.raw, message.key, message.reason.value, queue)
    logger.warning("%s: no message of ours, kept as %s: %s", queue, name, message.text)
    house.telemetry.count("darkroom.malformed_messages", queue=queue)
    if queue != house.limits.request_queue:
        return
    refusal = Refusal(message.reason, message.text)
    if message.key is not None:
        await reject(house, message.key, None, refusal)
    elif message.given_ids is not None:
        await tell_refused(house, message, message.given_ids)


async def reject(house: House, key: Key, message: GenerationRequest | None, refusal: Refusal) -> None:
    """Write down that a generation was refused, unless there is one of this id already.

    ``message`` is the request that has waited for too long: it ends what was taken in, too.
    """
    loaded = await house.store.load(key)
    if loaded.generation is not None and not (message and opening.unopened(loaded.generation)):
        await _carry_on(house, loaded.generation)
        return
    await open_row(house, key, 0)

    def decide(current: Loaded) -> Transition | None:
        if current.generation is None:
            return opening.rejected(key, message, refusal, house.now())
        return opening.given_up(current.generation, house.now(), refusal) if message else None

    saved = await save(house, key, decide, loaded)
    if saved.changed and saved.generation is not None:
        await _opened(house, saved.generation, saved.loaded)


async def _carry_on(house: House, generation: Generation, again: str = "") -> None:
    """The same request again: after a crash, as a copy that was put off, or sent twice."""
    if generation.state is State.HELD:
        await retry(house, generation.key)
    elif generation.state.ended and await house.index.get(generation.key) is not None:
        await end(house, generation)
    elif generation.state.ended and again:
        await house.messenger.publish(event_of(generation), again)


async def retry(house: House, key: Key, loaded: Loaded | None = None) -> None:
    """Try the create of a HELD generation, if its wait is over. ``loaded`` spares the first look.

    What the model is to read is made ready first, while surely nothing was created: an archive may take a minute.
    """
    loaded = loaded or await house.store.load(key)
    held = loaded.generation
    if held is None or held.attempt is None or life.retried(held, house.now()) is None:
        return
    attempt = held.attempt
    sent = await readable(house, attempt)

    def decide(current: Loaded) -> Transition | None:
        found = current.generation
        return life.retried(found, house.now()) if found and found.attempt == attempt else None

    saved = await save(house, key, decide, loaded)
    if saved.changed:
        await submit(house, saved.loaded, sent)


async def submit(house: House, loaded: Loaded, sent: Attempt | NotCreated | CreateRefused | None = None) -> None:
    """Make the create of a generation that this caller has just saved as SUBMITTING.

    ``sent`` is the attempt with what the model reads, or why that was not to be had; None: it is not ready yet.
    """
    generation = loaded.generation
    if generation is None or generation.attempt is None:
        raise ValueError("there is no attempt to submit")
    attempt = generation.attempt
    sent = sent or await readable(house, attempt)
    if isinstance(sent, Attempt):
        ready = replace(attempt, inputs=sent.inputs)
        with house.telemetry.span("create prediction", generation.key):
            outcome = await house.provider.create(generation.key, ready)
    else:
        outcome = sent
    await _answered(house, loaded, generation.key, attempt, outcome)


async def _answered(house: House, loaded: Loaded, key: Key, attempt: Attempt, outcome: CreateOutcome) -> None:
    match outcome:
        case Created(prediction):
            house.telemetry.step("prediction_created", key, prediction=prediction.prediction_id)
            await observing.adopt(house, key, attempt.number, prediction, loaded)
        case NotCreated(why, retry_after_s):
            await _hold(house, key, attempt, why, retry_after_s)
        case CreateRefused(reason, text):
            await _refused(house, key, attempt.number, Refusal(reason, text))
        case OutcomeUnknown(why):
            house.telemetry.step("outcome_unknown", key, why=why)
            house.telemetry.count("darkroom.creates_unknown")


async def _hold(house: House, key: Key, attempt: Attempt, why: str, retry_after_s: float) -> None:
    """Surely nothing was created: save that, then come back with a copy of the request."""
    retry_at = house.now() + timedelta(seconds=retry_after_s * (1 + house.chance() / 4))
    house.telemetry.step("create_put_off", key, why=why, seconds=round(retry_after_s))
    house.telemetry.count("darkroom.creates_put_off", why=why)

    def decide(current: Loaded) -> Transition | None:
        found = current.generation
        if found is None:
            return None
        return life.held(found, current.account, attempt.number, attempt.tries, retry_at=retry_at, now=house.now())

    saved = await save(house, key, decide)
    if saved.changed and saved.generation is not None:
        await (end if saved.generation.state.ended else come_back)(house, saved.generation)


async def _refused(house: House, key: Key, number: int, refusal: Refusal) -> None:
    seed = house.new_seed()

    def decide(current: Loaded) -> Transition | None:
        found = current.generation
        if found is None:
            return None
        return life.refused(found, current.account, house.catalog, number, refusal, seed=seed, now=house.now())

    saved = await save(house, key, decide)
    if saved.changed and saved.generation is not None:
        house.telemetry.step("create_refused", key, reason=refusal.reason)
        await observing.went_on(house, saved.generation)


async def cancel(house: House, message: CancelRequest) -> None:
    """End a generation as its user wishes; one that has ended, or is about to succeed, is left as it is."""
    key = message.key
    loaded = await house.store.load(key)
    if loaded.generation is None:
        await open_row(house, key, 0)

    def decide(current: Loaded) -> Transition | None:
        if current.generation is None:
            return opening.canceled_unopened(key, house.now())
        return life.ending(current.generation, current.account, Reason.CANCELED_BY_USER, house.now())

    saved = await save(house, key, decide, loaded)
    generation = saved.generation
    if generation is None:
        return
    if generation.state.ended:
        if saved.changed or await house.index.get(key) is not None:
            await end(house, generation)
        return
    await observing.stop(house, generation)
