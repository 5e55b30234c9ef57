"""One stack for all tests of the road, and what the other stacks share."""

import sys
from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio

from dev import azurite, process
from dev.forks import ForkServer
from tests.stack.road import Ground, Road, open_road

#: An account of Azurite for each stack of a test, and some more.
ACCOUNTS = tuple(f"stack{number}" for number in range(24))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run the test of the log last, because it covers the whole session."""
    items.sort(key=lambda item: item.path.name == "test_log.py")


@pytest.fixture(scope="session")
def starter() -> Iterator[process.Starter]:
    """Starts programs of ours; in forked processes, where the system can."""
    if sys.platform != "linux":
        yield process.execute
        return
    with ForkServer() as server:
        yield server


@pytest_asyncio.fixture(scope="session")
async def ground(starter: process.Starter) -> AsyncIterator[Ground]:
    """An Azurite and a starter for all stacks: each has an account of its own, and processes of its own."""
    storage = await azurite.start(accounts=ACCOUNTS)
    yield Ground(starter, storage, iter(ACCOUNTS))
    await storage.stop()


@pytest_asyncio.fixture(scope="session")
async def shipped(ground: Ground) -> AsyncIterator[Road]:
    """A stack with the settings and the policy that ship. Its programs start as a person's command starts them."""
    async with open_road(ground, starter=process.execute) as opened:
        yield opened


@pytest_asyncio.fixture(scope="session")
async def road(shipped: Road) -> Road:
    """A running stack and the app in front of it; some modules have one of their own."""
    return shipped
