"""The dependencies of the outage: a Replicate that fails as the case says, and fakes for 400,000 generations.

Rules of this file:
1. Replicate is a FakeReplicate with latencies, the account's limits, and one trouble during the outage. It counts the
   calls that reach it, by second.
2. The large fakes keep sets where a real dependency has an index. Otherwise they are the usual fakes.
"""

from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from random import Random
from typing import BinaryIO

from dev.fakes.messenger import FakeMessenger
from dev.fakes.provider import DELIVERY, FakeReplicate
from dev.fakes.store import FakeStore
from dev.fakes.telemetry import FakeTelemetry
from dev.simulation.clockwork import Pause
from shared.core.dependency import Dependency
from shared.core.events.generation_event import Event, GenerationEvent
from shared.core.keys import Key
from shared.core.lifecycle.attempt import Attempt
from shared.core.lifecycle.steps import AnyStep, Step
from shared.core.metric import Metric
from shared.core.money.entries import LedgerEntry
from shared.core.provider.guarantees import Kind, PredictionRef
from shared.core.provider.prediction import Created, CreateOutcome, DeferReason, NotCreated, OutcomeUnknown, Prediction
from shared.ports import Unavailable


class Trouble(StrEnum):
    """The ways in which Replicate fails."""

    ERRORS = "5xx"
    REFUSED = "refused"
    SILENT = "silent"
    NO_CREDIT = "402"


#: Seconds for an answer of the API, a page of its list, an output, and the time-outs of a create and of a read call.
_ANSWER_S, _PAGE_S, _OUTPUT_S, _CREATE_TIMEOUT_S, _TIMEOUT_S = 0.3, 0.3, 0.6, 30, 60

#: The seconds that the client's retries of a read call take if each is answered with an error.
_TRIES_S = 2.0

#: The rows of a page of the list, and the read calls that the account may make in a minute.
PAGE_ROWS, QUESTIONS_PER_MINUTE = 100, 3000

#: The seconds for which an output exists.
_OUTPUT_LIFE = timedelta(hours=1)

#: The burst above the limit, as a part of the limit a minute.
_BURST_PART = 0.1


#: The outcome of a create in each trouble, and the seconds that it takes.
_REFUSALS: Mapping[Trouble, tuple[float, CreateOutcome]] = {
    Trouble.REFUSED: (0.01, NotCreated(DeferReason.UNREACHABLE, 5)),
    Trouble.SILENT: (_CREATE_TIMEOUT_S, OutcomeUnknown("no answer in time")),
    Trouble.NO_CREDIT: (_ANSWER_S, NotCreated(DeferReason.NO_CREDIT, 120)),
    Trouble.ERRORS: (_ANSWER_S, OutcomeUnknown("answered 503")),
}

#: The same for a read call. A 402 affects creates alone.
_SILENCES: Mapping[Trouble, tuple[float, str]] = {
    Trouble.REFUSED: (_TRIES_S, "not reached"),
    Trouble.SILENT: (_TIMEOUT_S, "no answer in time"),
    Trouble.ERRORS: (_TRIES_S, "answered 503"),
}


class Bucket:
    """Replicate's rate limit of an account: a number a minute, with a burst."""

    def __init__(self, per_minute: float) -> None:
        self._per_s = per_minute / 60
        self._most = per_minute * _BURST_PART
        self._tokens = self._most
        self._counted_at = 0.0

    def takes(self, now: float) -> bool:
        """Take a token; returns whether there was one."""
        self._tokens = min(self._most, self._tokens + (now - self._counted_at) * self._per_s)
        self._counted_at = now
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True


@dataclass
class Seen:
    """The calls that reached Replicate, by second."""

    creates: Counter[int] = field(default_factory=Counter)
    probes: Counter[int] = field(default_factory=Counter)
    questions: Counter[int] = field(default_factory=Counter)
    throttled: int = 0


