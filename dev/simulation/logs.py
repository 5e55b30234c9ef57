"""What the fakes write down, as schedules need it: only what an invariant reads.

Rules of this file:
1. A log that no invariant reads is kept nowhere, so that it is part of no state; who reads it all the same fails.
2. Of what is said counts whether it was said. Its order and how often are kept nowhere either.
"""

from collections.abc import Iterator
from typing import Any

from dev.fakes.world import World


class Unread:
    """Takes what is appended, and has nothing of it."""

    __slots__ = ()

    def append(self, _: object) -> None:
        """Forget it."""


class Said:
    """What was said, each once: the last part of each is a mapping of texts and numbers."""

    def __init__(self) -> None:
        self._said: dict[tuple[tuple[Any, ...], tuple[Any, ...]], str] = {}

    def append(self, said: tuple[Any, ...]) -> None:
        """Keep it, if it is new."""
        *first, facts = said
        named = tuple(first), tuple(sorted(facts.items()))
        if named not in self._said:
            self._said[named] = f"{named}"

    def state(self) -> str:
        """All of it, in an order of its own."""
        return "\n".join(sorted(self._said.values()))

    def __iter__(self) -> Iterator[tuple[Any, ...]]:
        return ((*first, dict(facts)) for first, facts in self._said)

    def __len__(self) -> int:
        return len(self._said)


#: It stands for lists of which nothing is used but ``append``.
UNREAD: Any = Unread()


def keep_only_what_is_read(world: World) -> None:
    """Replace the logs of a world's fakes."""
    world.telemetry.spans = world.telemetry.followed = UNREAD
    world.messenger.dropped = world.screener.images = world.replicate.fetched = UNREAD
    said: Any = Said()
    world.telemetry.steps = said
    counted: Any = Said()
    world.telemetry.counts = counted
