"""The handlers of account commands: each reads its message and calls shared/worker, bounded in time.

Rules of this file: those of handlers.py. It is a file of its own, because a worker that gets no command does not load
their types.
"""

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from shared.core.commands.acts import AccountCommand, MalformedCommand
from shared.core.commands.parsing import parse_command
from shared.ports import Dependencies, Envelope, Messenger, Unavailable
from shared.worker.account_commands import dead_letter_command, defer_command, handle_command

if TYPE_CHECKING:
    import azure.functions as func

logger = logging.getLogger("darkroom.app")


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandHandlers:
    """The handlers of one queue. ``timeout_s`` bounds one invocation. ``load`` may raise SettingsError, Unavailable."""

    queue: str
    timeout_s: float
    load: Callable[[], Awaitable[Dependencies]]
    messenger: Callable[[], Messenger]
    envelope_of: Callable[["func.ServiceBusMessage"], Envelope]
    now: Callable[[], datetime]

    async def command(self, delivery: "func.ServiceBusMessage") -> None:
        """Process a command. Without dependencies it is deferred, whatever it says."""
        message, envelope = _read(delivery.get_body() or b""), self.envelope_of(delivery)
        async with asyncio.timeout(self.timeout_s):
            try:
                deps = await self.load()
            except Unavailable as trouble:
                if isinstance(message, MalformedCommand):
                    raise
                now, chance = self.now(), random.random()
                await defer_command(self.messenger(), message, envelope, trouble, now=now, chance=chance)
            else:
                await handle_command(deps, message, envelope, self.queue)

    async def dead_letter(self, delivery: "func.ServiceBusMessage") -> None:
        """Archive a dead letter, and publish that its command failed."""
        raw = delivery.get_body() or b""
        async with asyncio.timeout(self.timeout_s):
            await dead_letter_command(await self.load(), _read(raw), raw, self.queue)


def _read(raw: bytes) -> AccountCommand | MalformedCommand:
    """Read the message, whatever its bytes are. An exception is a bug, which every delivery would raise."""
    try:
        return parse_command(raw)
    except Exception as bug:  # noqa: BLE001  # as above
        logger.error("a command of %d bytes could not be read: %s", len(raw), type(bug).__name__)  # noqa: TRY400  # a traceback may be megabytes
        return MalformedCommand(text="the message could not be read", raw=raw)
