"""Fixtures of the Replicate client's tests."""

from collections.abc import AsyncIterator

import pytest

from shared.adapters.replicate.sdk.connector import ReplicateConnector
from tests.adapters.replicate_api.world import TOKEN, World, running_world


@pytest.fixture
async def world() -> AsyncIterator[World]:
    """A fresh simulator with a client on it; what contradicts the contract fails the test."""
    async with running_world() as world:
        yield world


@pytest.fixture
async def connector(world: World) -> AsyncIterator[ReplicateConnector]:
    """A user's connector, connected with the only credential there is."""
    connector = ReplicateConnector(api_url=f"{world.url}/v1")
    assert await connector.connect({"api_token": TOKEN})
    yield connector
    await connector.disconnect()
