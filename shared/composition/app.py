"""The app: all dependencies and the triggers' handlers. Each event loop has one."""

import asyncio
import os
import weakref
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING

from shared.composition.container import Container, now
from shared.config.settings import Settings
from shared.core.dependency import Dependency
from shared.core.values import replace
from shared.ports import Dependencies, Envelope, Unavailable
from shared.triggers.handlers import Handlers
from shared.triggers.health import Health
from shared.triggers.replicate_webhook import Answer, receive

if TYPE_CHECKING:
    import azure.functions as func

    from shared.core.catalog.catalog import Catalog
    from shared.triggers.account_commands import CommandHandlers

_apps: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, "App"] = weakref.WeakKeyDictionary()


def running_app() -> "App":
    """The app of the running event loop, made from the environment on first use. Raises SettingsError."""
    loop = asyncio.get_running_loop()
    found = _apps.get(loop)
    if found is None:
        found = _apps[loop] = App(Settings.from_env(os.environ))
    return found


def use(made: "App") -> None:
    """Make the triggers on this event loop use the given app. Tests and benchmarks supply their own adapters."""
    _apps[asyncio.get_running_loop()] = made


class App(Container):
    """The dependencies, and the triggers' handlers that use them."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self._health = Health(self.pings)

    @cached_property
    def handlers(self) -> Handlers:
        """The handlers of queue messages and timer ticks."""
        return Handlers(
            request_queue=self.settings.generation_queue,
            event_queue=self.settings.prediction_queue,
            timeout_s=self.settings.invocation_timeout_s,
            load=self._load,
            messenger=lambda: self.messenger,
            envelope_of=_envelope_of,
            now=now,
            drifted=self.drifted,
        )

    async def drifted(self, catalog: "Catalog") -> Sequence[tuple[str, str]]:
        """The differences of the models on offer from Replicate now. Raises Unavailable."""
        from shared.adapters.replicate.drift import drift
        from shared.adapters.replicate.sdk.errors import ReplicateError

        offered = {name: model for name, model in catalog.models.items() if model.offered}
        try:
            found = await drift(self.replicate.api, replace(catalog, models=offered))
        except ReplicateError as trouble:
            raise Unavailable(Dependency.REPLICATE, str(trouble)) from None
        return [(each.model, f"{each.field}: {each.text}" if each.field else each.text) for each in found]

    @cached_property
    def command_handlers(self) -> "CommandHandlers":
        """The handlers of account commands. A worker that gets none does not load them."""
        from shared.triggers.account_commands import CommandHandlers

        return CommandHandlers(
            queue=self.settings.command_queue,
            timeout_s=self.settings.invocation_timeout_s,
            load=self._load,
            messenger=lambda: self.messenger,
            envelope_of=_envelope_of,
            now=now,
        )

    async def receive(self, headers: Mapping[str, str], query: Mapping[str, str], body: bytes) -> Answer:
        """Answer one webhook delivery. The names in ``headers`` may be in any case."""
        lower = {name.lower(): value for name, value in headers.items()}
        return await receive(self.webhook_dependencies, headers=lower, query=query, body=body)

    async def health(self) -> Mapping[str, str]:
        """The state of each dependency: "ok", or in a few words what is wrong."""
        return await self._health.check()

    async def _load(self) -> Dependencies:
        await self.load_data_files()
        return self.deps


def _envelope_of(delivery: "func.ServiceBusMessage") -> Envelope:
    from shared.adapters.service_bus import read_envelope

    return read_envelope(
        delivery.message_id,
        delivery.application_properties,
        delivery.delivery_count,
        delivery.enqueued_time_utc,
    )
