"""What Darkroom promises about credits, computed anew from the ledger's entries.

Rules of this file:
1. ``replayed`` shares no code with ``core/money``: it adds numbers. A mistake in a move cannot hide itself.
2. ``moves_of`` says which moves a save must have; ``no_window_exceeded`` looks at each hold as it is saved.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from shared.core.lifecycle.generation import AnyGeneration, Closed, Generation, Transition
from shared.core.money.account import Account, User, own_use
from shared.core.money.entries import LedgerEntry, Move
from shared.core.money.limits import Effect, Scope, Unit
from shared.core.money.sealing import digest_again
from shared.core.money.windows import Span

SUMS = ("granted", "available", "held", "captured", "expired", "revoked")

#: So many entries are known by their address, with their digest, and kept alive for it; then all are computed anew.
#: Entries are frozen: one that was looked at need not be digested again after each step of each schedule.
MOST_KNOWN = 10_000
_KNOWN: dict[int, tuple[LedgerEntry, str]] = {}

#: What is posted because it was due, before or after any move.
DUE = (Move.ALLOWANCE, Move.EXPIRE)


def moves_of(before: AnyGeneration | None, transition: Transition[AnyGeneration], *, pays: bool) -> tuple[Move, ...]:
    """The moves that a save must post, beside what was due. ``pays``: there is an account."""
    after = transition.generation
    if isinstance(after, Closed):
        return (Move.ENDED_UNOPENED,) if pays else ()
    if isinstance(after, Generation) and not isinstance(before, Generation):
        return (Move.HOLD,)
    return (Move.RESOLVE,) if isinstance(after, Generation) and after.state.ended else ()


@dataclass(slots=True)
class _Books:
    """What a ledger's entries add up to."""

    sums: dict[str, int] = field(default_factory=lambda: dict.fromkeys(SUMS, 0))
    buckets: Counter[tuple[str, str]] = field(default_factory=Counter)
    allowances: Counter[str] = field(default_factory=Counter)
    head: str = ""
    seq: int = 0
    whole: bool = True

    def add(self, entry: LedgerEntry) -> bool:
        """Add an entry; whether it is the next of the chain."""
        self.seq += 1
        if (entry.seq, entry.previous, entry.digest) != (self.seq, self.head, _digest_of(entry)):
            return False
        self.head = entry.digest
        self.allowances[entry.entry_id] += entry.move is Move.ALLOWANCE
        for name in SUMS:
            self.sums[name] += getattr(entry, name)
        for change in entry.buckets:
            self.buckets[change.terms.bucket_id, "available"] += change.available
            self.buckets[change.terms.bucket_id, "held"] += change.held
        return True


#: The entries of an account as they were when they were last added up, and what they came to: from these the rest goes
#: on, if they are what it begins with.
_ADDED: dict[str, tuple[list[LedgerEntry], _Books]] = {}


def _added(account_id: str, entries: Sequence[LedgerEntry]) -> _Books:
    """What the entries add up to, as far as the chain is whole."""
    before, books = _ADDED.pop(account_id, ([], _Books()))
    if before != entries[: len(before)]:
        before, books = [], _Books()
    books.whole = all(map(books.add, entries[len(before) :]))
    if books.whole:
        _ADDED[account_id] = list(entries), books
    return books


def broken_books(account: Account, entries: Sequence[LedgerEntry]) -> str:
    """The first promise that an account's books break; empty if they keep all."""
    books = _added(account.account_id, entries)
    if not books.whole:
        return f"the chain is whole: entry {books.seq}"
    sums, buckets, seq, head, periods = books.sums, books.buckets, books.seq, books.head, books.allowances
    have = {
        (each.terms.bucket_id, what): getattr(each, what) for each in account.buckets for what in ("available", "held")
    }
    if sums["granted"] != sum(sums[name] for name in SUMS[1:]) or min(sums.values()) < 0:
        return "money is conserved, and no balance is negative"
    if {name: getattr(account, name) for name in SUMS} != sums or (account.seq, account.head) != (seq, head):
        return "the ledger explains the account"
    if {key: number for key, number in have.items() if number} != {
        key: number for key, number in buckets.items() if number
    }:
        return "the ledger explains the buckets"
    if sum(each.available for each in account.buckets) != account.available:
        return "the sum of buckets is what is available"
    if any(each.available and (end := each.terms.expires_at) and end <= account.moved_at for each in account.buckets):
        return "what has expired is not available"
    return "an allowance is granted once" if periods and max(periods.values()) > 1 else ""


def missed_allowance(account: Account, entries: Iterable[LedgerEntry]) -> str:
    """What is broken of a plan's monthly allowance; empty if it was granted once in the month of the last move.

    Zones are UTC here. A command that sets this plan is the last one before its first allowance.
    """
    months: Counter[str] = Counter()
    last = None
    for entry in entries:
        last = entry
        if entry.move is Move.ALLOWANCE:
            months[f"{entry.at:%Y-%m}"] += 1
    if months and max(months.values()) > 1:
        return "an allowance is granted once in a month"
    missed = last is not None and last.move is not Move.SET_PLAN and not months[f"{last.at:%Y-%m}"]
    return f"an allowance is never missed: {account.account_id}" if missed else ""


def _digest_of(entry: LedgerEntry) -> str:
    """The digest of what this entry says, computed once."""
    known = _KNOWN.get(id(entry))
    if known is None:
        if len(_KNOWN) >= MOST_KNOWN:
            _KNOWN.clear()
        known = _KNOWN[id(entry)] = entry, digest_again(entry)
    return known[1]


def exceeded_window(account: Account, user: User | None, approved: Collection[tuple[str, Scope]] = ()) -> str:
    """The id of a limit that a hold has just exceeded, and that nobody has approved; empty if it does not exist."""
    mine = user.limits if user else account.own_limits
    own = user.usage if user else own_use(account)
    for limits in (account.limits, mine):
        for limit in limits:
            if limit.window is Span.IN_FLIGHT:
                continue  # it bounds no window: turn_invariants.py
            usage = own if limit.scope is Scope.USER else account.usage
            used = usage.used(_at(account))[limit.window][limit.unit is Unit.USD]
            allowed = limit.effect is Effect.WARN or (
                limit.effect is Effect.APPROVE and (limit.limit_id, limit.scope) in approved
            )
            if not allowed and used > limit.amount:
                return limit.limit_id
    return ""


def _at(account: Account) -> datetime:
    return account.moved_at
