"""What the whole app uses: a base that is rebuilt from the accounts, and a tally for each instance.

Without a limit of the app none of this is read or written.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    # Only an app with limits loads them.
    from shared.core.keys import Key
    from shared.core.money.limits import Cost, Warned
    from shared.core.money.tally import Tally


@dataclass(frozen=True, slots=True)
class TallyRow:
    """A tally as it is saved: the base, whose name is empty, or that of an instance.

    ``at`` is when it was written; of the base, when the reading of the accounts began from which it was rebuilt.
    """

    name: str
    tally: "Tally"
    at: datetime
    etag: str = ""


@dataclass(frozen=True, slots=True)
class AppRows:
    """All tallies, and the steps of limits that were published. Their sum is what the app uses."""

    base: TallyRow | None = None
    instances: tuple[TallyRow, ...] = ()
    warned: "tuple[Warned, ...]" = ()


class AppWindows(Protocol):
    """The tallies, in a partition outside every account's."""

    async def read(self) -> AppRows:
        """All rows."""

    async def save(self, row: TallyRow) -> TallyRow:
        """Save a tally, within ``WRITE_S``: a write that is made later could count what a rebuild has counted.

        Raises Conflict if it was changed or removed since it was read, or exists and has no ETag.
        """

    async def fold(self, base: TallyRow, gone: Sequence[TallyRow]) -> None:
        """Save the base and remove tallies of instances in one transaction, at most ``MOST_FOLDED``.

        Raises Conflict if one of them has changed.
        """

    async def remember(self, warned: "Warned") -> None:
        """Note that a step of a limit was published. It may be noted already."""

    async def forget(self, warned: "Warned") -> None:
        """Remove the note of a step whose window is over."""


#: How long a write of a tally may last, in seconds. After that it is given up.
WRITE_S = 10

#: A transaction has at most 100 rows.
MOST_FOLDED = 99


@dataclass(slots=True)
class AppUse:
    """What this instance knows of the app's use. Only worker/app_limits.py reads and changes it.

    ``name`` is that of its row, drawn before the first read. ``row`` is its own, ``others`` the sum of all others as
    of ``read_at``. ``pending`` are its moves that no row has yet, each with the time until which it may be written
    (None: at any time); ``tried`` are the writes of them without an answer. ``reserved`` is what it is about to hold.
    ``looked_at`` is when its timer looked last.
    """

    name: str = ""
    row: TallyRow | None = None
    others: "Tally | None" = None
    read_at: datetime | None = None
    written_at: datetime | None = None
    looked_at: datetime | None = None
    warned: "tuple[Warned, ...]" = ()
    pending: "list[tuple[datetime | None, Tally]]" = field(default_factory=list)
    tried: "list[tuple[TallyRow, list[tuple[datetime | None, Tally]]]]" = field(default_factory=list)
    reserved: "dict[Key, tuple[datetime, Cost]]" = field(default_factory=dict)
    #: Whether a call reads or writes rows, for all of this instance.
    reading: bool = False
    writing: bool = False
