"""The list of predictions: read once for all searches, in bounded time, and not again at once if it is long."""

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import datetime, timedelta

import pytest

from shared.adapters.replicate.resilience.guarded import RULE, ResilientProvider
from shared.adapters.replicate.resilience.listing import MOST_ROWS, READING_S, SHARED_S
from shared.core.dependency import Dependency
from shared.core.provider.guarantees import Kind
from shared.core.provider.prediction import Prediction, Status
from shared.ports import Unavailable
from tests.adapters.examples import NOW
from tests.adapters.guard import Scripted
from tests.adapters.replicate_clients import ref


def row(minutes: float, name: str = "") -> Prediction:
    """A prediction that was created so many minutes before NOW."""
    created_at = NOW - timedelta(minutes=minutes)
    return Prediction(prediction_id=name or f"created{minutes:g}", status=Status.SUCCEEDED, created_at=created_at)


class Listed(Scripted):
    """A Replicate whose list a test writes; each row takes ``row_s`` of the clock ``time``."""

    def __init__(self) -> None:
        super().__init__()
        self.rows = [row(minutes) for minutes in range(1, 11)]
        self.time = [1000.0]
        self.row_s = 1.0
        self.read: list[datetime] = []
        self.closed = 0
        self.before_row: Callable[[], object] = lambda: None

    async def recent(self, since: datetime, kind: Kind = Kind.PREDICTION) -> AsyncIterator[Prediction]:
        """The rows, newest first; at their end what the test wants."""
        self.read.append(since)
        await self.hangs.wait()
        try:
            for each in self.rows:
                if each.created_at is not None and each.created_at < since:
                    return
                self.time[0] += self.row_s
                self.before_row()
                yield each
            if self.cut_off is not None:
                raise self.cut_off
        finally:
            self.closed += 1


def made() -> tuple[Listed, ResilientProvider]:
    """A guard on a list of ten, one for each of the last ten minutes."""
    replicate = Listed()
    return replicate, ResilientProvider(
        replicate, 600, now=lambda: replicate.time[0], chance=lambda: 0, clock=lambda: NOW + timedelta(seconds=360)
    )


async def look(guard: ResilientProvider, minutes: float, kind: Kind = Kind.PREDICTION) -> list[str]:
    """The ids of what was created since."""
    since = NOW - timedelta(minutes=minutes)
    return [each.prediction_id async for each in guard.recent(since, kind)]


async def test_it_is_read_once_for_all_who_come_soon() -> None:
    """Each search gets what was created since its own time, newest first, from one read."""
    replicate, guard = made()
    assert await look(guard, 5) == [f"created{minutes}" for minutes in range(1, 6)]
    assert await look(guard, 3) == ["created1", "created2", "created3"]
    assert await look(guard, 5.4) == [f"created{minutes}" for minutes in range(1, 6)]  # within the margin
    assert len(replicate.read) == 1


async def test_who_looks_for_something_new_reads_anew() -> None:
    """What was read began before his create was in it for sure: half a minute after it, and five minutes of clocks."""
    replicate, guard = made()
    await look(guard, 3)
    assert await look(guard, -0.4) == []
    assert len(replicate.read) == 1
    await look(guard, -0.6)
    assert len(replicate.read) == 2


async def test_who_looks_further_back_reads_anew() -> None:
    """The snapshot does not reach so far back."""
    replicate, guard = made()
    await look(guard, 3)
    assert await look(guard, 7) == [f"created{minutes}" for minutes in range(1, 8)]
    assert replicate.read == [NOW - timedelta(minutes=3.5), NOW - timedelta(minutes=7.5)]


async def test_what_was_read_is_old_after_a_minute() -> None:
    """From its beginning on: who comes later sees what was created meanwhile."""
    replicate, guard = made()
    await look(guard, 3)
    replicate.rows.insert(0, row(0.1, "new"))
    replicate.time[0] = 1000 + SHARED_S
    assert "new" not in await look(guard, 3)
    replicate.time[0] += 1
    assert "new" in await look(guard, 3)


