"""Fixtures of the adapters' tests: each case runs on the fake and on the real thing (marked ``stack``)."""

from collections.abc import AsyncIterator
from uuid import uuid4

import pytest
import pytest_asyncio
from azure.storage.blob.aio import BlobServiceClient

from dev.azurite import Azurite
from dev.fakes.app_windows import FakeAppWindows
from dev.fakes.blobs import FakeBlobs
from dev.fakes.commands import FakeCommands
from dev.fakes.destinations import FakeDestinations
from dev.fakes.index import FakeIndex
from dev.fakes.moved import FakeMovedAccounts, FakeNights
from dev.fakes.store import FakeStore
from dev.fakes.switches import FakeSwitches
from dev.fakes.waiting import FakeWaitingList
from shared.adapters.azure_storage.access import StorageAccount
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
from tests.adapters.azurite import azurite, blob_service, table_service
from tests.adapters.containers import AllBlobs

__all__ = ["azurite", "blob_service", "table_service"]


async def new_table(service: TableService) -> str:
    """The name of a new table."""
    name = fresh_name()
    await service.ensure(name)
    return name


FAKE_AND_REAL = ["fake", pytest.param("azurite", marks=pytest.mark.stack)]


@pytest_asyncio.fixture
async def table_store(table_service: TableService) -> TableStore:
    """A store in a new table."""
    return TableStore(table_service, await new_table(table_service))


@pytest_asyncio.fixture
async def table_commands(table_service: TableService) -> TableCommands:
    """The records of account commands in a new table."""
    return TableCommands(table_service, await new_table(table_service))


@pytest_asyncio.fixture
async def table_switches(table_service: TableService) -> TableSwitches:
    """The kill switches in a new table."""
    return TableSwitches(table_service, await new_table(table_service))


@pytest_asyncio.fixture
async def table_destinations(table_service: TableService) -> TableDestinations:
    """The owners of destinations in a new table."""
    return TableDestinations(table_service, await new_table(table_service))


@pytest_asyncio.fixture
async def table_app_windows(table_service: TableService) -> TableAppWindows:
    """What the app uses, in a new table."""
    return TableAppWindows(table_service, await new_table(table_service))


@pytest_asyncio.fixture
async def table_index(table_service: TableService) -> TableIndex:
    """An open index in a new table."""
    return TableIndex(table_service, await new_table(table_service))


@pytest_asyncio.fixture
async def table_waiting_list(table_service: TableService) -> TableWaitingList:
    """A waiting list in a new table."""
    return TableWaitingList(table_service, await new_table(table_service))


@pytest_asyncio.fixture
async def table_moved(table_service: TableService) -> TableMovedAccounts:
    """The accounts that moved, in a new table."""
    return TableMovedAccounts(table_service, await new_table(table_service))


@pytest_asyncio.fixture
async def table_nights(table_service: TableService) -> TableNights:
    """The progress of a night, in a new table."""
    return TableNights(table_service, await new_table(table_service))


@pytest_asyncio.fixture
async def blob_containers(blob_service: BlobServiceClient, azurite: Azurite) -> AsyncIterator[AllBlobs]:  # a fixture
    """New containers."""
    account = StorageAccount.by_string(azurite.connection_string, "blob")
    outputs, dead_letters, inputs, quarantine, uploads, proofs = (fresh_name() for _ in range(6))
    made = AllBlobs(blob_service, outputs, dead_letters, inputs, quarantine, uploads, account, proofs)
    await made.ensure()
    yield made
    await made.client.close()


@pytest.fixture(params=FAKE_AND_REAL)
def store(request: pytest.FixtureRequest) -> FakeStore | TableStore:
    """An empty store."""
    real: TableStore | None = None if request.param == "fake" else request.getfixturevalue("table_store")
    return real or FakeStore()


@pytest.fixture(params=FAKE_AND_REAL)
def commands(request: pytest.FixtureRequest) -> FakeCommands | TableCommands:
    """The records of account commands, in a table without any."""
    real: TableCommands | None = None if request.param == "fake" else request.getfixturevalue("table_commands")
    return real or FakeCommands()


@pytest.fixture(params=FAKE_AND_REAL)
def switches(request: pytest.FixtureRequest) -> FakeSwitches | TableSwitches:
    """The kill switches, none of them ever used."""
    real: TableSwitches | None = None if request.param == "fake" else request.getfixturevalue("table_switches")
    return real or FakeSwitches()


@pytest.fixture(params=FAKE_AND_REAL)
def destinations(request: pytest.FixtureRequest) -> FakeDestinations | TableDestinations:
    """Whose destinations are: none of those of the tests was given."""
    real: TableDestinations | None = None if request.param == "fake" else request.getfixturevalue("table_destinations")
    return real or FakeDestinations()


@pytest.fixture(params=FAKE_AND_REAL)
def app_windows(request: pytest.FixtureRequest) -> FakeAppWindows | TableAppWindows:
    """What the app uses: nothing yet."""
    real: TableAppWindows | None = None if request.param == "fake" else request.getfixturevalue("table_app_windows")
    return real or FakeAppWindows()


@pytest.fixture(params=FAKE_AND_REAL)
def index(request: pytest.FixtureRequest) -> FakeIndex | TableIndex:
    """An empty open index."""
    real: TableIndex | None = None if request.param == "fake" else request.getfixturevalue("table_index")
    return real or FakeIndex()


@pytest.fixture(params=FAKE_AND_REAL)
def waiting_list(request: pytest.FixtureRequest) -> FakeWaitingList | TableWaitingList:
    """An empty waiting list."""
    real: TableWaitingList | None = None if request.param == "fake" else request.getfixturevalue("table_waiting_list")
    return real or FakeWaitingList()


@pytest.fixture(params=FAKE_AND_REAL)
def moved(request: pytest.FixtureRequest) -> FakeMovedAccounts | TableMovedAccounts:
    """No account has moved."""
    real: TableMovedAccounts | None = None if request.param == "fake" else request.getfixturevalue("table_moved")
    return real or FakeMovedAccounts()


@pytest.fixture(params=FAKE_AND_REAL)
def nights(request: pytest.FixtureRequest) -> FakeNights | TableNights:
    """No night has begun."""
    real: TableNights | None = None if request.param == "fake" else request.getfixturevalue("table_nights")
    return real or FakeNights()


@pytest.fixture(params=FAKE_AND_REAL)
def blobs(request: pytest.FixtureRequest) -> FakeBlobs | AllBlobs:
    """Empty containers."""
    real: AllBlobs | None = None if request.param == "fake" else request.getfixturevalue("blob_containers")
    return real or FakeBlobs()


def fresh_name() -> str:
    """A new name that is valid for a table and for a container."""
    return f"t{uuid4().hex}"
