"""A world for each test."""

import asyncio
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import replace
from functools import cache
from typing import Any

import pytest

from dev.fakes.world import World
from tests.worker.line import Line


def state(world: World) -> dict[tuple[str, str], Any]:
    """What the fakes of a world hold, but for what they know of each other and of the world's time."""
    fakes = {name: fake for name, fake in vars(world).items() if type(fake).__module__.startswith("dev.fakes.")}
    return {
        (name, attribute): value
        for name, fake in fakes.items()
        for attribute, value in vars(fake).items()
        if not callable(value) and value not in fakes.values()
    }


@cache
def opening() -> Mapping[tuple[str, str], Any]:
    """What it changes to open the account: a millisecond's work, and two thousand tests begin with it."""
    made = World()
    before = deepcopy(state(made))
    asyncio.run(made.open_account())
    return {place: value for place, value in state(made).items() if value != before[place]}


def own(value: Any) -> Any:
    """The same, which may be changed. What it holds is frozen, or a set."""
    if isinstance(value, dict):
        return {key: set(each) if isinstance(each, set) else each for key, each in value.items()}
    return list(value) if isinstance(value, list) else value


@pytest.fixture
def world() -> World:
    """Ada has 10 credits on the premium plan, and the worker was started since: it has nothing of her in memory."""
    made = World()
    for (fake, attribute), value in opening().items():
        setattr(getattr(made, fake), attribute, own(value))
    return made


@pytest.fixture
def line(world: World) -> Line:
    """The world's store, which can stop."""
    made = Line()
    vars(made).update({name: each for name, each in vars(world.store).items() if name not in ("steps", "fails")})
    world.store = made
    world.deps = replace(world.deps, store=made)
    return made
