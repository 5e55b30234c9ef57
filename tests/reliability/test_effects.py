"""What is an effect, and what is none."""

import io
from dataclasses import fields, replace

from dev.fakes.world import World
from dev.simulation.effects import NEIGHBOURS, WAYS_OUT, Fault, run, watched
from shared.ports import Envelope
from shared.worker.wariness import warned


def test_the_ports_alone_are_behind_the_gate() -> None:
    """A flag there would be true always, a number none: all that is no port is what it was."""
    house = replace(World().house, wary=False)
    seen = watched(house, Fault())
    changed = {each.name for each in fields(house) if getattr(seen, each.name) is not getattr(house, each.name)}
    assert changed == set(WAYS_OUT) == {*NEIGHBOURS, "inputs"}


def test_what_looks_at_pictures_alone_is_behind_the_gate_too() -> None:
    """A message that was lost before has other images; what they do is an effect as before."""
    world, fault = World(), Fault()
    house = warned(watched(world.house, fault), Envelope("again", lost=1))
    assert not fault.names
    picture = run(house.images.inspect(io.BytesIO(b"a picture")))
    assert picture == world.images.picture
    assert fault.names == ["images.inspect"]
