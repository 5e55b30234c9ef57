"""Azurite for the tests of adapters: one process for the whole session, and its clients."""

from collections.abc import AsyncIterator

import pytest_asyncio
from azure.storage.blob.aio import BlobServiceClient

from dev import azurite as local
from dev.azurite import Azurite
from shared.adapters.azure_storage import blobs
from shared.adapters.azure_storage.access import StorageAccount
from shared.adapters.azure_storage.tables import TableService


@pytest_asyncio.fixture(scope="session")
async def azurite() -> AsyncIterator[Azurite]:
    """A running Azurite, in memory."""
    running = await local.start()
    yield running
    await running.stop()


@pytest_asyncio.fixture(scope="session")
async def table_service(azurite: Azurite) -> AsyncIterator[TableService]:
    """The service of its tables."""
    service = TableService(StorageAccount.by_string(azurite.connection_string, "table"))
    yield service
    await service.close()


@pytest_asyncio.fixture(scope="session")
async def blob_service(azurite: Azurite) -> AsyncIterator[BlobServiceClient]:
    """A client for its blobs."""
    async with BlobServiceClient.from_connection_string(azurite.connection_string, **blobs.CLIENT_OPTIONS) as service:
        yield service
