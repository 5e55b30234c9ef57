"""Fixtures of the Replicate simulator's tests."""

from collections.abc import AsyncIterator

import pytest

from replicate_simulator_tests.world import Receiver, World, running_receiver, running_world


@pytest.fixture
async def world() -> AsyncIterator[World]:
    """A fresh simulator at real time."""
    async with running_world() as world:
        yield world


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    """A fresh webhook endpoint."""
    async with running_receiver() as receiver:
        yield receiver
