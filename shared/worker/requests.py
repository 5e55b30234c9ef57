"""What users ask for: a generation, or the cancel of one. And what to do with messages that cannot be read.

Rules of this file:
1. Nothing is paid before the prompt has passed screening and the hold is saved (admission.py). Each hold is followed
   by one create (creates.py).
2. A known generation continues from its state, so a request that is delivered twice opens nothing. If the generation
   has ended, its event is published again.
3. A RECEIVED request opens with the request that is saved in its row: the first request of an id counts. Another
   request under its id is refused by name, and changes nothing (clashes.py).
4. What waits for an approval opens when it has one, or when no limit asks for one any more: its limit was raised, or
   the window has ended (approving.py, looking.py).
5. A request that a kill switch stops is not screened: it stays RECEIVED, and says so (pausing.py).
6. A request needs a turn before it is screened (turns.py). Without one it is parked (parking.py).
"""

import logging
from datetime import datetime, timedelta
from typing import assert_never

from shared.core.catalog.choosing import Quote
from shared.core.keys import Key
from shared.core.lifecycle import opening, transitions
from shared.core.lifecycle.approving import needed
from shared.core.lifecycle.generation import AnyGeneration, Closed, Generation, Received, Transition
from shared.core.lifecycle.state import State
from shared.core.lifecycle.steps import Happening, LogStep, Step, happened
from shared.core.metric import Metric
from shared.core.money.limits import Exceeded
from shared.core.reasons import Reason, Refusal
from shared.core.requests.messages import CancelRequest, GenerationRequest, Malformed
from shared.core.training.versions import version_asked_for
from shared.core.values import replace
from shared.ports import Dependencies, Loaded, OpenRow, Paused, Waiting
from shared.worker import observing
from shared.worker.admission import admit, admit_to_app, approval_needed, reserve, screen
from shared.worker.approving import ask
from shared.worker.clashes import clashes, digest_of_bytes, refuse_clash, unreadable_clashes
from shared.worker.creates import retry, submit
from shared.worker.dead_letters import archive, publish_refusal
from shared.worker.finishing import end, event_of
from shared.worker.looking import waits_for_turn
from shared.worker.naming import output_prefix
from shared.worker.open_index import keeps_until, open_row
from shared.worker.parking import has_turn
from shared.worker.pausing import wait_if_paused
from shared.worker.quotes import quote_for
from shared.worker.saving import Changed, Unchanged, payer_of, save
from shared.worker.versions import with_own_version
from shared.worker.warnings import publish_warnings

logger = logging.getLogger("darkroom.worker")


async def request(deps: Dependencies, message: GenerationRequest, again: str = "", digest: str = "") -> None:
    """Open a generation and submit it, in four phases; or continue with the existing one.

    Each phase says what has been reached: *admitted* (the catalogue and the account allow it), *screened* (what the
    user wrote and sent is allowed), *reserved* (the hold is saved), *submitted* (the create was POSTed).
    ``again`` makes the id of an ended one's repeated event; our own copy repeats none. ``digest``: what the app sent.
    """
    key, digest = message.key, digest or message.digest
    deps.telemetry.step(LogStep.RECEIVED, key)
    loaded = await deps.store.load(key, version_asked_for(deps.catalog, message))
    found = loaded.generation
    if clashes(found, digest):
        await refuse_clash(deps, key, digest, again)
        return
    if isinstance(found, Generation | Closed):
        await _resume(deps, found, loaded, again)
        await _drop_input(deps, message, found)
        return
    if found is not None and found.approval is not None:
        await open_approved(deps, found, loaded)
        return
    if found is not None:
        message = found.request
    deps = await with_own_version(deps, message, loaded)
    payer = payer_of(deps, loaded)
    admitted = admit(deps, message, payer)
    if isinstance(admitted.quoted, Quote):
        await wait_if_paused(deps, key, admitted.quoted)
        if not await has_turn(deps, message, admitted.quoted, loaded):
            return
    with deps.recent_turns.working():
        admission = await screen(deps, await admit_to_app(deps, admitted, payer))
        reserved = await reserve(deps, admission, loaded, has_row=isinstance(admitted.quoted, Quote))
        if isinstance(reserved, Changed):
            await _go_on(deps, reserved.generation, reserved.loaded, admission.quoted)
            return
    if isinstance(reserved, Unchanged):
        await _drop_input(deps, admission.message, reserved.generation)
        if clashes(reserved.generation, digest):
            await refuse_clash(deps, key, digest, again)


