"""A training goes only into a destination of the account that pays."""

import pytest

from dev.fakes.world import KEY
from shared.core.keys import Key
from shared.core.lifecycle.state import State
from shared.core.reasons import Reason
from tests.worker.modalities import ZIP, opened, train


@pytest.mark.parametrize("destination", ["bob/lora", "nobody/lora"])
async def test_a_destination_of_another_account_is_unknown(destination: str) -> None:
    """The same sentence whether it is another's or nobody's; nothing is screened, held, or handed over."""
    world = await opened()
    world.destinations.owners["bob/lora"] = "bob"
    await train(world, destination=destination)
    (event,) = world.events
    assert (event.outcome, event.reason) == ("rejected", Reason.INVALID_REQUEST)
    assert event.text.startswith("The destination is not known.")
    assert (world.screener.texts, world.screener.images, world.replicate.uploaded) == ([], [], {})
    assert (world.balances(), world.replicate.creates, world.blobs.inputs) == ((1000, 0, 0), [], {})
    world.at_rest()


async def test_a_destination_belongs_to_the_account_and_not_to_a_user() -> None:
    """Another user of the account that pays may train into it; a user of that name elsewhere may not."""
    world = await opened()
    await world.open_account("acme", 1000)
    world.destinations.owners["ada/lora"] = "acme"
    await train(world)
    assert world.saved(KEY).reason is Reason.INVALID_REQUEST
    theirs = Key("bob", "two", "acme")
    name = "acme/bob/pictures.zip"
    world.blobs.uploads[name] = ZIP
    await world.ask(theirs, model="trainer", prompt=None, input_file=name, destination="ada/lora")
    assert world.saved(theirs).state is State.RUNNING
