"""Grants and corrections crash at every effect too: repeated under the same id they are one entry."""

from collections.abc import Awaitable, Callable
from contextlib import suppress

import pytest

from dev.fakes.world import World
from dev.simulation.effects import OVERTAKEN, Crash, Fault, Mode, run, watched
from dev.simulation.invariants import Observer, after_step
from shared import worker
from shared.ports import Dependencies, Unavailable


async def grant(deps: Dependencies) -> None:
    """An operator grants three credits."""
    await worker.grant(deps, "ada", 3, grant_id="invoice")


async def correct(deps: Dependencies) -> None:
    """An operator grants three credits more, and learns whether the grant was posted before."""
    with suppress(ValueError):
        await worker.correct(deps, "ada", available=3, held=0, captured=0, correction_id="case", note="")


@pytest.mark.parametrize("give", [grant, correct])
@pytest.mark.parametrize("mode", sorted(set(Mode) - OVERTAKEN))
@pytest.mark.parametrize("effect", [1, 2])
def test_what_is_given_again_is_given_once(
    give: Callable[[Dependencies], Awaitable[None]], mode: Mode, effect: int
) -> None:
    """After a crash, a lost answer or a refusal the operator repeats it under the same id, and it counts once."""

    async def twice() -> World:
        world = World()
        await world.open_account()
        watch = Observer(world)
        try:
            await give(watched(world.deps, Fault(effect, mode)))
        except (Crash, Unavailable):
            after_step(watch, "ada")
        await give(world.deps)
        after_step(watch, "ada")
        return world

    assert run(twice()).balances() == (13, 0, 0)