async def open_approved(
    deps: Dependencies, found: Received, loaded: Loaded, published: int = 0, before: Quote | Refusal | None = None
) -> None:
    """Open what waited for an approval and has it, or needs none any more. What still needs it is asked for.

    ``published`` is the request for an approval that was published before, ``before`` a quote that was made before. It
    may come from the timer's check, which takes no request in: so what a kill switch stops says so from here.
    """
    deps, payer = await with_own_version(deps, found.request, loaded), payer_of(deps, loaded)
    quoted = quote_for(deps, found.request, payer, before)
    if found.approval is None or found.approval.pending:
        exceeded = await approval_needed(deps, found, loaded, quoted)
        if exceeded is not None:
            await _ask_again(deps, found, loaded, exceeded, quoted, published)
            return
    admitted = admit(deps, found.request, payer, quoted)
    try:
        if isinstance(admitted.quoted, Quote):
            await wait_if_paused(deps, found.key, admitted.quoted)
    except Paused as paused:
        await _save_wait(deps, loaded, paused.waits, (happened(Step.PAUSED, why=paused.why),))
        raise
    opens = isinstance(admitted.quoted, Quote)
    if isinstance(admitted.quoted, Quote) and not await has_turn(deps, found.request, admitted.quoted, loaded):
        return
    with deps.recent_turns.working():
        reserved = await reserve(deps, await screen(deps, admitted, found), loaded, has_row=opens)
        if isinstance(reserved, Changed):
            await _go_on(deps, reserved.generation, reserved.loaded, admitted.quoted)


async def _ask_again(
    deps: Dependencies, found: Received, loaded: Loaded, exceeded: Exceeded, quoted: Quote | Refusal, published: int
) -> None:
    """Let it wait for an approval; if it waited for something else meanwhile, it says so no more."""
    waits: AnyGeneration | None = found
    if found.reason is not Reason.APPROVAL_NEEDED:
        waits = await _save_wait(deps, loaded, needed(exceeded), ())
    if isinstance(waits, Received):
        await ask(deps, waits, loaded, quoted, free_at=exceeded.free_at, published=published)


async def _go_on(deps: Dependencies, generation: AnyGeneration, loaded: Loaded, quoted: Quote | Refusal) -> None:
    """Continue with what was just saved, whether it has opened, has ended or waits for an approval."""
    if isinstance(generation, Received):
        quoted = quote_for(deps, generation.request, payer_of(deps, loaded), quoted)
        exceeded = await approval_needed(deps, generation, loaded, quoted)
        await ask(deps, generation, loaded, quoted, free_at=exceeded.free_at if exceeded else None)
    else:
        await submit_or_end(deps, generation, loaded)
        await publish_warnings(deps, generation)


async def submit_or_end(deps: Dependencies, generation: Generation | Closed, loaded: Loaded) -> None:
    """Continue with a generation that was just saved: send its create, or publish its refusal."""
    if isinstance(generation, Closed):
        await end(deps, generation)
    elif generation.state is State.WAITING:
        await retry(deps, generation, loaded)
    else:
        await submit(deps, generation, loaded)


async def _drop_input(deps: Dependencies, message: GenerationRequest, generation: AnyGeneration) -> None:
    """Delete the input that a request has stored if its generation has ended meanwhile."""
    if message.may_have_pictures and generation.state.ended:
        await deps.input_files.discard_inputs(output_prefix(generation.key))


async def receive(
    deps: Dependencies, message: GenerationRequest, waits_for: Refusal, comes_at: datetime, paused: str = ""
) -> None:
    """Save a deferred request as RECEIVED, with an index row.

    ``comes_at`` is when its copy is delivered. If the copy is lost, the timer finds the row. ``paused`` says what is
    paused, by whom and until when.
    """
    steps = (happened(Step.PAUSED, why=paused),) if paused else ()
    key, now = message.key, deps.now()
    loaded = await deps.store.load(key)
    due_at = comes_at + timedelta(seconds=deps.timing.check_after_s)
    if loaded.generation is not None:
        if isinstance(loaded.generation, Received) and not clashes(loaded.generation, message.digest):
            await deps.index.release(key, due_at, keeps_until(deps, due_at))
            await _save_wait(deps, loaded, waits_for, steps)
        return
    await deps.index.put(OpenRow(key=key, due_at=due_at, expires_at=keeps_until(deps, due_at), written_at=now))

    def decide(current: Loaded) -> Transition[Received] | None:
        if current.generation is not None:
            return None
        taken_in = opening.received(message, waits_for, now, trace_parent=deps.telemetry.trace_parent())
        return replace(taken_in, steps=(*taken_in.steps, *steps))

    await save(deps, key, decide, loaded)


