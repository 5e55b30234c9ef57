"""The world that the worker's tests begin with."""

from dev.fakes.world import World
from tests.worker.conftest import own, state


async def test_it_is_as_if_its_account_were_opened_for_each_test(world: World) -> None:
    """Every fake holds the same as after a real opening."""
    opened = World()
    assert state(world) != state(opened)
    await opened.open_account()
    assert state(world) == state(opened)
    assert world.deps.store is world.store


def test_a_change_stays_in_its_world() -> None:
    """No test sees what another did: what can be changed is its own."""
    rows, entries = {"day": {"ada"}}, ["entry"]
    own(rows)["day"].add("bob")
    own(rows)["other"] = set()
    own(entries).append("another")
    assert (rows, entries) == ({"day": {"ada"}}, ["entry"])
