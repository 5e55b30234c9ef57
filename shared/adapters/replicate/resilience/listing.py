"""Replicate's list of recent predictions, read once for all who look for something in it.

After an outage there are many creates whose outcome is unknown, and the list has a page for each hundred predictions of
the account: at fifty a second, 150 pages for the five minutes before any one of them. Replicate answers 3,000 questions
a minute, so that twenty readers at once would each be cut off before their end, and begin again.

Rules of this file:
1. One reads at a time in a process. Who comes meanwhile is put off; who comes soon after is served from what was read,
   if what he looks for had been in the list when the reading began.
2. What was read is shared for no longer than ``cancel_grace_s`` is by default: an attempt is given up for lost that
   long after its ``Cancel-After``, so whatever it created was made before the reading began.
3. A reading that cannot be finished within an invocation is given up before that ends, and not tried again at once.
"""

from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from shared.adapters.replicate.resilience.circuit import NEIGHBOUR, CircuitBreaker
from shared.core.provider.breaker import BreakerRule
from shared.core.provider.guarantees import Kind
from shared.core.provider.prediction import Prediction
from shared.ports import Provider, Unavailable

#: For how long after its beginning a reading serves others.
SHARED_S = 60

#: Who looks for a create looks 300 s further back, for that much clocks may differ; and a create is in the list after
#: 30 s at the latest (``list_grace_s``).
_SETTLED = timedelta(seconds=330)

#: A reading takes no longer, of the 120 s that an invocation has; and no more memory: a row is about a kilobyte.
READING_S, MOST_ROWS = 75, 50_000

#: Who comes while another reads comes back after this.
_MEANWHILE_S = 15.0

#: So much further back than asked: those who come next were submitted moments before or after.
_MARGIN = timedelta(seconds=30)

#: One that was too long will be longer in a minute: it is tried less and less often.
_TOO_LONG = BreakerRule(failures=1, pause_s=60, longest_pause_s=900, probe_s=2 * READING_S)


@dataclass(frozen=True, slots=True)
class _Reading:
    """All that was created after ``since``, newest first, as of ``began``, which is ``began_at`` on the other clock."""

    since: datetime
    began: datetime
    began_at: float
    rows: tuple[Prediction, ...]

    def serves(self, since: datetime, now: float) -> bool:
        """Whether it is as good as another reading."""
        return self.since <= since <= self.began - _SETTLED and now <= self.began_at + SHARED_S


class Listing:
    """The list of predictions and that of trainings. ``questions`` is the breaker of all that is asked of Replicate.

    ``now`` is a clock in seconds, ``clock`` the one of the wall.
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
        """What was created after ``since``, newest first. Unavailable while it cannot be read, or another does."""
        read = self._read.get(kind)
        if read is None or not read.serves(since, self._now()):
            if kind in self._reading:
                raise Unavailable(NEIGHBOUR, "its list is being read", _MEANWHILE_S)
            self._reading.add(kind)
            try:
                read = self._read[kind] = await self._read_anew(since - _MARGIN, kind)
            finally:
                self._reading.discard(kind)
        return [row for row in read.rows if row.created_at is None or row.created_at >= since]

    async def _read_anew(self, since: datetime, kind: Kind) -> _Reading:
        if (wait_s := self._lengths.wait_s()) > 0:
            raise Unavailable(NEIGHBOUR, "its list is too long", wait_s)
        began, began_at = self._clock(), self._now()
        rows: list[Prediction] = []
        async with self._questions.open() as answered:
            listed = self._inner.recent(since, kind)
            try:
                async for row in listed:
                    answered()  # a long list takes a minute, and others want to know sooner
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
        raise Unavailable(NEIGHBOUR, "its list is too long", self._lengths.wait_s())
