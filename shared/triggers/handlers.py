"""What comes from a queue or a timer, on its way to the worker: read, bounded in time, handed on.

Rules of this file:
1. No rule of the business. What is used is handed in, and made with the first call that needs it.
2. Whatever its bytes are, a message is read: as Malformed where they cannot be.
3. Where the dependencies cannot be had, a message is deferred by the messenger alone.
"""

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from shared import worker
from shared.core.requests.messages import Malformed, Message
from shared.core.requests.parsing import parse_event, parse_request
from shared.ports import Dependencies, Envelope, Messenger, Unavailable
from shared.triggers import audit

if TYPE_CHECKING:
    import azure.functions as func

logger = logging.getLogger("darkroom.app")


@dataclass(frozen=True, slots=True, kw_only=True)
class Handlers:
    """What each trigger does. ``timeout_s`` bounds one invocation; ``load`` may raise SettingsError and Unavailable."""

    request_queue: str
    event_queue: str
    timeout_s: float
    load: Callable[[], Awaitable[Dependencies]]
    messenger: Callable[[], Messenger]
    envelope_of: Callable[["func.ServiceBusMessage"], Envelope]
    now: Callable[[], datetime]

    async def generate(self, delivery: "func.ServiceBusMessage") -> None:
        """A request, or a cancel."""
        await self._handle(_read(_request_of, delivery), delivery, self.request_queue)

    async def observe(self, delivery: "func.ServiceBusMessage") -> None:
        """News of a prediction, or a check of the timer's."""
        await self._handle(_read(parse_event, delivery), delivery, self.event_queue)

    async def dead_letter_requests(self, delivery: "func.ServiceBusMessage") -> None:
        """A request that died."""
        await self._dead_letter(_read(_request_of, delivery), _body(delivery), self.request_queue)

    async def dead_letter_events(self, delivery: "func.ServiceBusMessage") -> None:
        """News that died."""
        await self._dead_letter(_read(parse_event, delivery), _body(delivery), self.event_queue)

    async def reconcile(self) -> int:
        """Send a check for whatever is overdue."""
        async with asyncio.timeout(self.timeout_s):
            return await worker.reconcile(await self.load())

    async def audit(self) -> int:
        """The nightly look. Returns how many differences there were."""
        return await audit.audit(await self.load())

    async def _handle(self, message: Message, delivery: "func.ServiceBusMessage", queue: str) -> None:
        """Give a message of ``queue`` to the worker, within the bound of one invocation."""
        envelope = self.envelope_of(delivery)
        async with asyncio.timeout(self.timeout_s):
            try:
                deps = await self.load()
            except Unavailable as trouble:
                if isinstance(message, Malformed):
                    raise
                # There are no dependencies yet, so nobody's patience is asked.
                await worker.defer(self.messenger(), message, envelope, trouble, now=self.now(), chance=random.random())
            else:
                await worker.handle(deps, message, envelope, queue)

    async def _dead_letter(self, message: Message, raw: bytes, queue: str) -> None:
        async with asyncio.timeout(self.timeout_s):
            await worker.dead_letter(await self.load(), message, raw, queue)


def _body(delivery: "func.ServiceBusMessage") -> bytes:
    """The bytes of a message; none where it has none."""
    return delivery.get_body() or b""


def _read(parse: Callable[[bytes], Message], delivery: "func.ServiceBusMessage") -> Message:
    """The message, whatever its bytes are.

    What ``parse`` raises is a bug of ours, and would be raised again at every delivery: the message is kept instead.
    """
    raw = _body(delivery)
    try:
        return parse(raw)
    except Exception as bug:  # noqa: BLE001  # as above
        logger.error("a message of %d bytes could not be read: %s", len(raw), type(bug).__name__)  # noqa: TRY400  # a traceback may be megabytes
        return Malformed("the message could not be read", raw)


def _request_of(raw: bytes) -> Message:
    message, unknown = parse_request(raw)
    if unknown:  # most are typos
        logger.warning("request %s has unknown fields: %s", message.key or "without ids", ", ".join(unknown[:10]))
    return message
