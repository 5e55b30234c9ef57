"""The moves of credits that calls of this process wait to save, by account.

Rules of this file:
1. One call of a process saves moves of an account at a time: it leads. The others wait, in the order in which they
   came, until it has saved theirs too, or until it is their turn to lead.
2. Whoever leads hands over when it ends, however it ends. So nobody waits for a call that is gone.
3. Nothing here is shared by processes: between those the account's ETag decides.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from typing import Any, Protocol, TypeAlias

from shared.core.keys import Key
from shared.core.lifecycle.generation import Transition
from shared.core.money.account import Account, User
from shared.ports.errors import Unavailable
from shared.ports.state import Loaded

#: After a conflict an account's next moves are gathered for up to so long; the time doubles with each further one.
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.05, 0.4

#: A pause halves in so many seconds, and one shorter than ``_LEAST_PAUSE_S`` is over.
_HALF_LIFE_S, _LEAST_PAUSE_S = 1.0, 0.02

#: A process whose calls hand over to each other would shut others out: what it knows is newer than what they have read.
#: So every third leader in a row leaves them the time of a read and a commit.
_IN_A_ROW, _GAP_S = 3, 0.12

#: Pauses are remembered for so many accounts.
_MOST_PAUSES = 256


class Fate(Enum):
    """What a waiting call does next."""

    #: Save what waits, its own move first.
    LEAD = "lead"
    #: A rival was faster: wait a moment, then as STALE.
    LOST = "lost"
    #: Read the rows again, and decide again.
    STALE = "stale"
    #: The group that its move was in ended without an answer: read the rows again, and save it alone.
    ALONE = "alone"


@dataclass(frozen=True, slots=True)
class Saved:
    """Its move is saved: the transition, and the rows after it."""

    transition: Transition[Any]
    after: Loaded


Answer: TypeAlias = Saved | Unavailable | Fate


class Wait(Awaitable[Answer], Protocol):
    """Where a call waits for its answer. An asyncio future is one."""

    def done(self) -> bool:
        """Whether there is an answer, or nobody waits for one any more."""

    def set_result(self, answer: Answer, /) -> None:
        """Answer. Raises if ``done``."""


@dataclass(eq=False, slots=True)
class PendingMove:
    """One call's move. ``decide`` makes the complete transition on the rows that it is given; None: nothing applies.

    ``prepared`` is what the last group with it was about to save.
    """

    key: Key
    loaded: Loaded
    decide: Callable[[Loaded], Transition[Any] | None]
    prepared: Transition[Any] | None = None
    #: None for a call that led from the start.
    wait: Wait | None = None
    leads: bool = False

    @property
    def waits(self) -> bool:
        """Whether its call waits for an answer."""
        return self.wait is not None and not self.wait.done()


@dataclass(frozen=True, slots=True)
class KnownUser:
    """A user's row as it was read, with the account's number then."""

    seq: int
    user: User | None
    etag: str


@dataclass(frozen=True, slots=True)
class Known:
    """What this process has read last of an account and its users."""

    account: Account
    etag: str
    users: dict[str, KnownUser] = field(default_factory=dict)


@dataclass(eq=False, slots=True)
class AccountMoves:
    """The moves of one account that wait, the leader's first. ``group`` are those that are being saved."""

    waiting: list[PendingMove] = field(default_factory=list)
    group: list[PendingMove] = field(default_factory=list)
    known: Known | None = None
    handed_over: int = 0

    def gap_s(self) -> float:
        """How long a leader waits so that other processes get in between: nothing, but for every third in a row."""
        return _GAP_S if self.handed_over % _IN_A_ROW == _IN_A_ROW - 1 else 0.0

    def leave(self, move: PendingMove) -> None:
        """Its call has an answer, or has ended."""
        if move in self.waiting:
            self.waiting.remove(move)

    def answer(self, move: PendingMove, answer: Answer) -> None:
        """Answer a call, if it still waits."""
        self.leave(move)
        if move.wait is not None and not move.wait.done():
            move.wait.set_result(answer)

    def hand_over(self) -> None:
        """Let the first call lead that still waits."""
        self.waiting = [each for each in self.waiting if each.waits]
        for first in self.waiting[:1]:
            if first.wait is not None:
                self.handed_over += 1
                first.leads = True
                first.wait.set_result(Fate.LEAD)


def _future() -> Wait:
    return asyncio.get_running_loop().create_future()


class PendingMoves:
    """The accounts whose moves are being saved by this process, and where rivals were met lately."""

    def __init__(self, new_wait: Callable[[], Wait] = _future) -> None:
        self.new_wait = new_wait
        self._accounts: dict[str, AccountMoves] = {}
        self._pauses: dict[str, tuple[float, datetime]] = {}

    def of(self, account_id: str) -> AccountMoves | None:
        """The moves of an account, if a call leads there."""
        return self._accounts.get(account_id)

    def open(self, account_id: str) -> AccountMoves:
        """A call begins to lead where nobody does."""
        return self._accounts.setdefault(account_id, AccountMoves())

    def end(self, account_id: str, move: PendingMove) -> None:
        """A leader has ended: the next one leads, or nobody."""
        moves = self._accounts[account_id]
        moves.group = []
        moves.leave(move)
        moves.hand_over()
        if not moves.waiting:
            del self._accounts[account_id]

    def pause_s(self, account_id: str, now: datetime) -> float:
        """How long moves of this account are gathered before a save: 0 without a rival in the last seconds."""
        pause_s, since = self._pauses.get(account_id, (0.0, now))
        left_s: float = pause_s * 0.5 ** (max(0.0, (now - since).total_seconds()) / _HALF_LIFE_S)
        if left_s < _LEAST_PAUSE_S:
            self._pauses.pop(account_id, None)
            return 0.0
        return left_s

    def met_rival(self, account_id: str, now: datetime) -> None:
        """Another process was faster."""
        pause_s = min(_LONGEST_PAUSE_S, max(_FIRST_PAUSE_S, 2 * self.pause_s(account_id, now)))
        self._pauses.pop(account_id, None)
        self._pauses[account_id] = (pause_s, now)
        if len(self._pauses) > _MOST_PAUSES:
            del self._pauses[next(iter(self._pauses))]
