"""Plans in the message handler: what a generation keeps of its plan, and an account whose plan is there no more."""

from dataclasses import replace

from dev.fakes.catalogs import REAL_PLANS
from dev.fakes.screener import UNSAFE_IMAGE
from dev.fakes.world import KEY, World
from shared import worker
from shared.core.keys import Key
from shared.core.lifecycle.state import State
from shared.core.money.plans import Plans
from shared.core.reasons import Reason
from shared.core.safety.moderation import Category

GOLD = replace(REAL_PLANS["basic"], name="gold")
WITH_GOLD = Plans("test", {**REAL_PLANS, "gold": GOLD}, "free")


async def gold_world() -> World:
    """Ada has the plan gold."""
    world = World(plans=WITH_GOLD)
    await world.open_account()
    world.pass_time(1)
    await worker.set_plan(world.deps, "ada", "gold", worker.Command(command_id="gold"))
    return world


def use_plans(world: World, plans: Plans) -> None:
    """Restart the app with these plans."""
    world.deps = replace(world.deps, plans=plans)


async def test_an_own_plan_decides_like_one_of_ours() -> None:
    """Its default serves, its tier bounds, and the generation names it."""
    world = await gold_world()
    await world.ask(model=None)
    await world.ask(Key("ada", "two"), model="flux-1.1-pro")
    assert (world.generation().plan, world.generation().chain[0]) == ("gold", "flux-dev")
    assert world.saved(Key("ada", "two")).reason is Reason.PLAN_TOO_LOW


async def test_an_account_without_a_plan_has_the_default_one() -> None:
    """The generation keeps its name, so that another default later changes nothing of it."""
    world = World()
    await worker.grant(world.deps, "ada", 10, grant_id="welcome")
    await world.ask(model=None)
    assert world.account().plan == ""
    assert (world.generation().plan, world.generation().chain[0]) == ("free", "flux-schnell")
    assert world.generation().screenings[0].plan == "free"


async def test_a_generation_keeps_the_plan_it_was_opened_with() -> None:
    """Its outputs are screened by that plan's thresholds, whatever the account has meanwhile."""
    world = World()
    await world.open_account()
    policy = replace(world.deps.policy, plans={"premium": {Category.SEXUAL: 8}})
    world.deps = replace(world.deps, policy=policy)
    await world.ask()
    world.pass_time(1)
    await worker.set_plan(world.deps, "ada", "free", worker.Command(command_id="down"))
    world.replicate.succeed(world.replicate.only_id, [UNSAFE_IMAGE])
    await world.settle()
    assert (world.generation().state, world.generation().plan) == (State.SUCCEEDED, "premium")
    assert {record.plan for record in world.generation().screenings} == {"premium"}
    world.at_rest()


async def test_a_request_of_an_account_whose_plan_is_gone_waits_and_is_served_when_it_is_back() -> None:
    """No other plan stands in for it, nothing is held, and the row and the metric say why it waits."""
    world = await gold_world()
    use_plans(world, REAL_PLANS)
    await world.ask(model=None)
    waiting = world.saved()
    assert (waiting.state, waiting.reason) == (State.RECEIVED, Reason.PLAN_UNAVAILABLE)
    assert world.balances() == (10, 0, 0)
    assert world.telemetry.total("darkroom.deferrals") == 1
    assert not world.replicate.creates
    assert not world.events
    use_plans(world, WITH_GOLD)
    world.pass_time(10)
    await world.pump()
    assert (world.generation().state, world.generation().plan) == (State.RUNNING, "gold")


async def test_another_plan_for_the_account_ends_the_wait_too() -> None:
    """The operator may set one that there is."""
    world = await gold_world()
    use_plans(world, REAL_PLANS)
    await world.ask(model=None)
    world.pass_time(1)
    await worker.set_plan(world.deps, "ada", "premium", worker.Command(command_id="mended"))
    world.pass_time(10)
    await world.pump()
    assert (world.generation().plan, world.generation().chain[0]) == ("premium", "flux-1.1-pro")


async def test_a_plan_that_stays_away_ends_the_request_without_charge() -> None:
    """After ``patience_s`` it is rejected, and the event says why."""
    world = await gold_world()
    use_plans(world, REAL_PLANS)
    await world.ask(model=None)
    await world.settle()
    assert [event.reason for event in world.events] == [Reason.PLAN_UNAVAILABLE]
    assert (world.saved().state, world.balances()) == (State.REJECTED, (10, 0, 0))
    world.at_rest()


async def test_what_is_open_goes_on_when_its_plan_is_gone() -> None:
    """A generation needs its plan only to open."""
    world = await gold_world()
    await world.ask(model=None)
    use_plans(world, REAL_PLANS)
    world.replicate.succeed(world.replicate.only_id)
    await world.settle()
    assert (world.generation().state, world.generation().plan) == (State.SUCCEEDED, "gold")
    world.at_rest()


async def test_a_request_cannot_name_its_plan() -> None:
    """The plan is the account's. The field is unknown, and the event says so."""
    world = World()
    await worker.grant(world.deps, "ada", 10, grant_id="welcome")
    await world.ask(KEY, model=None, plan="premium")
    assert (world.generation().plan, world.generation().ignored_fields) == ("free", ("plan",))
