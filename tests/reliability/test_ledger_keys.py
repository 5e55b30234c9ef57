"""The ledger's keys are the last defence: an entry that passes every other guard is refused by the existing row."""

import pytest

from dev.fakes.accounts import edited
from dev.fakes.world import KEY, START, World
from shared.core.catalog.choosing import quote
from shared.core.lifecycle import opening, transitions
from shared.core.lifecycle.attempt import Delivery
from shared.core.requests.messages import GenerationRequest
from shared.ports import Conflict
from shared.worker.saving import payer_of


async def test_the_ledger_refuses_a_second_hold() -> None:
    """If the generation's row is lost (a bug, an old backup) but its hold exists, it cannot open again."""
    world = World()
    await world.open_account()
    await world.ask()
    del world.store.saved_generations[KEY]
    del world.store._etags[KEY]
    loaded = await world.store.load(KEY)
    request = GenerationRequest(key=KEY, prompt="A lighthouse", model="flux-schnell")
    catalog = world.deps.catalog
    quoted = quote(catalog, request, world.deps.plans["premium"])
    again = opening.opened(request, payer_of(world.deps, loaded), catalog, quoted, seed=1, now=START)
    with pytest.raises(Conflict):
        await world.store.commit(loaded, again)
    assert world.balances() == (9, 1, 0)


async def test_the_ledger_refuses_a_second_resolve() -> None:
    """If an ended generation is set back to running by hand, its success cannot be captured again."""
    world = World()
    await world.open_account()
    await world.ask()
    running = world.generation()
    world.replicate.succeed(world.replicate.only_id)
    await world.webhook(world.replicate.only_id)
    output = world.generation().outputs[0]
    world.store.put_generation(running)
    world.store.put_account(edited(world.account(), available=9, held=1))
    loaded = await world.store.load(KEY)
    delivery = Delivery(outputs=(output,))
    succeeded = world.replicate.predictions[world.replicate.only_id]
    again = transitions.delivered(running, payer_of(world.deps, loaded), 1, succeeded, delivery, START)
    assert again is not None
    with pytest.raises(Conflict):
        await world.store.commit(loaded, again)