async def test_a_row_without_a_time_is_shown_to_everybody() -> None:
    """A row without a time may be anybody's."""
    replicate, guard = made()
    replicate.rows.insert(0, Prediction(prediction_id="timeless", status=Status.STARTING))
    assert await look(guard, 1) == ["timeless", "created1"]


async def test_trainings_have_a_list_of_their_own() -> None:
    """Predictions and trainings have a snapshot each."""
    replicate, guard = made()
    await look(guard, 3)
    await look(guard, 3, Kind.TRAINING)
    assert len(replicate.read) == 2


async def test_one_reads_at_a_time() -> None:
    """A search that comes meanwhile is deferred for some seconds, then uses the snapshot; no breaker counts it."""
    replicate, guard = made()
    replicate.hangs.clear()
    first = asyncio.create_task(look(guard, 3))
    await asyncio.sleep(0)
    for _ in range(2 * RULE.failures):
        with pytest.raises(Unavailable, match="being read") as raised:
            await asyncio.wait_for(look(guard, 3), 1)
        assert raised.value.retry_after_s == 15
    replicate.hangs.set()
    assert await first == await look(guard, 3)
    assert len(replicate.read) == 1
    assert set(guard.states().values()) == {"closed"}


@pytest.mark.parametrize("canceled", [True, False])
async def test_a_reading_that_fails_leaves_its_place(canceled: bool) -> None:
    """Canceled with its invocation, or broken off: nothing of it is kept, and the next one reads."""
    replicate, guard = made()
    if canceled:
        replicate.hangs.clear()
        task = asyncio.create_task(look(guard, 3))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        replicate.hangs.set()
    else:
        replicate.cut_off = Unavailable(Dependency.REPLICATE, "answered 503")
        with pytest.raises(Unavailable, match="503"):
            await look(guard, 60)
        replicate.cut_off = None
    assert await look(guard, 2) == ["created1", "created2"]
    assert len(replicate.read) == 2


@pytest.mark.parametrize("rows", [10, MOST_ROWS + 10])
async def test_what_is_too_long_is_given_up_in_time(rows: int) -> None:
    """Before the invocation ends, or memory does; then it is tried less and less often, and not by each who comes."""
    replicate, guard = made()
    replicate.row_s = READING_S / 5 if rows == 10 else 0
    replicate.rows = [row(1, f"number{number}") for number in range(rows)]
    began, waits = replicate.time[0], []
    for _ in range(3):
        with pytest.raises(Unavailable, match="too long") as raised:
            await look(guard, 30)
        waits.append(raised.value.retry_after_s)
        assert replicate.time[0] - began <= READING_S * 1.5
        with pytest.raises(Unavailable, match="too long"):
            await look(guard, 30)
        replicate.time[0] += waits[-1] or 0
        began = replicate.time[0]
    assert waits == [60, 120, 240]
    assert (len(replicate.read), replicate.closed) == (3, 3)
    assert guard.states()["questions"] == "closed"  # it did answer
    replicate.row_s, replicate.rows = 0, [row(1, "short")]
    assert await look(guard, 30) == ["short"]


async def test_the_first_row_is_an_answer() -> None:
    """The rest may take a minute: others may ask meanwhile, and what breaks off later opens nothing."""
    replicate, guard = made()
    replicate.trouble = Unavailable(Dependency.REPLICATE, "answered 503")
    for _ in range(RULE.failures):
        with pytest.raises(Unavailable):
            await guard.get(ref("prediction"))
    replicate.time[0] += RULE.pause_s
    states: list[str] = []
    replicate.before_row = lambda: states.append(guard.states()["questions"])
    replicate.cut_off = replicate.trouble
    with pytest.raises(Unavailable):
        await look(guard, 60)
    assert states == ["half-open"] + ["closed"] * 9
    assert guard.states()["questions"] == "closed"
