"""The audit: compares accounts with their ledgers and their open generations.

Rules of this file:
1. The audit compares and reports. It repairs nothing: a person posts a correction. A row that cannot be read is
   reported as a difference of its account, and the audit goes on with the other accounts.
2. An account is compared at the number that it had when it was read, so one that moves meanwhile is no difference.
3. A person's audit reads everything and signs nothing. The night's audit is in nights.py.
"""

import asyncio
from collections import Counter, deque
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeVar

from shared.core.metric import Metric
from shared.core.money.account import Account
from shared.core.money.chain import NameBucket
from shared.core.money.credits import SUMS
from shared.core.money.entries import LedgerEntry
from shared.core.money.sealing import digest_again
from shared.ports import Dependencies, UnreadableRow
from shared.worker.open_holds import held_at

#: How many accounts an audit reads at the same time: enough that the CPU, not Table Storage, is the bottleneck.
AT_ONCE = 16

T = TypeVar("T")
R = TypeVar("R")


class DifferenceKind(StrEnum):
    """What was compared. The values are the words of reports and of the metric's label."""

    SUM = "ledger"
    BUCKET = "bucket"
    ENTRIES = "ledger entries"
    LINKS = "ledger links"
    HEAD = "ledger head"
    CHAIN = "ledger chain"
    OPEN_HOLDS = "open holds"
    ACCOUNT_ROW = "account row"
    UNREADABLE = "unreadable"


@dataclass(frozen=True, slots=True)
class Difference:
    """One difference of an account: what was compared, and both numbers in credits.

    ``sum_name`` is the sum that a SUM or a BUCKET is about, ``bucket_id`` the bucket. ``unreadable`` says why the
    account could not be compared; the numbers are 0 then.
    """

    account_id: str
    kind: DifferenceKind
    account: int
    counted: int
    unreadable: str = ""
    bucket_id: str = ""
    sum_name: str = ""

    @property
    def what(self) -> str:
        """What was compared, in words, such as "bucket grant:welcome available"."""
        return " ".join(part for part in (self.kind.value, self.bucket_id, self.sum_name) if part)

    @property
    def gap(self) -> int:
        """How many credits the account has more than were counted."""
        return self.account - self.counted

    def __str__(self) -> str:
        if self.unreadable:
            return f"account {self.account_id} cannot be compared: {self.unreadable}"
        return f"account {self.account_id}, {self.what}: the account says {self.account}, counted were {self.counted}"


#: Available and held credits of buckets, by the name that they are counted under.
CountedBuckets = Mapping[str, tuple[int, int]]


async def audit(deps: Dependencies, account_id: str | None = None) -> AsyncIterator[Difference]:
    """Compare every account, or one, with its ledger and its open holds. Yields and counts (metric) each difference."""

    async def one(found: Found) -> list[Difference]:
        return await audited(deps, found.account_id, lambda: _differences(deps, found))

    async for differences in ahead(_find_accounts(deps, account_id), one):
        for difference in differences:
            yield difference


#: An account as the store yields it: an unreadable row still names its account.
Found = Account | UnreadableRow


async def ahead(items: AsyncIterator[T], work: Callable[[T], Awaitable[R]]) -> AsyncGenerator[R]:
    """Yield what becomes of each item in the order of ``items``, while the next ``AT_ONCE`` are worked on."""
    tasks: deque[asyncio.Task[R]] = deque()

    async def run(item: T) -> R:
        return await work(item)

    try:
        async for item in items:
            tasks.append(asyncio.create_task(run(item)))
            if len(tasks) == AT_ONCE:
                yield await tasks.popleft()
        while tasks:
            yield await tasks.popleft()
    finally:
        for each in tasks:
            each.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def audited(
    deps: Dependencies, account_id: str, compare: Callable[[], Awaitable[list[Difference]]]
) -> list[Difference]:
    """What a comparison of one account finds, counted. A row that cannot be read is a difference (rule 1)."""
    try:
        differences = await compare()
    except UnreadableRow as unreadable:
        differences = [unread(account_id, str(unreadable))]
    for difference in differences:
        deps.telemetry.count(Metric.AUDIT_DIFFERENCES, account_id=difference.account_id, what=difference.what)
    return differences


def unread(account_id: str, why: str, kind: DifferenceKind = DifferenceKind.UNREADABLE) -> Difference:
    """The difference of an account that could not be compared."""
    return Difference(account_id, kind, 0, 0, why)


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


async def _differences(deps: Dependencies, account: Found) -> list[Difference]:
    """Compare the account with its ledger replayed, the links of the ledger, and the holds of open generations."""
    if isinstance(account, UnreadableRow):
        raise account
    replay, links, beyond = Replay(), 0, 0
    async for entry in deps.store.ledger(account.account_id):
        if entry.seq > account.seq:
            beyond = entry.seq
            break
        links += replay.add(entry)
    open_held, last = await held_at(deps, account, deps.store.generations(account.account_id))
    pairs = [
        (DifferenceKind.ENTRIES, account.seq, beyond if beyond > last else replay.seq),
        (DifferenceKind.LINKS, 0, links),
        (DifferenceKind.HEAD, 0, int(account.head != replay.head)),
        (DifferenceKind.OPEN_HOLDS, account.held, open_held),
    ]
    return [
        *beside(account, [replay.sums[name] for name in SUMS], replay.buckets()),
        *[Difference(account.account_id, kind, have, want) for kind, have, want in pairs if have != want],
    ]


def beside(account: Account, sums: Sequence[int], counted: CountedBuckets, named: NameBucket = str) -> list[Difference]:
    """The sums and buckets of an account beside those that its ledger makes."""
    found = [
        Difference(account.account_id, DifferenceKind.SUM, getattr(account, name), want, sum_name=name)
        for name, want in zip(SUMS, sums, strict=True)
    ]
    shown = {named(bucket.terms.bucket_id): bucket.terms.bucket_id for bucket in account.buckets}
    have = {named(bucket.terms.bucket_id): (bucket.available, bucket.held) for bucket in account.buckets}
    for name in sorted(have.keys() | counted.keys(), key=lambda name: shown.get(name, name)):
        both = zip(("available", "held"), have.get(name, (0, 0)), counted.get(name, (0, 0)), strict=True)
        found += [_of_bucket(account, shown.get(name, name), *each) for each in both]
    return [each for each in found if each.gap]


def _of_bucket(account: Account, bucket_id: str, sum_name: str, have: int, want: int) -> Difference:
    kind = DifferenceKind.BUCKET
    return Difference(account.account_id, kind, have, want, bucket_id=bucket_id, sum_name=sum_name)


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

    def buckets(self) -> CountedBuckets:
        """Each bucket's credits by the ledger."""
        names = {name for name, _ in self._buckets}
        return {name: (self._buckets[name, "available"], self._buckets[name, "held"]) for name in names}
