"""Grants, changes of terms and corrections of accounts, and the audit that compares accounts with their ledgers.

Rules of this file:
1. A grant, a correction and a change of terms each have an id. The same id with the same content is one entry. The
   same id with other content is refused.
2. The audit compares and reports. It repairs nothing: a person posts a correction. A row that cannot be read is
   reported as a difference of its account, and the audit goes on with the other accounts.
3. One night may be too short for all accounts. Each account is among the first of one night in ``NIGHTS``.
"""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from dataclasses import dataclass
from zlib import crc32

from shared.core.dependency import Dependency
from shared.core.keys import ID_RULE, is_id
from shared.core.lifecycle.generation import Generation
from shared.core.metric import Metric
from shared.core.money import ledger
from shared.core.money.ledger import Account, LedgerEntry
from shared.ports import Conflict, Dependencies, Unavailable, UnreadableRow
from shared.worker.saving import CONFLICT_TRIES

#: How many accounts an audit reads at the same time: enough that the CPU, not Table Storage, is the bottleneck.
AT_ONCE = 16

#: Within this many nights every account is among the first once, so a difference is found within a week.
NIGHTS = 7


async def grant(
    deps: Dependencies,
    account_id: str,
    amount: int,
    *,
    grant_id: str,
    plan: str | None = None,
    daily_limit_credits: int | None = None,
    unlimited: bool = False,
) -> Account:
    """Grant ``amount`` credits, and set the plan and the daily limit if they are given. Returns the account after it.

    Raises ValueError, which names the invalid argument, before anything is saved. It is raised too if the grant id
    was used before for another amount, plan or limit.
    """
    _check_ids(account_id, grant_id)
    _check_plan(deps, plan)
    terms = ledger.Terms(plan=plan, daily_limit_credits=daily_limit_credits, unlimited=unlimited)

    def given(account: Account | None) -> tuple[Account, LedgerEntry]:
        on = terms.of(account or Account(account_id=account_id))
        return ledger.grant(on, amount, grant_id=grant_id, at=deps.now(), note=str(terms))

    return await _post_once(deps, account_id, given)


async def change_terms(
    deps: Dependencies,
    account_id: str,
    *,
    change_id: str,
    plan: str | None = None,
    daily_limit_credits: int | None = None,
    unlimited: bool = False,
) -> Account:
    """Set the plan or the daily limit, or remove the limit, without moving credits. Returns the account after it.

    The same id twice is one change. Raises ValueError, which names the invalid argument, and if there is no account.
    """
    _check_ids(account_id, change_id)
    _check_plan(deps, plan)
    terms = ledger.Terms(plan=plan, daily_limit_credits=daily_limit_credits, unlimited=unlimited)

    def changed(account: Account | None) -> tuple[Account, LedgerEntry]:
        if account is None:
            raise ValueError(f"there is no account {account_id!r}")
        return ledger.changed(account, terms, change_id=change_id, at=deps.now())

    return await _post_once(deps, account_id, changed)


async def _post_once(
    deps: Dependencies, account_id: str, move: Callable[[Account | None], tuple[Account, LedgerEntry]]
) -> Account:
    """Save one ledger entry and its account. If the id exists already, it must be of the same entry (ValueError)."""
    for _ in range(CONFLICT_TRIES):
        account, etag = await deps.store.load_account(account_id)
        after, entry = move(account)
        try:
            if await deps.store.post(after, etag, entry):
                return after
        except Conflict:
            await deps.sleep(deps.chance() / 10)
            continue
        await _expect_same_entry(deps, entry)
        current, _ = await deps.store.load_account(account_id)
        return current or after
    raise Unavailable(Dependency.TABLES, "the account is being changed by too many at once")


async def _expect_same_entry(deps: Dependencies, wanted: LedgerEntry) -> None:
    """Raise ValueError if the ledger has an entry of this id with another amount or other terms."""
    async for posted in deps.store.ledger(wanted.account_id):
        if (posted.move, posted.entry_id) != (wanted.move, wanted.entry_id):
            continue
        if (posted.granted, posted.note) != (wanted.granted, wanted.note):
            was, now = (f"{each.granted} credits, {each.note or 'no terms'}" for each in (posted, wanted))
            raise ValueError(f"the id {wanted.entry_id!r} was used before for {was}; this is {now}: use another id")


