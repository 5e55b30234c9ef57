"""Messages that nobody can work on: dead letters, and what is no message of ours.

Rules of this file:
1. A dead letter never keeps a hold. The raw message is archived first, so that nothing is lost if the rest fails.
"""

import hashlib
import logging

from shared.core.events.generation_event import RefusalEvent
from shared.core.keys import GivenIds, Key
from shared.core.lifecycle import opening, transitions
from shared.core.lifecycle.generation import Generation, Transition
from shared.core.provider.prediction import Status
from shared.core.reasons import Refusal
from shared.core.requests.messages import CancelRequest, GenerationRequest, Malformed, Message
from shared.ports import Dependencies, Loaded, Unavailable
from shared.worker.finishing import end
from shared.worker.open_index import open_row
from shared.worker.saving import Absent, Changed, save

logger = logging.getLogger("darkroom.worker")


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
    elif isinstance(message, Malformed) or not await _cancel_prediction(deps, loaded.generation, message):
        return

    def decide(current: Loaded) -> Transition | None:
        if current.generation is None:
            return opening.dead_lettered_unopened(key, deps.now())
        return transitions.dead_lettered(current.generation, current.account, deps.now())

    saved = await save(deps, key, decide, loaded)
    if not isinstance(saved, Absent) and (isinstance(saved, Changed) or await deps.index.get(key) is not None):
        await end(deps, saved.generation)


async def _cancel_prediction(deps: Dependencies, generation: Generation, message: Message) -> bool:
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
