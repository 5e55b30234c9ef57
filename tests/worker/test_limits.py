"""Limits in the message handler: whose use they count, what a refusal says, when a warning is published."""

import json
from dataclasses import replace

import pytest

from dev.fakes.accounts import daily
from dev.fakes.catalogs import REAL_PLANS
from dev.fakes.messenger import REQUESTS
from dev.fakes.world import KEY, World, facts
from shared import worker
from shared.core.events.generation_event import Event
from shared.core.keys import Key
from shared.core.lifecycle.state import State
from shared.core.money.allowance import Allowance, Period
from shared.core.money.entries import Move
from shared.core.money.limits import Effect, Limit, Scope, Unit
from shared.core.money.plans import Plans
from shared.core.money.windows import Span
from shared.core.reasons import Reason
from shared.core.requests.parsing import parse_request
from shared.views.generation import GenerationView
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


BUDGET = Limit(limit_id="budget", window=Span.MONTH, amount=10_000, unit=Unit.USD, effect=Effect.WARN)


async def warned_world(limit: Limit = BUDGET) -> World:
    """Ada, whose pictures cost up to 3,000 USD micros each, with a limit that warns."""
    world = World()
    await world.open_account()
    await worker.set_limit(world.deps, "ada", limit, Command(command_id="l"))
    return world


async def test_a_warning_is_published_once_for_each_step() -> None:
    """With the generation that reached it: an event, its answer, its history, and what is shown of it."""
    world = await warned_world()
    for number in range(5):
        await world.ask(Key("ada", f"{number}"))
    assert not world.generation(Key("ada", "4")).notices
    published = [(event.key and event.key.generation_id, event.notice.step) for event in world.messenger.warnings]
    assert published == [("1", 50), ("2", 80), ("3", 100)]
    assert len({event.event_id for event in world.messenger.warnings}) == 3
    assert not world.events
    one = world.generation(Key("ada", "1"))
    assert "limit_warned" in {entry.step for entry in one.history}
    text = "50 % of the account's limit 'budget' per month are used or held."
    wanted = [{"limit": {"id": "budget", "scope": "account", "window": "month"}, "percent": 50, "text": text}]
    assert GenerationView(one, None).as_json()["limit_warnings"] == wanted
    assert ("warning", text) in GenerationView(one, None).as_lines(world.now())
    await world.cancel(one.key)
    await world.settle()
    assert next(facts(event) for event in world.events if event.key == one.key)["limit_warnings"] == wanted
    assert len(world.messenger.warnings) == 3
    world.books_balance()


async def test_a_window_has_warnings_of_its_own() -> None:
    """And what is given back does not make a step be reached twice."""
    world = await warned_world(replace(BUDGET, window=Span.HOUR))
    await world.ask(Key("ada", "1"), num_outputs=2)
    await world.cancel(Key("ada", "1"))
    await world.settle()
    await world.ask(Key("ada", "2"), num_outputs=2)
    world.pass_time(3600)
    await world.ask(Key("ada", "3"), num_outputs=2)
    assert [event.key and event.key.generation_id for event in world.messenger.warnings] == ["1", "3"]


def warns(amount: int) -> Limit:
    """A limit of a plan, by the id that all plans' limits of this kind have."""
    return Limit(limit_id="plan-month-credits-warn", window=Span.MONTH, amount=amount, effect=Effect.WARN)


async def test_a_plan_that_warns_at_another_amount_warns_anew() -> None:
    """After an upgrade and after a change of the file: plans' limits share their ids."""
    small, large = (replace(REAL_PLANS["premium"], name=f"to-{n}", limits=(warns(n),)) for n in (4, 20))
    world = World(100, plans=Plans("t", {**REAL_PLANS, "to-4": small, "to-20": large}, "free"))
    await worker.grant(world.deps, "ada", 100, grant_id="g")
    await worker.set_plan(world.deps, "ada", "to-4", Command(command_id="small"))
    await world.ask(Key("ada", "1"), num_outputs=4)
    world.pass_time(1)
    await worker.set_plan(world.deps, "ada", "to-20", Command(command_id="large"))
    for number in range(2, 6):
        await world.ask(Key("ada", f"{number}"), num_outputs=4)
    warned = [(event.notice.limit.amount, event.notice.step) for event in world.messenger.warnings]
    assert warned == [(4, 100), (20, 50), (20, 80), (20, 100)]
    assert len(world.account().warned) == 1


@pytest.mark.parametrize("user_id", ["kim", "acme"])
async def test_a_limit_for_each_user_that_was_changed_warns_each_anew(user_id: str) -> None:
    """The memory is in the users' rows, and the command changes the account's."""
    world, limit = await team(), replace(daily(2), scope=Scope.USER, effect=Effect.WARN)
    await worker.set_limit(world.deps, "acme", limit, Command(command_id="2"))
    await world.ask(Key(user_id, "1", "acme"), num_outputs=2)
    world.pass_time(1)
    await worker.set_limit(world.deps, "acme", replace(limit, amount=6), Command(command_id="6"))
    await world.ask(Key(user_id, "2", "acme"))
    world.pass_time(1)
    await worker.set_limit(world.deps, "acme", replace(limit, window=Span.WEEK), Command(command_id="week"))
    await world.ask(Key(user_id, "3", "acme"))
    warned = [(event.notice.limit.amount, event.notice.step) for event in world.messenger.warnings]
    assert warned == [(2, 100), (6, 50), (2, 100)]


async def test_a_limit_that_was_changed_warns_anew_and_the_same_limit_does_not() -> None:
    """Half of the new amount is another event."""
    world = await warned_world()
    await world.ask(Key("ada", "1"), num_outputs=2)
    await worker.set_limit(world.deps, "ada", BUDGET, Command(command_id="again"))
    await world.ask(Key("ada", "2"))
    await worker.set_limit(world.deps, "ada", replace(BUDGET, amount=20_000), Command(command_id="more"))
    await world.ask(Key("ada", "3"))
    steps = [(event.notice.limit.amount, event.notice.step) for event in world.messenger.warnings]
    assert steps == [(10_000, 50), (10_000, 80), (20_000, 50)]


@pytest.mark.parametrize("who", ["request", "check", "dead letter"])
async def test_a_warning_that_a_crash_left_unpublished_is_published(who: str) -> None:
    """By whoever continues with the generation."""
    world = await warned_world()
    publish = world.messenger.publish

    async def dies(event: Event, again: str = "") -> None:
        raise OSError("the worker dies")

    world.messenger.publish = dies  # type: ignore[method-assign]  # until the crash
    with pytest.raises(OSError, match="dies"):
        await world.ask(num_outputs=4)
    world.messenger.publish = publish  # type: ignore[method-assign]
    assert not world.messenger.warnings
    if who == "request":
        await world.ask(num_outputs=4)
    elif who == "check":
        await world.tick(3600)
    else:
        body = {**KEY.in_message, "prompt": "A lighthouse at night", "model": "flux-schnell"}
        raw = json.dumps(body | {"num_outputs": 4}).encode()
        await worker.dead_letter(world.deps, parse_request(raw)[0], raw, REQUESTS)
    assert [event.notice.step for event in world.messenger.warnings] == [100]
    world.books_balance()


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
