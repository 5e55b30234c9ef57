"""Deferring: waits grow and are not in step, some messages are left to the timer, and patience has an end."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta

import pytest

from dev.fakes.provider import FakeReplicate
from dev.fakes.world import KEY, START, World
from shared import worker
from shared.core.dependency import Dependency
from shared.core.lifecycle.state import State
from shared.core.provider.guarantees import REPLICATE, PredictionRef
from shared.core.provider.prediction import DeferReason, NotCreated, Prediction
from shared.core.reasons import Reason
from shared.core.requests.messages import Check
from shared.ports import Unavailable
from shared.worker.deferring import backoff_s, deferred_until


class CircuitOpen(FakeReplicate):
    """A Replicate whose circuit is open: reads raise Unavailable with a hint of ``wait_s``."""

    wait_s = 0.0

    async def get(self, ref: PredictionRef) -> Prediction | None:
        """Raise Unavailable."""
        if self.wait_s:
            raise Unavailable(Dependency.REPLICATE, "circuit open", self.wait_s)
        return await super().get(ref)

    @asynccontextmanager
    async def fetch(self, uri: str, most_bytes: int) -> AsyncIterator[AsyncIterator[bytes]]:
        """Raise Unavailable."""
        if self.wait_s:
            raise Unavailable(Dependency.REPLICATE, "circuit open", self.wait_s)
        async with super().fetch(uri, most_bytes) as chunks:
            yield chunks


async def running(wait_s: float) -> tuple[World, CircuitOpen]:
    """A running generation, and a Replicate whose circuit is open."""
    world = World()
    await world.open_account()
    replicate = CircuitOpen(world.now)
    world.replicate, world.deps = replicate, replace(world.deps, providers={REPLICATE: replicate})
    await world.ask()
    replicate.wait_s = wait_s
    return world, replicate


def test_waits_grow_and_chance_shortens_them() -> None:
    """2, 4, 8 ... 300 seconds at most, or down to a half."""
    assert [backoff_s(tries, 0) for tries in (0, 1, 2, 20)] == [2, 4, 8, 300]
    assert [backoff_s(tries, 1) for tries in (0, 1, 2, 20)] == [1, 2, 4, 150]


@pytest.mark.parametrize(("chance", "seconds"), [(0, 40), (0.5, 45), (1, 50)])
def test_a_hint_that_many_were_given_is_spread(chance: float, seconds: float) -> None:
    """No copy is scheduled before the hint, and not all for the same moment."""
    assert deferred_until(START, 0, 40, chance) == START + timedelta(seconds=seconds)


async def test_a_check_is_left_to_the_timer_while_the_circuit_is_open() -> None:
    """No copy of a check for longer than the timer takes; the row was moved, and the next tick asks again."""
    world, replicate = await running(wait_s=120)
    assert await world.tick(60) == 1
    assert not world.messenger.scheduled
    assert world.index.rows[KEY].due_at > world.time
    replicate.wait_s = 0
    replicate.succeed(replicate.only_id)
    await world.tick(60)
    assert world.generation().state is State.SUCCEEDED
    world.at_rest()


async def test_a_check_is_deferred_where_the_wait_is_short() -> None:
    """A copy is delivered sooner than the timer's next check."""
    world, _ = await running(wait_s=5)
    await world.tick(60)
    (copy,) = world.messenger.scheduled
    assert isinstance(copy.message, Check)
    assert copy.at == world.time + timedelta(seconds=5 * 1.125)


async def test_a_check_that_could_not_read_its_row_is_deferred() -> None:
    """Another dependency than Replicate, and nothing was moved: the copy is needed, however long it waits."""
    world, _ = await running(wait_s=0)
    world.pass_time(60)
    await worker.reconcile(world.deps)

    async def down(key: object) -> None:
        raise Unavailable(Dependency.TABLES, "throttled", 120)

    world.index.get = down  # type: ignore[method-assign]
    await world.pump()
    assert [type(sent.message) for sent in world.messenger.scheduled] == [Check]


async def test_news_of_a_paid_picture_is_deferred_while_the_circuit_of_outputs_is_open() -> None:
    """The copy has the outputs with it: nothing but their host is needed when it is back."""
    world, replicate = await running(wait_s=60)
    replicate.succeed(replicate.only_id)
    await world.webhook(replicate.only_id)
    assert world.generation().state is State.RUNNING
    replicate.wait_s = 0
    world.pass_time(80)
    await world.pump()
    assert world.generation().state is State.SUCCEEDED
    world.at_rest()


async def test_a_copy_that_had_to_wait_for_long_may_be_late() -> None:
    """Behind a backlog it is minutes late: the timer comes only when half of the wait has passed again."""
    world = World()
    await world.open_account()
    world.replicate.answer_next_create_with(NotCreated(DeferReason.PACED, 800))
    await world.ask()
    world.messenger.scheduled.clear()  # it is lost, in the end
    assert await world.tick(900 + 400) == 0
    assert world.generation().state is State.WAITING
    assert await world.tick(60) == 1
    assert world.generation().state is State.RUNNING


async def test_what_is_created_after_hours_is_found_while_its_outputs_are_kept() -> None:
    """Its webhook is lost. The check that was to find a late copy comes before Replicate deletes the picture."""
    world = World()
    await world.open_account()
    world.replicate.answer_next_create_with(NotCreated(DeferReason.NO_CREDIT, 3 * 3600))
    await world.ask()
    while world.generation().state is State.WAITING:
        await world.tick(60)
    created_at = world.now()
    world.replicate.succeed(world.replicate.only_id)
    while not world.events:
        await world.tick(60)
    assert world.now() - created_at < timedelta(minutes=25)
    assert world.balances() == (9, 0, 1)
    world.at_rest()


async def test_what_waits_for_too_long_is_given_up_though_its_copies_are_on_time() -> None:
    """No credit at Replicate for six hours: the event is published, the hold is released, and no copy is left."""
    world = World()
    await world.open_account()
    for _ in range(500):
        world.replicate.answer_next_create_with(NotCreated(DeferReason.NO_CREDIT, 120))
    await world.ask()
    while not world.events:
        assert world.time < START + timedelta(hours=7), "it is never given up"
        world.pass_time(30)
        await world.pump()  # before the timer: the copies are always faster
        await world.tick()
    assert world.events[0].reason is Reason.PROVIDER_UNAVAILABLE
    assert world.time - START == timedelta(hours=6, seconds=30)
    assert world.balances() == (10, 0, 0)
    assert not world.messenger.scheduled
    world.at_rest()


async def test_it_is_given_up_without_that_check_too() -> None:
    """The check was lost: the row is due soon after."""
    world = World()
    await world.open_account()
    world.replicate.answer_next_create_with(NotCreated(DeferReason.NO_CREDIT, 7 * 3600))
    await world.ask()
    (check,) = world.messenger.scheduled
    assert isinstance(check.message, Check)
    world.messenger.scheduled.clear()
    await world.tick(6 * 3600 + 31)
    assert world.events[0].reason is Reason.PROVIDER_UNAVAILABLE
    world.at_rest()
