"""Dead letters, and messages that are not valid messages of this app.

Rules of this file:
1. A dead letter never keeps a hold. The raw message is archived first, so that it is kept even if the rest fails.
"""

import hashlib
import logging
from dataclasses import dataclass
from typing import assert_never

from shared.core.events.generation_event import RefusalEvent
from shared.core.keys import GivenIds, Key
from shared.core.lifecycle import opening, transitions
from shared.core.lifecycle.generation import AnyGeneration, Closed, Generation, Received, Transition
from shared.core.metric import Metric
from shared.core.provider.prediction import Prediction, Status
from shared.core.reasons import Refusal
from shared.core.requests.messages import CancelRequest, GenerationRequest, Malformed, Message
from shared.ports import Dependencies, Loaded, Unavailable
from shared.worker.clashes import clashes, refuse_clash
from shared.worker.finishing import end
from shared.worker.open_index import open_row
from shared.worker.saving import Changed, payer_of, save
from shared.worker.warnings import publish_warnings

logger = logging.getLogger("darkroom.worker")


async def archive(  # each is a fact of its own
    deps: Dependencies, raw: bytes, key: Key | None, reason: str, queue: str, carried: str = ""
) -> str:
    """Archive a raw message under a name made from its content, so that a repeat overwrites it. Returns the name."""
    name = f"{queue}/{deps.now():%Y-%m-%d}/{_digest(raw)}.json"
    metadata = {"reason": reason, "queue": queue}
    if key is not None:
        metadata |= key.properties
    if carried:
        metadata["request_digest"] = carried
    await deps.dead_letters.archive(name, raw, metadata)
    return name


def _digest(raw: bytes) -> str:
    return hashlib.sha256(raw).hexdigest()[:32]


async def publish_refusal(deps: Dependencies, message: Malformed, given_ids: GivenIds) -> None:
    """Publish the refusal of a message whose ids are invalid. No row is saved: there is no key to save it under."""
    refusal = Refusal(message.reason, message.text)
    await deps.messenger.publish(
        RefusalEvent(given_ids=given_ids, digest=_digest(message.raw), at=deps.now(), refusal=refusal)
    )


async def dead_letter(deps: Dependencies, message: Message, raw: bytes, queue: str, carried: str = "") -> None:
    """Archive a dead letter of ``queue``, and end the generation it names. Raises what fails: it is delivered again.

    ``carried`` is the digest that a copy of our own carries. A request that clashes with its generation ends nothing.
    """
    key = message.key
    name = await archive(deps, raw, key, "dead-lettered", queue, carried)
    logger.warning("%s: a dead letter%s, archived as %s", queue, f" of {key}" if key else "", name)
    deps.telemetry.count(Metric.DEAD_LETTERS, queue=queue)
    if key is None:
        return
    loaded = await deps.store.load(key)
    found = loaded.generation
    if found is None:
        await open_row(deps, key, 0)
    else:
        await publish_warnings(deps, found)
    stopped = _Stopped() if found is None else await _stopped(deps, found, message, carried)
    if stopped is None:
        return

    def decide(current: Loaded) -> Transition[Generation | Closed] | None:
        match current.generation:
            case None:
                return opening.dead_lettered_unopened(key, deps.now())
            case Received() as waits:
                return opening.dead_lettered(waits, deps.now())
            case Generation() as opened:
                return transitions.dead_lettered(opened, payer_of(deps, current), deps.now(), stopped.prediction)
            case Closed():
                return None
            case _:
                assert_never(current.generation)

    saved = await save(deps, key, decide, loaded)
    after = saved.loaded.generation
    if isinstance(after, Generation | Closed) and (isinstance(saved, Changed) or await deps.index.get(key) is not None):
        await end(deps, after)


@dataclass(frozen=True, slots=True)
class _Stopped:
    """What a dead letter ends. ``prediction`` is its prediction after the cancel, as far as the provider says."""

    prediction: Prediction | None = None


async def _stopped(deps: Dependencies, found: AnyGeneration, message: Message, carried: str) -> _Stopped | None:
    """Cancel the prediction of what a dead letter ends. None: it ends nothing."""
    if isinstance(message, Malformed):
        return None
    if isinstance(message, GenerationRequest) and clashes(found, carried or message.digest):
        await refuse_clash(deps, message.key, carried or message.digest, "")
        return None
    return await _cancel_prediction(deps, found, message)


async def _cancel_prediction(deps: Dependencies, generation: AnyGeneration, message: Message) -> _Stopped | None:
    """Cancel the prediction that runs, if any. None: it has succeeded meanwhile, and its outputs will be delivered.

    A dead-lettered event always ends it, because it was the delivery of the outputs that failed.
    """
    if not isinstance(generation, Generation) or generation.state.ended or generation.attempt.prediction_id is None:
        return _Stopped()
    attempt, prediction_id = generation.attempt, generation.attempt.prediction_id
    try:
        prediction = await deps.providers[attempt.provider].cancel(attempt.ref(prediction_id))
    except Unavailable:
        return _Stopped()  # Cancel-After bounds it; the user's credits do not wait for Replicate
    succeeded = prediction is not None and prediction.status is Status.SUCCEEDED
    return None if succeeded and isinstance(message, GenerationRequest | CancelRequest) else _Stopped(prediction)
