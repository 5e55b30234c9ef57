"""The audit: compares accounts with their ledgers and their open generations.

Rules of this file:
1. The audit compares and reports. It repairs nothing: a person posts a correction. A row that cannot be read is
   reported as a difference of its account, and the audit goes on with the other accounts.
2. At night the head of each account whose books are whole is signed (walking.py). A person's audit signs nothing.
3. One night may be too short for all accounts. Each account is among the first of one night in ``NIGHTS``.
"""

import asyncio
from collections import Counter, deque
from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass
from zlib import crc32

from shared.core.lifecycle.generation import Generation
from shared.core.metric import Metric
from shared.core.money.account import Account
from shared.core.money.chain import Misfit
from shared.core.money.credits import SUMS
from shared.core.money.entries import LedgerEntry
from shared.core.money.sealing import digest_again
from shared.ports import Dependencies, UnreadableRow
from shared.worker.walking import sign_tonight

#: How many accounts an audit reads at the same time: enough that the CPU, not Table Storage, is the bottleneck.
AT_ONCE = 16

#: Within this many nights every account is among the first once, so a difference is found within a week.
NIGHTS = 7


@dataclass(frozen=True, slots=True)
class Difference:
    """One difference of an account: what was compared, and both numbers in credits.

    ``unreadable`` says why the account could not be compared; the numbers are 0 then.
    """

    account_id: str
    what: str
    account: int
    counted: int
    unreadable: str = ""

    def __str__(self) -> str:
        if self.unreadable:
            return f"account {self.account_id} cannot be compared: {self.unreadable}"
        return f"account {self.account_id}, {self.what}: the account says {self.account}, counted were {self.counted}"


async def audit(deps: Dependencies, account_id: str | None = None) -> AsyncIterator[Difference]:
    """Compare every account, or one, with its ledger and its open holds. Yields and counts (metric) each difference."""
    async for _, differences in _audit_ahead(deps, _find_accounts(deps, account_id)):
        for difference in differences:
            yield difference


def audit_tonight(deps: Dependencies) -> AsyncGenerator[tuple[str, list[Difference]]]:
    """Yield (account id, differences) account by account, so that a canceled caller knows how far it got.

    The order depends on the day (rule 3). Otherwise the same accounts would be left out every night.
    """
    return _audit_ahead(deps, _by_turns(deps), signs=True)


#: An account as the store yields it: an unreadable row still names its account.
Found = Account | UnreadableRow


async def _by_turns(deps: Dependencies) -> AsyncIterator[Found]:
    """All accounts, those of today's turn first. Reads the table twice, so that no list of accounts is in memory."""
    today = deps.now().toordinal() % NIGHTS
    for first in (True, False):
        async for account in deps.store.accounts():
            if (crc32(account.account_id.encode()) % NIGHTS == today) is first:
                yield account


async def _audit_ahead(
    deps: Dependencies, accounts: AsyncIterator[Found], *, signs: bool = False
) -> AsyncGenerator[tuple[str, list[Difference]]]:
    """Yield (account id, differences) in the order of ``accounts``, while the next ``AT_ONCE`` are compared."""
    audits: deque[asyncio.Task[tuple[str, list[Difference]]]] = deque()
    try:
        async for account in accounts:
            audits.append(asyncio.create_task(_audit_one(deps, account, signs=signs)))
            if len(audits) == AT_ONCE:
                yield await audits.popleft()
        while audits:
            yield await audits.popleft()
    finally:
        for each in audits:
            each.cancel()
        await asyncio.gather(*audits, return_exceptions=True)


async def _audit_one(deps: Dependencies, account: Found, *, signs: bool) -> tuple[str, list[Difference]]:
    try:
        if isinstance(account, UnreadableRow):
            raise account
        differences = await _differences(deps, account)
        if signs and not differences:
            differences = await _signed(deps, account)
    except UnreadableRow as unreadable:
        differences = [Difference(account.account_id, "unreadable", 0, 0, str(unreadable))]
    for difference in differences:
        deps.telemetry.count(Metric.AUDIT_DIFFERENCES, account_id=difference.account_id, what=difference.what)
    return account.account_id, differences


async def _signed(deps: Dependencies, account: Account) -> list[Difference]:
    """Sign the head of an account whose books are whole; what keeps it from being signed is a difference."""
    try:
        found = await sign_tonight(deps, account)
    except ValueError as error:
        return [Difference(account.account_id, "ledger head", 0, 0, str(error))]
    if isinstance(found, Misfit):
        return [Difference(account.account_id, "ledger chain", 0, 0, str(found))]
    return []


async def _find_accounts(deps: Dependencies, account_id: str | None) -> AsyncIterator[Found]:
    if account_id is None:
        async for account in deps.store.accounts():
            yield account
        return
    found: Found | None
    try:
        found, _ = await deps.store.load_account(account_id)
    except UnreadableRow as unreadable:
        found = UnreadableRow(str(unreadable), account_id)
    if found is not None:
        yield found


async def _differences(deps: Dependencies, account: Account) -> list[Difference]:
    """The differences of one account that a second comparison confirms: it may have changed meanwhile."""
    first = await _compare(deps, account)
    if not first:
        return []
    again, _ = await deps.store.load_account(account.account_id)
    return await _compare(deps, again) if again else []


async def _compare(deps: Dependencies, account: Account) -> list[Difference]:
    """Compare the account with its ledger replayed, the links of the ledger, and the holds of open generations."""
    replay, links = Replay(), 0
    async for entry in deps.store.ledger(account.account_id):
        links += replay.add(entry)
    open_held = 0
    async for generation in deps.store.generations(account.account_id):
        if isinstance(generation, Generation) and not generation.state.ended:
            open_held += generation.held_credits
    pairs = [(f"ledger {name}", getattr(account, name), replay.sums[name]) for name in SUMS]
    pairs += replay.buckets_beside(account)
    pairs += [("ledger entries", account.seq, replay.seq), ("ledger links", 0, links)]
    pairs += [("ledger head", 0, int(account.head != replay.head)), ("open holds", account.held, open_held)]
    return [Difference(account.account_id, what, have, want) for what, have, want in pairs if have != want]


class Replay:
    """The sums and buckets that a ledger's entries make of nothing, and whether each entry is linked to the last."""

    def __init__(self) -> None:
        self.sums = dict.fromkeys(SUMS, 0)
        self.seq, self.head = 0, ""
        self._buckets: Counter[tuple[str, str]] = Counter()

    def add(self, entry: LedgerEntry) -> bool:
        """Add the next entry. Returns whether its number, its link or its digest does not fit."""
        for name in SUMS:
            self.sums[name] += getattr(entry, name)
        for change in entry.buckets:
            self._buckets[change.terms.bucket_id, "available"] += change.available
            self._buckets[change.terms.bucket_id, "held"] += change.held
        fits = (entry.seq, entry.previous) == (self.seq + 1, self.head)
        self.seq, self.head = entry.seq, digest_again(entry)
        return not fits or entry.digest != self.head

    def buckets_beside(self, account: Account) -> list[tuple[str, int, int]]:
        """Each bucket's credits in the account and by the ledger."""
        have: Counter[tuple[str, str]] = Counter()
        for bucket in account.buckets:
            have[bucket.terms.bucket_id, "available"] = bucket.available
            have[bucket.terms.bucket_id, "held"] = bucket.held
        names = sorted(have.keys() | self._buckets.keys())
        return [(f"bucket {name} {what}", have[name, what], self._buckets[name, what]) for name, what in names]
