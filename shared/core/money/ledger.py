"""The credits: an account, and the moves of its credits.

Rules of this file:
1. Credits are integers. ``granted == available + held + captured``, always. A move that would break this cannot be
   constructed.
2. Hold, then capture or release. A hold is resolved once, in one move: part of it is captured, the rest is released.
   The storage forbids a second resolve: each move is a ledger row, inserted under a key of its own and never updated.
3. Numbers from outside are whole numbers within their bounds, or are refused by name before anything is written. A
   bool, 10.0 or 2**63 in a row would make a row that cannot be read again.
4. A move is a pure function ``Account, amount -> Account``. Whoever saves the account saves the ledger row with it.
"""

from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from enum import StrEnum

from shared.core.keys import Key, row_key
from shared.core.reasons import Reason, Refusal, counted

#: The most credits of one move. A larger number is a typing error.
MOST_CREDITS = 1_000_000_000

#: The largest integer of a table column (Int64). A sum of moves stays within it, or is refused.
_MOST_SUM = 2**63 - 1


def whole(name: str, value: object, low: int, high: int) -> int:
    """Check that a value is an integer within its bounds. Raises ValueError, with the name and the rule, if not."""
    if type(value) is not int or not low <= value <= high:
        raise ValueError(f"{name} must be a whole number from {low} to {high}")
    return value


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """What pays: the credits of a person, a team or a customer. By default each user has an account of the same id.

    ``plan`` is the name of its plan (plans.py); empty: the default plan. ``daily_limit_credits`` bounds what may be
    held in one UTC day (None: no bound). ``day_credits`` counts against it: the credits held on ``day``, less those of
    them that were released on the same day.
    """

    account_id: str
    plan: str = ""
    granted: int = 0
    available: int = 0
    held: int = 0
    captured: int = 0
    daily_limit_credits: int | None = None
    day: date | None = None
    day_credits: int = 0

    def __post_init__(self) -> None:
        if self.granted != self.available + self.held + self.captured:
            raise ValueError(f"credits of account {self.account_id!r} do not add up")
        if min(self.available, self.held, self.captured) < 0:
            raise ValueError(f"credits of account {self.account_id!r} would be negative")
        for name in ("granted", "available", "held", "captured", "day_credits"):
            whole(name, getattr(self, name), 0, _MOST_SUM)
        if self.daily_limit_credits is not None:
            whole("daily_limit_credits", self.daily_limit_credits, 0, _MOST_SUM)


class Move(StrEnum):
    """The kinds of ledger rows."""

    GRANT = "grant"
    HOLD = "hold"
    RESOLVE = "resolve"
    CORRECTION = "correction"
    TERMS = "terms"  # no credit moves: the plan or the daily limit changes


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerEntry:
    """One move, as it is inserted into the ledger: the change of each balance.

    ``entry_id`` is unique among the account's moves of its kind. For hold and resolve it names the generation
    (``row_key``); for a grant or a correction it is the operator's or the app's own id. ``user_id`` and
    ``generation_id`` name the generation, and are empty if the move belongs to none.
    """

    account_id: str
    entry_id: str
    move: Move
    at: datetime
    granted: int = 0
    available: int = 0
    held: int = 0
    captured: int = 0
    note: str = ""
    user_id: str = ""
    generation_id: str = ""

    def __post_init__(self) -> None:
        for name in ("granted", "available", "held", "captured"):
            whole(name, getattr(self, name), -_MOST_SUM, _MOST_SUM)
        if self.granted != self.available + self.held + self.captured:
            raise ValueError(f"ledger entry {self.entry_id!r} does not add up")


def grant(account: Account, amount: int, *, grant_id: str, at: datetime, note: str = "") -> tuple[Account, LedgerEntry]:
    """Give the account ``amount`` credits (> 0)."""
    whole("amount", amount, 1, MOST_CREDITS)
    entry = LedgerEntry(
        account_id=account.account_id,
        entry_id=grant_id,
        move=Move.GRANT,
        at=at,
        granted=amount,
        available=amount,
        note=note,
    )
    return moved(account, entry), entry


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """A change of plan or daily limit. None changes nothing; ``unlimited`` removes the daily limit."""

    plan: str | None = None
    daily_limit_credits: int | None = None
    unlimited: bool = False

    def __post_init__(self) -> None:
        if self.daily_limit_credits is not None:
            whole("daily_limit_credits", self.daily_limit_credits, 0, MOST_CREDITS)
            if self.unlimited:
                raise ValueError("daily_limit_credits cannot be set and removed at once")

    def __bool__(self) -> bool:
        return self != Terms()

    def __str__(self) -> str:
        limit = "none" if self.unlimited else self.daily_limit_credits
        said = {"plan": self.plan, "daily limit": limit}
        return ", ".join(f"{name} {value}" for name, value in said.items() if value is not None)

    def of(self, account: Account) -> Account:
        """The account with these terms applied."""
        plan = account.plan if self.plan is None else self.plan
        limit = account.daily_limit_credits if self.daily_limit_credits is None else self.daily_limit_credits
        return replace(account, plan=plan, daily_limit_credits=None if self.unlimited else limit)


