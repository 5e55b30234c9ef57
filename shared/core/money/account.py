"""Accounts and users, as they are saved, and the one function that moves credits.

Rules of this file:
1. An account pays; users belong to it. A user whose account has the same id has no row of its own: its limits and its
   use are in the account's. All use is its own until another user holds something, so a person's account has it once.
2. ``granted == available + held + captured + expired + revoked``. The buckets' available and held credits are the
   account's. An account that breaks this cannot be constructed.
3. ``moved`` is the only function that changes sums, buckets and windows. It takes them from a ledger entry alone, so
   the ledger replayed is the account.
4. Each setting keeps when its last command was issued, and the command's id. An older command changes nothing, so two
   commands leave the same setting in any order. At equal times the greater id wins.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

from shared.core.money.allowance import Running
from shared.core.money.buckets import Buckets, Parts, changed, parts_sum
from shared.core.money.credits import MOST_SUM, Sums, whole
from shared.core.money.entries import LedgerEntry, Move
from shared.core.money.limits import Limit, Warned
from shared.core.money.windows import UNUSED, Usage
from shared.core.values import replace

#: Before the first move.
NEVER_MOVED = datetime.min.replace(tzinfo=UTC)


class Standing(StrEnum):
    """Whether an account may open new generations."""

    ACTIVE = "active"
    SUSPENDED = "suspended"


@dataclass(frozen=True, slots=True)
class Stamp:
    """The last command for a setting: when it was issued, and its id."""

    setting: str
    issued_at: datetime
    command_id: str


Stamps = tuple[Stamp, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Account(Sums):
    """What pays: a person, a team or a customer. By default each user has an account of the same id.

    ``plan`` is the name of its plan; empty: the default plan.
    ``seq`` and ``head`` are the number and the digest of its last ledger entry, ``moved_at`` its time: the times of an
    account's entries never go back, whatever the workers' clocks say.
    ``own`` and ``own_limits`` are of the user with the account's id (rule 1). ``own`` is None until others use it.
    """

    account_id: str
    name: str = ""
    plan: str = ""
    standing: Standing = Standing.ACTIVE
    suspended_for: str = ""
    approvers: tuple[str, ...] = ()
    zone: str = "UTC"
    buckets: Buckets = ()
    usage: Usage = UNUSED
    limits: tuple[Limit, ...] = ()
    warned: tuple[Warned, ...] = ()
    running: Running | None = None
    stamps: Stamps = ()
    own: Usage | None = None
    own_limits: tuple[Limit, ...] = ()
    seq: int = 0
    head: str = ""
    moved_at: datetime = NEVER_MOVED

    def __post_init__(self) -> None:
        if not self.add_up:
            raise ValueError(f"credits of account {self.account_id!r} do not add up")
        if min(self.available, self.held, self.captured, self.expired, self.revoked) < 0:
            raise ValueError(f"credits of account {self.account_id!r} would be negative")
        self.check(0)
        whole("seq", self.seq, 0, MOST_SUM)
        if self.available != sum([bucket.available for bucket in self.buckets]):
            raise ValueError(f"available credits of account {self.account_id!r} are not those of its buckets")
        if self.held != sum([bucket.held for bucket in self.buckets]):
            raise ValueError(f"held credits of account {self.account_id!r} are not those of its buckets")


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """A user of an account of another id: its limits, and what it uses."""

    account_id: str
    user_id: str
    usage: Usage = UNUSED
    limits: tuple[Limit, ...] = ()
    warned: tuple[Warned, ...] = ()
    stamps: Stamps = ()


@dataclass(frozen=True, slots=True)
class Hold:
    """What a generation holds: credits of buckets, since when, and its worst case at the provider."""

    parts: Parts
    at: datetime
    worst_cost_usd_micros: int = 0

    @property
    def credits(self) -> int:
        """The credits of all parts."""
        return parts_sum(self.parts)


def moved(account: Account, entry: LedgerEntry) -> Account:
    """The account after one ledger entry. Raises ValueError if a balance would become negative."""
    return replace(
        account,
        granted=account.granted + entry.granted,
        available=account.available + entry.available,
        held=account.held + entry.held,
        captured=account.captured + entry.captured,
        expired=account.expired + entry.expired,
        revoked=account.revoked + entry.revoked,
        buckets=changed(account.buckets, entry.buckets),
        usage=used(account.usage, entry, account.zone),
        own=_own(account, entry),
        seq=entry.seq,
        head=entry.digest,
        moved_at=entry.at,
    )


def used(usage: Usage, entry: LedgerEntry, zone: str) -> Usage:
    """The windows of an account or a user after one of its entries: only holds and their ends change them."""
    if entry.move is Move.HOLD:
        return usage.plus(entry.at, entry.held, entry.usd_micros, zone)
    if entry.move is Move.RESOLVE and entry.held_at is not None:
        return usage.changed(entry.held_at, entry.held + entry.captured, entry.usd_micros)
    return usage


def own_use(account: Account) -> Usage:
    """What the user with the account's id uses (rule 1)."""
    return account.usage if account.own is None else account.own


def _own(account: Account, entry: LedgerEntry) -> Usage | None:
    """The windows of the user with the account's id (rule 1): what others use leaves them as they are."""
    if account.own is None:
        return account.usage if entry.move is Move.HOLD and entry.user_id != entry.account_id else None
    return used(account.own, entry, account.zone) if entry.user_id == entry.account_id else account.own


def is_newer(stamps: Stamps, setting: str, issued_at: datetime, command_id: str) -> bool:
    """Whether a command is the newest for a setting (rule 4)."""
    last = next((stamp for stamp in stamps if stamp.setting == setting), None)
    return last is None or (issued_at, command_id) > (last.issued_at, last.command_id)


def stamped(stamps: Stamps, setting: str, issued_at: datetime, command_id: str) -> Stamps:
    """The stamps with that of a setting replaced. They are in the order of settings' names."""
    kept = [stamp for stamp in stamps if stamp.setting != setting]
    return tuple(sorted([*kept, Stamp(setting, issued_at, command_id)], key=lambda stamp: stamp.setting))


def plan_of(account: Account | None) -> str:
    """The name of an account's plan. Empty, which is the default plan, if it has none or if there is no account."""
    return account.plan if account else ""
