"""What the whole app uses, as far as this instance knows, and what its limits say to it.

Rules of this file:
1. Only an app with limits of its own loads this file, and without one nothing is read or written.
2. Whoever is about to open reads the tallies if they are 5 s old. So the limits may be exceeded by what all instances
   open within 5 s. Within one instance they are exact: what is about to be held counts before it is saved.
3. Every move is written to the instance's row at once, and several at once by one write. There is no background task.
   What could not be written is written with the instance's next move.
4. The sum may be too high for a while, and never too low, but for a hold that is not written yet. So what makes it
   higher is written however late it is. What makes it lower is written within ``WITHIN`` of its move, or never: after
   ``app_rebuild.PATIENCE_S`` the rebuild takes it for lost and gives it back, and it must not be given back twice.
5. If the tallies cannot be read, nothing opens: a request waits, as for any dependency. If they cannot be written, what
   was opened goes on, and the next move or the next rebuild counts it.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from shared.core.keys import Key
from shared.core.lifecycle.generation import AnyGeneration, Closed, Generation, Received
from shared.core.metric import Metric
from shared.core.money.entries import LedgerEntry, Move
from shared.core.money.limits import Cost, Effect, Ground, Limit, Notice, Scope, Warned, check
from shared.core.money.payer import AppGround, Payer
from shared.core.money.tally import EMPTY, Tally, slot_of, tallied
from shared.core.money.windows import SLOT_S, SLOTS, Span
from shared.core.reasons import Reason
from shared.core.values import replace
from shared.ports import Conflict, Dependencies, Unavailable
from shared.ports.app_windows import AppRows, AppUse, TallyRow

#: How old the tallies may be by which something opens.
FRESH = timedelta(seconds=5)

#: A call reads them anew when they are so old.
AGAIN = timedelta(seconds=4)

#: How long after its move a write of what makes the sum lower may begin. It lasts at most ``app_windows.WRITE_S``.
WITHIN = timedelta(seconds=20)

#: A reservation that nobody took back is forgotten: its call has died.
_RESERVED = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class Gate:
    """The app's limits, for one request that is about to open."""

    deps: Dependencies
    limits: tuple[Limit, ...]
    key: Key

    def payer(self, payer: Payer | None) -> Payer | None:
        """Who pays, with the app's limits and what counts against them now, without this request."""
        return replace(payer, app=AppGround(self.limits, self._ground())) if payer else None

    def reserve(self, cost: Cost) -> None:
        """Count what is about to be held. It counts until it was saved, or is taken back."""
        self.deps.app_use.reserved[self.key] = (self.deps.now(), cost)

    def take_back(self) -> None:
        """Count it no more, if it was not saved."""
        self.deps.app_use.reserved.pop(self.key, None)

    async def follow_up(self, after: AnyGeneration, cost: Cost) -> None:
        """Publish what the limits warn of after an opening, and count it if a limit is closed."""
        if isinstance(after, Generation):
            await publish_warnings(self.deps, self.limits)
            return
        asks = after.approval.scope is Scope.APP if isinstance(after, Received) and after.approval else False
        if asks or (isinstance(after, Closed) and after.reason is Reason.OVER_LIMIT):
            self.count_closed(cost)

    def count_closed(self, cost: Cost) -> None:
        """Count each limit that would be exceeded by this cost."""
        found = AppGround(self.limits, self._ground()).check(cost)
        for each in (*([found.blocked] if found.blocked else []), *found.to_approve):
            self.deps.telemetry.count(Metric.APP_LIMITS_CLOSED, limit=each.limit.limit_id)

    def _ground(self) -> Ground:
        return ground_of(self.deps, without=self.key)


async def gate_for(deps: Dependencies, limits: tuple[Limit, ...], key: Key) -> Gate:
    """The gate for one request, with tallies that are at most 5 s old. Raises Unavailable."""
    await _read_if_old(deps)
    return Gate(deps, limits, key)


def ground_of(deps: Dependencies, without: Key | None = None) -> Ground:
    """What the app's limits are checked against: all rows as they were read, and what this instance moved since."""
    use, now = deps.app_use, deps.now()
    _drop_late(use, now)
    total = (use.others or EMPTY) + (use.row.tally if use.row else EMPTY)
    for _, moved in use.pending:
        total += moved
    for key, (at, cost) in list(use.reserved.items()):
        if now - at > _RESERVED:
            del use.reserved[key]
        elif key != without:
            total += tallied(now, cost.credits, cost.usd_micros)
    return Ground(total.usage(now), use.warned, "UTC", now)


async def count(deps: Dependencies, entries: Iterable[LedgerEntry]) -> None:
    """Count moves of credits that were just saved, and write them (rule 3)."""
    pending = deps.app_use.pending
    for entry in entries:
        if entry.move is Move.HOLD:
            pending.append((None, tallied(entry.at, entry.held, entry.usd_micros)))
            deps.app_use.reserved.pop(Key(entry.user_id, entry.generation_id, entry.account_id), None)
        elif entry.move is Move.RESOLVE and entry.held_at is not None:
            pending.extend(_given_back(entry, entry.held_at))
    if pending:
        await _write(deps)


