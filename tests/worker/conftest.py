"""A world for each test."""

from dataclasses import replace

import pytest
import pytest_asyncio

from dev.fakes.world import World
from tests.worker.line import Line


@pytest_asyncio.fixture
async def world() -> World:
    """Ada has 10 credits on the premium plan."""
    made = World()
    await made.open_account()
    return made


@pytest.fixture
def line(world: World) -> Line:
    """The world's store, which can stop."""
    made = Line()
    vars(made).update({name: each for name, each in vars(world.store).items() if name not in ("steps", "fails")})
    world.store = made
    world.deps = replace(world.deps, store=made)
    return made
