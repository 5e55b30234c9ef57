"""A wait for a turn uses up no patience: what has waited for long is not given up at the first trouble after it."""

from dataclasses import replace

import pytest

from dev.fakes.accounts import daily
from dev.fakes.world import World
from shared import worker
from shared.core.keys import Key
from shared.core.lifecycle.generation import Closed, Generation
from shared.core.lifecycle.state import State
from shared.core.money.limits import Effect
from shared.core.provider.prediction import DeferReason, NotCreated
from shared.core.reasons import Reason
from shared.worker.accounts import Command
from tests.worker.test_turns import ask, finish, hold_and_pause, keys, looks, parked, plans

HOUR = 3600


@pytest.fixture
async def world() -> World:
    """Ada has credits; of an account one generation may be in flight."""
    made = World(credits=100, plans=plans(concurrency=1))
    await made.open_account()
    return made


def lose_copies(world: World) -> None:
    """All that was scheduled is lost."""
    world.messenger.scheduled.clear()


async def test_a_request_that_has_waited_for_its_turn_waits_for_a_dependency_as_long_as_any(world: World) -> None:
    """Ten hours for the turn, then screening is down, and its copy is lost: it has six hours from there."""
    await ask(world, *keys(2))
    world.pass_time(10 * HOUR)
    await finish(world, 0)
    world.screener.down = True
    await looks(world)
    second = Key("ada", "g1")
    assert world.saved(second).reason is Reason.SAFETY_UNAVAILABLE
    for _ in range(5):
        lose_copies(world)
        await world.tick(HOUR)
    assert world.saved(second).reason is Reason.SAFETY_UNAVAILABLE
    assert not world.saved(second).state.ended
    lose_copies(world)
    await world.tick(2 * HOUR)
    ended = world.saved(second)
    assert isinstance(ended, Closed)
    assert ended.reason is Reason.SAFETY_UNAVAILABLE


async def held_and_parked(world: World) -> Key:
    """Its first create was throttled and paused, and it has waited ten hours for its turn, which another one has."""
    await hold_and_pause(world)
    await world.ask(Key("ada", "dev"), model="flux-dev")
    world.pass_time(100)
    await world.pump()
    assert parked(world) == ["g0"]
    world.pass_time(10 * HOUR)
    return Key("ada", "g0")


async def test_a_hold_that_has_waited_for_its_turn_is_not_given_up_at_the_first_429(world: World) -> None:
    """Its create is throttled once more, and then it goes on."""
    held = await held_and_parked(world)
    world.replicate.answer_next_create_with(NotCreated(DeferReason.THROTTLED, 30))
    await finish(world, 0)
    await looks(world)
    assert world.generation(held).state is State.WAITING
    await world.tick(60)
    assert world.generation(held).state is State.RUNNING


async def test_its_patience_ends_six_hours_after_its_turn(world: World) -> None:
    """However often its create is throttled."""
    held = await held_and_parked(world)
    await finish(world, 0)
    for hour in range(7):
        assert not world.generation(held).state.ended, hour
        for _ in range(12):
            world.replicate.answer_next_create_with(NotCreated(DeferReason.THROTTLED, 300))
            await world.tick(300)
    ended = world.generation(held)
    assert (ended.state, ended.reason) == (State.FAILED, Reason.PROVIDER_UNAVAILABLE)
    assert world.account().held == 0


async def test_what_was_approved_and_waited_for_its_turn_waits_for_screening_as_long_as_any(world: World) -> None:
    """Its patience begins with its approval, and anew with its turn. Another policy has it screened again."""
    await worker.set_limit(world.deps, "ada", replace(daily(1), effect=Effect.APPROVE), Command(command_id="l"))
    second = Key("ada", "g1")
    await world.ask(second, num_outputs=2)
    await ask(world, *keys(1))
    await worker.approve(world.deps, second, "daily", 3, Command(command_id="y", by="operator:kim"))
    await world.pump()
    assert parked(world) == ["g1"]
    world.pass_time(10 * HOUR)
    await finish(world, 0)
    world.deps = replace(world.deps, policy=replace(world.deps.policy, version="another"))
    world.screener.down = True
    await looks(world)
    assert world.saved(second).reason is Reason.SAFETY_UNAVAILABLE
    for _ in range(5):
        lose_copies(world)
        await world.tick(HOUR)
    assert not world.saved(second).state.ended
    world.screener.down = False
    lose_copies(world)
    await world.tick(300)
    await looks(world)
    assert isinstance(world.saved(second), Generation)
