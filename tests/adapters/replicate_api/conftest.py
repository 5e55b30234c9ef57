"""Fixtures of the Replicate client's tests."""

from collections.abc import AsyncIterator

import pytest

from tests.adapters.replicate_api.world import World, running_world


@pytest.fixture
async def world() -> AsyncIterator[World]:
    """A fresh simulator with a client on it; what contradicts the contract fails the test."""
    async with running_world() as world:
        yield world
