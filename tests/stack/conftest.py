"""One stack for all tests of the road."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.stack.road import Road, open_road


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run the test of the log last, because it covers the whole session."""
    items.sort(key=lambda item: item.path.name == "test_log.py")


@pytest_asyncio.fixture(scope="session")
async def road() -> AsyncIterator[Road]:
    """A running stack and the app in front of it."""
    async with open_road() as opened:
        yield opened
