"""Ledger entries: one for each move, chained by number and digest.

Rules of this file:
1. An entry is inserted, never updated, but that its texts can be erased (erasing.py). Its number is the account's next
   one, and its kind and id forbid a second.
2. An entry is a change of the six sums and of the buckets, and both add up. An account after an entry is a function of
   the account before it and the entry (``account.moved``), so a replay of the ledger makes the account.
3. An entry says who did it (``by``), who is to be asked why (``why``), and what was asked (``asked``): the same id with
   other content is refused by comparing ``asked``.
4. An entry is sealed once, by whoever saves it (sealing.py): ``previous`` is the digest of the entry before, and
   ``stand_ins`` are the keyed digests of its texts.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from shared.core.money.buckets import Changes
from shared.core.money.credits import MOST_SUM, Sums
from shared.core.money.linking import StandIns

#: Who does a move, beside ``operator:NAME``.
BY_USER, BY_PLAN, BY_SYSTEM = "user", "plan", "system"

#: The longest ``by`` and ``why``, in characters.
MOST_BY, MOST_WHY = 200, 500


class Move(StrEnum):
    """The kinds of moves. Those from SET_ACCOUNT on move no credits, but for what a plan change says of allowances."""

    GRANT = "grant"
    HOLD = "hold"
    RESOLVE = "resolve"
    REFUND = "refund"
    REVOKE = "revoke"
    EXPIRE = "expire"
    ALLOWANCE = "allowance"
    CORRECTION = "correction"
    SET_ACCOUNT = "set_account"
    SET_PLAN = "set_plan"
    SET_LIMIT = "set_limit"
    REMOVE_LIMIT = "remove_limit"
    SUSPEND = "suspend"
    REACTIVATE = "reactivate"
    ENDED_UNOPENED = "ended_unopened"


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerEntry(Sums):
    """One move: its changes, who did it and why.

    ``entry_id`` is unique among the account's moves of its kind. For hold, resolve and ended_unopened it names the
    generation (``row_key``); for an allowance the start of its period; for what a person or an app does it is their own
    id. ``user_id`` and ``generation_id`` are empty if the move belongs to none.

    ``usd_micros`` is the change of what counts in the windows: the worst case of a hold, and by how much a resolve
    corrects it. ``held_at`` is the time of the hold that a resolve ends.
    ``superseded``: a newer command for the same setting came first, and nothing changed.
    """

    account_id: str
    seq: int
    move: Move
    entry_id: str
    at: datetime
    buckets: Changes = ()
    by: str = BY_SYSTEM
    why: str = ""
    asked: str = ""
    superseded: bool = False
    user_id: str = ""
    generation_id: str = ""
    usd_micros: int = 0
    held_at: datetime | None = None
    previous: str = ""
    stand_ins: StandIns | None = None
    digest: str = ""

    def __post_init__(self) -> None:
        self.check(-MOST_SUM)
        if not self.add_up or self.available != sum([change.available for change in self.buckets]):
            raise ValueError(f"ledger entry {self.entry_id!r} does not add up")
        if self.held != sum([change.held for change in self.buckets]):
            raise ValueError(f"the held credits of ledger entry {self.entry_id!r} do not add up")
        if len(self.by) > MOST_BY or len(self.why) > MOST_WHY:
            raise ValueError(f"by has at most {MOST_BY} characters, and why {MOST_WHY}")
        _check_text("by", self.by)
        _check_text("why", self.why)


def _check_text(name: str, value: str) -> None:
    """Raise ValueError for half of a surrogate pair: it has no bytes of which a digest could be made."""
    if not value.isascii() and any("\ud800" <= char <= "\udfff" for char in value):
        raise ValueError(f"{name} has characters that are not text")


def operator(name: str) -> str:
    """Who did it: an operator."""
    return f"operator:{name}"
