"""Settings -> House: every adapter, made lazily. The only importer of adapters.

Rules of this file:
1. Nothing is imported, read or connected before it is used for the first time: a cold start is paid by a user,
   and indexing must work with no setting at all. So SDKs are imported inside the properties that need them.
2. Clients live on the loop that made them, pooled, for as long as the process lives. The Functions worker has one
   loop and no shutdown hook, so they are never closed there; tools and tests close theirs with ``close()``.
"""

import asyncio
import logging
import random
import time
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING

from shared.config import data_files
from shared.config.settings import WEBHOOK_PATH, Settings, SettingsError
from shared.core.lifecycle.attempt import Timing
from shared.core.safety.moderation import BLOCKLIST, CONTENT_SAFETY, LLAMA_GUARD, Policy
from shared.ports import Dependencies, Limits
from shared.triggers.replicate_webhook import WebhookDependencies

if TYPE_CHECKING:
    from azure.core.credentials_async import AsyncTokenCredential
    from azure.storage.blob.aio import BlobServiceClient

    from shared.adapters.azure_storage.blobs import (
        BlobDeadLetters,
        BlobInputFiles,
        BlobOutputs,
        BlobQuarantine,
        BlobRestClient,
        BlobSdk,
        BlobUploads,
    )
    from shared.adapters.azure_storage.tables import TableIndex, TableService, TableStore
    from shared.adapters.content_safety import ContentSafety
    from shared.adapters.key_vault import CachedSecret, Source, VaultSource
    from shared.adapters.replicate import Replicate
    from shared.adapters.replicate.resilience.guarded import ResilientProvider
    from shared.adapters.screening import ScreenerChain
    from shared.adapters.screening.chain import TextScreener
    from shared.adapters.service_bus import ServiceBusMessenger
    from shared.adapters.telemetry import LogTelemetry

#: Seeds are 32 bits, as every model takes them. From the system's own source: two workers must never agree by accident.
_seeds = random.SystemRandom()

#: Libraries that log every request at INFO, some with a signed URL in it.
_CHATTY = ("azure", "httpx", "httpcore", "aiohttp", "PIL")


