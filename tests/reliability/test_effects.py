"""What counts as an effect, and what does not."""

import io
from dataclasses import fields, replace

from dev.fakes.world import World
from dev.simulation.effects import DEPENDENCIES, WAYS_OUT, Fault, run, watched
from shared.ports import Envelope
from shared.worker.wariness import with_wariness


def test_the_ports_alone_are_behind_the_gate() -> None:
    """A value that is no port is not wrapped, because a wrapped flag would always be true."""
    deps = replace(World().deps, wary=False)
    seen = watched(deps, Fault())
    changed = {each.name for each in fields(deps) if getattr(seen, each.name) is not getattr(deps, each.name)}
    assert changed - {"providers", "pending", "app_use"} == set(WAYS_OUT) == {*DEPENDENCIES, "inputs"} - {"provider"}
    assert {"providers", "pending", "app_use"} <= changed


def test_what_looks_at_pictures_alone_is_behind_the_gate_too() -> None:
    """A message that was lost before has other images, whose calls are effects as well."""
    world, fault = World(), Fault()
    deps = with_wariness(watched(world.deps, fault), Envelope("again", lost=1))
    assert not fault.names
    picture = run(deps.images.inspect(io.BytesIO(b"a picture")))
    assert picture == world.images.picture
    assert fault.names == ["images.inspect"]