async def correct(  # noqa: PLR0913  # each is a column of the entry
    deps: Dependencies,
    account_id: str,
    *,
    available: int,
    held: int,
    captured: int,
    correction_id: str,
    note: str,
    ledger_only: bool = False,
) -> Account:
    """Post a compensating entry: differences in credits of each balance. Returns the account after it.

    The account's balances change too, unless ``ledger_only`` is set: the balances were right, and the ledger was not.
    Raises ValueError if there is no account, if the id was used before, or if a balance would become negative.
    """
    _check_ids(account_id, correction_id)
    for _ in range(CONFLICT_TRIES):
        account, etag = await deps.store.load_account(account_id)
        if account is None:
            raise ValueError(f"there is no account {account_id!r}")
        corrected, entry = ledger.correct(
            account,
            available=available,
            held=held,
            captured=captured,
            correction_id=correction_id,
            note=note,
            at=deps.now(),
        )
        after = account if ledger_only else corrected
        try:
            posted = await deps.store.post(after, etag, entry)
        except Conflict:
            await deps.sleep(deps.chance() / 10)
            continue
        if not posted:
            raise ValueError(f"the correction {correction_id!r} was posted before")
        return after
    raise Unavailable(Dependency.TABLES, "the account is being changed by too many at once")


def _check_ids(account_id: str, entry_id: str) -> None:
    """Raise ValueError unless both follow the rule for ids: both become keys of a table."""
    for name, value in (("account id", account_id), ("entry id", entry_id)):
        if not is_id(value):
            raise ValueError(f"the {name} must be {ID_RULE}")


def _check_plan(deps: Dependencies, plan: str | None) -> None:
    """Raise ValueError unless it is a plan's name: an account with another plan could open nothing."""
    if plan is not None and plan not in list(deps.plans):
        raise ValueError(f"plan must be one of {', '.join(deps.plans)}")


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
    return _audit_ahead(deps, _by_turns(deps))


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
    deps: Dependencies, accounts: AsyncIterator[Found]
) -> AsyncGenerator[tuple[str, list[Difference]]]:
    """Yield (account id, differences) in the order of ``accounts``, while the next ``AT_ONCE`` are compared."""
    audits: deque[asyncio.Task[tuple[str, list[Difference]]]] = deque()
    try:
        async for account in accounts:
            audits.append(asyncio.create_task(_audit_one(deps, account)))
            if len(audits) == AT_ONCE:
                yield await audits.popleft()
        while audits:
            yield await audits.popleft()
    finally:
        for each in audits:
            each.cancel()
        await asyncio.gather(*audits, return_exceptions=True)


async def _audit_one(deps: Dependencies, account: Found) -> tuple[str, list[Difference]]:
    try:
        if isinstance(account, UnreadableRow):
            raise account
        differences = await _differences(deps, account)
    except UnreadableRow as unreadable:
        differences = [Difference(account.account_id, "unreadable", 0, 0, str(unreadable))]
    for difference in differences:
        deps.telemetry.count(Metric.AUDIT_DIFFERENCES, account_id=difference.account_id, what=difference.what)
    return account.account_id, differences


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
    replayed = {"granted": 0, "available": 0, "held": 0, "captured": 0}
    async for entry in deps.store.ledger(account.account_id):
        for name in replayed:
            replayed[name] += getattr(entry, name)
    open_held = 0
    async for generation in deps.store.generations(account.account_id):
        if isinstance(generation, Generation) and not generation.state.ended:
            open_held += generation.held_credits
    pairs = [(f"ledger {name}", getattr(account, name), total) for name, total in replayed.items()]
    pairs.append(("open holds", account.held, open_held))
    return [Difference(account.account_id, what, have, want) for what, have, want in pairs if have != want]
