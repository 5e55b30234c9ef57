"""Azurite for the tests of an adapter: one for the whole session, and clients for it."""

from collections.abc import AsyncIterator

import pytest_asyncio
from azure.data.tables.aio import TableServiceClient
from azure.storage.blob.aio import BlobServiceClient

from dev import azurite as local
from dev.azurite import Azurite
from shared.adapters import blobs, tables


@pytest_asyncio.fixture(scope="session")
async def azurite() -> AsyncIterator[Azurite]:
    """A running Azurite, in memory."""
    running = await local.start()
    yield running
    await running.stop()


@pytest_asyncio.fixture(scope="session")
async def table_service(azurite: Azurite) -> AsyncIterator[TableServiceClient]:
    """A client for its tables."""
    async with TableServiceClient.from_connection_string(azurite.connection_string, **tables.CLIENT_OPTIONS) as service:
        yield service


@pytest_asyncio.fixture(scope="session")
async def blob_service(azurite: Azurite) -> AsyncIterator[BlobServiceClient]:
    """A client for its blobs."""
    async with BlobServiceClient.from_connection_string(azurite.connection_string, **blobs.CLIENT_OPTIONS) as service:
        yield service
