"""The Azure services: the managed identity, the storage account, and Service Bus."""

from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING

from shared.composition.part import Part, Ping
from shared.triggers.health import Note

if TYPE_CHECKING:
    from azure.core.credentials_async import AsyncTokenCredential
    from azure.storage.blob.aio import BlobServiceClient

    from shared.adapters.azure_storage.blobs import (
        BlobDeadLetters,
        BlobEditedFile,
        BlobInputFiles,
        BlobOutputs,
        BlobProofs,
        BlobQuarantine,
        BlobRestClient,
        BlobSdk,
        BlobUploads,
    )
    from shared.adapters.azure_storage.tables import (
        TableAppWindows,
        TableCommands,
        TableDestinations,
        TableIndex,
        TableMovedAccounts,
        TableNights,
        TableService,
        TableStore,
        TableSwitches,
        TableWaitingList,
    )
    from shared.adapters.service_bus import ServiceBusMessenger


class AzurePart(Part):
    """The managed identity, the storage account and Service Bus."""

    def pings(self) -> Mapping[str, Ping]:
        """Add Tables, Blob Storage and Service Bus."""
        return {
            **super().pings(),
            "tables": lambda: self.store.load_account("health"),
            "kill switches": self._say_what_is_paused,
            "blobs": lambda: self.dead_letters.list_dead_letters("health", 1),
            "service bus": lambda: self.messenger.ping(),  # noqa: PLW0108  # the messenger is made when it is asked, not here
        }

    async def _say_what_is_paused(self) -> str:
        """How much is paused. Whom it concerns is nobody's business who may ask for the app's health."""
        switches = (await self.switches.read()).switches
        running = sum(each.running(datetime.now(UTC)) is not None for each in switches)
        return Note(f"{running} paused") if running else ""

    @cached_property
    def credential(self) -> "AsyncTokenCredential":
        """The app's managed identity. Used only for dependencies without a connection string or key."""
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
        """The stored accounts, generations and ledgers."""
        from shared.adapters.azure_storage.tables import TableStore

        return TableStore(self._tables, self.settings.state_table)

    @cached_property
    def commands(self) -> "TableCommands":
        """The records of account commands."""
        from shared.adapters.azure_storage.tables import TableCommands

        return TableCommands(self._tables, self.settings.state_table)

    @cached_property
    def switches(self) -> "TableSwitches":
        """The kill switches."""
        from shared.adapters.azure_storage.tables import TableSwitches

        return TableSwitches(self._tables, self.settings.state_table)

    @cached_property
    def destinations(self) -> "TableDestinations":
        """Whose a training's destination is."""
        from shared.adapters.azure_storage.tables import TableDestinations

        return TableDestinations(self._tables, self.settings.state_table)

    @cached_property
    def waiting(self) -> "TableWaitingList":
        """What waits for a turn."""
        from shared.adapters.azure_storage.tables import TableWaitingList

        return TableWaitingList(self._tables, self.settings.turns_table)

    @cached_property
    def index(self) -> "TableIndex":
        """The open index."""
        from shared.adapters.azure_storage.tables import TableIndex

        return TableIndex(self._tables, self.settings.open_table)

    @cached_property
    def app_windows(self) -> "TableAppWindows":
        """What the whole app uses."""
        from shared.adapters.azure_storage.tables import TableAppWindows

        return TableAppWindows(self._tables, self.settings.state_table)

    @cached_property
    def moved(self) -> "TableMovedAccounts":
        """Which accounts moved on which day."""
        from shared.adapters.azure_storage.tables import TableMovedAccounts

        return TableMovedAccounts(self._tables, self.settings.moved_table)

    @cached_property
    def nights(self) -> "TableNights":
        """How far the night's audit has come."""
        from shared.adapters.azure_storage.tables import TableNights

        return TableNights(self._tables, self.settings.moved_table)

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
        """The outputs that passed screening."""
        from shared.adapters.azure_storage.blobs import BlobOutputs

        return BlobOutputs(self._blob_client, self._blob_sdk, self.settings.outputs_container)

    @cached_property
    def input_files(self) -> "BlobInputFiles":
        """The input files that passed screening."""
        from shared.adapters.azure_storage.blobs import BlobInputFiles

        return BlobInputFiles(self._blob_sdk, self.settings.inputs_container)

    @cached_property
    def uploads(self) -> "BlobUploads":
        """The files that your app has uploaded for models."""
        from shared.adapters.azure_storage.blobs import BlobUploads

        return BlobUploads(self._blob_sdk, self.settings.uploads_container)

    @cached_property
    def quarantine(self) -> "BlobQuarantine":
        """The outputs that were refused."""
        from shared.adapters.azure_storage.blobs import BlobQuarantine

        return BlobQuarantine(self._blob_sdk, self.settings.quarantine_container)

    @cached_property
    def proofs(self) -> "BlobProofs":
        """The signed heads of ledgers, and the public keys."""
        from shared.adapters.azure_storage.blobs import BlobProofs

        return BlobProofs(self._blob_sdk, self.settings.proofs_container)

    def edited_file(self, container: str, name: str) -> "BlobEditedFile":
        """A data file that an operator edits in place."""
        from shared.adapters.azure_storage.blobs import BlobEditedFile

        return BlobEditedFile(self._blob_sdk, container, name)

    @cached_property
    def dead_letters(self) -> "BlobDeadLetters":
        """The archive of dead letters."""
        from shared.adapters.azure_storage.blobs import BlobDeadLetters

        return BlobDeadLetters(self._blob_sdk, self.settings.dead_letters_container)

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
            command_queue=settings.command_queue,
            topic=settings.events_topic,
        )
        self._closing.push_async_callback(messenger.close)
        return messenger
