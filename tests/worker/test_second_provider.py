"""A provider with other guarantees: with an idempotency key, a create of unknown outcome is sent again."""

import pytest

from dev.fakes.second_provider import SECOND, on_second
from dev.fakes.world import World
from shared.core.lifecycle.state import State
from shared.core.provider.prediction import CreateOutcome, DeferReason, NotCreated, OutcomeUnknown
from shared.core.reasons import Reason

LOST = OutcomeUnknown("no answer in time")


@pytest.fixture
async def second() -> World:
    """A world in which only the second provider runs models."""
    world = on_second(World())
    await world.open_account()
    return world


@pytest.mark.parametrize("created", [True, False])
async def test_an_unknown_outcome_is_posted_again_and_found(second: World, created: bool) -> None:
    """One prediction, whether the first POST had made it or not; long before ``Cancel-After``, and without a list."""
    second.replicate.answer_next_create_with(LOST, really_created=created)
    await second.ask()
    assert second.generation().state is State.SUBMITTING
    await second.tick(60)
    generation = second.generation()
    assert (generation.state, generation.attempt.provider) == (State.RUNNING, SECOND)
    assert (generation.attempt.number, generation.attempt.posts, len(second.replicate.creates)) == (1, 2, 2)
    assert generation.attempt.prediction_id == second.replicate.only_id
    second.replicate.succeed(second.replicate.only_id)
    await second.webhook(second.replicate.only_id)
    assert second.generation().state is State.SUCCEEDED
    second.at_rest()


@pytest.mark.parametrize("answer", [LOST, NotCreated(DeferReason.THROTTLED, 5)])
async def test_what_a_second_post_does_not_find_stays_unknown(second: World, answer: CreateOutcome) -> None:
    """Even "surely not created" is about the second POST alone: nothing is released, and the timer asks again."""
    second.replicate.answer_next_create_with(LOST, really_created=True)
    second.replicate.answer_next_create_with(answer)
    await second.ask()
    await second.tick(60)
    assert (second.generation().state, second.balances()) == (State.SUBMITTING, (9, 1, 0))
    await second.tick(60)
    assert second.generation().state is State.RUNNING
    assert len(second.replicate.creates) == 3
    assert len(second.replicate.ids()) == 1


async def test_nothing_is_posted_again_for_a_generation_that_is_to_end(second: World) -> None:
    """``Cancel-After`` ends whatever runs; then it ends as its user wished, and nothing was charged."""
    second.replicate.answer_next_create_with(LOST)
    await second.ask()
    await second.cancel()
    await second.settle()
    assert len(second.replicate.creates) == 1
    assert (second.generation().state, second.generation().reason) == (State.CANCELED, Reason.CANCELED_BY_USER)
    assert second.balances() == (10, 0, 0)
    second.at_rest()


async def test_replicates_create_is_never_posted_again() -> None:
    """It has no idempotency key: the same POST twice would be two predictions."""
    world = World()
    await world.open_account()
    world.replicate.answer_next_create_with(LOST, really_created=True)
    world.replicate.unlisted.add("prediction0000000000000001")
    await world.ask()
    await world.tick(60)
    assert world.generation().state is State.SUBMITTING
    assert len(world.replicate.creates) == 1
