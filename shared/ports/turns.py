"""What waits for a turn. The rules of turns are in shared/core/turns, the protocol in docs/adr/0017-turns.md."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from shared.core.keys import Key
from shared.core.turns.shares import Place


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
