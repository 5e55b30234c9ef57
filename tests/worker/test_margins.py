"""A model below its margin, end to end; and what the record of an end says that it was sold for."""

from dataclasses import replace
from typing import Any

import pytest

from dev.fakes.world import KEY, World
from shared.core.catalog.margin import sold
from shared.core.lifecycle.generation import Closed
from shared.core.lifecycle.state import State
from shared.core.reasons import Reason

CENT = 10_000


def published(world: World) -> Any:
    """The facts of the one end."""
    (found,) = [facts for name, _, facts in world.telemetry.steps if name == "published"]
    return found


async def test_a_model_below_its_margin_is_refused_and_no_credit_moves(world: World) -> None:
    """The user reads why, and nothing is created."""
    world.deps = replace(world.deps, catalog=sold(world.deps.catalog, world.deps.plans, CENT))
    before = world.balances()
    await world.ask(model="flux-dev")
    generation = world.saved()
    assert isinstance(generation, Closed)
    assert (generation.state, generation.reason) == (State.REJECTED, Reason.BELOW_MARGIN)
    assert generation.text.startswith("flux-dev is not offered here: its price in credits is too low for it.")
    assert (world.balances(), world.replicate.running) == (before, [])


@pytest.mark.parametrize(
    ("credit", "loss", "said"), [(CENT, False, 20_000), (0, False, ""), (CENT, True, "")], ids=["sold", "unset", "loss"]
)
async def test_the_record_of_an_end_says_what_it_was_sold_for(
    world: World, credit: int, *, loss: bool, said: int | str
) -> None:
    """But not without a price of a credit, nor for a model that may lose money: an alert compares it with the cost."""
    catalog = world.deps.catalog
    model = replace(catalog.models["flux-dev"], allow_loss=loss)
    changed = replace(catalog, models={**catalog.models, "flux-dev": model}, credit_usd_micros=credit)
    world.deps = replace(world.deps, catalog=changed)
    await world.ask(model="flux-dev")
    world.replicate.succeed(world.replicate.only_id, [b"picture"])
    await world.webhook(world.replicate.only_id)
    assert world.generation().key == KEY
    assert (published(world)["cost_usd_micros"], published(world)["sold_usd_micros"]) == (25_000, said)
