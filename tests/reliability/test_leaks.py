"""The simulator's own check for leaks finds every leak."""

import pytest

from dev.fakes.catalogs import NOTED, writing
from dev.fakes.world import KEY, World
from dev.simulation.promise import Broken
from dev.simulation.secrecy import nothing_secret
from shared.core.lifecycle.steps import LogStep
from shared.core.metric import Metric
from shared.core.requests.fields import WRITTEN
from shared.core.requests.messages import GenerationRequest


async def opened(name: str) -> World:
    """A world with a generation whose field of this name has a text of its own."""
    world = World(catalog=NOTED)
    await world.open_account()
    await world.ask(**writing(name, "a-secret-of-mine"))
    request = world.generation().request
    assert isinstance(request, GenerationRequest)
    assert "a-secret-of-mine" in request.written_texts
    nothing_secret(world)
    return world


@pytest.mark.parametrize("place", ["step", "count", "archive"])
@pytest.mark.parametrize("name", WRITTEN)
async def test_a_leak_of_each_written_field_is_found(name: str, place: str) -> None:
    """It is found in a step, a count and the archive's metadata, and without the leak nothing is found."""
    world = await opened(name)
    if place == "step":
        world.telemetry.step(LogStep.OBSERVED, KEY, text="it said: a-secret-of-mine")
    elif place == "count":
        world.telemetry.count(Metric.GENERATIONS, model="a-secret-of-mine")
    else:
        await world.blobs.archive("ada/one.json", b"{}", {"why": "a-secret-of-mine"})
    with pytest.raises(Broken, match="nothing secret leaves"):
        nothing_secret(world)
