"""Digests: the same for the same, and another for whatever differs in anything."""

from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from dev.fakes.world import START, World
from dev.simulation.digests import Digests
from dev.simulation.effects import Mode, run


@dataclass(frozen=True, slots=True)
class Value:
    """A value with a value."""

    of: Any


class Thing:
    """Something that can change."""

    def __init__(self, **parts: Any) -> None:
        vars(self).update(parts)

    def act(self) -> None:
        """Do nothing."""


class Quiet(Thing):
    """Something that says what of it counts."""

    def state(self) -> object:
        """Only this."""
        return vars(self)["counts"]


SHARED: list[int] = []


def _closure() -> Callable[[], object]:
    remembered: list[int] = []
    return lambda: remembered.append(1)


#: In each pair the two are built the same way and differ in one thing.
DIFFERENT: list[tuple[object, object]] = [
    (1, 2),
    (1, True),
    (1, 1.0),
    (0.0, -0.0),
    ("1", 1),
    ("a", b"a"),
    (None, "None"),
    (Mode.FAILS, str(Mode.FAILS)),
    ([1, 2], [2, 1]),
    ([1], (1,)),
    ([[1], 2], [[1, 2]]),
    (["a", "b"], ["ab"]),
    ({"a": 1, "b": 2}, {"b": 2, "a": 1}),
    ({1}, {2}),
    ({1}, frozenset({1})),
    (Counter(a=1), {"a": 1}),
    (deque([1]), deque([1, 2])),
    ([SHARED, SHARED], [[], []]),
    (Value(1), Value(2)),
    (Value({"a": [1]}), Value({"a": [2]})),
    (Value(1), Thing(of=1)),
    (Thing(a=1), Thing(a=2)),
    (Thing(a=1).act, Thing(a=2).act),
    (Quiet(counts=1), Quiet(counts=2)),
    (iter(range(3)), iter(range(4))),
    (ValueError("a"), ValueError("b")),
    (START, START + timedelta(microseconds=1)),
    (datetime(2026, 1, 1, 0, tzinfo=UTC), datetime(2026, 1, 1, 1, tzinfo=timezone(timedelta(hours=1)))),
    (run, Digests),
]


@pytest.mark.parametrize(("one", "other"), DIFFERENT, ids=map(str, range(len(DIFFERENT))))
def test_what_differs_has_another_digest(one: object, other: object) -> None:
    """This is so by itself, in a list, and in something that is frozen, where that can be."""
    digests = Digests()
    assert digests.of(one) != digests.of(other)
    assert digests.of([one]) != digests.of([other])
    assert digests.of(one) == digests.of(one)


@pytest.mark.parametrize(
    "build",
    [
        lambda: [Value("a" * int("2")), {"x": {3, 1, 2}}, deque([1.5]), START + timedelta(0)],
        lambda: Thing(a=[Value((1, 2))], b=Thing(c=b"x").act),
        lambda: Quiet(counts=1, other=object()),
        World,
    ],
    ids=["values", "things", "quiet", "world"],
)
def test_what_is_built_alike_has_the_same_digest(build: Callable[[], object]) -> None:
    """It does not matter where in memory it is, or which of two equal texts it has."""
    digests = Digests()
    assert digests.of(build()) == digests.of(build())


@pytest.mark.parametrize(
    "change",
    [lambda world: world.pass_time(1), lambda world: world.telemetry.count("x"), lambda world: world.deps.new_seed()],
    ids=["time", "telemetry", "seed"],
)
def test_a_world_in_which_anything_has_happened_is_another(change: Callable[[World], object]) -> None:
    """Time, telemetry, and the next seed are examples of it."""
    digests, one, other = Digests(), World(), World()
    change(other)
    assert digests.of(one) != digests.of(other)


@pytest.mark.parametrize(
    "wrong",
    [_closure(), [(each for each in SHARED)], Value(Thing(a=1)), [[].append]],
    ids=["closure", "generator", "changing in frozen", "a method of a list"],
)
def test_what_cannot_be_compared_is_refused(wrong: object) -> None:
    """A state that is not seen whole would be taken for another."""
    with pytest.raises(TypeError):
        Digests().of(wrong)
