"""Accounts that other processes move at the same time, and how far apart this process saves there.

Rules of this file:
1. Where no rival was met, a process saves at once. But after a few saves in a row it leaves a gap: whoever always loses
   against it could not be seen otherwise.
2. Where there are rivals, moves are saved together, an interval after this process has begun its last save. It is not
   drawn by lot, and all intervals are 0.2 s, doubled some times: processes that did not meet do not meet later either.
   Chance decides for who has not saved yet, and for who has lost (worker/grouping.py).
3. The interval doubles with a lost try. It halves after many saves without a loss, to 0.2 s at least.
   While nobody else is seen it halves every few seconds, until it is gone.
4. A process that has a large group at hand already waits for a quarter of its interval.
"""

from dataclasses import dataclass
from datetime import datetime

#: The shortest interval and the longest one. A move may take a second.
_SHORTEST_S, _LONGEST_S = 0.2, 0.8

#: Where there are rivals, what comes together is gathered at least for so long.
_LEAST_S = 0.03

#: After so many saves without a loss the interval halves.
_CALM = 40

#: In so many seconds without a rival the interval halves.
_HALF_LIFE_S = 4.0

#: After so many saves, each within ``_GAP_S`` of the one before, this process leaves a gap.
_IN_A_ROW, _GAP_S = 3, 0.2

#: So many, if each was of a call that had read the rows just before: a user who is in a hurry has no more.
_FRESH_IN_A_ROW = 6

#: So many accounts are remembered.
_MOST_ACCOUNTS = 256


@dataclass(slots=True)
class _Account:
    """What is known of one account.

    ``interval_s`` is of ``seen_at``, when a rival was seen last; 0: there is none. This process began its last save
    ``began_at``, and left the row with ``etag``. ``in_a_row`` saves came one soon after the other, ``calm`` of them
    without a loss.
    """

    seen_at: datetime
    interval_s: float = 0.0
    began_at: datetime | None = None
    etag: str = ""
    in_a_row: int = 0
    calm: int = 0

    def interval_now_s(self, now: datetime) -> float:
        halvings = int(max(0.0, (now - self.seen_at).total_seconds()) / _HALF_LIFE_S)
        interval_s: float = self.interval_s * 0.5**halvings
        return interval_s if interval_s >= _SHORTEST_S else 0.0

    def set_interval(self, interval_s: float, now: datetime) -> None:
        self.interval_s, self.seen_at = interval_s, now


class Rivals:
    """What one process knows of the others."""

    def __init__(self) -> None:
        self._accounts: dict[str, _Account] = {}

    def known(self, account_id: str, now: datetime) -> bool:
        """Whether others were seen to move this account lately."""
        account = self._accounts.get(account_id)
        return account is not None and account.interval_now_s(now) > 0

    def wait_s(
        self, account_id: str, now: datetime, chance: float = 1.0, *, full: bool = False, fresh: bool = False
    ) -> float:
        """How long from now moves of this account are gathered before a save.

        ``chance``, from 0 to 1, decides when a process first saves that has no place in the order yet.
        ``full``: a large group is at hand. ``fresh``: whoever is about to save has just read the rows.
        """
        account = self._accounts.get(account_id)
        if account is None:
            return 0.0
        interval_s, least_s = account.interval_now_s(now), _LEAST_S
        if not interval_s:
            most = _FRESH_IN_A_ROW if fresh else _IN_A_ROW
            interval_s, least_s = (_GAP_S if account.in_a_row >= most else 0.0), 0.0
        if account.began_at is None:
            return chance * interval_s
        gone_s = max(0.0, (now - account.began_at).total_seconds())  # a clock may be set back
        left_s: float = max(least_s, interval_s - gone_s)
        return left_s / 4 if full else left_s

    def met(self, account_id: str, now: datetime) -> None:
        """A try was lost: another process was faster."""
        account = self._remembered(account_id, now)
        account.calm = 0
        account.set_interval(min(_LONGEST_S, max(_SHORTEST_S, 2 * account.interval_now_s(now))), now)

    def saved(self, account_id: str, etag: str, began_at: datetime, now: datetime) -> None:
        """This process has saved the account's row, with a try that began then."""
        account = self._remembered(account_id, now)
        soon = account.began_at is not None and (began_at - account.began_at).total_seconds() < _GAP_S
        account.in_a_row = account.in_a_row + 1 if soon else 1
        account.began_at, account.etag = began_at, etag
        account.calm += 1
        if account.calm == _CALM:
            account.calm = 0
            if account.interval_now_s(now) > _SHORTEST_S:
                account.interval_s /= 2

    def read(self, account_id: str, etag: str, now: datetime) -> None:
        """This process has read the account's row again: if it is not as it left it, there is a rival."""
        account = self._accounts.get(account_id)
        if account and account.etag and account.etag != etag:
            account.set_interval(max(_SHORTEST_S, account.interval_now_s(now)), now)

    def _remembered(self, account_id: str, now: datetime) -> _Account:
        """What is known of an account. For a new one, the account that was looked for longest ago is forgotten."""
        account = self._accounts[account_id] = self._accounts.pop(account_id, _Account(now))
        if len(self._accounts) > _MOST_ACCOUNTS:
            del self._accounts[next(iter(self._accounts))]
        return account
