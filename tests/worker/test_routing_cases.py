"""The routing cases, on the app's own catalogue and plans: refused with a sentence and nothing charged, or served."""

from typing import Any

import pytest

from dev.fakes.catalogs import REAL
from dev.fakes.world import KEY, World, facts
from shared import worker
from shared.core.lifecycle.state import State
from shared.core.reasons import Reason


async def on_plan(plan: str) -> World:
    """A world with the app's own catalogue and ada on this plan."""
    world = World(500, REAL)
    await world.open_account()
    world.pass_time(1)
    await worker.set_plan(world.deps, "ada", plan, worker.Command(command_id="routed"))
    return world


@pytest.mark.parametrize(
    ("plan", "said", "sentence"),
    [
        (
            "premium",
            {"num_inference_steps": 600},
            "num_inference_steps cannot be 600: the nearest is 50, by flux-dev",
        ),
        ("basic", {"output_format": "bmp"}, "output_format must be one of jpg, png, webp"),
        (
            "basic",
            {"modality": "video", "duration_s": 60},
            "duration_s cannot be 60: the nearest is 10, by gen4-turbo",
        ),
        (
            "basic",
            {"modality": "audio", "kind": "music", "duration_s": 121},
            "duration_s must be from 1 to 120 for musicgen",
        ),
        (
            "basic",
            {"quality": "standard", "max_tokens": 9},
            "max_tokens is not taken by any model that could serve this: leave it out",
        ),
        (
            "basic",
            {"prompt": "x" * 501},
            "prompt has 501 characters, and must have 3 to 500 for flux-schnell",
        ),
    ],
)
async def test_what_no_model_honours_is_refused_and_not_charged(plan: str, said: dict[str, Any], sentence: str) -> None:
    """Nothing is held, nothing is created, and the event has the sentence."""
    world = await on_plan(plan)
    before = world.balances()
    await world.ask(model=None, **said)
    generation = world.saved()
    assert (generation.state, generation.reason, generation.text) == (
        State.REJECTED,
        Reason.INVALID_REQUEST,
        sentence,
    )
    assert world.balances() == before
    assert world.replicate.creates == []
    (event,) = world.events
    assert (event.outcome, facts(event)["reason"]["code"]) == ("rejected", "INVALID_REQUEST")
    world.at_rest()


async def test_a_spelling_is_served_by_the_plans_default_at_its_own_price() -> None:
    """Basic and PNG: flux-dev, two credits, and the model gets png."""
    world = await on_plan("basic")
    await world.ask(model=None, output_format="PNG")
    attempt = world.generation().attempt
    assert (attempt.model, attempt.unit_credits, attempt.inputs["output_format"]) == ("flux-dev", 2, "png")
    assert world.balances() == (498, 2, 0)
    world.replicate.succeed(world.replicate.only_id)
    await world.webhook(world.replicate.only_id)
    assert world.balances() == (498, 0, 2)
    assert world.generation(KEY).state is State.SUCCEEDED
    world.at_rest()
