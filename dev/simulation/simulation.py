"""The simulation: users, messages, two processes and faults over virtual time, all from one seed.

Rules of this file:
1. One seed gives one history: no real clock, no hash order, no other random source. The trace's hash proves it.
2. Messages are delivered at least once, in any order, and some twice at once. A message that has failed ten
   times is dead-lettered.
3. After ``FAULTS_S`` no fault happens. Then everything must end within ``BOUND_S``, and every invariant must hold.
"""

import json
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any, TypeVar

from dev.fakes.messenger import EVENTS, REQUESTS, Sent
from dev.fakes.world import DELIVERIES, START, World
from dev.simulation.approvers import Approvers
from dev.simulation.clockwork import Call, Clockwork, Pause, Process
from dev.simulation.effects import DEPENDENCIES, Crash, Mode, failed, watched
from dev.simulation.invariants import Observer, after_step, at_rest
from dev.simulation.promise import Broken
from dev.simulation.replicate_life import ReplicateLife
from dev.simulation.users import Users
from dev.simulation.weather import Rates, Weather
from shared import worker
from shared.core.metric import Metric
from shared.core.requests.messages import PredictionEvent
from shared.core.requests.parsing import parse_event, parse_request
from shared.ports import Dependencies, Envelope

T = TypeVar("T")

#: Users send requests for an hour and a half. Faults go on a little longer.
ACTS_S, FAULTS_S = 5400, 7200

#: The time to settle after the last fault. The longest waits: a create with a retry-after of 300 s, plus a quarter of
#: jitter; and lost creates, 4 minutes for each of at most five attempts.
BOUND_S = 3600

#: The broker remembers message ids for ten minutes. The simulation empties its set as often.
DUPLICATES_S = 600

TICK_S = 60
LOCK_S = 60


@dataclass
class Figures:
    """The figures of one simulation, or the sums of many."""

    seeds: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    totals: Counter[str] = field(default_factory=Counter)
    settled_s: float = 0.0
    trace: str = ""

    def add(self, other: "Figures") -> None:
        """Add the figures of another simulation."""
        self.seeds += other.seeds
        self.outcomes += other.outcomes
        self.faults += other.faults
        self.totals += other.totals
        self.settled_s = max(self.settled_s, other.settled_s)


