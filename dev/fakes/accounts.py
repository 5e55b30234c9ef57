"""Accounts as tests and benchmarks need them."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from shared.core.money import moves
from shared.core.money.account import Account
from shared.core.money.buckets import Bucket, Terms
from shared.core.money.limits import Limit
from shared.core.money.moves import Moved, Posting
from shared.core.money.sealing import sealed
from shared.core.money.windows import Span

_LONG_AGO = datetime(2026, 1, 1, tzinfo=UTC)


def funded(account_id: str, available: int, held: int = 0, captured: int = 0, **others: Any) -> Account:
    """An account with these credits in one bucket, as no ledger explains it."""
    bucket = (Bucket(Terms("grant:welcome", _LONG_AGO), available, held),) if available or held else ()
    return Account(
        account_id=account_id,
        granted=available + held + captured,
        available=available,
        held=held,
        captured=captured,
        buckets=bucket,
        **others,
    )


def granted(account: Account, amount: int, *, grant_id: str, at: datetime) -> Moved:
    """An account after a grant, with the entry in its chain."""
    after = moves.grant(account, amount, grant_id=grant_id, posting=Posting(at=at))
    linked, entries = sealed(after.account, after.entries, account.head, b"names")
    return replace(after, account=linked, entries=entries)


def daily(amount: int) -> Limit:
    """A limit of credits for each day."""
    return Limit(limit_id="daily", window=Span.DAY, amount=amount)


def edited(account: Account, available: int, held: int = 0, captured: int = 0) -> Account:
    """The account as somebody edits it by hand: other sums, and a first bucket with these credits."""
    terms = account.buckets[0].terms if account.buckets else Terms("grant:welcome", _LONG_AGO)
    buckets = (Bucket(terms, available, held),) if available or held else ()
    sums = {"granted": available + held + captured, "available": available, "held": held, "captured": captured}
    return replace(account, buckets=buckets, **sums)  # type: ignore[arg-type]  # numbers by name
