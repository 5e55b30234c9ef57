"""Replicate's list of recent predictions, read once for all searches in it.

After an outage many creates have an unknown outcome. The list has a page for each hundred predictions of the account:
at fifty a second, 150 pages for the five minutes before a create. Replicate answers 3,000 calls a minute. So twenty
readers at once would each be throttled before the end of the list, and would begin again.

Rules of this file:
1. One read runs at a time in a process. A search that comes meanwhile is deferred. A search that comes soon after uses
   the same snapshot, if its create must have been in the list when the read began.
2. A snapshot is shared no longer than the default of ``cancel_grace_s``. An attempt counts as lost that long after its
   ``Cancel-After``, so whatever it created was made before the read began.
3. A read that cannot finish within an invocation stops before the invocation ends, and is not repeated at once.
"""

from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from shared.adapters.replicate.resilience.circuit import CircuitBreaker
from shared.core.dependency import Dependency
from shared.core.provider.breaker import BreakerRule
from shared.core.provider.guarantees import Kind
from shared.core.provider.prediction import Prediction
from shared.ports import Provider, Unavailable

#: For how many seconds after its beginning a read serves other searches.
SHARED_S = 60

#: A search starts 300 s before the create (allowed clock skew), and a create is listed within 30 s (``list_grace_s``).
_SETTLED = timedelta(seconds=330)

#: The bounds of a read: in seconds, of the 120 s that an invocation has; and in rows, each about a kilobyte of memory.
READING_S, MOST_ROWS = 75, 50_000

#: The wait in seconds of a search that comes while another read runs.
_MEANWHILE_S = 15.0

#: A read starts this much earlier than asked, because the next searches are for creates of about the same time.
_MARGIN = timedelta(seconds=30)

#: A list that was too long will be longer in a minute, so it is read less and less often.
_TOO_LONG = BreakerRule(failures=1, pause_s=60, longest_pause_s=900, probe_s=2 * READING_S)


@dataclass(frozen=True, slots=True)
class _Reading:
    """What was created after ``since``, newest first. The read began at ``began``, on the other clock ``began_at``."""

    since: datetime
    began: datetime
    began_at: float
    rows: tuple[Prediction, ...]

    def serves(self, since: datetime, now: float) -> bool:
        """Whether a new read would find nothing more about a create of ``since``."""
        return self.since <= since <= self.began - _SETTLED and now <= self.began_at + SHARED_S


class Listing:
    """The lists of predictions and of trainings.

    Args:
        inner: the provider that is asked.
        questions: the breaker of reads and cancels.
        now: returns seconds, which only grow.
        chance: returns a number from 0 to 1.
        clock: returns the current time, aware UTC.
    """

    def __init__(
        self,
        inner: Provider,
        questions: CircuitBreaker,
        now: Callable[[], float],
        chance: Callable[[], float],
        clock: Callable[[], datetime],
    ) -> None:
        self._inner = inner
        self._questions = questions
        self._now = now
        self._clock = clock
        self._lengths = CircuitBreaker("lists", _TOO_LONG, now, chance)
        self._read: dict[Kind, _Reading] = {}
        self._reading: set[Kind] = set()

    async def since(self, since: datetime, kind: Kind) -> list[Prediction]:
        """What was created after ``since``, newest first. Unavailable if it cannot be read, or another read runs."""
        read = self._read.get(kind)
        if read is None or not read.serves(since, self._now()):
            if kind in self._reading:
                raise Unavailable(Dependency.REPLICATE, "its list is being read", _MEANWHILE_S)
            self._reading.add(kind)
            try:
                read = self._read[kind] = await self._read_anew(since - _MARGIN, kind)
            finally:
                self._reading.discard(kind)
        return [row for row in read.rows if row.created_at is None or row.created_at >= since]

    async def _read_anew(self, since: datetime, kind: Kind) -> _Reading:
        if (wait_s := self._lengths.wait_s()) > 0:
            raise Unavailable(Dependency.REPLICATE, "its list is too long", wait_s)
        began, began_at = self._clock(), self._now()
        rows: list[Prediction] = []
        async with self._questions.open() as answered:
            listed = self._inner.recent(since, kind)
            try:
                async for row in listed:
                    answered()  # a long list takes a minute, and other calls should know sooner
                    rows.append(row)
                    if self._now() > began_at + READING_S or len(rows) >= MOST_ROWS:
                        break
                else:
                    self._lengths.succeeded(began_at)
                    return _Reading(since, began, began_at, tuple(rows))
            finally:
                if isinstance(listed, AsyncGenerator):
                    await listed.aclose()
        self._lengths.failed(began_at, f"{len(rows)} rows were not all of it")
        raise Unavailable(Dependency.REPLICATE, "its list is too long", self._lengths.wait_s())
