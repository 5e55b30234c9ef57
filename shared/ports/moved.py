"""Which accounts moved on a day, and how far the audit of a day has come.

The rows stand outside the accounts' partitions, so that nobody scans the state for them.
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import date, datetime
from typing import Protocol

#: So many days are kept: the windows of limits look back a month.
DAYS_KEPT = 40

#: So many accounts are remembered. Beyond it all are forgotten, and each is noted once more that day.
MOST_REMEMBERED = 50_000


class MovedAccounts(Protocol):
    """The accounts that moved, by day (UTC). An account is noted before its first move of a day, so none is missing.

    An account may be noted without a move: the write came first, and then nothing was saved.
    """

    async def note(self, account_id: str, day: date) -> None:
        """Write the row of an account and a day. It may be there."""

    def of_day(self, day: date, after: str = "") -> AsyncIterator[str]:
        """Iterate over the ids of the accounts that were noted on a day, after this id, in their order."""

    async def forget(self, day: date) -> None:
        """Remove all rows of a day."""


class NotedToday:
    """The accounts that this instance has noted today, so that a later move of theirs writes no row."""

    def __init__(self) -> None:
        self._day = date.min
        self._accounts: set[str] = set()

    def has(self, account_id: str, day: date) -> bool:
        """Whether this account was noted on this day."""
        return day == self._day and account_id in self._accounts

    def add(self, account_id: str, day: date) -> None:
        """Remember an account. Another day begins with none."""
        if day != self._day or len(self._accounts) >= MOST_REMEMBERED:
            self._day, self._accounts = day, set()
        self._accounts.add(account_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class NightProgress:
    """How far the night's audit has come.

    ``began_at``: when the night's first call began. ``day``: the day whose accounts are looked at, up to and with the
    account ``after``. ``checked``: accounts in this night. ``swept``: old files were deleted. ``logged``: it was logged
    that the night did not come to its end.
    """

    began_at: datetime
    day: date
    after: str = ""
    checked: int = 0
    swept: bool = False
    logged: bool = False


class Nights(Protocol):
    """The progress of the night's audit. A call that finds an old one does again what was done, and harms nothing."""

    async def progress(self) -> NightProgress | None:
        """What was saved last; None before the first night."""

    async def keep(self, progress: NightProgress) -> None:
        """Save how far the audit has come."""
