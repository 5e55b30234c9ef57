"""One stack for all tests of the road, and what the other stacks share."""

import os
from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio

from dev import azurite, process
from dev.forks import forking
from tests.stack.chaos import Chaos
from tests.stack.road import Ground, Road, open_road

#: Files whose tests come last, in this order.
LAST = (CHAOS := "test_chaos.py", "test_log.py")

#: An account of Azurite for each stack of a test, and some more.
ACCOUNTS = tuple(f"stack{number}" for number in range(24))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run the test of the log last, because it covers the whole session, and that of chaos (chaos.py) before it.

    Those that use the shipped stack come one after another: an idle host costs a twentieth of a core.
    """

    def place(item: pytest.Item) -> tuple[int, bool]:
        last = LAST.index(item.path.name) if item.path.name in LAST else -1
        return last, "shipped" in getattr(item, "fixturenames", ())

    items.sort(key=place)


@pytest.fixture(scope="session", autouse=True)
def chaos(request: pytest.FixtureRequest, starter: process.Starter) -> Iterator[Chaos]:
    """Chaos, which has begun if its test is among those to come and there are others to wait with."""
    with Chaos(starter) as found:
        if {CHAOS} < {item.path.name for item in request.session.items} and "PYTEST_XDIST_WORKER" not in os.environ:
            found.begin()
        yield found


@pytest.fixture(scope="session")
def starter() -> Iterator[process.Starter]:
    """Starts programs of ours; in forked processes, where the system can."""
    with forking() as found:
        yield found


@pytest_asyncio.fixture(scope="session")
async def ground(starter: process.Starter) -> AsyncIterator[Ground]:
    """An Azurite and a starter for all stacks: each has an account of its own, and processes of its own."""
    storage = await azurite.start(accounts=ACCOUNTS)
    yield Ground(starter, storage, iter(ACCOUNTS))
    await storage.stop()


@pytest_asyncio.fixture(scope="session")
async def shipped(ground: Ground) -> AsyncIterator[Road]:
    """A stack with the settings and the policy that ship."""
    async with open_road(ground) as opened:
        yield opened


@pytest_asyncio.fixture(scope="session")
async def road(shipped: Road) -> Road:
    """A running stack and the app in front of it; some modules have one of their own."""
    return shipped
