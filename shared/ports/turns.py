"""What waits for a turn. The rules of turns are in shared/core/turns, the protocol in docs/adr/0017-turns.md."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from shared.core.keys import Key
from shared.core.turns.shares import Place, Turn

#: How old the knowledge may be that nobody else waits, and that of the others' turns where they count.
PLACES_FRESH = timedelta(seconds=5)
TURNS_FRESH = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class Waiting:
    """A parked request. ``asked_at`` is when it was first taken in, so that parking it twice is one row."""

    key: Key
    asked_at: datetime


@dataclass(frozen=True, slots=True)
class PlaceRow:
    """A place as it was read, with its ETag."""

    place: Place
    etag: str


class WaitingList(Protocol):
    """The requests that wait for a turn, and a place for each account of which one waits.

    Nothing depends on it but the order: what is in no row is found by the check of its open row, and waits again.
    """

    async def wait(self, waiting: Waiting, place: Place) -> None:
        """Write the row of a parked request, then the place of its account if it has none. Both may be there."""

    async def places(self) -> Sequence[PlaceRow]:
        """All places, in no order."""

    async def place(self, account_id: str) -> PlaceRow | None:
        """The place of one account, if something of it waits."""

    async def next_waiting(self, account_id: str, after_user: str) -> Waiting | None:
        """The oldest request of the first user after ``after_user``, in a ring over the account's users."""

    async def save_place(self, row: PlaceRow, place: Place) -> PlaceRow:
        """Save the place after a give. Raises Conflict if it was changed or removed since it was read."""

    async def remove_place(self, row: PlaceRow) -> None:
        """Remove the place of an account of which nothing waits. Raises Conflict as ``save_place`` does.

        A request may be parked meanwhile, and find the place still there: look for one once more.
        """

    async def remove_waiting(self, waiting: Waiting) -> None:
        """Remove the row of a request that was given a turn, or that has ended, if it is there."""


@dataclass(frozen=True, slots=True)
class PaceNow:
    """The pace of creates at a moment.

    ``per_s``: for all instances together. ``spare``: this instance's tokens beyond half of its bucket; below 0 while a
    create is queued for one.
    """

    per_s: float
    spare: float


@dataclass(slots=True)
class RecentTurns:
    """What this instance knows of the turns: those in hand and the places, as it read them last, and its own part.

    ``under_way``: its requests that have a turn and have not asked for a token yet. ``looks_until``: the last look that
    it has asked for.
    """

    turns: Sequence[Turn] = ()
    rows: Sequence[PlaceRow] = ()
    read_at: datetime | None = None
    under_way: int = 0
    looks_until: datetime | None = None

    def learn(self, turns: Sequence[Turn], rows: Sequence[PlaceRow], now: datetime) -> None:
        """Keep what was read at ``now``."""
        self.turns, self.rows, self.read_at = turns, rows, now

    def took(self, turn: Turn) -> None:
        """This instance took a turn since it has read the others."""
        if self.read_at is not None:
            self.turns = (*(each for each in self.turns if each.key != turn.key), turn)

    def is_older(self, than: timedelta, now: datetime) -> bool:
        """Whether it was read longer ago than this, or never."""
        return self.read_at is None or not timedelta() <= now - self.read_at < than

    @property
    def places(self) -> tuple[Place, ...]:
        """The places."""
        return tuple(row.place for row in self.rows)

    @contextmanager
    def working(self) -> Iterator[None]:
        """Inside, one request more is under way."""
        self.under_way += 1
        try:
            yield
        finally:
            self.under_way -= 1
