"""A world for each test."""

import pytest_asyncio

from dev.fakes.world import World


@pytest_asyncio.fixture
async def world() -> World:
    """Ada has 10 credits on the premium plan."""
    made = World()
    await made.open_account()
    return made