def _given_back(entry: LedgerEntry, held_at: datetime) -> list[tuple[datetime | None, Tally]]:
    """What the end of a hold changes: what makes the sum lower, with its last time, and what makes it higher (rule 4).

    The time is that of the entry, which is before its save. No rebuild gives back what was held a day ago.
    """
    change = (entry.held + entry.captured, entry.usd_micros)
    less, more = (tallied(held_at, *[limit(0, each) for each in change]) for limit in (min, max))
    rebuilt = slot_of(held_at) >= slot_of(entry.at) - SLOTS - 1
    return [each for each in ((entry.at + WITHIN if rebuilt else None, less), (None, more)) if each[1]]


def _drop_late(use: AppUse, now: datetime) -> None:
    """Forget what must not be written any more (rule 4)."""
    use.pending[:] = [each for each in use.pending if each[0] is None or now <= each[0]]


async def _write(deps: Dependencies) -> None:
    """Write what is pending, unless a call does that already: it goes on until nothing is pending."""
    use = deps.app_use
    if use.writing:
        return
    use.writing = True
    try:
        await _read_if_old(deps)
        _drop_late(use, deps.now())
        while use.pending:
            await _write_once(deps)
            _drop_late(use, deps.now())
    except Unavailable as trouble:
        deps.telemetry.count(Metric.DEFERRALS, dependency=trouble.dependency)
    finally:
        use.writing = False


async def _write_once(deps: Dependencies) -> None:
    """Write the row with all that is pending. If it is not as it was known, read it again instead."""
    use, now, taken = deps.app_use, deps.now(), list(deps.app_use.pending)
    had = use.row or TallyRow(use.name, EMPTY, now)
    tally = had.tally
    for _, moved in taken:
        tally += moved
    row = replace(had, tally=tally.aged(now), at=now)
    use.tried.append((row, taken))
    try:
        use.row = await deps.app_windows.save(row)
    except Conflict:
        rows = await deps.app_windows.read()
        use.row = next((each for each in rows.instances if each.name == use.name), None)
        _learn(use, rows, now)
        # It is as one of the writes made it whose answer was lost. By its time it is no write whose moves were dropped.
        wrote = (use.row.tally, use.row.at) if use.row else None
        taken = next((moves for made, moves in use.tried if (made.tally, made.at) == wrote), [])
    else:
        use.written_at = deps.now()
    use.pending[:] = [each for each in use.pending if all(each is not one for one in taken)]
    use.tried.clear()


async def _read_if_old(deps: Dependencies) -> None:
    """Read all rows if they are too old; shortly before that, one call does so for all."""
    use, now = deps.app_use, deps.now()
    if not use.name:
        use.name = f"{deps.new_seed():08x}{deps.new_seed():08x}"
    age = FRESH if use.read_at is None else now - use.read_at
    if timedelta() <= age < AGAIN or (use.reading and timedelta() <= age < FRESH):
        return
    use.reading = True
    try:
        rows = await deps.app_windows.read()
    finally:
        use.reading = False
    gone = all(each.name != use.name for each in rows.instances)
    if gone and not use.writing and use.written_at is not None and use.written_at < now:
        use.row = None  # the rebuild has added it to the base
    _learn(use, rows, now)


async def read_now(deps: Dependencies) -> None:
    """Read all rows, however old they are. Raises Unavailable."""
    deps.app_use.read_at = None
    await _read_if_old(deps)


def _learn(use: AppUse, rows: AppRows, asked_at: datetime) -> None:
    """Take over what was read."""
    use.others = sum_of(rows, without=use.name)
    use.warned, use.read_at = rows.warned, asked_at


def sum_of(rows: AppRows, without: str = "") -> Tally:
    """The sum of the base and of all instances but one."""
    total = rows.base.tally if rows.base else EMPTY
    for each in rows.instances:
        if each.name != without:
            total += each.tally
    return total


async def publish_warnings(deps: Dependencies, limits: tuple[Limit, ...]) -> None:
    """Publish each step that the app's use has reached and that nobody has published. Safe to repeat.

    If it fails, whoever opens next publishes it.
    """
    ground = ground_of(deps)
    warns = [each for each in limits if each.effect is Effect.WARN]
    try:
        for notice in check(warns, ground, Cost(0)).notices:
            await _publish(deps, notice, ground.at)
    except Unavailable as trouble:
        deps.telemetry.count(Metric.DEFERRALS, dependency=trouble.dependency)


async def _publish(deps: Dependencies, notice: Notice, now: datetime) -> None:
    from shared.core.events.limit_event import LimitEvent  # noqa: PLC0415  # a few times a month

    if notice.limit.window is Span.ROLLING_24H:
        # All instances that reach the step at about the same time must name one event.
        ends = datetime.fromtimestamp((slot_of(now) + SLOTS) * SLOT_S, now.tzinfo)
        notice = replace(notice, until=ends)
    await deps.messenger.publish(LimitEvent(key=None, notice=notice, at=now))
    warned = Warned(notice.limit.limit_id, Scope.APP, notice.step, notice.until)
    await deps.app_windows.remember(warned)
    deps.app_use.warned = (*deps.app_use.warned, warned)
