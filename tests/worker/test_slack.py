"""What is open too long: what may lose outputs is reported in time, and what only waits wakes nobody."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from dev.fakes.blobs import Blob
from dev.fakes.world import KEY, World
from shared import worker
from shared.core.dependency import Dependency
from shared.core.keys import Key
from shared.core.lifecycle.state import State
from shared.core.provider.prediction import DeferReason, NotCreated
from shared.core.reasons import Reason
from shared.core.switches import PauseScope, Target
from shared.ports import Unavailable
from tests.worker.test_approving import DAYS_3, OPS, waiting
from tests.worker.test_pausing_approvals import HOUR, pause
from tests.worker.test_turns import hold_and_pause, parked, plans

DAY = 24 * HOUR


def slacks(world: World) -> list[float]:
    """What the timer has reported, in seconds: below 0 the alert fires."""
    return [value for metric, value, _ in world.telemetry.counts if metric == "darkroom.slack_s"]


async def pass_by(world: World, seconds: float, step_s: float = 60, *, lost: bool = True) -> None:
    """So much time passes. Copies of messages are lost, unless ``lost`` says no: the timer alone finds what waits."""
    end = world.now() + timedelta(seconds=seconds)
    while world.now() < end:
        if lost:
            world.messenger.scheduled.clear()
        await world.tick(step_s)


@pytest.mark.parametrize("lost", [False, True])
async def test_what_is_paused_for_a_week_is_never_late(world: World, lost: bool) -> None:
    """A request that came during the pause, and a generation that waits with its hold. In the end copies are lost."""
    world.replicate.answer_next_create_with(NotCreated(DeferReason.THROTTLED, 60))
    await world.ask()
    pause(world, 7 * DAY)
    await world.ask(Key("ada", "two"))
    await pass_by(world, 7 * DAY - 2 * HOUR, 300, lost=lost)
    await pass_by(world, 2 * HOUR - 600)
    assert world.generation().state is State.WAITING
    assert world.saved(Key("ada", "two")).reason is Reason.PAUSED
    assert world.account().held == 1
    assert len(slacks(world)) > 10
    assert min(slacks(world)) > 0


async def test_what_waits_for_its_create_is_not_late_and_then_has_its_hour(world: World) -> None:
    """Three hours without Replicate's credit, then it runs and no webhook comes: its hour begins with its create."""
    world.replicate.answer_next_create_with(NotCreated(DeferReason.NO_CREDIT, 3 * HOUR))
    await world.ask()
    while world.generation().state is State.WAITING:
        await world.tick(60)
    assert world.now() - world.generation().opened_at > timedelta(hours=3)
    assert world.generation().state is State.RUNNING
    for _ in range(50):
        await world.tick(60)
    assert slacks(world)
    assert min(slacks(world)) > 0


async def test_what_waits_for_its_turn_is_never_late() -> None:
    """Ten hours: a request, and a generation that has its hold. Another one runs for twelve, and has the only turn."""
    world = World(credits=1000, plans=plans(concurrency=1))
    await world.open_account()
    models = world.deps.catalog.models
    slow = replace(models["flux-dev"], expected_s=12 * HOUR)
    world.deps = replace(world.deps, catalog=replace(world.deps.catalog, models={**models, "flux-dev": slow}))
    await hold_and_pause(world)
    await world.ask(Key("ada", "slow"), model="flux-dev")
    await world.ask(Key("ada", "late"))
    await pass_by(world, 10 * HOUR)
    assert sorted(parked(world)) == ["g0", "late"]
    assert len(slacks(world)) > 100
    assert min(slacks(world)) > 0


async def test_what_runs_unseen_is_late_after_its_hour(world: World) -> None:
    """However often it is looked at in vain: its outputs are deleted an hour after it should be done."""
    await world.ask()
    world.replicate.down = True
    attempt = world.generation().attempt
    lost_at = attempt.submitted_at + timedelta(seconds=attempt.expected_s + world.deps.timing.output_life_s)
    await world.tick(120)
    while world.now() < lost_at - timedelta(seconds=120):
        await world.tick(60)
        if world.index.rows:
            assert world.index.rows[KEY].expires_at == lost_at
    assert min(slacks(world)) > 0
    await world.tick(300)
    assert slacks(world)[-1] < 0


async def test_an_approval_that_a_pause_has_moved_is_not_late() -> None:
    """It is asked for three days, of which it is paused for two; what shows open ones says a time to come."""
    world = await waiting()
    pause(world, 2 * DAY, target=Target(PauseScope.ACCOUNT, KEY.account_id))
    await pass_by(world, DAYS_3 + DAY, 600)
    assert world.saved().reason is Reason.APPROVAL_NEEDED
    assert min(slacks(world)) > 0
    assert world.index.rows[KEY].expires_at > world.now()
    await worker.approve(world.deps, KEY, "daily", 2, OPS)
    await world.pump()
    assert world.generation().state is State.RUNNING


async def test_what_nobody_looks_at_is_late_after_an_hour(world: World) -> None:
    """Nothing is lost of what waits, but then the timer does not keep up."""
    world.replicate.answer_next_create_with(NotCreated(DeferReason.THROTTLED, 60))
    await world.ask()
    world.messenger.scheduled.clear()
    world.pass_time(HOUR + 300)
    await worker.reconcile(world.deps)
    (slack,) = slacks(world)
    assert -300 < slack < 0


async def test_an_end_whose_files_cannot_be_deleted_is_not_late(world: World) -> None:
    """It is announced and settled; for three hours the storage account does not delete what a dead try has left."""
    await world.ask()

    async def down(*args: Any) -> int:
        raise Unavailable(Dependency.BLOBS, "the answer was lost")

    world.blobs.discard_outputs = down  # type: ignore[method-assign, assignment]
    world.blobs.outputs["ada/ada/one/1-0.png"] = Blob(b"left by a try that died", "image/png", {})
    await world.cancel()
    for _ in range(3 * 60):
        await world.tick(60)
    assert len(slacks(world)) > 10
    assert min(slacks(world)) > 0
    assert len(world.events) == 1


@pytest.mark.parametrize("case", ["deferred", "parked", "approved"])
async def test_a_row_expires_an_hour_after_somebody_should_look(case: str) -> None:
    """What was just taken in and waits; what was approved, before the check that opens it. Its age is its own."""
    world = await waiting() if case == "approved" else World(plans=plans(concurrency=1))
    await world.open_account()
    if case == "deferred":
        world.screener.down = True
        await world.ask()
    elif case == "parked":
        await world.ask(Key("ada", "first"))
        await world.ask()
    else:
        await worker.approve(world.deps, KEY, "daily", 2, OPS)
    row = world.index.rows[KEY]
    assert row.due_at - world.now() <= timedelta(seconds=130)
    assert row.expires_at - row.due_at == timedelta(hours=1)


async def test_the_age_of_a_row_is_that_of_its_generation(world: World) -> None:
    """Its request waited for an hour before it opened."""
    taken_in = world.now()
    world.screener.down = True
    await world.ask()
    await world.tick(HOUR)
    world.screener.down = False
    while not world.replicate.ids():
        await world.tick(60)
    assert world.index.rows[KEY].written_at == taken_in
