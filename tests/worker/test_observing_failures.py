"""Failures that Replicate reports: the hold is released with a reason, or the next model is tried."""

import pytest

from dev.fakes.world import World
from shared.core.lifecycle.state import State
from shared.core.reasons import Reason


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        ("NSFW content detected.", Reason.CONTENT_REFUSED),
        ("ValueError: width must be a multiple of 8", Reason.PROVIDER_REFUSED),
        ("You have insufficient credit to run this model.", Reason.PROVIDER_UNAVAILABLE),
        ("Prediction interrupted; please retry (code: PA)", Reason.PROVIDER_FAILED),
        ("list index out of range", Reason.PROVIDER_FAILED),
    ],
)
async def test_a_failed_prediction_releases_and_says_why(world: World, error: str, reason: Reason) -> None:
    """Each class of failure has its code; none is charged."""
    await world.ask()
    world.replicate.fail(world.replicate.only_id, error)
    await world.webhook(world.replicate.only_id)
    assert (world.events[0].outcome, world.events[0].reason) == ("failed", reason)
    assert world.balances() == (10, 0, 0)
    world.at_rest()


async def test_a_transient_failure_goes_on_with_the_next_model(world: World) -> None:
    """flux-1.1-pro fails, flux-dev answers: within the hold, at its own price, with inputs mapped anew."""
    await world.ask(model="flux-1.1-pro", width=1024, height=768)
    assert world.balances() == (5, 5, 0)
    world.replicate.fail(world.replicate.only_id, "Prediction interrupted; please retry (code: PA)")
    await world.webhook(world.replicate.only_id)
    await world.pump()
    attempt = world.generation().attempt
    assert (attempt.number, attempt.model, attempt.inputs["aspect_ratio"]) == (2, "flux-dev", "4:3")
    assert world.balances() == (5, 5, 0)
    second = world.replicate.ids()[1]
    world.replicate.succeed(second)
    await world.webhook(second)
    assert world.balances() == (8, 0, 2)
    assert (world.events[0].model, world.events[0].attempts) == ("flux-dev", 2)
    world.at_rest()


async def test_the_chain_ends_and_then_everything_is_released(world: World) -> None:
    """Three models fail one after the other."""
    await world.ask(model="flux-1.1-pro")
    for number in range(3):
        prediction_id = world.replicate.ids()[number]
        world.replicate.fail(prediction_id, "(code: PA)")
        await world.webhook(prediction_id)
        await world.pump()
    assert len(world.replicate.ids()) == 3
    assert world.events[0].reason is Reason.PROVIDER_FAILED
    assert world.balances() == (10, 0, 0)
    world.at_rest()


@pytest.mark.parametrize("error", ["flagged as sensitive (E005)", "width must be 8", "Insufficient credit"])
async def test_no_fallback_for_content_input_or_credit(world: World, error: str) -> None:
    """Another model would not make it right."""
    await world.ask(model="flux-1.1-pro")
    world.replicate.fail(world.replicate.only_id, error)
    await world.webhook(world.replicate.only_id)
    await world.pump()
    assert len(world.replicate.ids()) == 1
    assert world.generation().state is State.FAILED


async def test_no_fallback_where_the_user_wants_none(world: World) -> None:
    """With ``allow_fallback: false`` the first failure is final."""
    await world.ask(model="flux-1.1-pro", allow_fallback=False)
    world.replicate.fail(world.replicate.only_id, "(code: PA)")
    await world.webhook(world.replicate.only_id)
    assert world.generation().state is State.FAILED
    world.at_rest()


async def test_canceled_at_replicate_is_a_time_out(world: World) -> None:
    """Cancel-After struck while it ran: failed, released."""
    await world.ask()
    world.replicate.cancel_by_deadline(world.replicate.only_id)
    await world.webhook(world.replicate.only_id)
    assert (world.events[0].outcome, world.events[0].reason) == ("failed", Reason.TIMED_OUT)
    assert world.balances() == (10, 0, 0)
    world.at_rest()


async def test_aborted_before_it_started_goes_on_with_the_next_model(world: World) -> None:
    """It never got a machine and was not charged; another model may get one."""
    await world.ask(model="flux-dev")
    world.replicate.abort(world.replicate.only_id)
    await world.webhook(world.replicate.only_id)
    await world.pump()
    attempt = world.generation().attempt
    assert (attempt.number, attempt.model) == (2, "flux-schnell")
