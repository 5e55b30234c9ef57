"""The webhook trigger: checks that a delivery is from Replicate, and enqueues its prediction.

Rules of this file:
1. It has no business rule. It verifies and parses a delivery, and enqueues an event.
2. The checks are in this order: size, emptiness, address, signature, callback, shape. The cheap ones are first, and no
   body is parsed before its signature is verified.
"""

import hashlib
import ipaddress
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from shared.config.settings import Network
from shared.core.lifecycle.steps import LogStep
from shared.core.metric import Metric
from shared.core.provider.prediction import Prediction
from shared.core.provider.standard_webhooks import SignatureError, verify
from shared.core.provider.webhook import Callback, read_callback
from shared.core.requests.lenient_json import parsed
from shared.core.requests.messages import PredictionEvent
from shared.ports import Envelope, Messenger, Telemetry, Unavailable

logger = logging.getLogger("darkroom.webhook")

#: The largest body that is accepted. A webhook with data URIs and logs may have several MB, but not more than this.
WEBHOOK_BYTES = 4 * 1024 * 1024


class SigningSecrets(Protocol):
    """The webhook's signing secrets."""

    async def accepted(self) -> Sequence[str]:
        """The accepted secrets, from the cache, the current one first. Raises Unavailable."""

    async def refresh(self) -> str:
        """Fetch the current secret again, unless that was done just now. Raises Unavailable."""


@dataclass(frozen=True, slots=True)
class WebhookDependencies:
    """What the webhook trigger needs: far less than Dependencies, so that a cold start is short."""

    secrets: SigningSecrets
    messenger: Messenger
    telemetry: Telemetry
    allowed: Sequence[Network]
    #: Reads the provider's JSON. Returns None if it is not a prediction.
    read: Callable[[object], Prediction | None]
    now: Callable[[], datetime]


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP answer: a status, and a short text that says only what is wrong."""

    status: int
    text: str


async def receive(
    webhook_dependencies: WebhookDependencies, *, headers: Mapping[str, str], query: Mapping[str, str], body: bytes
) -> Answer:
    """Verify one webhook delivery and enqueue its prediction. The names in ``headers`` are in lower case."""
    if len(body) > WEBHOOK_BYTES:
        return Answer(413, f"the body is larger than {WEBHOOK_BYTES} bytes")
    if not body:
        return Answer(400, "the body is empty: send it with a Content-Length, not chunked")
    if not _is_allowed(webhook_dependencies.allowed, headers.get("x-forwarded-for", "")):
        return _refuse(webhook_dependencies, "this address is not allowed to send webhooks")
    try:
        callback = await _verify_with_refresh(webhook_dependencies, headers, query, body)
    except SignatureError as error:
        return _refuse(webhook_dependencies, str(error))
    except Unavailable as trouble:
        return _answer_unavailable(webhook_dependencies, trouble)
    return await _enqueue(webhook_dependencies, callback, headers["webhook-id"], body)


async def _verify_with_refresh(
    webhook_dependencies: WebhookDependencies, headers: Mapping[str, str], query: Mapping[str, str], body: bytes
) -> Callback:
    """Verify signature and callback; returns the callback. A failure fetches the secret again: it may be new."""
    secrets = await webhook_dependencies.secrets.accepted()
    try:
        return _verify_once(secrets, headers, query, body, webhook_dependencies.now())
    except SignatureError:
        if not headers.get("webhook-signature") or await webhook_dependencies.secrets.refresh() in secrets:
            raise
    return _verify_once(await webhook_dependencies.secrets.accepted(), headers, query, body, webhook_dependencies.now())


def _verify_once(
    secrets: Sequence[str], headers: Mapping[str, str], query: Mapping[str, str], body: bytes, now: datetime
) -> Callback:
    verify(headers, body, secrets, now)
    return read_callback(query, secrets)


async def _enqueue(
    webhook_dependencies: WebhookDependencies, callback: Callback, webhook_id: str, body: bytes
) -> Answer:
    prediction = webhook_dependencies.read(parsed(body))
    if prediction is None:
        return Answer(400, "the body is not a prediction")
    key = callback.key
    # A repeated delivery has the same id, so the broker drops it. "start" and "completed" differ in their bodies.
    message_id = hashlib.sha256(f"{webhook_id}\n".encode() + body).hexdigest()[:32]
    try:
        await webhook_dependencies.messenger.send(
            PredictionEvent(key, callback.attempt, prediction), Envelope(message_id)
        )
    except Unavailable as trouble:
        return _answer_unavailable(webhook_dependencies, trouble)
    webhook_dependencies.telemetry.step(LogStep.WEBHOOK_VERIFIED, key, status=prediction.status)
    return Answer(202, "queued")


def _refuse(webhook_dependencies: WebhookDependencies, why: str) -> Answer:
    webhook_dependencies.telemetry.count(Metric.WEBHOOK_REFUSED)
    logger.warning("webhook refused: %s", why)
    return Answer(401, why)


def _answer_unavailable(webhook_dependencies: WebhookDependencies, trouble: Unavailable) -> Answer:
    webhook_dependencies.telemetry.count(Metric.WEBHOOK_UNAVAILABLE, dependency=trouble.dependency)
    logger.error("webhook refused for now: %s", trouble)
    return Answer(503, f"{trouble.dependency} is not available; deliver this again")


def _is_allowed(networks: Sequence[Network], forwarded_for: str) -> bool:
    """Whether the sender's address is in one of ``networks``. Without networks, every address is allowed.

    The platform appends the peer's address on the right. Everything left of it is the sender's own claim.
    """
    if not networks:
        return True
    peer = forwarded_for.rpartition(",")[2].strip()
    if peer.startswith("["):
        peer = peer[1:].partition("]")[0]
    elif peer.count(":") == 1:
        peer = peer.partition(":")[0]
    try:
        address = ipaddress.ip_address(peer)
    except ValueError:
        return False
    if isinstance(address, ipaddress.IPv6Address):
        address = address.ipv4_mapped or address  # a socket for both versions writes IPv4 this way
    return any(address in network for network in networks)
