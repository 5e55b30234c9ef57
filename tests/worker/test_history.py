"""The history in a generation's row: what has happened to it, and when."""

from dev.fakes.world import World
from shared.core.lifecycle.state import State
from shared.core.provider.prediction import DeferReason, NotCreated


def history(world: World) -> list[tuple[str, int, str]]:
    """The steps of the one generation, how often each was taken, and why."""
    return [(each.step, each.times, each.why) for each in world.saved().history]


async def test_a_picture_has_three_entries(world: World) -> None:
    """Held, created, captured; what was logged of it is the same."""
    await world.ask()
    await world.pump()
    prediction = world.replicate.only_id
    world.replicate.succeed(prediction)
    await world.webhook(prediction)

    assert history(world) == [("credits_held", 1, ""), ("prediction_created", 1, prediction), ("captured", 1, "")]
    logged = [name for name in world.telemetry.names() if name in {step for step, _, _ in history(world)}]
    assert logged == [step for step, _, _ in history(world)]


async def test_a_wait_of_hours_is_counted(world: World) -> None:
    """Each deferral and each retry in its one entry, with the time of the first and of the last."""
    for _ in range(3):
        world.replicate.answer_next_create_with(NotCreated(DeferReason.NO_CREDIT, 60))
    await world.ask()
    for _ in range(3):
        world.pass_time(120)
        await world.pump()

    assert world.generation().state is State.RUNNING
    assert history(world) == [
        ("credits_held", 1, ""),
        ("create_deferred", 3, "no credit"),
        ("create_retried", 3, ""),
        ("prediction_created", 1, world.replicate.only_id),
    ]
    _, deferred, *_ = world.generation().history
    assert deferred.last_at > deferred.at


async def test_what_waited_to_open_says_so_afterwards(world: World) -> None:
    """Its history goes on when it opens: for how long its user has waited, and for what."""
    world.screener.down = True
    await world.ask()
    assert history(world) == [("taken_in", 1, "SAFETY_UNAVAILABLE")]
    taken_in_at = world.time
    world.screener.down = False
    world.pass_time(600)
    await world.pump()

    assert [step for step, _, _ in history(world)] == ["taken_in", "credits_held", "prediction_created"]
    assert world.generation().history[0].at == taken_in_at
