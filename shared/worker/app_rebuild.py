"""Rebuilds what the whole app uses from the windows of the accounts that moved.

Rules of this file:
1. Every five minutes the timer reads the accounts that moved today and yesterday, and corrects the base by what the
   tallies do not explain: what an instance had opened, or given back, and not written when it was killed.
2. The tallies are read before and after the accounts. Between both everybody who moved has the time to write, so that
   a move is in one of the sums at least (core/money/tally.py, rule 3).
3. The tally of an instance that has written nothing for an hour is added to the base and removed, in one transaction.
4. An account that cannot be read is left out and reported. The rebuild goes on without it.
5. A rebuild that takes too long ends, and changes nothing: half a sum would open the limits. The tallies still count.
"""

import asyncio
import logging
from collections.abc import AsyncIterator
from datetime import datetime, timedelta

from shared.core.metric import Metric
from shared.core.money.limits import Limit
from shared.core.money.tally import EMPTY, Tally, of_accounts, rebuilt
from shared.core.money.windows import Slot
from shared.core.values import replace
from shared.ports import Conflict, Dependencies, UnreadableRow
from shared.ports.app_windows import MOST_FOLDED, AppRows, TallyRow
from shared.worker.app_limits import publish_warnings, read_now

logger = logging.getLogger("darkroom.worker")

#: How old the base may be. The timer comes a little earlier or later.
EVERY = timedelta(minutes=4, seconds=30)

#: So long after the accounts were read, the tallies are read again. A write takes a fraction of it.
SETTLE_S = 2

#: An instance that has written nothing for so long has ended, or will make a new row.
IDLE = timedelta(hours=1)

#: How long the accounts are read at most: the timer's call has less than five minutes.
MOST_S = 180

#: How many accounts are read at once.
_AT_ONCE = 16


async def rebuild_if_due(deps: Dependencies, limits: tuple[Limit, ...]) -> bool:
    """Rebuild the base if it is old, and publish what the limits warn of. Returns whether it was rebuilt."""
    rows = await deps.app_windows.read()
    if rows.base is not None and deps.now() - rows.base.at < EVERY:
        return False
    await rebuild(deps, rows)
    await publish_warnings(deps, limits)
    return True


async def rebuild(deps: Dependencies, rows: AppRows | None = None) -> None:
    """Rebuild the base, from ``rows`` as they were just read. If another does so at the same time, its base counts."""
    began = deps.now()
    before = rows or await deps.app_windows.read()
    used = await _used(deps, began)
    if used is None:
        logger.error("the use of the app was not rebuilt: more accounts have moved than can be read in %d s", MOST_S)
        return
    await deps.sleep(SETTLE_S)
    after, now = await deps.app_windows.read(), deps.now()
    base = before.base or TallyRow("", EMPTY, began)
    tally = rebuilt(base.tally, used, _instances(before), _instances(after), now)
    gone = [each for each in after.instances if now - each.at > IDLE][:MOST_FOLDED]
    for each in gone:
        tally += each.tally
    try:
        await deps.app_windows.fold(replace(base, tally=tally.aged(now), at=began), gone)
    except Conflict:
        logger.info("the use of the app was being rebuilt by another")
    for warned in after.warned:
        if warned.until < now:
            await deps.app_windows.forget(warned)
    await read_now(deps)


def _instances(rows: AppRows) -> Tally:
    total = EMPTY
    for each in rows.instances:
        total += each.tally
    return total


async def _used(deps: Dependencies, now: datetime) -> Tally | None:
    """What all accounts used in the last 24 h: those that moved today or yesterday. None if that takes too long."""
    ids: set[str] = set()
    for day in (now.date() - timedelta(days=1), now.date()):
        async for account_id in deps.moved.of_day(day):
            ids.add(account_id)
    slots: list[Slot] = []
    async for slot in _slots(deps, sorted(ids)):
        slots.append(slot)
        if deps.now() - now > timedelta(seconds=MOST_S):
            return None
    return of_accounts(slots)


async def _slots(deps: Dependencies, account_ids: list[str]) -> AsyncIterator[Slot]:
    for start in range(0, len(account_ids), _AT_ONCE):
        reads = [_slots_of(deps, each) for each in account_ids[start : start + _AT_ONCE]]
        # One account needs no task of its own.
        for slots in [await reads[0]] if len(reads) == 1 else await asyncio.gather(*reads):
            for slot in slots:
                yield slot


async def _slots_of(deps: Dependencies, account_id: str) -> tuple[Slot, ...]:
    try:
        account, _ = await deps.store.load_account(account_id)
    except UnreadableRow as unreadable:
        logger.error("the use of the app is reckoned without an account: %s", unreadable)  # noqa: TRY400  # it says which
        deps.telemetry.count(Metric.AUDIT_DIFFERENCES, account_id=account_id, what="unreadable")
        return ()
    return account.usage.slots if account else ()
