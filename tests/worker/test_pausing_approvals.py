"""Pauses and what waits for an approval: the time to decide moves, and nothing that is needed is swept meanwhile."""

from dataclasses import replace
from datetime import timedelta

import pytest

from dev.fakes.accounts import daily
from dev.fakes.world import KEY, World
from shared import worker
from shared.core.lifecycle.generation import Closed, Received
from shared.core.lifecycle.state import State
from shared.core.money.limits import Effect, Limit, Unit
from shared.core.money.windows import Span as WindowSpan
from shared.core.reasons import Reason
from shared.core.switches import Order, PauseScope, Span, Switch, Target
from shared.worker.accounts import Command
from tests.worker.test_approving import DAYS_3, OPS, PICTURE, waiting

HOUR = 3600


def pause(world: World, lasts_s: float, name: str = "p", target: Target | None = None) -> None:
    """A pause begins, and every instance knows it."""
    now = world.now()
    until = now + timedelta(seconds=lasts_s)
    order = Order(target=target or Target(PauseScope.APP), issued_at=now, command_id=name, until=until, by="kim")
    world.switches.switches = (*world.switches.switches, Switch(order, (Span(now, until),)))
    world.pass_time(5)


def resume(world: World) -> None:
    """Every pause ends by hand."""
    now = world.now()
    world.switches.switches = tuple(
        Switch(each.order, tuple(Span(span.since, min(span.until, now)) for span in each.spans))
        for each in world.switches.switches
    )
    world.pass_time(5)


async def hours(world: World, count: float) -> None:
    """So many hours pass, with a tick of the timer each half an hour."""
    for _ in range(round(count * 2)):
        await world.tick(HOUR / 2)


@pytest.mark.parametrize("by_hand", [False, True])
async def test_the_time_to_approve_moves_by_the_length_of_the_pauses(by_hand: bool) -> None:
    """Two pauses overlap: two days of the app, one of them the account's too. A cancel of them is noticed soon."""
    world = await waiting()
    await hours(world, 60)
    pause(world, (7 if by_hand else 2) * 24 * HOUR)
    await hours(world, 24)
    pause(world, 24 * HOUR, "q", Target(PauseScope.ACCOUNT, KEY.account_id))
    await hours(world, 23.5)
    if by_hand:
        resume(world)
    found = world.saved()
    assert isinstance(found, Received)
    assert found.approval is not None
    late = world.now() - found.approval.until
    assert late > timedelta(hours=35)
    await hours(world, 11.5)
    assert world.saved().reason is Reason.APPROVAL_NEEDED
    assert len(world.messenger.approvals) == 1
    await hours(world, 1.5)
    ended = world.saved()
    assert isinstance(ended, Closed)
    assert ended.reason is Reason.APPROVAL_EXPIRED
    world.at_rest()


async def test_it_can_be_approved_until_its_moved_end() -> None:
    """Three days after it was asked, and later, because it was paused for one."""
    world = await waiting()
    pause(world, 24 * HOUR)
    world.pass_time(DAYS_3 + 23 * HOUR)
    await worker.approve(world.deps, KEY, "daily", 2, OPS)
    await world.pump()
    assert world.generation().state is State.RUNNING
    other = await waiting()
    pause(other, 24 * HOUR, target=Target(PauseScope.ACCOUNT, "bo"))
    other.pass_time(DAYS_3 + HOUR)
    with pytest.raises(ValueError, match="time to approve it is over"):
        await worker.deny(other.deps, KEY, "", OPS)


async def test_the_event_says_when_its_time_really_ends() -> None:
    """The pauses that are known when it is sent count. Asked anew, it counts those that came since."""
    world = await waiting()
    (asked,) = world.messenger.approvals
    ends = world.saved().opened_at + timedelta(seconds=DAYS_3)
    assert asked.to_json()["data"]["until"] == ends.isoformat()
    pause(world, 24 * HOUR, target=Target(PauseScope.ACCOUNT, "bob"))
    pause(world, 24 * HOUR, "q")
    await worker.approve(world.deps, KEY, "daily", 2, OPS)
    models = world.deps.catalog.models
    dear = replace(models["flux-schnell"], credits=3)
    world.deps = replace(world.deps, catalog=replace(world.deps.catalog, models={**models, "flux-schnell": dear}))
    await hours(world, 25)
    again = world.messenger.approvals[-1]
    assert (again.asked.asks, again.asked.credits) == (2, 6)
    assert again.to_json()["data"]["until"] == (ends + timedelta(hours=24)).isoformat()


