"""A cancel that is faster than the request whose input is being fetched."""

from dataclasses import replace

from dev.fakes.inputs import FakeInputs
from dev.fakes.world import World
from shared.core.lifecycle.state import State


async def test_an_input_that_lost_against_a_cancel_goes_at_once(world: World) -> None:
    """It is stored after the end: the call that stored it deletes it, and does not leave it to the timer."""

    class Overtaken(FakeInputs):
        async def get(self, url: str) -> bytes:
            await world.cancel()
            return url.encode()

    world.deps = replace(world.deps, inputs=Overtaken())
    await world.ask(model="flux-dev", image_url="https://pictures.example/cat.png")
    assert world.saved().state is State.CANCELED
    assert world.blobs.inputs == {}
    assert world.replicate.predictions == {}
