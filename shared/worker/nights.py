"""The night's audit: looks at the accounts that moved, and signs the heads of those that are whole.

Rules of this file:
1. A night is many short calls. Each goes on where the last one stopped: at the account after which it stopped, and
   within that account at its last signed head. So a night costs what has changed, however much there is.
2. Days are looked at in their order, and one that is over only: a move of it may still be noted before. What a night
   leaves is the first work of the next one. Only an account of which half a call cannot read all that is open is
   passed over: it is reported, and noted again for today. Its ledger is signed as far as it was walked.
3. An account that was not whole is noted again for today, so each night reports it until it is.
4. One account costs its own audit only. What cannot be read, and what nobody has thought of, is a difference of it.
5. A night that does not come to its end says so: what was not looked at must not look healthy.
"""

import logging
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from shared.core.metric import Metric
from shared.core.money.account import Account
from shared.core.money.chain import Flaw, Misfit
from shared.core.values import replace
from shared.ports import Dependencies, NightProgress, Unavailable, UnreadableRow
from shared.ports.moved import DAYS_KEPT
from shared.worker import proofs, walking
from shared.worker.auditing import Difference, DifferenceKind, ahead, audited, beside, unread
from shared.worker.open_holds import OpenLeftError, held_at, in_index
from shared.worker.walking import Walked

logger = logging.getLogger("darkroom.worker")

#: How long a night is, from its first call on, and how soon one call follows another.
NIGHT, BETWEEN_CALLS = timedelta(hours=6), timedelta(minutes=5)

#: The next night begins this long after the last one began, at the earliest.
_NEXT_NIGHT = timedelta(hours=12)

#: A move is noted on the day on which it is decided, and is saved within one invocation. So long after midnight a day
#: is over on every clock.
_OVER_AFTER = timedelta(minutes=15)

#: The most that a call spends on the open generations of one account: half of it, so that those after it are looked at.
OPEN_ROWS = timedelta(seconds=100)

#: The progress is saved at most this often within a call, and at its end.
_KEEP_EVERY = timedelta(seconds=10)


@dataclass(frozen=True, slots=True)
class Looked:
    """What a night has seen of one account. ``finished`` is False if the time was over before."""

    account_id: str
    differences: list[Difference]
    finished: bool = True


class _TimeOverError(Exception):
    """The time of the call was over before the account was walked to its end."""


async def begin_call(deps: Dependencies) -> NightProgress | None:
    """The progress that this call goes on with. None: there is nothing to do until the next night."""
    now = deps.now()
    try:
        last = await deps.nights.progress()
    except UnreadableRow:  # all is looked at anew
        last = None
    if last is None:
        return NightProgress(began_at=now, day=_last_day(now) - timedelta(days=DAYS_KEPT - 1))
    if now - last.began_at >= _NEXT_NIGHT:
        if not last.logged and last.day <= _last_day(last.began_at):
            _report_unfinished(deps, last)
        return NightProgress(began_at=now, day=last.day, after=last.after)
    if now - last.began_at >= NIGHT or (last.swept and last.day > _last_day(now)):
        return None
    return last