class Account:
    """An account at Replicate, shared by all instances. ``clock`` returns the seconds; ``born`` plans a life."""

    def __init__(
        self,
        replicate: FakeReplicate,
        creates_per_minute: float,
        clock: Callable[[], float],
        random: Random,
        born: Callable[[str], None],
    ) -> None:
        self.replicate = replicate
        self.trouble: Trouble | None = None
        self.seen = Seen()
        self._clock = clock
        self._random = random
        self._born = born
        self._creates = Bucket(creates_per_minute)
        self._questions = Bucket(QUESTIONS_PER_MINUTE)

    async def create(self, key: Key, attempt: Attempt, *, probe: bool) -> CreateOutcome:
        """Create a prediction, as the trouble allows."""
        second = int(self._clock())
        self.seen.creates[second] += 1
        self.seen.probes[second] += probe
        if self.trouble is not None:
            pause_s, outcome = _REFUSALS[self.trouble]
            await Pause(pause_s)
            return outcome
        if not self._creates.takes(self._clock()):
            self.seen.throttled += 1
            await Pause(_ANSWER_S)
            return NotCreated(DeferReason.THROTTLED, 1 + self._random.random() * 9)
        await Pause(0.4 + self._random.random() * 0.8)
        made = await self.replicate.create(key, attempt)
        if isinstance(made, Created):
            self._born(made.prediction.prediction_id)
        # The prediction was created, and the outage began before the answer.
        return OutcomeUnknown("the answer was lost") if self._is_mute else made

    @property
    def _is_mute(self) -> bool:
        return self.trouble in (Trouble.ERRORS, Trouble.SILENT)

    async def asked(self) -> None:
        """Make one read call; raises Unavailable if the trouble prevents it."""
        self.seen.questions[int(self._clock())] += 1
        if self.trouble is not None and self.trouble is not Trouble.NO_CREDIT:
            pause_s, why = _SILENCES[self.trouble]
            await Pause(pause_s)
            raise Unavailable(Dependency.REPLICATE, why)
        await Pause(_ANSWER_S)
        if not self._questions.takes(self._clock()):
            raise Unavailable(Dependency.REPLICATE, "throttled", 1 + self._random.random() * 9)

    def expire(self, uri: str) -> None:
        """Delete an output an hour after its prediction ended."""
        prediction_id = uri.removeprefix(DELIVERY).partition("/")[0]
        ended_at = self.replicate.predictions[prediction_id].completed_at
        if ended_at is not None and self.replicate.now() - ended_at > _OUTPUT_LIFE:
            self.replicate.delete_outputs(prediction_id)


class TableRestClient:
    """A ports.Provider: one instance's client of the account. ``is_probe`` returns whether its breaker is probing."""

    def __init__(self, account: Account) -> None:
        self.is_probe: Callable[[], bool] = lambda: False
        self._account = account

    async def create(self, key: Key, attempt: Attempt) -> CreateOutcome:
        """See ``Provider``."""
        return await self._account.create(key, attempt, probe=self.is_probe())

    async def get(self, ref: PredictionRef) -> Prediction | None:
        """See ``Provider``."""
        await self._account.asked()
        return await self._account.replicate.get(ref)

    async def cancel(self, ref: PredictionRef) -> Prediction | None:
        """See ``Provider``."""
        await self._account.asked()
        return await self._account.replicate.cancel(ref)

    async def recent(self, since: datetime, kind: Kind = Kind.PREDICTION) -> AsyncIterator[Prediction]:
        """See ``Provider``. Every page is a read call."""
        await self._account.asked()
        rows = 0
        async for prediction in self._account.replicate.recent(since, kind):
            rows += 1
            if rows % PAGE_ROWS == 0:
                await self._account.asked()
            yield prediction

    async def upload(self, name: str, file: BinaryIO) -> str:
        """See ``Provider``."""
        await self._account.asked()
        return await self._account.replicate.upload(name, file)

    @asynccontextmanager
    async def fetch(self, uri: str, most_bytes: int) -> AsyncIterator[AsyncIterator[bytes]]:
        """See ``Provider``. Outputs are on another host, which never fails, for an hour."""
        await Pause(_OUTPUT_S)
        self._account.expire(uri)
        async with self._account.replicate.fetch(uri, most_bytes) as chunks:
            yield chunks


class _Entries(list[LedgerEntry]):
    """The ledger entries, with a set of their keys."""

    def __init__(self) -> None:
        super().__init__()
        self.keys: set[tuple[str, str, str]] = set()

    def extend(self, entries: Iterable[LedgerEntry]) -> None:
        """More of them."""
        for entry in entries:
            self.append(entry)
            self.keys.add((entry.account_id, entry.entry_id, entry.move))


class LargeStore(FakeStore):
    """A store whose ledger may be large."""

    def __init__(self) -> None:
        super().__init__()
        self._kept = _Entries()
        self.entries = self._kept

    def _is_posted(self, entry: LedgerEntry) -> bool:
        return (entry.account_id, entry.entry_id, entry.move) in self._kept.keys


class ReportingMessenger(FakeMessenger):
    """Calls ``report`` with each new event instead of keeping it."""

    def __init__(self, report: Callable[[GenerationEvent], None]) -> None:
        super().__init__()
        self._report = report

    async def publish(self, event: Event, again: str = "") -> None:
        """Report the event, once for each id."""
        if self._is_new("topic", f"{event.event_id}/{again}") and isinstance(event, GenerationEvent):
            self._report(event)


class CountingTelemetry(FakeTelemetry):
    """Counts steps and metrics instead of keeping them. ``deferrals``: deferred creates by generation."""

    def __init__(self) -> None:
        super().__init__()
        self.names_seen: Counter[str] = Counter()
        self.why: Counter[str] = Counter()
        self.deferrals: Counter[Key] = Counter()

    def step(self, name: AnyStep, key: Key, **facts: str | int) -> None:
        """Count a step."""
        self.names_seen[name] += 1
        if name is Step.CREATE_DEFERRED:
            self.why[str(facts["why"])] += 1
            self.deferrals[key] += 1

    def count(self, metric: Metric, value: float = 1, **labels: str) -> None:
        """Count a metric."""
        self.names_seen[metric] += int(value)

    def follow(self, trace_parent: str) -> None:
        """Does nothing: the outage needs no traces."""
