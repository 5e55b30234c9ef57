"""The end: the app is told, then the index row is removed. And the dead letters.

Rules of this file:
1. Nothing ends by silence: the event is published after the end was saved and before the index row goes, so
   whoever finds the row of an ended generation publishes again, under the same id.
2. What did not succeed, or was not paid for, leaves no output behind. But the app is told first: tidying is tried again
   later, never a reason to tell nobody, and never a dead letter. What may not be deleted (a lease, a policy) stays.
3. A dead letter never keeps a hold. The raw message is archived first, so that nothing is lost if the rest fails.
"""

import hashlib
import logging
from datetime import timedelta

from shared.core.catalog import sizes
from shared.core.events.generation_event import GenerationEvent, RefusalEvent
from shared.core.keys import GivenIds, Key
from shared.core.lifecycle import opening, transitions
from shared.core.lifecycle.generation import Generation, Transition
from shared.core.lifecycle.state import State
from shared.core.provider.prediction import Status
from shared.core.reasons import Refusal
from shared.core.requests.messages import CancelRequest, GenerationRequest, Malformed, Message
from shared.ports import Dependencies, Loaded, OpenRow, Unavailable
from shared.worker.saving import save

logger = logging.getLogger("darkroom.worker")

#: Inputs go with their generation. One whose request died before it opened is older than any open generation by then.
_INPUT_LIFE = timedelta(days=2)

#: When the timer tidies again what could not be tidied now. It also tells again, so not every minute.
TIDY_AGAIN_S = 600


async def open_row(deps: Dependencies, key: Key, expected_s: int) -> None:
    """Write the index row of a generation that is about to open (or to be refused)."""
    now = deps.now()
    row = OpenRow(
        key=key,
        due_at=now + timedelta(seconds=expected_s + deps.timing.check_after_s),
        expires_at=now + timedelta(seconds=expected_s + deps.timing.output_life_s),
        written_at=now,
    )
    await deps.index.put(row)


async def end(deps: Dependencies, generation: Generation) -> None:
    """Tell the app about an ended generation, tidy up, and forget its index row. May be done twice."""
    key = generation.key
    event = event_of(generation)
    await deps.messenger.publish(event)
    _report_to_operators(deps, generation, event)
    try:
        kept = await delete_unpaid_blobs(deps, generation)
    except Unavailable as trouble:
        deps.telemetry.step("tidied_later", key, why=trouble.why)
        await deps.index.move(key, deps.now() + timedelta(seconds=TIDY_AGAIN_S))
        return
    if kept:
        deps.telemetry.step("untidy", key, blobs=kept)
        deps.telemetry.count("darkroom.blobs_kept", kept)
    await deps.index.remove(key)


def _report_to_operators(deps: Dependencies, generation: Generation, event: GenerationEvent) -> None:
    """The one record of a generation that every picture an operator looks at is drawn from."""
    deps.telemetry.step(
        "published",
        generation.key,
        outcome=event.outcome,
        reason=event.reason or "",
        model=event.model,
        seconds=round((event.at - generation.opened_at).total_seconds()),
        credits=event.captured_credits,
        cost_usd_micros=generation.cost_usd_micros,
    )
    deps.telemetry.count("darkroom.generations", outcome=event.outcome, model=event.model or "none")


def event_of(generation: Generation) -> GenerationEvent:
    """What the app is told about a generation that has ended."""
    attempt, request = generation.attempt, generation.request
    return GenerationEvent(
        key=generation.key,
        outcome=generation.state.value,
        at=generation.ended_at or generation.opened_at,
        model=attempt.model if attempt else "",
        held_credits=generation.held_credits,
        captured_credits=generation.captured_credits,
        outputs=generation.outputs,
        refused_outputs=generation.refused_outputs,
        reason=generation.reason,
        text=generation.text,
        attempts=attempt.number if attempt else 0,
        metadata=request.metadata if request else {},
        ignored_fields=generation.ignored_fields,
        size=sizes.told(request, attempt.inputs if attempt else {}, generation.outputs),
        chosen_by=generation.chosen_by,
        passed_over=generation.passed_over,
        modality=attempt.modality if attempt else (request and request.modality) or "",
        seed=attempt.seed if attempt else None,
        media_seconds=attempt.seconds if attempt else 0,
        category=next((each.category for each in reversed(generation.screenings) if each.category), ""),
        opened_at=generation.opened_at,
        started_at=attempt.submitted_at if attempt and attempt.prediction_id else None,
    )