async def test_the_input_of_what_waits_for_a_turn_is_kept() -> None:
    """It was approved, another generation has the account's one turn for sixty days, and then it is sent."""
    world = await waiting(
        Limit(limit_id="one", window=WindowSpan.IN_FLIGHT, amount=1, unit=Unit.GENERATIONS),
        model="flux-dev",
        image_url=PICTURE,
    )
    other = replace(KEY, generation_id="other")
    await world.ask(other)
    await worker.approve(world.deps, KEY, "daily", 100, OPS)
    await world.pump()
    assert world.saved().reason is Reason.WAITS_FOR_TURN
    await world.blobs.put_input("ada/ada/gone/x.png", b"a cat", "image/png")
    world.pass_time(60 * 24 * HOUR)
    assert await worker.sweep(world.deps) == 1
    world.replicate.succeed(world.replicate.only_id)
    await world.webhook(world.replicate.only_id)
    await world.tick(5)
    assert world.generation().state is State.RUNNING
    assert world.replicate.creates[-1][1].inputs["image"]
    world.replicate.succeed(world.replicate.ids()[-1])
    await world.webhook(world.replicate.ids()[-1])
    assert not world.blobs.inputs


async def test_the_input_of_what_is_paused_is_kept() -> None:
    """Nine days after it was copied, seven of them in a pause; then it is sent."""
    world = await waiting(model="flux-dev", image_url=PICTURE)
    pause(world, 7 * 24 * HOUR)
    world.pass_time(9 * 24 * HOUR)
    assert await worker.sweep(world.deps) == 0
    await worker.approve(world.deps, KEY, "daily", 100, OPS)
    await world.pump()
    assert world.generation().state is State.RUNNING


async def raise_limit(world: World, to: int, name: str) -> None:
    """The limit that asks is another one from now on, and what waits is looked at."""
    await worker.set_limit(world.deps, "ada", replace(daily(to), effect=Effect.APPROVE), Command(command_id=name))
    await world.pump()


async def test_what_needs_an_approval_again_says_no_more_that_it_is_paused() -> None:
    """Its limit was raised during a pause and lowered again: it asks as before, and nothing is published twice."""
    world = await waiting()
    before = world.saved()
    pause(world, HOUR)
    await raise_limit(world, 50, "up")
    assert world.saved().reason is Reason.PAUSED
    world.pass_time(60)
    await raise_limit(world, 1, "down")
    found = world.saved()
    assert (found.reason, found.text) == (before.reason, before.text)
    assert "0 of 1 of the account's limit 'daily'" in found.text
    assert found.history[-1].step == "waits_for"
    again = world.saved()
    await hours(world, 3)
    assert world.saved() == again
    assert len(world.messenger.approvals) == 1


async def test_what_needs_an_approval_again_says_no_more_that_it_waits_for_its_turn() -> None:
    """Two may go on, one at a time. The limit is lowered: the second gets its turn, asks again and gives it back."""
    world = await waiting(Limit(limit_id="one", window=WindowSpan.IN_FLIGHT, amount=1, unit=Unit.GENERATIONS))
    other = replace(KEY, generation_id="other")
    await world.ask(other, num_outputs=2)
    await raise_limit(world, 50, "up")
    waits = next(key for key in (KEY, other) if world.saved(key).reason is Reason.WAITS_FOR_TURN)
    world.pass_time(1)
    await raise_limit(world, 2, "down")
    world.replicate.succeed(world.replicate.only_id)
    await world.webhook(world.replicate.only_id)
    await hours(world, 1)
    found = world.saved(waits)
    assert found.reason is Reason.APPROVAL_NEEDED
    assert "1 of 2 of the account's limit 'daily'" in found.text
    assert world.index.rows[waits].turn is None
    assert not world.waiting.rows
