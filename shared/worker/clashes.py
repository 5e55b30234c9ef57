"""Same id, other content: a request that clashes with the generation of its id is refused by name.

Rules of this file:
1. Contents are compared by the digest that is saved with the generation. A copy of our own is compared by the digest
   of the request that it was made from. For a new id the digest of the body is saved, whatever a copy carries.
2. A generation without a digest takes any request as the same: a cancel came first, or its fields could not be read.
3. A clash changes nothing: no row, no hold, no deadline, and no event of the generation that runs. It is published as
   ``request.refused``.
"""

import hashlib
import logging

from shared.core.events.generation_event import RequestRefusedEvent
from shared.core.keys import Key
from shared.core.lifecycle.generation import AnyGeneration
from shared.core.metric import Metric
from shared.core.reasons import SENTENCES, Reason, Refusal
from shared.ports import Dependencies

logger = logging.getLogger("darkroom.worker")


def clashes(found: AnyGeneration | None, digest: str) -> bool:
    """Whether a request with this digest is another than the one that the generation was made from."""
    saved = found.request.digest if found is not None and found.request is not None else ""
    return bool(saved and digest and saved != digest)


def unreadable_clashes(found: AnyGeneration | None) -> bool:
    """Whether a message that cannot be read is another than the request of the generation, which could be read."""
    return found is not None and found.request is not None and bool(found.request.digest)


async def refuse_clash(deps: Dependencies, key: Key, digest: str, again: str, more: str = "") -> None:
    """Publish that a request was refused because its id is taken. ``again`` names the occasion, ``more`` says more."""
    logger.warning("a request under the id of generation %s has other content, and is refused", key)
    deps.telemetry.count(Metric.REQUESTS_CLASHED)
    text = SENTENCES[Reason.IDEMPOTENCY_MISMATCH] + (f" It could not be read either: {more}." if more else "")
    refusal = Refusal(Reason.IDEMPOTENCY_MISMATCH, text)
    event = RequestRefusedEvent(key=key, digest=digest[:32], at=deps.now(), refusal=refusal)
    await deps.messenger.publish(event, again)


def digest_of_bytes(raw: bytes) -> str:
    """The digest of a message that cannot be read."""
    return hashlib.sha256(raw).hexdigest()