class Simulation:
    """The history of one seed. ``run`` runs it once."""

    def __init__(
        self, seed: int, users: int = 3, generations: int = 30, rates: Rates | None = None, acts_s: float = ACTS_S
    ) -> None:
        self.world = World()
        # Shortly before midnight, so that the day of the daily limits changes during the run.
        self.world.time = START.replace(hour=22, minute=50)
        self.weather = Weather(seed, rates or Rates())
        self.clock = Clockwork(self.world, processes=2)
        self.watch = Observer(self.world)
        self.life = ReplicateLife(self.clock, self.weather, self._receive_webhook)
        self.steps = 0
        self.underway = 0
        self.webhooks = 0
        self.world.deps = replace(self.world.deps, chance=self.weather.random.random, sleep=Pause)
        self.approvers = Approvers(self.world, self.weather, self.clock, self, self._call)
        self.users = Users(self.weather, self.clock, self._call, self._post, users, generations, acts_s)

    def run(self) -> Figures:
        """Run from the first grant until nothing is left to do; raises AssertionError if an invariant is broken."""
        start = self.world.time
        self.users.begin()
        self.clock.plan(0, self._tick)
        self.clock.plan(0, self._forget_ids)
        for _ in range(self.weather.rates.outages):
            self.clock.plan(self.weather.between(0, FAULTS_S), self._outage)
        calm = start + timedelta(seconds=FAULTS_S)
        self.clock.plan(FAULTS_S, self._calm)
        bound = calm + timedelta(seconds=BOUND_S)
        while self.world.time < calm or not self._settled():
            if self.world.time > bound:
                raise Broken(f"everything settles: {self._unsettled()}")
            self.clock.next()
            self._carry()
        at_rest(self.watch)
        self.approvers.at_rest()
        return self._figures((self.world.time - calm).total_seconds())

    # The weather.

    def _calm(self) -> None:
        self.clock.note("calm")
        self.weather.calm()

    def _outage(self) -> None:
        dependency = self.weather.one_of(sorted(set(DEPENDENCIES.values())))
        self.clock.note(f"{dependency} is down")
        self.weather.faults["outages"] += 1
        self.weather.down.add(dependency)
        self.clock.plan(self.weather.between(10, 600), lambda: self.weather.down.discard(dependency))

    async def effect(self, process: Process, name: str, act: Callable[[], Awaitable[T]]) -> T:
        """Run one effect of a process: others run first, then it succeeds or has the fault that was drawn."""
        await Pause(self.weather.latency_s())
        if not process.alive:
            raise Crash
        mode = self.weather.mode(name)
        self.clock.note(f"{process.number} {mode or ''} {name}")
        if mode is Mode.CRASH_BEFORE:
            raise Crash
        if mode is Mode.FAILS:
            answer: T = failed(name, mode)
            return answer
        special = self.weather.create() if name == "provider.create" else None
        if special is not None:
            self.world.replicate.answer_next_create_with(special[0], really_created=special[1])
        before = (len(self.world.replicate.made_for), len(self.world.replicate.running))
        result = await act()
        self._replicate_did(name, before)
        if mode is Mode.CRASH_AFTER:
            raise Crash
        if mode is Mode.REPLY_LOST:
            result = failed(name, mode)
        return result

    def _replicate_did(self, name: str, before: tuple[int, int]) -> None:
        replicate = self.world.replicate
        if name == "provider.create" and len(replicate.made_for) > before[0]:
            self.life.born(replicate.ids()[-1])
        if name == "provider.cancel" and len(replicate.running) < before[1]:
            self.life.canceled(replicate.canceled[-1])

    # The broker.

    def _receive_webhook(self, event: PredictionEvent) -> None:
        self.webhooks += 1
        self._post(EVENTS, event.to_json(), f"webhook:{self.webhooks}")

    def _post(self, queue: str, body: dict[str, Any], message_id: str) -> None:
        self._travel(queue, json.dumps(body).encode(), Envelope(message_id), 0)

    def _carry(self) -> None:
        """Move the messages that handlers have sent into the broker."""
        messenger = self.world.messenger
        for sent in messenger.take():
            self._travel(sent.queue, json.dumps(sent.message.to_json()).encode(), sent.envelope, 0)
        scheduled, messenger.scheduled = messenger.scheduled, []
        for sent in scheduled:
            self._schedule(sent)
        self.approvers.carry()

    def _schedule(self, sent: Sent) -> None:
        # A copy may be lost if its generation is in the open index: the timer finds it.
        if sent.message.key in self.world.store.saved_generations and self.weather.strikes("copy_lost"):
            return
        wait_s = (sent.at - self.world.time).total_seconds() if sent.at else 0
        self._travel(sent.queue, json.dumps(sent.message.to_json()).encode(), sent.envelope, wait_s)

    def _travel(self, queue: str, raw: bytes, envelope: Envelope, wait_s: float, delivery: int = 1) -> None:
        """Deliver a message after ``wait_s`` and a delay; sometimes again while the first delivery is being handled."""
        if envelope.enqueued_at is None:  # every delivery of one message says the same
            envelope = replace(envelope, enqueued_at=self.world.time + timedelta(seconds=wait_s))
        slow = self.weather.strikes("slow")
        delay_s = wait_s + (self.weather.between(20, 300) if slow else self.weather.between(0.01, 3))
        twice = self.weather.strikes("redelivered")
        for extra_s in (0, self.weather.between(0, 2)) if twice else (0,):
            self.underway += 1
            self.clock.plan(delay_s + extra_s, lambda: self._deliver(queue, raw, envelope, delivery))

    def _deliver(self, queue: str, raw: bytes, envelope: Envelope, delivery: int) -> None:
        if DEPENDENCIES["messenger"] in self.weather.down:
            # A broker that is down delivers nothing.
            self.clock.plan(5, lambda: self._deliver(queue, raw, envelope, delivery))
            return
        self.underway -= 1
        message = parse_request(raw)[0] if queue == REQUESTS else parse_event(raw)
        dead = delivery > DELIVERIES

        def done(error: BaseException | None) -> None:
            if error is not None:
                self.weather.faults["delivered again"] += 1
                wait_s = LOCK_S if isinstance(error, Crash) else 0
                self._travel(queue, raw, envelope, wait_s, delivery + 1)

        async def walk(deps: Dependencies) -> None:
            if dead:
                await worker.dead_letter(deps, message, raw, queue, envelope.digest)
            else:
                await worker.handle(deps, message, envelope, queue)

        if dead:
            self.weather.faults["dead-lettered"] += 1
        account_id = message.key.account_id if message.key else ""
        self._call(f"{'dead letter' if dead else 'delivery'} of {envelope.message_id}", walk, account_id, done)

    def _call(
        self,
        name: str,
        walk: Callable[[Dependencies], Awaitable[None]],
        account_id: str,
        done: Callable[[BaseException | None], None],
    ) -> None:
        """Start a handler in one of the processes; check every invariant after it."""
        process = self.weather.one_of(self.clock.processes)
        self.underway += 1

        def ended(error: BaseException | None) -> None:
            self.underway -= 1
            self.steps += 1
            after_step(self.watch, account_id)
            done(error)

        async def handler() -> None:
            await walk(watched(self.world.deps, _Gate(self, process), process.pending))

        self.clock.start(process, Call(handler(), name, ended))

    # The timer, and rest.

    def _tick(self) -> None:
        self.clock.plan(TICK_S, self._tick)

        async def reconcile(deps: Dependencies) -> None:
            await worker.reconcile(deps)

        self._call("tick", reconcile, "", lambda _: None)

    def _forget_ids(self) -> None:
        self.clock.plan(DUPLICATES_S, self._forget_ids)
        self.world.messenger.forget_ids()

    def _settled(self) -> bool:
        return not (self.underway or self.world.index.rows or self.world.replicate.running)

    def _unsettled(self) -> str:
        running = [prediction.prediction_id for prediction in self.world.replicate.running]
        return f"{self.underway} underway, open {list(map(str, self.world.index.rows))}, running {running}"

    def _figures(self, settled_s: float) -> Figures:
        world = self.world
        extra = sum(
            max(0, predictions - 1 - self.watch.attempt_failed[key])
            for key, predictions in Counter(key for key, _ in world.replicate.made_for.values()).items()
        )
        return Figures(
            seeds=1,
            outcomes=Counter(each.state.value for each in world.store.saved_generations.values()),
            faults=self.weather.faults + Counter(crashes=self.clock.crashes),
            totals=Counter(
                {
                    "handled messages": self.steps,
                    "trace lines": self.clock.trace.lines,
                    "invariant checks": self.watch.checks,
                    "predictions": len(world.replicate.made_for),
                    "extra predictions": extra,
                    "conflicts": int(world.telemetry.total(Metric.CONFLICTS)),
                    "lost creates": int(world.telemetry.total(Metric.ATTEMPTS_LOST)),
                }
            )
            + self.approvers.figures(),
            settled_s=settled_s,
            trace=self.clock.trace.hash,
        )


class _Gate:
    """The gate of one process."""

    def __init__(self, simulation: Simulation, process: Process) -> None:
        self.simulation = simulation
        self.process = process

    async def effect(self, name: str, act: Callable[[], Awaitable[T]]) -> T:
        """See ``Gate``."""
        return await self.simulation.effect(self.process, name, act)
