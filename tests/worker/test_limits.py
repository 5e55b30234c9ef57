"""Limits in the message handler: whose use they count, what a refusal says, when a warning is published."""

from dataclasses import replace

from dev.fakes.accounts import daily
from dev.fakes.world import World
from shared import worker
from shared.core.keys import Key
from shared.core.lifecycle.state import State
from shared.core.money.allowance import Allowance, Period
from shared.core.money.entries import Move
from shared.core.money.limits import Effect, Limit, Scope, Unit
from shared.core.money.windows import Span
from shared.core.reasons import Reason
from shared.worker.accounts import Command


async def team() -> World:
    """An account with two users."""
    world = World()
    await world.open_account("acme", 100)
    return world


async def test_a_users_limit_blocks_that_user_only() -> None:
    """The user's own windows count in the user's row; the account's go on."""
    world, mine = await team(), replace(daily(1), scope=Scope.USER)
    await worker.set_limit(world.deps, "acme", mine, Command(command_id="l"), user_id="bob")
    for user_id in ("bob", "bob", "eve", "eve"):
        await world.ask(Key(user_id, f"{len(world.store.saved_generations)}", "acme"))
    states = [each.state for each in world.store.saved_generations.values()]
    assert states == [State.RUNNING, State.REJECTED, State.RUNNING, State.RUNNING]
    (event,) = world.events
    assert event.reason is Reason.OVER_LIMIT
    assert "Used or held: 1 of 1 of the user's limit 'daily' per day" in (event.text or "")
    now = world.now()
    assert world.store.saved_users["acme", "bob"].usage.used(now)[Span.DAY][0] == 1
    assert world.account("acme").usage.used(now)[Span.DAY][0] == 3
    world.books_balance()


async def test_a_limit_in_usd_counts_the_worst_case_until_the_measured_cost_is_known() -> None:
    """A release gives back what was not spent, in both rows."""
    world, key = await team(), Key("bob", "one", "acme")
    await world.ask(key, num_outputs=2)
    worst = world.generation(key).hold.worst_cost_usd_micros
    now = world.now()
    assert worst == 6000
    for usage in (world.account("acme").usage, world.store.saved_users["acme", "bob"].usage):
        assert usage.used(now)[Span.DAY] == (2, worst)
    world.replicate.succeed(world.replicate.only_id)
    await world.webhook(world.replicate.only_id)
    cost = world.generation(key).cost_usd_micros
    assert 0 < cost < worst
    for usage in (world.account("acme").usage, world.store.saved_users["acme", "bob"].usage):
        assert usage.used(now)[Span.DAY] == (1, cost)
    world.books_balance()


async def test_a_warning_is_in_the_history_of_the_generation_that_reached_it() -> None:
    """Once in a window, and nothing is refused."""
    world = World()
    await world.open_account()
    limit = Limit(limit_id="budget", window=Span.MONTH, amount=10_000, unit=Unit.USD, effect=Effect.WARN)
    await worker.set_limit(world.deps, "ada", limit, Command(command_id="l"))
    for number in range(4):
        await world.ask(Key("ada", f"{number}"))
    warned = [
        (key.generation_id, facts["percent"]) for name, key, facts in world.telemetry.steps if name == "limit_warned"
    ]
    assert warned == [("1", 50), ("2", 80), ("3", 100)]
    assert not world.events
    assert "limit_warned" in {entry.step for entry in world.generation(Key("ada", "1")).history}


async def test_the_limits_of_a_plan_hold_for_its_accounts() -> None:
    """A limit of the account of the same scope and id replaces the plan's."""
    world = World()
    await world.open_account()
    plan = replace(world.deps.plans["premium"], limits=(daily(1),))
    plans = replace(world.deps.plans, plans={**world.deps.plans.plans, "premium": plan})
    world.deps = replace(world.deps, plans=plans)
    await world.ask(Key("ada", "1"))
    await world.ask(Key("ada", "2"))
    assert world.saved(Key("ada", "2")).reason is Reason.OVER_LIMIT
    await worker.set_limit(world.deps, "ada", daily(2), Command(command_id="l"))
    await world.ask(Key("ada", "3"))
    assert not world.saved(Key("ada", "3")).state.ended


async def test_the_allowance_of_a_plan_pays_for_requests() -> None:
    """It is posted with the first move of its period, in the transaction of the hold."""
    world = World()
    await worker.set_plan(world.deps, "ada", "premium", Command(command_id="p"))
    plan = replace(world.deps.plans["premium"], allowance=Allowance(credits=2, period=Period.MONTHLY))
    world.deps = replace(world.deps, plans=replace(world.deps.plans, plans={**world.deps.plans.plans, "premium": plan}))
    for number in range(3):
        await world.ask(Key("ada", f"{number}"))
    assert [event.reason for event in world.events] == [Reason.NO_CREDITS]
    assert [entry.move for entry in world.store.entries][1:3] == [Move.ALLOWANCE, Move.HOLD]
    assert world.balances() == (0, 2, 0)
    world.books_balance()
