"""Rebuilds what the whole app uses from the windows of the accounts that moved.

Rules of this file:
1. Every five minutes the timer reads the accounts that moved today and yesterday, and corrects the base by what the
   tallies do not explain: what an instance had opened, or given back, and not written when it was killed.
2. The sum may be too high until the next rebuild, and never too low but for what a killed instance had opened. So where
   somebody may have moved while the accounts were read, the base is raised, and never lowered. That is a slot in which
   the rows differ before and after, and, unless no row was written at all, the slots in which holds may have been made:
   there a hold and what another gives back may hide each other.
3. A move that the accounts have and no row may be lost, or may still be written. What lowers the sum is written within
   ``WITHIN`` + ``WRITE_S`` of its move, or never (app_limits.py, rule 4). So whoever finds something to correct waits
   for longer than that, and reads the rows again. What raises the sum may be written later still: then it counts twice
   until the next rebuild. When a limit is set nobody is waited for, and nothing is lowered.
4. The tally of an instance that has written nothing for an hour is added to the base and removed, in one transaction.
5. An account that cannot be read is left out and reported. Then nothing is lowered: what is missing may be its use.
6. A rebuild that takes too long ends, and changes nothing: half a sum would open the limits. The tallies still count.
"""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from shared.core.metric import Metric
from shared.core.money.limits import Limit
from shared.core.money.tally import EMPTY, Tally, of_accounts, rebuilt, slot_of
from shared.core.money.windows import Counted, Slot
from shared.core.values import replace
from shared.ports import Conflict, Dependencies, UnreadableRow
from shared.ports.app_windows import MOST_FOLDED, AppRows, TallyRow
from shared.worker.app_limits import publish_warnings, read_now

logger = logging.getLogger("darkroom.worker")

#: How old the base may be. The timer comes a little earlier or later.
EVERY = timedelta(minutes=4, seconds=30)

#: So long after the accounts were read, the tallies are read again. A write takes a fraction of it.
SETTLE_S = 2

#: How long it waits if there is something to correct (rule 3): ``WITHIN``, ``WRITE_S``, and what clocks differ by.
PATIENCE_S = 40

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


@dataclass(frozen=True, slots=True)
class _Used:
    """What all accounts used in the last 24 h. ``whole``: each of them could be read."""

    tally: Tally
    whole: bool


async def rebuild(deps: Dependencies, rows: AppRows | None = None, *, at_once: bool = False) -> None:
    """Rebuild the base, from ``rows`` as they were just read. If another does so at the same time, its base counts.

    ``at_once``: nothing is lowered, so that nobody needs to be waited for. The limits are about to be in force.
    """
    began = deps.now()
    before = rows or await deps.app_windows.read()
    used = await _used(deps, began)
    if used is None:
        logger.error("the use of the app was not rebuilt: more accounts have moved than can be read in %d s", MOST_S)
        return
    if at_once:
        used = replace(used, whole=False)
    after, tally = await _rebuilt(deps, before, used, began, SETTLE_S)
    if not at_once and before.base and tally != before.base.tally.aged(deps.now()):
        after, tally = await _rebuilt(deps, before, used, began, PATIENCE_S)
    await _save(deps, replace(before.base or TallyRow("", EMPTY, began), tally=tally, at=began), after)
    await read_now(deps)


async def _rebuilt(
    deps: Dependencies, before: AppRows, used: _Used, began: datetime, settle_s: int
) -> tuple[AppRows, Tally]:
    """Wait, read the rows again, and reckon the base."""
    await deps.sleep(settle_s)
    after = await deps.app_windows.read()
    base = before.base.tally if before.base else None
    sums, settled = (_instances(before), _instances(after)), _settled(before, after, used, began)
    return after, rebuilt(base, used.tally, *sums, deps.now(), settled)


def _settled(before: AppRows, after: AppRows, used: _Used, began: datetime) -> Callable[[int], bool]:
    """Of which slots it is known that nobody moved in them while the accounts were read (rule 2)."""
    one, other = ({each.name: each for each in rows.instances} for rows in (before, after))
    calm, holds_from = one == other, slot_of(began) - 1

    def settled(number: int) -> bool:
        if not used.whole:
            return False
        same = all(_in(one.get(name), number) == _in(other.get(name), number) for name in {*one, *other})
        return calm or (number < holds_from and same)

    return settled


def _in(row: TallyRow | None, number: int) -> Counted:
    return row.tally.slots.get(number, (0, 0)) if row else (0, 0)


async def _save(deps: Dependencies, base: TallyRow, rows: AppRows) -> None:
    """Save the base, with the tallies of those who are gone, and forget warnings that are over."""
    now, tally = deps.now(), base.tally
    gone = [each for each in rows.instances if now - each.at > IDLE][:MOST_FOLDED]
    for each in gone:
        tally += each.tally
    try:
        await deps.app_windows.fold(replace(base, tally=tally.aged(now)), gone)
    except Conflict:
        logger.info("the use of the app was being rebuilt by another")
    for warned in rows.warned:
        if warned.until < now:
            await deps.app_windows.forget(warned)


def _instances(rows: AppRows) -> Tally:
    total = EMPTY
    for each in rows.instances:
        total += each.tally
    return total


async def _used(deps: Dependencies, now: datetime) -> _Used | None:
    """What all accounts used in the last 24 h: those that moved today or yesterday. None if that takes too long."""
    ids: set[str] = set()
    for day in (now.date() - timedelta(days=1), now.date()):
        async for account_id in deps.moved.of_day(day):
            ids.add(account_id)
    slots: list[Slot] = []
    whole, account_ids = True, sorted(ids)
    for start in range(0, len(account_ids), _AT_ONCE):
        reads = [_slots_of(deps, each) for each in account_ids[start : start + _AT_ONCE]]
        # One account needs no task of its own.
        for found in [await reads[0]] if len(reads) == 1 else await asyncio.gather(*reads):
            whole = whole and found is not None
            slots.extend(found or ())
        if deps.now() - now > timedelta(seconds=MOST_S):
            return None
    return _Used(of_accounts(slots), whole)


async def _slots_of(deps: Dependencies, account_id: str) -> tuple[Slot, ...] | None:
    """The slots of an account. None if it cannot be read."""
    try:
        account, _ = await deps.store.load_account(account_id)
    except UnreadableRow as unreadable:
        logger.error("the use of the app is reckoned without an account: %s", unreadable)  # noqa: TRY400  # it says which
        deps.telemetry.count(Metric.AUDIT_DIFFERENCES, account_id=account_id, what="unreadable")
        return None
    return account.usage.slots if account else ()
