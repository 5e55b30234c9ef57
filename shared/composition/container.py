"""Turns settings into Dependencies. Only this module and the parts beside it import adapters.

part.py -> azure.py -> replicate.py -> proofs.py -> safety.py -> Container: each part makes, pings and closes its own
dependencies, and may use those of the parts before it. A tool or a test replaces a dependency by its property.

Rules of these files:
1. Nothing is imported, read or connected before its first use. A user waits for a cold start, and indexing must work
   with no setting at all. So SDKs are imported inside the properties that need them.
2. Clients belong to the event loop that made them, and live as long as the process. The Functions worker has one loop
   and no shutdown hook, so it never closes them. Tools and tests call ``close()``.
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
from shared.config.settings import Settings, SettingsError
from shared.core.lifecycle.attempt import Timing
from shared.core.provider.guarantees import REPLICATE
from shared.core.reasons import counted
from shared.ports import Archives, Dependencies, Images, Inputs, Limits
from shared.triggers.health import Note
from shared.triggers.replicate_webhook import WebhookDependencies

if TYPE_CHECKING:
    from shared.adapters.telemetry import LogTelemetry
    from shared.core.catalog.catalog import Catalog
    from shared.core.money.plans import Plans

#: Seeds have 32 bits, which every model takes. They come from the system's random source, so that two workers never
#: draw the same ones by accident.
_seeds = random.SystemRandom()


class Container(SafetyPart):
    """All dependencies."""

    def pings(self) -> Mapping[str, Ping]:
        """Add the check of settings and data files."""
        margins = {"margins": self._say_what_is_below} if self.settings.credit_usd_micros else {}
        return {"settings": self.check, **margins, **super().pings()}

    async def _say_what_is_below(self) -> str:
        """How many models are below their margin. What they cost is nobody's business who may ask for the health."""
        from shared.core.catalog.margin import margins

        await self.check()
        found = margins(self.deps.catalog, self.deps.plans, self.settings.credit_usd_micros)
        below = len({each.model for each in found if not each.enough})
        return Note(f"{counted(below, 'model')} below {'its' if below == 1 else 'their'} margin") if below else ""

    async def load_data_files(self) -> None:
        """Fetch the data files that are blobs, once. Await it before ``deps``. Raises SettingsError and Unavailable."""
        if self._texts is None:
            self._texts = await data_files.fetch(self.settings, lambda: self._blob_client.read)

    async def check(self) -> None:
        """Load the data files and build ``deps``, as every message needs. Raises what these raise."""
        await self.load_data_files()
        _ = self.deps

    @cached_property
    def deps(self) -> Dependencies:
        """What the message handler needs. Raises SettingsError even if only a library rejects a setting."""
        try:
            return self._build()
        except ValueError as error:
            raise SettingsError("a setting, such as a connection string, is malformed: see the cause") from error

    def _build(self) -> Dependencies:
        catalog, plans = self._catalog_and_plans()
        return Dependencies(
            store=self.store,
            index=self.index,
            moved=self.moved,
            nights=self.nights,
            providers={REPLICATE: self.provider},
            images=_images(),
            archives=_archives(),
            screener=self.screener,
            inputs=_inputs(),
            outputs=self.outputs,
            input_files=self.input_files,
            uploads=self.uploads,
            quarantine=self.quarantine,
            dead_letters=self.dead_letters,
            proofs=self.proofs,
            signer=self.signer,
            names_key=self.names_key,
            commands=self.commands,
            switches=self.switches,
            destinations=self.destinations,
            waiting=self.waiting,
            pace=lambda: self.provider.pace_now(),  # noqa: PLW0108  # the provider is replaced by tools and tests
            app_windows=self.app_windows,
            messenger=self.messenger,
            telemetry=self.telemetry,
            catalog=catalog,
            plans=plans,
            policy=self.policy,
            timing=_timing(self.settings),
            limits=_limits(self.settings),
            digest_key=self.settings.text_hash_key.encode(),
            now=now,
            new_seed=lambda: _seeds.getrandbits(32),
            chance=random.random,
            sleep=asyncio.sleep,
        )

    def _catalog_and_plans(self) -> "tuple[Catalog, Plans]":
        catalog = data_files.catalog(self.settings, self._texts)
        plans = data_files.plans(self.settings, catalog, self._texts)
        data_files.check_policy(self.settings, self.policy, plans)
        return data_files.sold(self.settings, catalog, plans), plans

    @cached_property
    def webhook_dependencies(self) -> WebhookDependencies:
        """What the webhook trigger needs."""
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
        """Steps and counts as log records. With TELEMETRY=opentelemetry, also as spans and metrics."""
        if self.settings.telemetry == "opentelemetry":
            from shared.adapters.telemetry.tracing import OpenTelemetry

            return OpenTelemetry()
        from shared.adapters.telemetry import LogTelemetry

        return LogTelemetry()


def _images() -> Images:
    from shared.adapters.media.images import PillowImages

    return PillowImages()


def _archives() -> Archives:
    from shared.adapters.media.archives import SafeArchives

    return SafeArchives()


def _inputs() -> Inputs:
    from shared.adapters.net.input_files import InputFetcher

    return InputFetcher()


def _timing(settings: Settings) -> Timing:
    return Timing(
        check_after_s=settings.check_after_s,
        list_grace_s=settings.list_grace_s,
        give_up_after_s=settings.give_up_after_s,
        cancel_grace_s=settings.cancel_grace_s,
    )


def _limits(settings: Settings) -> Limits:
    return Limits(
        request_queue=settings.generation_queue,
        output_bytes=settings.output_limit_bytes,
        patience_s=settings.patience_s,
        approve_within_s=settings.approve_within_s,
        quarantine_days=settings.quarantine_days,
        hand_files_over=settings.hand_files_over,
        longest_pause_s=settings.longest_pause_s,
        in_flight_most=settings.in_flight_most or None,
    )


def now() -> datetime:
    """The current time, aware, in UTC."""
    return datetime.now(UTC)