def changed(account: Account, terms: Terms, *, change_id: str, at: datetime) -> tuple[Account, LedgerEntry]:
    """Apply another plan or limit. The entry's note says which; no credit moves. Raises ValueError for empty terms."""
    if not terms:
        raise ValueError("a change needs a plan or a daily limit")
    entry = LedgerEntry(account_id=account.account_id, entry_id=change_id, move=Move.TERMS, at=at, note=str(terms))
    return terms.of(account), entry


def correct(
    account: Account, *, available: int, held: int, captured: int, correction_id: str, note: str, at: datetime
) -> tuple[Account, LedgerEntry]:
    """An operator's compensating entry: each balance changes by its argument, ``granted`` by their sum."""
    for name, change in (("available", available), ("held", held), ("captured", captured)):
        whole(name, change, -_MOST_SUM, _MOST_SUM)
    entry = LedgerEntry(
        account_id=account.account_id,
        entry_id=correction_id,
        move=Move.CORRECTION,
        at=at,
        granted=available + held + captured,
        available=available,
        held=held,
        captured=captured,
        note=note,
    )
    return moved(account, entry), entry


def hold(account: Account, amount: int, *, key: Key, at: datetime) -> tuple[Account, LedgerEntry]:
    """Set ``amount`` credits aside for a generation. The caller has checked ``can_hold`` before."""
    whole("amount", amount, 0, _MOST_SUM)
    entry = LedgerEntry(
        account_id=account.account_id,
        entry_id=row_key(key),
        user_id=key.user_id,
        generation_id=key.generation_id,
        move=Move.HOLD,
        at=at,
        available=-amount,
        held=amount,
    )
    spent = account.day_credits if account.day == at.date() else 0
    return replace(moved(account, entry), day=at.date(), day_credits=spent + amount), entry


def resolve(account: Account, held: int, captured: int, *, key: Key, at: datetime) -> tuple[Account, LedgerEntry]:
    """End a hold of ``held`` credits: ``captured`` of them are spent, the rest becomes available again."""
    if not 0 <= captured <= held:
        raise ValueError(f"cannot capture {captured} of {held} held credits")
    released = held - captured
    entry = LedgerEntry(
        account_id=account.account_id,
        entry_id=row_key(key),
        user_id=key.user_id,
        generation_id=key.generation_id,
        move=Move.RESOLVE,
        at=at,
        available=released,
        held=-held,
        captured=captured,
    )
    given_back = released if account.day == at.date() else 0
    return replace(moved(account, entry), day_credits=max(0, account.day_credits - given_back)), entry


def moved(account: Account, entry: LedgerEntry) -> Account:
    """The account after one ledger entry. Raises ValueError if a balance would become negative."""
    return replace(
        account,
        granted=account.granted + entry.granted,
        available=account.available + entry.available,
        held=account.held + entry.held,
        captured=account.captured + entry.captured,
    )


def can_hold(account: Account, amount: int) -> bool:
    """Whether the account has ``amount`` credits to set aside."""
    return account.available >= amount


def refusal(account: Account | None, amount: int, now: datetime) -> Refusal | None:
    """Why ``amount`` cannot be held at this time; None if it can."""
    if account is None:
        said = f"This needs up to {counted(amount, 'credit')}, and this account was never given any."
        return Refusal(Reason.NO_CREDITS, f"{said} Add credits and send it again with a new id.")
    if not can_hold(account, amount):
        waiting = f" ({account.held} more held for what is still running)" if account.held else ""
        said = f"This needs up to {counted(amount, 'credit')}; available: {account.available}{waiting}."
        return Refusal(Reason.NO_CREDITS, f"{said} Add credits and send it again with a new id.")
    if not within_daily_limit(account, amount, now.date()):
        return Refusal(Reason.OVER_LIMIT, _over_daily_limit(account, amount, now))
    return None


def _over_daily_limit(account: Account, amount: int, now: datetime) -> str:
    """The sentence: which limit, how much of it is used, until when, and whether waiting helps."""
    limit, used = account.daily_limit_credits or 0, account.day_credits if account.day == now.date() else 0
    said = f"This needs up to {counted(amount, 'credit')}. Used or held today: {used} of the daily limit of {limit}."
    if amount > limit:
        return f"{said} Ask for less, or have the limit raised."
    tomorrow = now.date() + timedelta(days=1)
    return f"{said} Send it again with a new id after {tomorrow} 00:00 UTC, ask for less, or have the limit raised."


def within_daily_limit(account: Account, amount: int, today: date) -> bool:
    """Whether holding ``amount`` more keeps the account within its daily limit."""
    if account.daily_limit_credits is None:
        return True
    spent = account.day_credits if account.day == today else 0
    return spent + amount <= account.daily_limit_credits


def plan_of(account: Account | None) -> str:
    """The name of an account's plan. Empty, which is the default plan, if it has none or if there is no account."""
    return account.plan if account else ""
