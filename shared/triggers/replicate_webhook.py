"""The webhook's door: who is knocking, and what is handed on.

Rules of this file:
1. A door knows no business. It parses, checks who is knocking, and hands on.
2. The webhook's order: size, emptiness, address, signature, callback, shape; the cheap and the harmless first.
   Nothing of a stranger's body is parsed before its signature holds.
"""

import hashlib
import ipaddress
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from shared.config.settings import Network
from shared.core.provider.prediction import Prediction
from shared.core.provider.webhook import Callback, SignatureError, read_callback, verify
from shared.core.requests.lenient_json import parsed
from shared.core.requests.messages import PredictionEvent
from shared.ports import Envelope, Messenger, Telemetry, Unavailable

logger = logging.getLogger("darkroom.webhook")

#: A webhook may hold data URIs and logs, so several MB; more than this is not Replicate's.
WEBHOOK_BYTES = 4 * 1024 * 1024


class SigningSecrets(Protocol):
    """The webhook signing secrets that are accepted now, the current one first."""

    async def accepted(self) -> Sequence[str]:
        """The secrets, cached."""

    async def refresh(self) -> str:
        """The current secret, fetched anew unless that was done just now."""


@dataclass(frozen=True, slots=True)
class WebhookDependencies:
    """What the webhook's door needs: far less than the house, so that a cold start is short."""

    secrets: SigningSecrets
    messenger: Messenger
    telemetry: Telemetry
    allowed: Sequence[Network]
    #: Reads the provider's JSON; None: it is no prediction.
    read: Callable[[object], Prediction | None]
    now: Callable[[], datetime]


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP answer: status and a short text, which says what is wrong and nothing more."""

    status: int
    text: str


async def receive(
    webhook_dependencies: WebhookDependencies, *, headers: Mapping[str, str], query: Mapping[str, str], body: bytes
) -> Answer:
    """Take one webhook delivery of Replicate's; ``headers`` has lower-case names."""
    if len(body) > WEBHOOK_BYTES:
        return Answer(413, f"the body is larger than {WEBHOOK_BYTES} bytes")
    if not body:
        return Answer(400, "the body is empty: send it with a Content-Length, not chunked")
    if not _allowed(webhook_dependencies.allowed, headers.get("x-forwarded-for", "")):
        return _unsigned(webhook_dependencies, "this address is not allowed to send webhooks")
    try:
        callback = await _verified(webhook_dependencies, headers, query, body)
    except SignatureError as error:
        return _unsigned(webhook_dependencies, str(error))
    except Unavailable as trouble:
        return _unavailable(webhook_dependencies, trouble)
    return await _enqueued(webhook_dependencies, callback, headers["webhook-id"], body)


async def _verified(
    webhook_dependencies: WebhookDependencies, headers: Mapping[str, str], query: Mapping[str, str], body: bytes
) -> Callback:
    """The callback of a delivery whose signature and address hold; a failure may mean that the secret was rotated."""
    secrets = await webhook_dependencies.secrets.accepted()
    try:
        return _proved(secrets, headers, query, body, webhook_dependencies.now())
    except SignatureError:
        if not headers.get("webhook-signature") or await webhook_dependencies.secrets.refresh() in secrets:
            raise
    return _proved(await webhook_dependencies.secrets.accepted(), headers, query, body, webhook_dependencies.now())


def _proved(
    secrets: Sequence[str], headers: Mapping[str, str], query: Mapping[str, str], body: bytes, now: datetime
) -> Callback:
    verify(headers, body, secrets, now)
    return read_callback(query, secrets)


async def _enqueued(
    webhook_dependencies: WebhookDependencies, callback: Callback, webhook_id: str, body: bytes
) -> Answer:
    prediction = webhook_dependencies.read(parsed(body))
    if prediction is None:
        return Answer(400, "the body is not a prediction")
    key = callback.key
    # The same delivery again has the same id, so the broker drops it; start and completed differ in their bodies.
    message_id = hashlib.sha256(f"{webhook_id}\n".encode() + body).hexdigest()[:32]
    try:
        await webhook_dependencies.messenger.send(
            PredictionEvent(key, callback.attempt, prediction), Envelope(message_id)
        )
    except Unavailable as trouble:
        return _unavailable(webhook_dependencies, trouble)
    webhook_dependencies.telemetry.step("webhook_verified", key, status=prediction.status)
    return Answer(202, "queued")


def _unsigned(webhook_dependencies: WebhookDependencies, why: str) -> Answer:
    webhook_dependencies.telemetry.count("darkroom.webhook_refused")
    logger.warning("webhook refused: %s", why)
    return Answer(401, why)


def _unavailable(webhook_dependencies: WebhookDependencies, trouble: Unavailable) -> Answer:
    webhook_dependencies.telemetry.count("darkroom.webhook_unavailable", dependency=trouble.dependency)
    logger.error("webhook put off: %s", trouble)
    return Answer(503, f"{trouble.dependency} is not available; deliver this again")


def _allowed(networks: Sequence[Network], forwarded_for: str) -> bool:
    """Whether the address that the platform saw is in one of ``networks`` (none: everybody is).

    The platform appends the peer's address on the right; everything to its left is the sender's own claim.
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
        address = address.ipv4_mapped or address  # a socket for both versions writes IPv4 so
    return any(address in network for network in networks)
