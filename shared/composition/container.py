"""Settings -> Dependencies: every adapter, made lazily. With the parts beside it the only importer of adapters.

part.py -> azure.py -> replicate.py -> safety.py -> Container: each part makes, asks and closes its own
dependencies, and may use those of the parts before it. A tool or a test takes one's place by its property.

Rules of these files:
1. Nothing is imported, read or connected before it is used for the first time: a cold start is paid by a user,
   and indexing must work with no setting at all. So SDKs are imported inside the properties that need them.
2. Clients live on the loop that made them, pooled, for as long as the process lives. The Functions worker has one
   loop and no shutdown hook, so they are never closed there; tools and tests close theirs with ``close()``.
"""

import asyncio
import random
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING

from shared.composition.part import Ping
from shared.composition.safety import SafetyPart
from shared.config import data_files
from shared.config.settings import SettingsError
from shared.core.lifecycle.attempt import Timing
from shared.core.provider.guarantees import REPLICATE
from shared.ports import Dependencies, Limits
from shared.triggers.replicate_webhook import WebhookDependencies

if TYPE_CHECKING:
    from shared.adapters.telemetry import LogTelemetry

#: Seeds are 32 bits, as every model takes them. From the system's own source: two workers must never agree by accident.
_seeds = random.SystemRandom()


class Container(SafetyPart):
    """All dependencies."""

    def pings(self) -> Mapping[str, Ping]:
        """See ``Part``."""
        return {"settings": self.check, **super().pings()}

    async def load_data_files(self) -> None:
        """Fetch the data files that lie in blobs, once: to be awaited before the house. SettingsError, Unavailable."""
        if self._texts is None:
            self._texts = await data_files.fetch(self.settings, lambda: self._blob_client.read)

    async def check(self) -> None:
        """Read whatever every message needs: the data files, and all that is made of settings. As ``furnish``."""
        await self.load_data_files()
        _ = self.deps

    @cached_property
    def deps(self) -> Dependencies:
        """Everything the corridor needs. SettingsError also where a setting is none that a library takes."""
        try:
            return self._built()
        except ValueError as error:
            raise SettingsError("a setting, such as a connection string, is malformed: see the cause") from error

    def _built(self) -> Dependencies:
        from shared.adapters.media.images import PillowImages
        from shared.adapters.net.input_files import InputFetcher

        settings = self.settings
        return Dependencies(
            store=self.store,
            index=self.index,
            providers={REPLICATE: self.provider},
            images=PillowImages(),
            screener=self.screener,
            inputs=InputFetcher(),
            outputs=self.outputs,
            input_files=self.input_files,
            uploads=self.uploads,
            quarantine=self.quarantine,
            dead_letters=self.dead_letters,
            messenger=self.messenger,
            telemetry=self.telemetry,
            catalog=data_files.catalog(settings, self._texts),
            policy=self.policy,
            timing=Timing(
                check_after_s=settings.check_after_s,
                list_grace_s=settings.list_grace_s,
                give_up_after_s=settings.give_up_after_s,
                cancel_grace_s=settings.cancel_grace_s,
            ),
            limits=Limits(
                request_queue=settings.generation_queue,
                output_bytes=settings.output_limit_bytes,
                patience_s=settings.patience_s,
                quarantine_days=settings.quarantine_days,
                hand_files_over=settings.hand_files_over,
            ),
            digest_key=settings.text_hash_key.encode(),
            now=now,
            new_seed=lambda: _seeds.getrandbits(32),
            chance=random.random,
            sleep=asyncio.sleep,
        )

    @cached_property
    def webhook_dependencies(self) -> WebhookDependencies:
        """What the webhook's door needs."""
        from shared.adapters.replicate.wire import prediction_of  # see rule 1

        return WebhookDependencies(
            secrets=self.signing_secret,
            messenger=self.messenger,
            telemetry=self.telemetry,
            allowed=self.settings.webhook_allowed_cidrs,
            read=prediction_of,
            now=now,
        )

    @cached_property
    def telemetry(self) -> "LogTelemetry":
        """Steps and counts as log records; with TELEMETRY=opentelemetry as spans and metrics too."""
        if self.settings.telemetry == "opentelemetry":
            from shared.adapters.telemetry.tracing import OpenTelemetry

            return OpenTelemetry()
        from shared.adapters.telemetry import LogTelemetry

        return LogTelemetry()


def now() -> datetime:
    """The time, aware, in UTC."""
    return datetime.now(UTC)
