"""An outage of Replicate under load, on virtual time: instances run the real message handler, pace and breaker.

Rules of this file:
1. One seed gives one history. A handler occupies a slot of its instance while it runs. Its calls to Replicate take
   as long as Replicate takes; tables, queue and screening together take ``WORK_S``.
2. The load goes on after the outage until all requests from before its end have ended. Then it stops, everything
   settles, and the results are counted.
3. A message that failed ten times is a dead letter. A handler that exceeds the invocation timeout has failed.
"""

import asyncio
import heapq
from collections import Counter, deque
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field, replace
from datetime import timedelta
from random import Random
from typing import Any

from dev.fakes.messenger import EVENTS, REQUESTS, queue_of
from dev.fakes.world import DELIVERIES, START, World
from dev.simulation.outage_dependencies import (
    Account,
    CountingTelemetry,
    LargeStore,
    ReportingMessenger,
    TableRestClient,
    Trouble,
)
from shared import worker
from shared.adapters.replicate.resilience.guarded import ResilientProvider
from shared.core.events.generation_event import GenerationEvent
from shared.core.keys import Key
from shared.core.provider.breaker import Circuit
from shared.core.provider.guarantees import REPLICATE
from shared.core.requests.messages import GenerationRequest, Message
from shared.ports import Dependencies, Envelope, Sendable

#: The time that one message takes for tables, queue and screening; the slots of one instance (host.json).
WORK_S, SLOTS = 0.2, 16

#: INVOCATION_TIMEOUT_S, and the timer.
INVOCATION_S, TICK_S = 120, 60

#: The load is spread over users: so many requests a second on one account's row would conflict.
USERS_PER_REQUEST_A_SECOND = 40

#: One in a hundred webhooks is lost. None is lost for predictions that ended when the outage began: no GET could find
#: their outputs before they are deleted an hour later.
_WEBHOOK_LOST = 0.01

#: The longest time that a generation may take after the outage.
REST_S = 4 * 3600


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """The parameters. Rates: requests a second. The limit: creates a minute, for the whole account.

    ``instances`` run creates and ``observers`` run observations, since each function has its own. A create occupies a
    slot for a second.
    """

    trouble: Trouble
    rate_per_s: float = 50
    outage_s: int = 3600
    before_s: int = 60
    instances: int = 10
    observers: int = 20
    creates_per_minute: int = 6000
    seed: int = 1

    @property
    def end_s(self) -> int:
        """The second at which the outage ends."""
        return self.before_s + self.outage_s


@dataclass
class Figures:
    """The results."""

    requests: int = 0
    asked_in_outage: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    creates_in_outage: int = 0
    probes_in_outage: int = 0
    questions_in_outage: int = 0
    returns_in_outage: int = 0
    deferrals_mean: float = 0
    deferrals_most: int = 0
    peak_per_s: int = 0
    peak_per_minute: int = 0
    throttled: int = 0
    handled_peak_per_s: int = 0
    worked_off_s: float = 0
    at_rest_s: float = 0
    dead: int = 0
    timed_out: int = 0
    extra_predictions: int = 0
    charged_twice: int = 0
    why: Counter[str] = field(default_factory=Counter)

    @property
    def lost(self) -> int:
        """Requests that did not end with a picture."""
        return self.requests - self.outcomes["succeeded"]


@dataclass(eq=False, slots=True)
class _Post:
    """A message in the queue."""

    message: Message
    envelope: Envelope
    queue: str
    delivery: int = 1


class _Pool:
    """The instances of one function, with the free slots of each."""

    def __init__(self, instances: list[Dependencies], random: Random) -> None:
        self.instances = instances
        self.waiting: deque[_Post] = deque()
        self.free = [SLOTS] * len(instances)
        self._random = random

    def instance(self) -> int | None:
        """Returns an instance with a free slot."""
        free = [number for number, slots in enumerate(self.free) if slots]
        return self._random.choice(free) if free else None