class Container:
    """The rooms. ``settings`` are read once."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._closing = AsyncExitStack()
        self._texts: data_files.Texts | None = None
        logging.getLogger("darkroom").setLevel(settings.log_level)
        for name in _CHATTY:
            logging.getLogger(name).setLevel(logging.WARNING)

    async def close(self) -> None:
        """Close every client that was opened. Only tools and tests come to an end."""
        await self._closing.aclose()

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
            provider=self.provider,
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
        return WebhookDependencies(
            secrets=self.signing_secret,
            messenger=self.messenger,
            telemetry=self.telemetry,
            allowed=self.settings.webhook_allowed_cidrs,
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

    @cached_property
    def messenger(self) -> "ServiceBusMessenger":
        """The sending side of Service Bus."""
        from shared.adapters import service_bus

        settings = self.settings
        if settings.service_bus:
            connected = service_bus.connected_by_string(settings.service_bus)
        else:
            connected = service_bus.connected_by_identity(settings.service_bus_namespace, self.credential)
        messenger = service_bus.ServiceBusMessenger(
            connected,
            request_queue=settings.generation_queue,
            event_queue=settings.prediction_queue,
            topic=settings.events_topic,
        )
        self._closing.push_async_callback(messenger.close)
        return messenger

    @cached_property
    def credential(self) -> "AsyncTokenCredential":
        """The app's managed identity. Only used where a dependency has no connection string or key."""
        from azure.identity.aio import ManagedIdentityCredential

        credential = ManagedIdentityCredential(client_id=self.settings.azure_client_id or None)
        self._closing.push_async_callback(credential.close)
        return credential

    @cached_property
    def _tables(self) -> "TableService":
        from shared.adapters.azure_storage.access import StorageAccount
        from shared.adapters.azure_storage.tables import TableService

        settings = self.settings
        if settings.storage:
            account = StorageAccount.by_string(settings.storage, "table")
        else:
            account = StorageAccount.by_identity(settings.table_url, self.credential)
        service = TableService(account)
        self._closing.push_async_callback(service.close)
        return service

    @cached_property
    def store(self) -> "TableStore":
        """The state."""
        from shared.adapters.azure_storage.tables import TableStore

        return TableStore(self._tables, self.settings.state_table)

    @cached_property
    def index(self) -> "TableIndex":
        """The open index."""
        from shared.adapters.azure_storage.tables import TableIndex

        return TableIndex(self._tables, self.settings.open_table)

    @cached_property
    def _blob_client(self) -> "BlobRestClient":
        from shared.adapters.azure_storage.access import StorageAccount
        from shared.adapters.azure_storage.blobs import BlobRestClient

        settings = self.settings
        if settings.storage:
            account = StorageAccount.by_string(settings.storage, "blob")
        else:
            account = StorageAccount.by_identity(settings.blob_url, self.credential)
        client = BlobRestClient(account)
        self._closing.push_async_callback(client.close)
        return client

    @cached_property
    def _blob_sdk(self) -> "BlobSdk":
        from shared.adapters.azure_storage.blobs import BlobSdk

        return BlobSdk(self._blob_service)

    def _blob_service(self) -> "BlobServiceClient":
        from azure.storage.blob.aio import BlobServiceClient

        from shared.adapters.azure_storage.blobs import CLIENT_OPTIONS

        settings = self.settings
        if settings.storage:
            service = BlobServiceClient.from_connection_string(settings.storage, **CLIENT_OPTIONS)
        else:
            service = BlobServiceClient(settings.blob_url, credential=self.credential, **CLIENT_OPTIONS)
        self._closing.push_async_callback(service.close)
        return service

    @cached_property
    def outputs(self) -> "BlobOutputs":
        """What models made and users may see."""
        from shared.adapters.azure_storage.blobs import BlobOutputs

        return BlobOutputs(self._blob_client, self._blob_sdk, self.settings.outputs_container)

    @cached_property
    def input_files(self) -> "BlobInputFiles":
        """Inputs that were screened."""
        from shared.adapters.azure_storage.blobs import BlobInputFiles

        return BlobInputFiles(self._blob_sdk, self.settings.inputs_container)

    @cached_property
    def uploads(self) -> "BlobUploads":
        """Files that the app has put there."""
        from shared.adapters.azure_storage.blobs import BlobUploads

        return BlobUploads(self._blob_sdk, self.settings.uploads_container)

    @cached_property
    def quarantine(self) -> "BlobQuarantine":
        """Outputs that were refused."""
        from shared.adapters.azure_storage.blobs import BlobQuarantine

        return BlobQuarantine(self._blob_sdk, self.settings.quarantine_container)

    @cached_property
    def dead_letters(self) -> "BlobDeadLetters":
        """The archive of messages that died."""
        from shared.adapters.azure_storage.blobs import BlobDeadLetters

        return BlobDeadLetters(self._blob_sdk, self.settings.dead_letters_container)

    @cached_property
    def policy(self) -> Policy:
        """What is refused."""
        return data_files.policy(self.settings, self._texts)

    @cached_property
    def screener(self) -> "ScreenerChain":
        """The screeners, in the order of the settings."""
        from shared.adapters.screening import ImageLink, ScreenerChain, TextLink

        service = self.content_safety
        made = {CONTENT_SAFETY: lambda: service, BLOCKLIST: self._blocklist, LLAMA_GUARD: self._llama_guard}
        texts = [TextLink(name, made[name]()) for name in self.settings.screeners]
        return ScreenerChain(self.policy, texts, [ImageLink(CONTENT_SAFETY, service)], time.monotonic)

    @cached_property
    def content_safety(self) -> "ContentSafety":
        """The service that measures every category."""
        from shared.adapters.content_safety import ContentSafety

        settings = self.settings
        key = settings.content_safety_key or None
        credential = None if key else self.credential
        service = ContentSafety(
            settings.content_safety_endpoint,
            key=key,
            credential=credential,
            blocklists=settings.content_safety_blocklists,
        )
        self._closing.push_async_callback(service.close)
        return service

    def _blocklist(self) -> "TextScreener":
        from shared.adapters.screening import BlocklistScreener

        return BlocklistScreener(data_files.blocklist(self.settings, self._texts))

    def _llama_guard(self) -> "TextScreener":
        from shared.adapters.replicate.running import ModelRunner
        from shared.adapters.screening import LlamaGuard

        # A little less than the chain waits, so that what is said is the model's trouble and not only "too slow".
        within_s = max(1.0, self.policy.rule(LLAMA_GUARD).timeout_s - 1)
        return LlamaGuard(ModelRunner(lambda: self.replicate.api), self.settings.llama_guard_model, within_s)

    @cached_property
    def provider(self) -> "ResilientProvider":
        """Replicate as the corridor asks it: at this instance's part of the account's pace; left alone in an outage."""
        from shared.adapters.replicate.resilience.guarded import ResilientProvider

        settings = self.settings
        limit = (settings.replicate_creates_per_minute, settings.instances)
        return ResilientProvider(self.replicate, *limit, now=time.monotonic, chance=random.random)

    @cached_property
    def replicate(self) -> "Replicate":
        """Replicate."""
        from shared.adapters.replicate import Replicate, Timeouts

        settings = self.settings
        replicate = Replicate(
            connections=settings.replicate_connections,
            timeouts=Timeouts.of(settings.replicate_connect_timeout_s, settings.replicate_timeout_s),
            webhook_url=settings.public_url + WEBHOOK_PATH,
            token=self.token,
            signing_secret=self._current_signing_secret,
            api_url=settings.replicate_api_url,
            delivery_url=settings.replicate_delivery_url,
        )
        self._closing.push_async_callback(replicate.close)
        return replicate

    async def _current_signing_secret(self) -> str:
        return await self.signing_secret.value()

    @cached_property
    def token(self) -> "CachedSecret":
        """Replicate's API token: from the vault, or from the environment when there is none."""
        from shared.adapters.key_vault import CachedSecret, environment_source

        settings = self.settings
        if settings.key_vault_url:
            return CachedSecret("replicate api token", self._vault("replicate-api-token"))
        return CachedSecret("replicate api token", environment_source(settings.replicate_api_token))

    @cached_property
    def signing_secret(self) -> "CachedSecret":
        """The webhook signing secret: from the vault, the environment, or Replicate itself."""
        from shared.adapters.key_vault import CachedSecret, environment_source
        from shared.core.provider.pasted_secrets import signing_secret

        settings, name = self.settings, "replicate webhook secret"
        if settings.key_vault_url:
            source: Source = self._vault("replicate-webhook-secret")
        elif settings.replicate_webhook_secret:
            source = environment_source(settings.replicate_webhook_secret)
        else:
            source = self._secret_of_replicate
        return CachedSecret(name, source, read=signing_secret)

    async def _secret_of_replicate(self) -> str:
        return await self.replicate.signing_secret()

    def _vault(self, secret: str) -> "VaultSource":
        from shared.adapters.key_vault import VaultSource

        source = VaultSource(self.settings.key_vault_url, secret, self.credential)
        self._closing.push_async_callback(source.close)
        return source


def now() -> datetime:
    """The time, aware, in UTC."""
    return datetime.now(UTC)
