"""The handlers of queue messages and timer ticks: each reads its message and calls shared/worker, bounded in time.

Rules of this file:
1. It has no business rule. Its dependencies are arguments, and are made by the first call that needs them.
2. Every message is read, whatever its bytes are. Bytes that are not a message become Malformed.
3. If the dependencies cannot be loaded, a message is deferred with the messenger alone.
"""

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from shared import worker
from shared.core.requests.messages import Look, Malformed, Message
from shared.core.requests.parsing import parse_event, parse_request
from shared.ports import Dependencies, Envelope, Messenger, Unavailable
from shared.triggers import audit

if TYPE_CHECKING:
    import azure.functions as func

logger = logging.getLogger("darkroom.app")


@dataclass(frozen=True, slots=True, kw_only=True)
class Handlers:
    """The triggers' handlers. ``timeout_s`` bounds one invocation. ``load`` may raise SettingsError and Unavailable."""

    request_queue: str
    event_queue: str
    timeout_s: float
    load: Callable[[], Awaitable[Dependencies]]
    messenger: Callable[[], Messenger]
    envelope_of: Callable[["func.ServiceBusMessage"], Envelope]
    now: Callable[[], datetime]
    drifted: audit.Drifted

    async def generate(self, delivery: "func.ServiceBusMessage") -> None:
        """Process a request or a cancel."""
        await self._handle(_read(_parse_request, delivery), delivery, self.request_queue)

    async def observe(self, delivery: "func.ServiceBusMessage") -> None:
        """Process an event from the webhook or a check from the timer."""
        await self._handle(_read(parse_event, delivery), delivery, self.event_queue)

    async def dead_letter_requests(self, delivery: "func.ServiceBusMessage") -> None:
        """Archive a dead letter of the request queue and end its generation."""
        await self._dead_letter(_read(_parse_request, delivery), delivery, self.request_queue)

    async def dead_letter_events(self, delivery: "func.ServiceBusMessage") -> None:
        """Archive a dead letter of the event queue and end its generation."""
        await self._dead_letter(_read(parse_event, delivery), delivery, self.event_queue)

    async def reconcile(self) -> int:
        """Enqueue a check of each overdue generation. Returns how many."""
        async with asyncio.timeout(self.timeout_s):
            return await worker.reconcile(await self.load())

    async def audit(self) -> int:
        """Do one call of the night's audit. Returns how many differences were found in the accounts."""
        return await audit.audit(await self.load(), self.drifted)

    async def _handle(self, message: Message, delivery: "func.ServiceBusMessage", queue: str) -> None:
        """Process a message of ``queue``, within the bound of one invocation."""
        envelope = self.envelope_of(delivery)
        async with asyncio.timeout(self.timeout_s):
            try:
                deps = await self.load()
            except Unavailable as trouble:
                if isinstance(message, Malformed):
                    raise
                if isinstance(message, Look):
                    return  # the next one comes within a second or two
                # Without dependencies, ``patience_s`` is unknown: defer the message without a limit.
                await worker.defer(self.messenger(), message, envelope, trouble, now=self.now(), chance=random.random())
            else:
                await worker.handle(deps, message, envelope, queue)

    async def _dead_letter(self, message: Message, delivery: "func.ServiceBusMessage", queue: str) -> None:
        carried = self.envelope_of(delivery).digest
        async with asyncio.timeout(self.timeout_s):
            await worker.dead_letter(await self.load(), message, _body(delivery), queue, carried)


def _body(delivery: "func.ServiceBusMessage") -> bytes:
    """The bytes of a message; empty if it has no body."""
    return delivery.get_body() or b""


def _read(parse: Callable[[bytes], Message], delivery: "func.ServiceBusMessage") -> Message:
    """Read the message, whatever its bytes are.

    An exception of ``parse`` is a bug of the app, which every delivery would raise again. The message becomes
    Malformed, so that it is archived instead.
    """
    raw = _body(delivery)
    try:
        return parse(raw)
    except Exception as bug:  # noqa: BLE001  # as above
        logger.error("a message of %d bytes could not be read: %s", len(raw), type(bug).__name__)  # noqa: TRY400  # a traceback may be megabytes
        return Malformed("the message could not be read", raw)


def _parse_request(raw: bytes) -> Message:
    message, unknown = parse_request(raw)
    if unknown:  # most are typos
        logger.warning("request %s has unknown fields: %s", message.key or "without ids", ", ".join(unknown[:10]))
    return message
