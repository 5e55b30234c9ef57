"""Commands about accounts crash at every effect too: repeated under the same id they are one entry."""

from collections.abc import Awaitable, Callable
from dataclasses import replace

import pytest

from dev.fakes.accounts import daily
from dev.fakes.world import World
from dev.simulation.effects import OVERTAKEN, Crash, Fault, Mode, run, watched
from dev.simulation.invariants import Observer, after_step
from shared import worker
from shared.core.money.credits import Sums
from shared.core.money.limits import Scope
from shared.ports import Dependencies, Unavailable


async def grant(deps: Dependencies) -> None:
    """An operator grants three credits."""
    await worker.grant(deps, "ada", 3, grant_id="invoice")


async def correct(deps: Dependencies) -> None:
    """An operator corrects by three credits."""
    await worker.correct(deps, "ada", Sums(available=3), worker.Command(command_id="case"))


async def revoke(deps: Dependencies) -> None:
    """An operator takes three credits back."""
    await worker.revoke(deps, "ada", 3, worker.Command(command_id="back"))


async def set_limit(deps: Dependencies) -> None:
    """An operator sets a limit for a user of the account."""
    limit = replace(daily(3), scope=Scope.USER)
    await worker.set_limit(deps, "ada", limit, worker.Command(command_id="limit"), user_id="bob")


@pytest.mark.parametrize(("give", "available"), [(grant, 13), (correct, 13), (revoke, 7), (set_limit, 10)])
@pytest.mark.parametrize("mode", sorted(set(Mode) - OVERTAKEN))
@pytest.mark.parametrize("effect", [1, 2, 3])
def test_what_is_given_again_is_given_once(
    give: Callable[[Dependencies], Awaitable[None]], available: int, mode: Mode, effect: int
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

    assert run(twice()).balances() == (available, 0, 0)
