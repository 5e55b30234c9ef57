"""Approvals: what a caller may give, and what is said again."""

import math
from dataclasses import replace
from typing import Any

import pytest

from dev.fakes.world import KEY
from shared import worker
from tests.worker.test_approving import OPS, received, waiting


@pytest.mark.parametrize("most", [True, 2.0, 2.5, math.nan, math.inf, 2**70, -1, "2", None])
async def test_an_approval_is_of_a_whole_number_of_credits(most: Any) -> None:
    """A row with another number could not be read again, and its generation would wait for ever."""
    world = await waiting()
    before = received(world)
    with pytest.raises(ValueError, match="most_credits must be a whole number from 0 to 1000000000"):
        await worker.approve(world.deps, KEY, "daily", most, OPS)
    assert received(world) == before


async def test_an_event_that_is_published_again_is_the_same_event() -> None:
    """The request comes again, hours later: the id and the time are those of the ask; a new ask has its own time."""
    world = await waiting()
    world.pass_time(7200)
    world.messenger.forget_ids()
    await world.ask(num_outputs=2)
    first, again = (event.to_json() for event in world.messenger.approvals)
    assert first == again
    await worker.approve(world.deps, KEY, "daily", 2, OPS)
    models = world.deps.catalog.models
    dear = replace(models["flux-schnell"], credits=3)
    world.deps = replace(world.deps, catalog=replace(world.deps.catalog, models={**models, "flux-schnell": dear}))
    await world.pump()
    asked_at = world.time
    world.pass_time(60)
    world.messenger.forget_ids()
    await world.ask(num_outputs=2)
    second, again = (event.to_json() for event in world.messenger.approvals[2:])
    assert second == again
    assert second["id"] == "ada/ada/one/approval/needed/2"
    assert second["time"] == asked_at.isoformat()