class Outage:
    """One case, played once with ``run``."""

    def __init__(self, case: Case) -> None:
        self.case = case
        self.random = Random(case.seed)
        self.world = world = World()
        self.now_s = 0.0
        self.figures = Figures()
        self.telemetry = CountingTelemetry()
        world.store = LargeStore()
        world.messenger = ReportingMessenger(self._count_end)
        self.account = Account(world.replicate, case.creates_per_minute, lambda: self.now_s, self.random, self._born)
        self.deps = replace(
            world.deps,
            store=world.store,
            messenger=world.messenger,
            telemetry=self.telemetry,
            chance=self.random.random,
        )
        self.pools = {REQUESTS: self._pool(case.instances), EVENTS: self._pool(case.observers)}
        self._moments: list[tuple[float, int, Callable[[], None]]] = []
        self._planned = 0
        self._asked = 0
        self._open_of_outage: set[Key] = set()
        self._handled: Counter[int] = Counter()
        self._arriving = True

    def _pool(self, instances: int) -> _Pool:
        return _Pool(
            [replace(self.deps, providers={REPLICATE: self._instance()}) for _ in range(instances)], self.random
        )

    def _instance(self) -> ResilientProvider:
        line, limit = TableRestClient(self.account), (self.case.creates_per_minute, self.case.instances)
        guard = ResilientProvider(line, *limit, now=lambda: self.now_s, chance=self.random.random, clock=self.world.now)
        line.is_probe = lambda: guard.states()["creates"] is Circuit.HALF_OPEN
        return guard

    # Time.

    def _plan(self, seconds: float, act: Callable[[], None]) -> None:
        self._planned += 1
        heapq.heappush(self._moments, (self.now_s + max(0.0, seconds), self._planned, act))

    def run(self) -> Figures:
        """Run from the first request until nothing is left to do."""
        self._plan(0, self._arrive)
        self._plan(TICK_S, self._tick)
        self._plan(self.case.before_s, self._breaks)
        self._plan(self.case.end_s, self._mended)
        while self._moments:
            assert self.now_s < self.case.end_s + REST_S, "nothing comes to rest"
            self.now_s, _, act = heapq.heappop(self._moments)
            self.world.time = START + timedelta(seconds=self.now_s)
            act()
            self._carry()
        return self._counted()

    def _breaks(self) -> None:
        self.account.trouble = self.case.trouble

    def _mended(self) -> None:
        self.account.trouble = None

    # Load.

    @property
    def _in_outage(self) -> bool:
        return self.case.before_s <= self.now_s < self.case.end_s

    def _arrive(self) -> None:
        if self.now_s > self.case.end_s and not self._open_of_outage:
            self._arriving = False
            self.figures.worked_off_s = self.now_s - self.case.end_s
            return
        number = self._asked
        self._asked += 1
        users = max(1, int(self.case.rate_per_s * USERS_PER_REQUEST_A_SECOND))
        key = Key(f"user{number % users}", f"g{number}")
        if number < users:
            self._now(worker.grant(self.deps, key.account_id, 10**6, grant_id="welcome"))
            command = worker.Command(command_id="welcome")
            self._now(worker.set_plan(self.deps, key.account_id, "premium", command))
        if self.now_s < self.case.end_s:
            self._open_of_outage.add(key)
            self.figures.asked_in_outage += self.now_s >= self.case.before_s
        request = GenerationRequest(key=key, prompt="A lighthouse at night", model="flux-schnell")
        self._post(_Post(request, Envelope(f"app:{number}"), REQUESTS))
        self._plan(self.random.expovariate(self.case.rate_per_s), self._arrive)

    def _count_end(self, event: GenerationEvent) -> None:
        self.figures.outcomes[event.outcome if event.outcome == "succeeded" else f"{event.outcome} {event.reason}"] += 1
        self._open_of_outage.discard(event.key)

    # Replicate's predictions.

    def _born(self, prediction_id: str) -> None:
        # For a model that takes seconds, only the webhook of its end is requested (creating.py).
        self._plan(self.random.uniform(1.3, 5.5), lambda: self._ends(prediction_id))

    def _ends(self, prediction_id: str) -> None:
        replicate = self.world.replicate
        if replicate.predictions[prediction_id].status.finished:
            return
        replicate.succeed(prediction_id)
        if self.now_s > self.case.end_s and self.random.random() < _WEBHOOK_LOST:
            return
        event = replicate.event(prediction_id)
        self._plan(0.2, lambda: self._post(_Post(event, Envelope(f"webhook:{prediction_id}"), EVENTS)))

    # The broker.

    def _carry(self) -> None:
        messenger = self.world.messenger
        for sent in messenger.take():
            self._post(_Post(sent.message, sent.envelope, sent.queue))
        scheduled, messenger.scheduled = messenger.scheduled, []
        for each in scheduled:
            wait_s = (each.at - self.world.time).total_seconds() if each.at else 0
            self._plan(wait_s, self._later(each.message, each.envelope))

    def _later(self, message: Sendable, envelope: Envelope) -> Callable[[], None]:
        return lambda: self._post(_Post(message, envelope, queue_of(message)))

    def _post(self, post: _Post) -> None:
        if post.envelope.enqueued_at is None:  # every delivery of one message says the same
            post.envelope = replace(post.envelope, enqueued_at=self.world.time)
        self.pools[post.queue].waiting.append(post)
        self._feed(post.queue)

    def _feed(self, queue: str) -> None:
        pool = self.pools[queue]
        while pool.waiting and (instance := pool.instance()) is not None:
            pool.free[instance] -= 1
            self._start(pool, instance, pool.waiting.popleft())

    def _start(self, pool: _Pool, instance: int, post: _Post) -> None:
        deps, raw = pool.instances[instance], b""
        if post.delivery > DELIVERIES:
            self.figures.dead += 1
            walk: Coroutine[Any, Any, Any] = worker.dead_letter(
                deps, post.message, raw, post.queue, post.envelope.digest
            )
        else:
            walk = worker.handle(deps, post.message, post.envelope, post.queue)
        self._handled[int(self.now_s)] += 1
        if self._in_outage and isinstance(post.message, GenerationRequest):
            self.figures.returns_in_outage += 1
        deadline_s = self.now_s + INVOCATION_S

        def done(error: BaseException | None) -> None:
            pool.free[instance] += 1
            if error is not None:
                again = replace_delivery(post)
                self._plan(0, lambda: self._post(again))
            self._feed(post.queue)

        self._plan(WORK_S, lambda: self._step(walk, deadline_s, done))

    def _step(
        self, walk: Coroutine[Any, Any, Any], deadline_s: float, done: Callable[[BaseException | None], None]
    ) -> None:
        try:
            pause_s: float | None = None
            while pause_s is None:
                pause_s = walk.send(None)
                if pause_s is not None and self.now_s + pause_s > deadline_s:
                    self.figures.timed_out += 1
                    walk.throw(asyncio.CancelledError())
        except StopIteration:
            done(None)
        except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001  # the broker delivers it again
            done(error)
        else:
            self._plan(pause_s, lambda: self._step(walk, deadline_s, done))

    @staticmethod
    def _now(walk: Coroutine[Any, Any, Any]) -> None:
        try:
            while True:
                walk.send(None)
        except StopIteration:
            pass

    def _tick(self) -> None:
        self._now(worker.reconcile(self.deps))
        if self._arriving or self.world.index.rows:
            self._plan(TICK_S, self._tick)

    # Afterwards.

    def _counted(self) -> Figures:
        figures, seen, case = self.figures, self.account.seen, self.case
        figures.requests = self._asked
        figures.at_rest_s = self.now_s - case.end_s
        inside = range(case.before_s, case.end_s)
        figures.creates_in_outage = sum(seen.creates[second] for second in inside)
        figures.probes_in_outage = sum(seen.probes[second] for second in inside)
        figures.questions_in_outage = sum(seen.questions[second] for second in inside)
        after = {second: number for second, number in seen.creates.items() if second >= case.end_s}
        figures.peak_per_s = max(after.values(), default=0)
        minutes: Counter[int] = Counter()
        for second, number in after.items():
            minutes[second // 60] += number
        figures.peak_per_minute = max(minutes.values(), default=0)
        figures.throttled = seen.throttled
        figures.handled_peak_per_s = max(self._handled.values(), default=0)
        figures.deferrals_mean = self.telemetry.deferrals.total() / max(1, self._asked)
        figures.deferrals_most = max(self.telemetry.deferrals.values(), default=0)
        figures.why = self.telemetry.why
        made = Counter(key for key, _ in self.world.replicate.made_for.values())
        figures.extra_predictions = sum(number - 1 for number in made.values())
        captured = sum(account.captured for account in self.world.store.saved_accounts.values())
        figures.charged_twice = captured - figures.outcomes["succeeded"]
        return figures


def replace_delivery(post: _Post) -> _Post:
    """Returns the message with its delivery count increased by one."""
    return _Post(post.message, post.envelope, post.queue, post.delivery + 1)
