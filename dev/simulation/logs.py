"""What the fakes write down, as schedules need it: only what an invariant reads.

Rules of this file:
1. A log that no invariant reads is kept nowhere, so that it is part of no state; who reads it all the same fails.
2. Of what is said counts whether it was said. Its order and how often are kept nowhere either.
3. What was said decides nothing: the port of telemetry has no method that reads. So whoever compares states takes it
   out first (``Stage.take_said``), and looks at it apart.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from dev.fakes.world import World

#: What was said: its first parts, and the items of the mapping at its end.
Line = tuple[tuple[Any, ...], tuple[tuple[str, Any], ...]]


class Unread:
    """Takes what is appended, and has nothing of it."""

    __slots__ = ()

    def append(self, _: object) -> None:
        """Forget it."""


class Once:
    """A log that keeps each line once: the last part of each is a mapping of texts and numbers."""

    def __init__(self) -> None:
        self._lines: set[Line] = set()

    def append(self, line: tuple[Any, ...]) -> None:
        """Keep it, if it is new."""
        *first, facts = line
        self._lines.add((tuple(first), tuple(sorted(facts.items()))))

    def take(self) -> frozenset[Line]:
        """The lines since this was last asked."""
        taken = frozenset(self._lines)
        self._lines.clear()
        return taken

    def state(self) -> frozenset[Line]:
        """The lines that nobody has taken."""
        return frozenset(self._lines)

    def __iter__(self) -> Iterator[tuple[Any, ...]]:
        return lines_of(self._lines)


def lines_of(lines: Iterable[Line]) -> Iterator[tuple[Any, ...]]:
    """The lines as they were said."""
    return ((*first, dict(facts)) for first, facts in lines)


@dataclass(frozen=True, slots=True)
class Said:
    """What was said on a part of a way: steps, and counts."""

    steps: frozenset[Line] = frozenset()
    counts: frozenset[Line] = frozenset()

    def __or__(self, other: "Said") -> "Said":
        return Said(self.steps | other.steps, self.counts | other.counts)


NOTHING = Said()

#: It stands for lists of which nothing is used but ``append``.
UNREAD: Any = Unread()


def keep_only_what_is_read(world: World) -> None:
    """Replace the logs of a world's fakes."""
    world.telemetry.spans = world.telemetry.followed = UNREAD
    world.messenger.dropped = world.screener.images = world.replicate.fetched = UNREAD
    said: Any = Once()
    world.telemetry.steps = said
    counted: Any = Once()
    world.telemetry.counts = counted
