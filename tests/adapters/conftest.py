"""Fixtures of the adapters' tests: each case runs on the fake and on the real thing (marked ``stack``)."""

from uuid import uuid4

import pytest
import pytest_asyncio
from azure.storage.blob.aio import BlobServiceClient

from dev.fakes.blobs import FakeBlobs
from dev.fakes.index import FakeIndex
from dev.fakes.store import FakeStore
from shared.adapters.azure_storage.blobs import BlobContainers
from shared.adapters.azure_storage.tables import TableIndex, TableService, TableStore
from tests.adapters.azurite import azurite, blob_service, table_service

__all__ = ["azurite", "blob_service", "table_service"]

FAKE_AND_REAL = ["fake", pytest.param("azurite", marks=pytest.mark.stack)]


@pytest_asyncio.fixture
async def table_store(table_service: TableService) -> TableStore:
    """A store in a table of its own."""
    made = TableStore(table_service, fresh_name())
    await made.ensure()
    return made


@pytest_asyncio.fixture
async def table_index(table_service: TableService) -> TableIndex:
    """An open index in a table of its own."""
    made = TableIndex(table_service, fresh_name())
    await made.ensure()
    return made


@pytest_asyncio.fixture
async def blob_containers(blob_service: BlobServiceClient) -> BlobContainers:
    """Containers of its own."""
    made = BlobContainers(blob_service, *(fresh_name() for _ in range(5)))
    await made.ensure()
    return made


@pytest.fixture(params=FAKE_AND_REAL)
def store(request: pytest.FixtureRequest) -> FakeStore | TableStore:
    """An empty store."""
    real: TableStore | None = None if request.param == "fake" else request.getfixturevalue("table_store")
    return real or FakeStore()


@pytest.fixture(params=FAKE_AND_REAL)
def index(request: pytest.FixtureRequest) -> FakeIndex | TableIndex:
    """An empty open index."""
    real: TableIndex | None = None if request.param == "fake" else request.getfixturevalue("table_index")
    return real or FakeIndex()


@pytest.fixture(params=FAKE_AND_REAL)
def blobs(request: pytest.FixtureRequest) -> FakeBlobs | BlobContainers:
    """Empty containers."""
    real: BlobContainers | None = None if request.param == "fake" else request.getfixturevalue("blob_containers")
    return real or FakeBlobs()


def fresh_name() -> str:
    """A name that is valid for a table and for a container, and new."""
    return f"t{uuid4().hex}"
