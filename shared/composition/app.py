"""What the doors do, with the rooms that the settings make: one wiring per event loop."""

import asyncio
import logging
import os
import random
import weakref
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from shared import worker
from shared.composition.container import Container, now
from shared.config.settings import Settings
from shared.core.requests.messages import Malformed, Message
from shared.core.requests.parsing import parse_event, parse_request
from shared.ports import Unavailable
from shared.triggers import audit
from shared.triggers.health import Health, Ping
from shared.triggers.replicate_webhook import Answer, receive

if TYPE_CHECKING:
    import azure.functions as func

logger = logging.getLogger("darkroom.app")

_apps: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, "App"] = weakref.WeakKeyDictionary()


def running_app() -> "App":
    """The app of the running event loop, made from the environment at first use."""
    loop = asyncio.get_running_loop()
    found = _apps.get(loop)
    if found is None:
        found = _apps[loop] = App(Settings.from_env(os.environ))
    return found


def use(made: "App") -> None:
    """Make the triggers on this event loop use the given app: tests and benchmarks bring adapters of their own."""
    _apps[asyncio.get_running_loop()] = made


class App(Container):
    """The rooms and what the doors do with them."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self._health = Health(self._pings)

    async def generate(self, delivery: "func.ServiceBusMessage") -> None:
        """A request, or a cancel."""
        await self._handle(_read(_request_of, delivery), delivery, self.settings.generation_queue)

    async def observe(self, delivery: "func.ServiceBusMessage") -> None:
        """News of a prediction, or a check of the timer's."""
        await self._handle(_read(parse_event, delivery), delivery, self.settings.prediction_queue)

    async def dead_letter_requests(self, delivery: "func.ServiceBusMessage") -> None:
        """A request that died."""
        await self._dead_letter(_read(_request_of, delivery), _body(delivery), self.settings.generation_queue)

    async def dead_letter_events(self, delivery: "func.ServiceBusMessage") -> None:
        """News that died."""
        await self._dead_letter(_read(parse_event, delivery), _body(delivery), self.settings.prediction_queue)

    async def _handle(self, message: Message, delivery: "func.ServiceBusMessage", queue: str) -> None:
        """Walk a message of ``queue`` through the corridor, within the bound of one invocation."""
        from shared.adapters.service_bus import read_envelope  # not needed before the first message

        envelope = read_envelope(
            delivery.message_id,
            delivery.application_properties,
            delivery.delivery_count,
            delivery.enqueued_time_utc,
        )
        async with asyncio.timeout(self.settings.invocation_timeout_s):
            try:
                await self.load_data_files()
            except Unavailable as trouble:
                if isinstance(message, Malformed):
                    raise
                # There is no house yet, so nobody's patience is asked.
                await worker.defer(self.messenger, message, envelope, trouble, now=now(), chance=random.random())
            else:
                await worker.handle(self.deps, message, envelope, queue)

    async def _dead_letter(self, message: Message, raw: bytes, queue: str) -> None:
        async with asyncio.timeout(self.settings.invocation_timeout_s):
            await self.load_data_files()
            await worker.dead_letter(self.deps, message, raw, queue)

    async def receive(self, headers: Mapping[str, str], query: Mapping[str, str], body: bytes) -> Answer:
        """Take one webhook delivery."""
        lower = {name.lower(): value for name, value in headers.items()}
        return await receive(self.webhook_dependencies, headers=lower, query=query, body=body)

    async def reconcile(self) -> int:
        """Send a check for whatever is overdue."""
        async with asyncio.timeout(self.settings.invocation_timeout_s):
            await self.load_data_files()
            return await worker.reconcile(self.deps)

    async def audit(self) -> int:
        """The nightly look. Returns how many differences there were."""
        await self.load_data_files()
        return await audit.audit(self.deps)

    async def health(self) -> Mapping[str, str]:
        """Which dependencies answer: "ok", or in a few words why not."""
        return await self._health.look()

    def _pings(self) -> Mapping[str, Ping]:
        # Each asks for something small that needs the network, the login and the entity to be right. Its room is
        # opened within the ping: a setting that a library does not take is that dependency's trouble alone.
        return {
            "settings": self.check,
            "tables": lambda: self.store.load_account("health"),
            "blobs": lambda: self.dead_letters.list_dead_letters("health", 1),
            "service bus": lambda: self.messenger.ping(),  # noqa: PLW0108  # as all of them: not before it is asked
            # The service alone: the chain may ask a model that has to be paid, and anybody may ask here.
            "content safety": lambda: self.content_safety.text("health"),
            "secrets": lambda: self.signing_secret.accepted(),  # noqa: PLW0108  # as above
            "replicate": lambda: self.replicate.account(),  # noqa: PLW0108  # as above
        }


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
