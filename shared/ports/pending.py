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
from enum import Enum
from typing import Any, Protocol, TypeAlias

from shared.core.keys import Key
from shared.core.lifecycle.generation import Transition
from shared.core.money.account import Account, User
from shared.ports.errors import Unavailable
from shared.ports.rivals import Rivals
from shared.ports.state import Loaded


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
                first.leads = True
                first.wait.set_result(Fate.LEAD)


def _future() -> Wait:
    return asyncio.get_running_loop().create_future()


class PendingMoves:
    """The accounts whose moves are being saved by this process, and where it has rivals."""

    def __init__(self, new_wait: Callable[[], Wait] = _future) -> None:
        self.new_wait = new_wait
        self.rivals = Rivals()
        self._accounts: dict[str, AccountMoves] = {}

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