async def delete_unpaid_blobs(deps: Dependencies, generation: Generation) -> int:
    """Take away the input, and what is stored and was not paid for: an earlier try may have stored it and died.

    Returns how many blobs may not be deleted and stay.
    """
    attempt, request = generation.attempt, generation.request
    prefix = output_prefix(generation.key)
    kept = 0
    if request is None or request.image_url is not None:
        # Also where what is saved has no reference to it: a delivery may have stored it and died, and the next was
        # refused, or buried.
        kept += await deps.input_files.discard_inputs(prefix)
    if attempt is None:
        return kept
    if generation.state is not State.SUCCEEDED:
        return kept + await deps.outputs.discard_outputs(prefix)
    for index in range(attempt.outputs):
        name = f"{prefix}{attempt.number}-{index}."
        if not any(output.name.startswith(name) for output in generation.outputs):
            kept += await deps.outputs.discard_outputs(name)
    return kept


def output_prefix(key: Key) -> str:
    """Where a generation's outputs are, within their container; its inputs and refused outputs within theirs."""
    return f"{key}/"


async def sweep(deps: Dependencies) -> int:
    """Delete what was kept long enough: refused outputs, and inputs that nobody came back for. Returns how many."""
    now = deps.now()
    kept = timedelta(days=deps.limits.quarantine_days)
    swept = await deps.input_files.sweep_inputs(now - _INPUT_LIFE)
    swept += await deps.quarantine.sweep_refused(now - kept)
    deps.telemetry.count("darkroom.swept", swept)
    return swept


async def archive(deps: Dependencies, raw: bytes, key: Key | None, reason: str, queue: str) -> str:
    """Keep a raw message under a name that its content decides, so that twice is once. Returns the name."""
    name = f"{queue}/{deps.now():%Y-%m-%d}/{_digest(raw)}.json"
    metadata = {"reason": reason, "queue": queue}
    if key is not None:
        metadata |= key.properties
    await deps.dead_letters.archive(name, raw, metadata)
    return name


def _digest(raw: bytes) -> str:
    return hashlib.sha256(raw).hexdigest()[:32]


async def publish_refusal(deps: Dependencies, message: Malformed, given_ids: GivenIds) -> None:
    """Tell the sender of a message whose ids are none. Nothing is saved of it: there is no key to save it under."""
    refusal = Refusal(message.reason, message.text)
    await deps.messenger.publish(
        RefusalEvent(given_ids=given_ids, digest=_digest(message.raw), at=deps.now(), refusal=refusal)
    )


async def dead_letter(deps: Dependencies, message: Message, raw: bytes, queue: str) -> None:
    """A dead letter of ``queue``: keep it, and end what it was about. What fails is raised: it comes again."""
    key = message.key
    name = await archive(deps, raw, key, "dead-lettered", queue)
    logger.warning("%s: a dead letter%s, kept as %s", queue, f" of {key}" if key else "", name)
    deps.telemetry.count("darkroom.dead_letters", queue=queue)
    if key is None:
        return
    loaded = await deps.store.load(key)
    if loaded.generation is None:
        await open_row(deps, key, 0)
    elif isinstance(message, Malformed) or not await _stopped(deps, loaded.generation, message):
        return

    def decide(current: Loaded) -> Transition | None:
        if current.generation is None:
            return opening.dead_lettered_unopened(key, deps.now())
        return transitions.dead_lettered(current.generation, current.account, deps.now())

    saved = await save(deps, key, decide)
    if saved.generation is not None and (saved.changed or await deps.index.get(key) is not None):
        await end(deps, saved.generation)


async def _stopped(deps: Dependencies, generation: Generation, message: Message) -> bool:
    """Cancel the prediction that nobody will wait for. False: it has succeeded meanwhile, and will be delivered.

    A dead event is another matter: delivering is what did not work, so it is not waited for.
    """
    attempt = generation.attempt
    if generation.state.ended or attempt is None or attempt.prediction_id is None:
        return True
    try:
        prediction = await deps.providers[attempt.provider].cancel(attempt.ref(attempt.prediction_id))
    except Unavailable:
        return True  # Cancel-After bounds it; the user's credits do not wait for Replicate
    succeeded = prediction is not None and prediction.status is Status.SUCCEEDED
    return not (succeeded and isinstance(message, GenerationRequest | CancelRequest))
