"""docs/scale.md says how many operations a generation takes: this walks one through the corridor and counts them."""

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from tests.fakes.world import World
from tests.infra.bicep import INFRA

SCALE = INFRA.parent / "docs" / "scale.md"

#: What a call of a port is in operations; a commit depends on what is in it.
OPERATIONS: dict[str, dict[str, int]] = {
    "store.load": {"Tables, rows read": 2},
    "index.get": {"Tables, rows read": 1},
    "index.put": {"Tables, rows written": 1},
    "index.move": {"Tables, rows written": 1},
    "index.remove": {"Tables, rows written": 1},
    "screener.text": {"Content Safety, texts": 1},
    "screener.image": {"Content Safety, images": 1},
    "blobs.put_output": {"Blobs, uploads": 1},
    "provider.create": {"Replicate, creates": 1},
    "provider.fetch": {"Replicate, downloads": 1},
    "messenger.publish": {"Events published": 1},
}


class Counted:
    """A port that counts what is asked of it; an unknown call is a KeyError, so that nothing goes uncounted."""

    def __init__(self, name: str, port: Any, counter: "Counter[str]") -> None:
        self._name = name
        self._port = port
        self._counter = counter

    def __getattr__(self, method: str) -> Callable[..., Any]:
        """The port's own method, counted."""
        own: Callable[..., Any] = getattr(self._port, method)

        def call(*args: Any, **kwargs: Any) -> Any:
            if method == "commit":
                transition = args[1]
                rows = [transition.generation, transition.account, transition.entry]
                self._counter["Tables, rows written"] += sum(row is not None for row in rows)
            else:
                self._counter.update(OPERATIONS[f"{self._name}.{method}"])
            return own(*args, **kwargs)

        return call


def told() -> dict[str, list[int]]:
    """The table of the document."""
    lines = SCALE.read_text(encoding="utf-8").partition("| Operation |")[2].partition("\n\n")[0].splitlines()[2:]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return {name: [int(number) for number in numbers] for name, *numbers in rows}


async def test_a_generation_takes_as_many_operations_as_it_says() -> None:
    """The straight way: asked, started, done."""
    world, counter = World(), Counter[str]()
    await world.open_account()
    house = world.house
    ports = ("store", "index", "provider", "screener", "blobs", "messenger")
    counted: dict[str, Any] = {name: Counted(name, getattr(house, name), counter) for name in ports}
    world.house = replace(house, **counted)

    counts: list[Counter[str]] = []

    def noted() -> None:
        counts.append(Counter(counter))
        counter.clear()

    await world.ask()
    noted()
    await world.webhook(world.replicate.only_id)
    noted()
    world.replicate.succeed(world.replicate.only_id, [b"a picture"])
    await world.webhook(world.replicate.only_id)
    noted()
    world.at_rest()

    found = {name: [count[name] for count in counts] for name in told()}
    assert set().union(*counts) == set(told())
    assert {name: [*each, sum(each)] for name, each in found.items()} == told()
