"""Limits in USD, and ends without a measured figure: what may have been spent still counts."""

import json

import pytest

from dev.fakes.messenger import EVENTS
from dev.fakes.world import World, read
from shared import worker
from shared.core.lifecycle.state import State
from shared.core.money.windows import Span
from shared.core.provider.prediction import DeferReason, NotCreated, OutcomeUnknown, Status
from shared.core.reasons import Reason

#: Two pictures of flux-schnell.
WORST = 6000


async def opened() -> World:
    """Ada asks for two pictures, which may cost 6,000 USD micros."""
    world = World(100)
    await world.open_account()
    await world.ask(num_outputs=2)
    assert counted(world) == WORST
    return world


def counted(world: World) -> int:
    """The USD micros that count in the account's month."""
    return world.account().usage.used(world.now())[Span.MONTH][1]


async def dead_letter(world: World) -> None:
    """The event of the prediction is dead-lettered."""
    raw = json.dumps(world.replicate.event(world.replicate.only_id).to_json()).encode()
    await worker.dead_letter(world.deps, read(raw, EVENTS), raw, EVENTS)
    assert world.generation().reason is Reason.DEAD_LETTERED


def is_released(world: World) -> None:
    """No credit is captured, and the books balance."""
    assert world.balances() == (100, 0, 0)
    world.books_balance()


async def test_an_event_that_is_dead_lettered_counts_what_its_prediction_cost() -> None:
    """The cancel finds it succeeded: two pictures were made, whoever did not get them."""
    world = await opened()
    world.replicate.succeed(world.replicate.only_id)
    await dead_letter(world)
    assert counted(world) == world.generation().cost_usd_micros > 0
    is_released(world)


async def test_what_a_dead_letter_cancels_costs_what_the_provider_says() -> None:
    """Pictures that were not made are not charged."""
    world = await opened()
    await dead_letter(world)
    assert world.prediction().status is Status.CANCELED
    assert (counted(world), world.generation().cost_usd_micros) == (0, 0)
    is_released(world)


async def test_a_dead_letter_that_hears_nothing_of_its_prediction_counts_the_worst_case() -> None:
    """It runs on. What is shown as cost stays what was measured: nothing."""
    world = await opened()
    world.replicate.down = True
    await dead_letter(world)
    assert (counted(world), world.generation().cost_usd_micros) == (WORST, 0)
    is_released(world)


async def test_a_prediction_that_is_never_heard_of_counts_the_worst_case() -> None:
    """It has succeeded, and Replicate cannot say so."""
    world = await opened()
    world.replicate.succeed(world.replicate.only_id)
    world.replicate.down = True
    for _ in range(300):
        await world.tick(60)
    assert "prediction_unheard" in {entry.step for entry in world.generation().history}
    assert (counted(world), world.generation().cost_usd_micros) == (WORST, 0)
    is_released(world)


async def test_a_prediction_that_vanished_counts_the_worst_case() -> None:
    """Replicate does not know it any more; it may have run."""
    world = await opened()
    world.replicate.forget(world.replicate.only_id)
    await world.settle()
    assert "prediction_vanished" in {entry.step for entry in world.generation().history}
    assert counted(world) == WORST
    is_released(world)


async def test_a_lost_attempt_counts_beside_the_one_that_was_measured() -> None:
    """The first create had no answer and left no trace; the second made the pictures."""
    world = World(100)
    await world.open_account()
    world.replicate.answer_next_create_with(OutcomeUnknown("timed out"))
    await world.ask(num_outputs=2)
    while world.generation().attempt.number == 1 or world.generation().state is not State.RUNNING:
        await world.tick(60)
    assert counted(world) == WORST
    prediction_id = world.generation().attempt.prediction_id or ""
    world.replicate.succeed(prediction_id)
    await world.webhook(prediction_id)
    assert world.generation().state is State.SUCCEEDED
    assert counted(world) == WORST + world.generation().cost_usd_micros
    world.books_balance()


async def test_a_success_whose_outputs_are_gone_counts_the_worst_case() -> None:
    """Nobody can say any more how many pictures it made."""
    world = await opened()
    world.replicate.succeed(world.replicate.only_id)
    world.replicate.delete_outputs(world.replicate.only_id)
    await world.webhook(world.replicate.only_id)
    await world.settle()
    assert world.generation().state is State.FAILED
    assert (counted(world), world.generation().cost_usd_micros) == (WORST, 0)
    is_released(world)


@pytest.mark.parametrize("end", ["dead letter", "cancel", "given up"])
async def test_what_was_surely_not_created_counts_nothing(end: str) -> None:
    """Replicate refused each create for the moment."""
    world = World(100)
    await world.open_account()
    for _ in range(20):
        world.replicate.answer_next_create_with(NotCreated(DeferReason.THROTTLED, 3600))
    await world.ask(num_outputs=2)
    assert (world.generation().state, counted(world)) == (State.WAITING, WORST)
    if end == "dead letter":
        raw = json.dumps({"user_id": "ada", "generation_id": "one", "type": "check"}).encode()
        await worker.dead_letter(world.deps, read(raw, EVENTS), raw, EVENTS)
    elif end == "cancel":
        await world.cancel()
    else:
        await world.settle(hours=30)
    assert world.generation().state.ended
    assert counted(world) == 0
    is_released(world)
