"""A second look at an output may find what the first did not."""

from dev.fakes.screener import UNSAFE_IMAGE
from dev.fakes.world import World
from dev.simulation.effects import Crash, Fault, Mode, run, watched
from dev.simulation.invariants import Observer, after_step, at_rest


def test_what_is_refused_on_the_second_look_is_gone_at_once() -> None:
    """The first try stored the output and died; the second refuses it, and deletes it before it dies as well."""

    async def play() -> World:
        world = World()
        watch = Observer(world)
        await world.open_account()
        await world.ask()
        prediction_id = world.replicate.only_id
        world.replicate.succeed(prediction_id, [b"fine"])
        await _dies_after(world, prediction_id, "outputs.put_output")
        assert world.blobs.outputs
        world.screener.marks[b"fine"] = world.screener.marks[UNSAFE_IMAGE]
        await _dies_after(world, prediction_id, "screener.image", effects_later=2)
        watch.safe.clear()
        after_step(watch, "ada")
        await world.settle()
        at_rest(watch)
        return world

    assert run(play()).balances() == (10, 0, 0)


async def _dies_after(world: World, prediction_id: str, effect: str, effects_later: int = 1) -> None:
    """Deliver the webhook to a handler that dies so many effects after this one."""
    rehearsal = Fault()
    rehearsed = World()
    await rehearsed.open_account()
    await rehearsed.ask()
    rehearsed.replicate.succeed(prediction_id, [b"fine"])
    rehearsed.deps = watched(rehearsed.deps, rehearsal)
    await rehearsed.webhook(prediction_id)
    plain = world.deps
    world.deps = watched(plain, Fault(rehearsal.names.index(effect) + 1 + effects_later, Mode.CRASH_BEFORE))
    try:
        await world.webhook(prediction_id)
    except Crash:
        world.deps = plain
    else:
        raise AssertionError("it did not die")
