"""docs/scale.md says how many operations a generation takes: this handles one generation and counts them."""

import re
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from dev.fakes.world import World
from shared.adapters.replicate.creating import START_NEWS_FROM_S
from tests.infra.snapshots import INFRA

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
    "outputs.put_output": {"Blobs, uploads": 1},
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
                rows = [transition.generation, transition.account, transition.user, *2 * transition.entries]
                self._counter["Tables, rows written"] += sum(row is not None for row in rows)
            else:
                self._counter.update(OPERATIONS[f"{self._name}.{method}"])
            return own(*args, **kwargs)

        return call


def documented() -> dict[str, list[int]]:
    """The table of the document."""
    lines = SCALE.read_text(encoding="utf-8").partition("| Operation |")[2].partition("\n\n")[0].splitlines()[2:]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return {name: [int(number) for number in numbers] for name, *numbers in rows}


async def counted_world() -> tuple[World, "Counter[str]"]:
    """A world with ada's account, and the counter of what the message handler asks of its ports from now on."""
    world, counter = World(), Counter[str]()
    await world.open_account()
    deps = world.deps
    ports = ("store", "index", "screener", "outputs", "input_files", "uploads", "messenger")
    counted: dict[str, Any] = {name: Counted(name, getattr(deps, name), counter) for name in ports}
    counted["providers"] = {name: Counted("provider", each, counter) for name, each in deps.providers.items()}
    world.deps = replace(deps, **counted)
    return world, counter


def noted(counter: "Counter[str]") -> "Counter[str]":
    """What was counted; the counter begins anew."""
    found = Counter(counter)
    counter.clear()
    return found


async def test_a_generation_takes_as_many_operations_as_it_says() -> None:
    """The straight way: asked, done."""
    world, counter = await counted_world()
    await world.ask()
    counts = [noted(counter)]
    world.replicate.succeed(world.replicate.only_id, [b"a picture"])
    await world.webhook(world.replicate.only_id)
    counts.append(noted(counter))
    world.at_rest()

    found = {name: [count[name] for count in counts] for name in documented()}
    assert set().union(*counts) == set(documented())
    assert {name: [*each, sum(each)] for name, each in found.items()} == documented()


def test_the_sums_of_the_page_are_those_of_its_table() -> None:
    """The rows read and written are the table operations that the page goes on with, in its limits and its costs."""
    text, rows = SCALE.read_text(encoding="utf-8"), documented()
    tables = rows["Tables, rows read"][-1] + rows["Tables, rows written"][-1]
    assert f"**{tables} table operations**" in text
    assert f"| 20,000 operations a second | {tables} | {20_000 * 60 // tables:,} |" in text
    assert f"| 2,000 rows a second | {tables} | {2_000 * 60 // tables:,} for one account |" in text
    assert f"| Tables | {tables},000,000 x " in text


async def test_a_webhook_that_it_has_started_adds_what_the_page_says() -> None:
    """Only slow models send it; it reads two rows and changes nothing."""
    threshold, rows_read = re.findall(
        r"expected time of (\d+) s and more sends one more webhook, that it has started: (\d+) rows read",
        " ".join(SCALE.read_text(encoding="utf-8").split()),
    )[0]
    world, counter = await counted_world()
    await world.ask()
    saved = world.generation()
    counter.clear()
    await world.webhook(world.replicate.only_id)
    assert noted(counter) == {"Tables, rows read": int(rows_read)}
    assert world.generation() == saved
    assert int(threshold) == START_NEWS_FROM_S
