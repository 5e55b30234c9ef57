"""The accounts: grants, corrections, and the audit that trusts nobody.

Rules of this file:
1. A grant, a correction or a change of terms has an id of its own: the same id twice is one entry, and the same id for
   something else is refused.
2. The audit compares and reports. It never mends: a difference is mended by a correction that a person made. A row that
   cannot be read is told as a difference of its account; the others are looked at all the same.
3. A night may be too short for all accounts. Every account comes first in one of ``NIGHTS`` nights.
"""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from dataclasses import dataclass
from zlib import crc32

from shared.core.dependency import Dependency
from shared.core.keys import ID_RULE, is_id
from shared.core.money import ledger
from shared.core.money.ledger import Account, LedgerEntry, Plan
from shared.ports import Conflict, Dependencies, Unavailable, UnreadableRow
from shared.worker.saving import CONFLICT_TRIES

#: How many accounts an audit looks at at a time: enough that it waits for its own core more than for the tables.
AT_ONCE = 16

#: In how many nights every account comes first once: a difference is found within a week, if not in the first night.
NIGHTS = 7


async def grant(
    deps: Dependencies,
    account_id: str,
    amount: int,
    *,
    grant_id: str,
    plan: Plan | None = None,
    daily_limit_credits: int | None = None,
    unlimited: bool = False,
) -> Account:
    """Give ``amount`` credits, and set the plan and the daily limit where they are given. Returns the account.

    ValueError, with the name of what is wrong, before anything moves; also where the grant id was used for another
    amount, plan or limit: it is one grant.
    """
    _check_ids(account_id, grant_id)
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
    plan: Plan | None = None,
    daily_limit_credits: int | None = None,
    unlimited: bool = False,
) -> Account:
    """Set the plan or the daily limit, or take the limit away, without a credit. Returns the account.

    ValueError, with the name of what is wrong, and where there is no account; the same id twice is one change.
    """
    _check_ids(account_id, change_id)
    terms = ledger.Terms(plan=plan, daily_limit_credits=daily_limit_credits, unlimited=unlimited)

    def changed(account: Account | None) -> tuple[Account, LedgerEntry]:
        if account is None:
            raise ValueError(f"there is no account {account_id!r}")
        return ledger.changed(account, terms, change_id=change_id, at=deps.now())

    return await _post_once(deps, account_id, changed)


async def _post_once(
    deps: Dependencies, account_id: str, move: Callable[[Account | None], tuple[Account, LedgerEntry]]
) -> Account:
    """Save a move of an account, once; one that was saved before must have been the same."""
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
    """ValueError if the id of an entry that is there stands for something else than what is wanted now."""
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
    """Post a compensating entry. Returns the account.

    It moves the account too, unless ``ledger_only``: then the account was right, and the ledger did not explain it.
    ValueError if there is no account, the id was used before, or a balance would become negative.
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
    """Both become keys of a table, so both are held to the rule for ids."""
    for name, value in (("account id", account_id), ("entry id", entry_id)):
        if not is_id(value):
            raise ValueError(f"the {name} must be {ID_RULE}")


@dataclass(frozen=True, slots=True)
class Difference:
    """One account whose books do not agree: what was compared, and the two numbers. Or cannot be read: then why."""

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
    """Compare every account, or one user's, with its ledger and open generations; counts and yields differences."""
    async for _, differences in _audit_ahead(deps, _find_accounts(deps, account_id)):
        for difference in differences:
            yield difference


def audit_tonight(deps: Dependencies) -> AsyncGenerator[tuple[str, list[Difference]]]:
    """The same of every account, one after the other: its user and its differences. For whoever may be cut off.

    The order depends on the day (rule 3), so that it is not the same accounts every night that nobody looks at.
    """
    return _audit_ahead(deps, _by_turns(deps))


#: An account as it is found: one that cannot be read is named all the same.
Found = Account | UnreadableRow


async def _by_turns(deps: Dependencies) -> AsyncIterator[Found]:
    """All accounts, those whose turn it is today first. Reads the accounts twice, and remembers none."""
    today = deps.now().toordinal() % NIGHTS
    for first in (True, False):
        async for account in deps.store.accounts():
            if (crc32(account.account_id.encode()) % NIGHTS == today) is first:
                yield account


async def _audit_ahead(
    deps: Dependencies, accounts: AsyncIterator[Found]
) -> AsyncGenerator[tuple[str, list[Difference]]]:
    """Users and their differences in the order of ``accounts``; the next ones are looked at meanwhile."""
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
        deps.telemetry.count("darkroom.audit_differences", account_id=difference.account_id, what=difference.what)
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
    """The differences of one account that are still there on a second look: it may be changing meanwhile."""
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
        open_held += 0 if generation.state.ended else generation.held_credits
    pairs = [(f"ledger {name}", getattr(account, name), total) for name, total in replayed.items()]
    pairs.append(("open holds", account.held, open_held))
    return [Difference(account.account_id, what, have, want) for what, have, want in pairs if have != want]