async def _save_wait(
    deps: Dependencies, loaded: Loaded, waits_for: Refusal, steps: tuple[Happening, ...]
) -> AnyGeneration | None:
    """Save what a RECEIVED request waits for now, if that is something else than before. Returns what there is now."""

    def decide(current: Loaded) -> Transition[Received] | None:
        found = current.generation
        changed = opening.waits_for(found, waits_for) if isinstance(found, Received) else None
        return replace(changed, steps=(*changed.steps, *steps)) if changed else None

    if loaded.generation is None:
        return None
    return (await save(deps, loaded.generation.key, decide, loaded)).loaded.generation


async def refuse(deps: Dependencies, message: Malformed, queue: str, again: str = "") -> None:
    """Archive a message that cannot be read, and publish its refusal if it was a request with readable ids.

    Under the id of a request that could be read it is another one, and clashes with it.
    """
    name = await archive(deps, message.raw, message.key, message.reason.value, queue)
    logger.warning("%s: not a valid message, archived as %s: %s", queue, name, message.text)
    deps.telemetry.count(Metric.MALFORMED_MESSAGES, queue=queue)
    if queue != deps.limits.request_queue:
        return
    refusal = Refusal(message.reason, message.text)
    if message.key is not None:
        if unreadable_clashes((await deps.store.load(message.key)).generation):
            await refuse_clash(deps, message.key, digest_of_bytes(message.raw), again, message.text)
            return
        await reject(deps, message.key, None, refusal)
    elif message.given_ids is not None:
        await publish_refusal(deps, message, message.given_ids)


async def reject(
    deps: Dependencies, key: Key, message: GenerationRequest | None, refusal: Refusal, digest: str = ""
) -> None:
    """Save that a generation was refused, unless a generation of this id exists already.

    ``message`` is a request that has waited for too long: with it, a RECEIVED generation is ended too. ``digest`` is
    that of the message as its app sent it.
    """
    loaded = await deps.store.load(key)
    found = loaded.generation
    if clashes(found, digest):
        await refuse_clash(deps, key, digest, "")
        return
    if isinstance(found, Generation | Closed):
        await _resume(deps, found, loaded)
        return
    if found is not None and message is None:
        return
    await open_row(deps, key, 0)

    def decide(current: Loaded) -> Transition[Closed] | None:
        match current.generation:
            case None:
                return opening.rejected(key, message, refusal, deps.now())
            case Received() as waits:
                return opening.given_up(waits, deps.now(), refusal) if message and not clashes(waits, digest) else None
            case Generation() | Closed():
                return None
            case _:
                assert_never(current.generation)

    saved = await save(deps, key, decide, loaded)
    if isinstance(saved, Changed):
        await end(deps, saved.generation)


async def _resume(deps: Dependencies, generation: Generation | Closed, loaded: Loaded, again: str = "") -> None:
    """Continue a generation whose request was delivered again: after a crash, as a deferred copy, or sent twice."""
    if isinstance(generation, Generation) and generation.state is State.WAITING:
        await retry(deps, generation, loaded)
    elif generation.state.ended and await deps.index.get(generation.key) is not None:
        await end(deps, generation)
    elif generation.state.ended and again:
        await deps.messenger.publish(event_of(generation), again)
    await publish_warnings(deps, generation)


async def cancel(deps: Dependencies, message: CancelRequest) -> None:
    """End a generation because its user asked for it. One that has ended, or is about to succeed, is left as it is."""
    key = message.key
    loaded = await deps.store.load(key)
    if loaded.generation is None:
        await open_row(deps, key, 0)

    def decide(current: Loaded) -> Transition[Generation | Closed] | None:
        match current.generation:
            case None:
                return opening.canceled_unopened(key, deps.now())
            case Received() as waits:
                return opening.end_requested(waits, Reason.CANCELED_BY_USER, deps.now())
            case Generation() as opened:
                return transitions.end_requested(opened, payer_of(deps, current), Reason.CANCELED_BY_USER, deps.now())
            case Closed():
                return None
            case _:
                assert_never(current.generation)

    saved = await save(deps, key, decide, loaded)
    if loaded.generation is not None and waits_for_turn(loaded.generation):
        # A look passes over a row without its request, but not over any number of them at once.
        await deps.waiting.remove_waiting(Waiting(key, loaded.generation.opened_at))
    after = saved.loaded.generation
    if isinstance(after, Generation) and not after.state.ended:
        await observing.stop(deps, after, saved.loaded)
    elif isinstance(after, Generation | Closed) and (
        isinstance(saved, Changed) or await deps.index.get(key) is not None
    ):
        await end(deps, after)
