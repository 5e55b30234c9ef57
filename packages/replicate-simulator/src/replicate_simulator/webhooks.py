"""Webhooks: the Standard Webhooks signature, and how Replicate sends them.

Rules, as documented: `start` and `completed` are always sent. The terminal webhook alone is sent again, after a network
failure, a 4xx or a 5xx, with exponential back-off, the last time about a minute after the prediction ended. A redirect
is neither followed nor sent again. Every send of a webhook has the same id and a fresh timestamp.
"""

import asyncio
import base64
import hashlib
import hmac
import secrets
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from aiohttp import ClientError, ClientSession, ClientTimeout, TCPConnector

from replicate_simulator.clock import Clock

#: Simulated seconds before each further try; their sum is the minute after which Replicate gives up.
RETRY_PAUSES_S: Final = (1, 2, 4, 8, 16, 32)
# Replicate wants an answer "within a few seconds" and names no number.
_ANSWER_S: Final = 10
# Signs what shall not verify.
_FOREIGN_SECRET: Final = "whsec_" + base64.b64encode(b"not the account's secret").decode()

#: The faults of one prediction: parameters by kind.
Faults = Mapping[str, Mapping[str, Any]]


@dataclass(slots=True)
class Webhook:
    """One webhook, and how each try of it went: a status, `lost`, or the name of a network error."""

    event: str
    url: str
    body: bytes
    id: str = field(default_factory=lambda: f"msg_{secrets.token_hex(14)[:27]}")
    tries: list[int | str] = field(default_factory=list)


def key_of(secret: str) -> bytes:
    """Returns the signing key of a `whsec_...` secret; raises ValueError if it is malformed."""
    prefix, _, encoded = secret.partition("_")
    key = base64.b64decode(encoded, validate=True)
    if prefix != "whsec" or not key:
        raise ValueError("a signing secret is whsec_ and the base64 of a key")
    return key


def sign(secret: str, message_id: str, timestamp: str, body: bytes) -> str:
    """Returns the `webhook-signature` of a body (Standard Webhooks, version 1); `timestamp` is in Unix seconds."""
    message = f"{message_id}.{timestamp}.".encode() + body
    digest = hmac.new(key_of(secret), message, hashlib.sha256).digest()
    return f"v1,{base64.b64encode(digest).decode()}"


class Sender:
    """Delivers webhooks in the background; `secret` may be changed while it works."""

    def __init__(self, clock: Clock, secret: str) -> None:
        self.secret = secret
        #: Tries so far, and how many of them were answered 2xx.
        self.sent = 0
        self.delivered = 0
        self._clock = clock
        self._session: ClientSession | None = None
        self._rounds: set[asyncio.Task[None]] = set()

    @property
    def under_way(self) -> frozenset[asyncio.Task[None]]:
        """The rounds of webhooks that are on their way or wait for their next try."""
        return frozenset(self._rounds)

    def deliver(self, webhooks: Sequence[Webhook], faults: Faults) -> None:
        """Delivers webhooks one after the other, in the background."""
        task = asyncio.create_task(self._deliver_round(webhooks, faults))
        self._rounds.add(task)
        task.add_done_callback(self._rounds.discard)

    async def drop(self) -> int:
        """Forgets what is not delivered yet; returns how many rounds that were."""
        dropped = list(self._rounds)
        for task in dropped:
            task.cancel()
        await asyncio.gather(*dropped, return_exceptions=True)
        return len(dropped)

    async def close(self) -> None:
        """Ends all deliveries."""
        await self.drop()
        if self._session is not None:
            await self._session.close()

    async def _deliver_round(self, webhooks: Iterable[Webhook], faults: Faults) -> None:
        for webhook in webhooks:
            if _hit("webhook_lost", webhook, faults) is not None:
                webhook.tries.append("lost")
                continue
            if (late := _hit("webhook_late", webhook, faults)) is not None:
                await self._clock.sleep(late["seconds"])
            forged = _hit("webhook_bad_signature", webhook, faults) is not None
            copies = 2 if _hit("webhook_doubled", webhook, faults) is not None else 1
            await asyncio.gather(*(self._try_until_done(webhook, forged=forged) for _ in range(copies)))

    async def _try_until_done(self, webhook: Webhook, *, forged: bool) -> None:
        pauses = RETRY_PAUSES_S if webhook.event == "completed" else ()
        for pause_s in (*pauses, None):
            if await self._try(webhook, forged=forged) or pause_s is None:
                return
            await self._clock.sleep(pause_s)

    async def _try(self, webhook: Webhook, *, forged: bool) -> bool:
        """Sends a webhook once; returns False if it should be tried again."""
        timestamp = str(int(time.time()))  # real time: the receiver compares it with its own clock
        secret = _FOREIGN_SECRET if forged else self.secret
        headers = {
            "Content-Type": "application/json",
            "User-Agent": "Replicate/1.0 (simulator)",
            "webhook-id": webhook.id,
            "webhook-timestamp": timestamp,
            "webhook-signature": sign(secret, webhook.id, timestamp, webhook.body),
        }
        self.sent += 1
        try:
            async with self._open_session().post(
                webhook.url, data=webhook.body, headers=headers, allow_redirects=False
            ) as answer:
                status = answer.status
        except (ClientError, TimeoutError, OSError) as error:
            webhook.tries.append(type(error).__name__)
            return False
        webhook.tries.append(status)
        self.delivered += status < 300
        return status < 400

    def _open_session(self) -> ClientSession:
        if self._session is None:
            # No kept connections: one that the receiver has just closed would look like a lost webhook.
            self._session = ClientSession(
                timeout=ClientTimeout(total=_ANSWER_S), connector=TCPConnector(force_close=True)
            )
        return self._session


def _hit(kind: str, webhook: Webhook, faults: Faults) -> Mapping[str, Any] | None:
    """Returns the parameters of a fault if it is there and means this webhook's event."""
    params = faults.get(kind)
    return params if params is not None and params["event"] in {None, webhook.event} else None