class Call:
    """One call of a night: the accounts that it looks at, and how far it has come (``progress``)."""

    def __init__(self, deps: Dependencies, progress: NightProgress, until: datetime) -> None:
        self.progress = progress
        self._deps = deps
        self._until = until
        self._kept_at = deps.now()
        self._is_over = False

    async def looks(self) -> AsyncGenerator[Looked]:
        """Look at one account after the other until the time is over. Saves how far it came."""
        deps = self._deps
        while self.progress.day <= _last_day(deps.now()):
            day, blocked = self.progress.day, False
            async with aclosing(ahead(self._accounts(day), self._look)) as looks:
                async for looked in looks:
                    blocked = blocked or not looked.finished
                    if not blocked:  # what comes after one that is not finished comes again with it
                        await self._advance(looked.account_id)
                        yield looked
            if blocked or self._is_over:
                break
            await deps.moved.forget(day - timedelta(days=DAYS_KEPT))
            self.progress = replace(self.progress, day=day + timedelta(days=1), after="")
        await self._end()

    async def _accounts(self, day: date) -> AsyncIterator[str]:
        async for account_id in self._deps.moved.of_day(day, self.progress.after):
            if self._deps.now() >= self._until:
                self._is_over = True
                return
            yield account_id

    async def _advance(self, account_id: str) -> None:
        self.progress = replace(self.progress, after=account_id, checked=self.progress.checked + 1)
        if self._deps.now() - self._kept_at >= _KEEP_EVERY:
            self._kept_at = self._deps.now()
            await self._deps.nights.keep(self.progress)

    async def _end(self) -> None:
        """Save the progress. If there is more, and this was the night's last call, say so."""
        now = self._deps.now()
        if self.progress.day <= _last_day(now) and now + BETWEEN_CALLS >= self.progress.began_at + NIGHT:
            _report_unfinished(self._deps, self.progress)
            self.progress = replace(self.progress, logged=True)
        await self._deps.nights.keep(self.progress)

    async def _look(self, account_id: str) -> Looked:
        try:
            differences = await audited(self._deps, account_id, lambda: self._differences(account_id))
        except _TimeOverError:
            return Looked(account_id, [], finished=False)
        except OpenLeftError:
            return await self._left(account_id)
        if differences:
            await self._deps.moved.note(account_id, self._deps.now().date())
        return Looked(account_id, differences)

    async def _left(self, account_id: str) -> Looked:
        """What becomes of an account of which not all that is open was read: see rule 2."""
        if self._deps.now() >= self._until:  # the next call has more time for it
            return Looked(account_id, [], finished=False)
        _report_passed_over(self._deps, account_id)
        await self._deps.moved.note(account_id, self._deps.now().date())
        return Looked(account_id, [])

    async def _differences(self, account_id: str) -> list[Difference]:
        try:
            return await _compared(self._deps, account_id, self._until)
        except (Unavailable, UnreadableRow, _TimeOverError, OpenLeftError):
            raise
        except ValueError as error:
            return [unread(account_id, str(error), DifferenceKind.HEAD)]
        except Exception as bug:  # noqa: BLE001  # or no account after this one would be looked at, in any night
            return [unread(account_id, f"unexpected: {type(bug).__name__}")]


async def _compared(deps: Dependencies, account_id: str, until: datetime) -> list[Difference]:
    """Walk one account's ledger on, compare the account, and sign its head if it is whole."""
    account, _ = await deps.store.load_account(account_id)
    if account is None:  # it was noted, and then nothing was saved; or somebody has taken its row away
        gone = await walking.gone(deps, account_id)
        return [unread(account_id, str(gone), DifferenceKind.ACCOUNT_ROW)] if gone else []
    walked = await walking.walk_on(deps, account, until)
    if walked is None:
        raise _TimeOverError
    if isinstance(walked, Misfit):
        return [unread(account_id, str(walked), DifferenceKind.CHAIN)]
    return await _signed(deps, account, walked, until)


async def _signed(deps: Dependencies, account: Account, walked: Walked, until: datetime) -> list[Difference]:
    """The differences of an account whose chain is whole. If there is none, its head is signed.

    Raises OpenLeftError if there is none, and not all that is open could be read: the head is signed before.
    """
    found = beside(account, walked.point.sums, walked.point.buckets, walked.named)
    misfit, left = walking.compared(walked.point, account, walked.named), False
    try:
        open_rows = in_index(deps, account.account_id, min(until, deps.now() + OPEN_ROWS))
        open_held, last = await held_at(deps, account, open_rows)
    except OpenLeftError:
        left = True
    else:
        if account.held != open_held:
            found.append(Difference(account.account_id, DifferenceKind.OPEN_HOLDS, account.held, open_held))
        if walked.beyond > last:
            misfit = Misfit(walked.beyond, Flaw.INSERTED, f"the account ends at {last}")
    if misfit and misfit.flaw is not Flaw.SUMS:
        found.append(unread(account.account_id, str(misfit), DifferenceKind.CHAIN))
    if not found and walked.point.seq > walked.signed:
        await proofs.sign_head(deps, walked.point, deps.now())
    if left and not found:
        raise OpenLeftError
    return found


def _last_day(now: datetime) -> date:
    """The last day that is over."""
    return (now - _OVER_AFTER).date() - timedelta(days=1)


def _report_unfinished(deps: Dependencies, progress: NightProgress) -> None:
    deps.telemetry.count(Metric.AUDITS_UNFINISHED)
    logger.error(
        "audit: not finished: of the accounts that moved on %s the last that was looked at is %s; %d in this night",
        progress.day,
        progress.after or "none",
        progress.checked,
    )


def _report_passed_over(deps: Dependencies, account_id: str) -> None:
    deps.telemetry.count(Metric.AUDITS_UNFINISHED)
    logger.error(
        "audit: not finished: account %s has more open generations than half a call can read; what it holds was not "
        "compared, its ledger is signed",
        account_id,
        extra={"account_id": account_id},
    )
