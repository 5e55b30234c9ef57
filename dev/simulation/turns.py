"""The queue of requests on virtual time: many accounts, instances that grow, a pace, and turns or none.

Rules of this file:
1. The queue is first-in-first-out. Each message takes a slot of an instance: 0.1 s to park a request, 1.2 s to screen
   and submit one, 0.2 s to submit one that was deferred.
2. Instances are asked for by the backlog, and each comes 30 s after it was asked for. None goes.
3. Who may have a turn is decided by shared/core/turns, and how creates are deferred by shared/core/provider/pacing.
   This file only keeps the rows that a table would keep.
4. An instance sees the turns of others as they were when it last read them, up to a second ago. An account's own turns
   it reads anew. If it need not read, it does not: that somebody waits it
   knows only from its last read. Reads are counted.
5. A look comes on the other queue, which no backlog delays. It may die before it gives anything: then whoever creates
   next asks for another one, at the latest the timer.
"""

import heapq
import itertools
from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from random import Random

from shared.core.keys import Key
from shared.core.provider.pacing import pace_of
from shared.core.turns.giving import LOOK_S, LOOKS_AHEAD, free_times, given, new_place, next_place, next_user, served
from shared.core.turns.shares import Asking, Capacity, Place, Turn, may_take, surely_free, tally

_START = datetime(2026, 1, 1, tzinfo=UTC)

#: How old the view of the places may be of an instance that knows that somebody waits, and of the turns where they
#: count; the timer's interval.
_PLACES_S, _VIEW_S, _TIMER_S = 5.0, 1.0, 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """What is simulated. ``asked_at_once``: how many instances may be starting. Without ``turns``: a plain queue."""

    turns: bool = True
    slots: int = 16
    instances_most: int = 40
    start_s: float = 30.0
    asked_at_once: int = 40
    park_s: float = 0.1
    work_s: float = 1.2
    retry_s: float = 0.2
    creates_per_s: float = 10.0
    in_flight: int | None = None
    life_s: float = 8.0
    look_deaths: float = 0.0
    until_s: float = 7200.0


@dataclass(slots=True, kw_only=True)
class Request:
    """One request: when it was enqueued, and when its create was POSTed and its generation ended."""

    account_id: str
    user_id: str
    number: int
    enqueued_s: float
    posted_s: float = -1.0
    ended_s: float = -1.0
    parked: bool = False

    @property
    def key(self) -> Key:
        """Its key."""
        return Key(self.user_id, str(self.number), self.account_id)

    @property
    def waited_s(self) -> float:
        """From enqueued to POSTed."""
        return self.posted_s - self.enqueued_s


@dataclass(slots=True)
class Counts:
    """What happened beside the requests."""

    instances: int = 1
    looks: int = 0
    dead_looks: int = 0
    reads: int = 0
    parked: int = 0
    deferred: int = 0
    in_flight_most: int = 0


@dataclass(slots=True)
class _Seen:
    """What an instance has read of the others."""

    read_s: float = -1e9
    turns: tuple[Turn, ...] = ()
    places: tuple[Place, ...] = ()


@dataclass(slots=True)
class _Rows:
    """The rows of the tables: turns in hand, places, and what waits by account and user."""

    turns: dict[Key, Turn] = field(default_factory=dict)
    places: dict[str, Place] = field(default_factory=dict)
    waiting: dict[str, dict[str, deque[Request]]] = field(default_factory=lambda: defaultdict(dict))


class QueueRun:
    """One run. ``accounts`` are the plans of the accounts; who has none has weight 1 and no limit."""

    def __init__(self, model: Model, requests: Iterable[Request], accounts: Mapping[str, Asking], seed: int) -> None:
        self.model, self.requests, self.counts = model, list(requests), Counts()
        self._accounts, self._random, self._rows = accounts, Random(seed), _Rows()
        self._now, self._numbers = 0.0, itertools.count()
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._queue: deque[tuple[Callable[[int, Request], None], Request]] = deque()
        self._free: list[int] = [0] * model.slots
        self._seen: list[_Seen] = [_Seen()]
        self._coming = 0
        self._looks: set[int] = set()
        self._pace = pace_of(model.creates_per_s * 60, 0.0)
        self._capacity = Capacity(in_flight=model.in_flight, per_s=model.creates_per_s)
        self._left, self._running, self._working = len(self.requests), 0, 0

    def run(self) -> "QueueRun":
        """Run until every request was POSTed, or until the model's end."""
        for request in self.requests:
            self._at(request.enqueued_s, self._enqueuer(self._handle, request))
        self._at(0.0, self._scale)
        self._at(_TIMER_S, self._timer)
        while self._events and self._left:
            self._now, _, event = heapq.heappop(self._events)
            if self._now > self.model.until_s:
                break
            event()
            self._dispatch()
        return self

    # The queue and the instances.

    def _at(self, at_s: float, event: Callable[[], None]) -> None:
        heapq.heappush(self._events, (at_s, next(self._numbers), event))

    def _enqueuer(self, handler: Callable[[int, Request], None], request: Request) -> Callable[[], None]:
        return lambda: self._queue.append((handler, request))

    def _dispatch(self) -> None:
        while self._queue and self._free:
            index = self._random.randrange(len(self._free))
            self._free[index], self._free[-1] = self._free[-1], self._free[index]
            handler, request = self._queue.popleft()
            handler(self._free.pop(), request)

    def _busy(self, instance: int, seconds: float, then: Callable[[], None]) -> None:
        def done() -> None:
            self._free.append(instance)
            then()

        self._at(self._now + seconds, done)

    def _scale(self) -> None:
        """Ask each second for as many instances as the backlog needs."""
        wanted = min(self.model.instances_most, -(-len(self._queue) // self.model.slots))
        room = self.model.asked_at_once - self._coming
        for _ in range(min(room, wanted - self.counts.instances - self._coming)):
            self._coming += 1
            self._at(self._now + self.model.start_s, self._started)
        self._at(self._now + 1, self._scale)

    def _started(self) -> None:
        self._coming -= 1
        self._free += [self.counts.instances] * self.model.slots
        self._seen.append(_Seen())
        self.counts.instances += 1

    # What a slot does with a message.

    def _handle(self, instance: int, request: Request) -> None:
        if not self.model.turns or self._takes(instance, request):
            self._work(instance, request)
        else:
            request.parked = True
            self._busy(instance, self.model.park_s, lambda: self._park(request))

    def _work(self, instance: int, request: Request) -> None:
        self._working += 1
        if self.model.turns:
            self._put(request, begun=True, at_s=self._now)
        self._busy(instance, self.model.work_s, lambda: self._submit(request, waited=False))

    def _retry(self, instance: int, request: Request) -> None:
        self._busy(instance, self.model.retry_s, lambda: self._submit(request, waited=True))

    def _submit(self, request: Request, *, waited: bool) -> None:
        self._pace, wait_s = self._pace.asked(self._now, waited=waited)
        if wait_s:
            self.counts.deferred += 1
            self._at(self._now + wait_s, self._enqueuer(self._retry, request))
            return
        request.posted_s = self._now
        self._working -= 1
        self._left -= 1
        self._running += 1
        self.counts.in_flight_most = max(self.counts.in_flight_most, self._running)
        self._at(self._now + self.model.life_s, lambda: self._end(request))
        self._ask_for_look()

    def _end(self, request: Request) -> None:
        request.ended_s = self._now
        self._running -= 1
        self._rows.turns.pop(request.key, None)
        self._ask_for_look()

    # Turns.

    def _time(self) -> datetime:
        return _START + timedelta(seconds=self._now)

    def _asking(self, request: Request) -> Asking:
        return self._accounts.get(request.account_id) or Asking(account_id=request.account_id)

    def _put(self, request: Request, *, begun: bool, at_s: float) -> None:
        since = _START + timedelta(seconds=at_s)
        weight = self._asking(request).weight
        self._rows.turns[request.key] = Turn(key=request.key, weight=weight, since=since, begun=begun)

    def _takes(self, instance: int, request: Request) -> bool:
        asking, seen = self._asking(request), self._seen[instance]
        if seen.places and self._now - seen.read_s > _PLACES_S:  # only where somebody waited before
            self._read(seen)
            self.counts.reads += 1
        account_id = asking.account_id
        own = [turn for turn in self._rows.turns.values() if turn.key.account_id == account_id]
        if surely_free(asking, seen.places, self._capacity, held_credits=len(own), spare_tokens=self._spare_tokens()):
            return True
        if self._now - seen.read_s > _VIEW_S:
            self._read(seen)
            self.counts.reads += 1
        if any(place.account_id == account_id for place in seen.places):
            return False
        self.counts.reads += 1  # the account's own turns and its place
        others = [turn for turn in seen.turns if turn.key.account_id != account_id]
        mine = self._rows.places.get(account_id)
        places = (*seen.places, mine) if mine else seen.places
        return may_take(asking, tally([*others, *own], self._capacity, self._time()), places, self._capacity)

    def _read(self, seen: _Seen) -> None:
        seen.read_s = self._now
        seen.places, seen.turns = tuple(self._rows.places.values()), tuple(self._rows.turns.values())

    def _spare_tokens(self) -> float:
        pace, now = self._pace, self._now
        tokens = pace.tokens + (now - pace.counted_at) * pace.per_s(now)
        return -1.0 if pace.last_slot_at > now else min(tokens, pace.most(now)) - self._working - pace.most(now) / 2

    def _park(self, request: Request) -> None:
        rows, account_id = self._rows, request.account_id
        self.counts.parked += 1
        rows.waiting[account_id].setdefault(request.user_id, deque()).append(request)
        if account_id not in rows.places:
            rows.places[account_id] = new_place(self._asking(request), rows.places.values(), self._time())
        self._ask_for_look()

    # Looks.

    def _ask_for_look(self) -> None:
        """While somebody waits, ask for the next looks. Each is named by its time, so the broker drops a second one."""
        if not self._rows.places:
            return
        for number in range(1, LOOKS_AHEAD + 1):
            look = int(self._now / LOOK_S) + number
            if look not in self._looks:
                self._looks.add(look)
                self._at(look * LOOK_S, self._look)

    def _timer(self) -> None:
        self._ask_for_look()
        self._at(self._now + _TIMER_S, self._timer)

    def _look(self) -> None:
        self.counts.looks += 1
        if self._random.random() < self.model.look_deaths:
            self.counts.dead_looks += 1
            return
        self._give()
        self._ask_for_look()

    def _give(self) -> None:
        rows, capacity = self._rows, self._capacity
        found = tally(rows.turns.values(), capacity, self._time())
        for at in free_times(found, capacity, self._time()):
            place = next_place(rows.places.values(), found, capacity)
            if place is None:
                return
            found = given(found, place)
            self._give_one(place, (at - _START).total_seconds())

    def _give_one(self, place: Place, at_s: float) -> None:
        rows = self._rows
        users = rows.waiting[place.account_id]
        user_id = next_user(sorted(users), place.after_user)
        request = users[user_id].popleft()
        if not users[user_id]:
            del users[user_id]
        if users:
            rows.places[place.account_id] = served(place, user_id, rows.places.values())
        else:
            del rows.places[place.account_id]
        self._put(request, begun=False, at_s=at_s)
        self._at(at_s, self._enqueuer(self._work, request))


def burst(account_id: str, count: int, at_s: float = 0.0, users: int = 1) -> list[Request]:
    """So many requests at one moment, of so many users."""
    return [
        Request(account_id=account_id, user_id=f"{account_id}-{number % users}", number=number, enqueued_s=at_s)
        for number in range(count)
    ]


def steady(account_id: str, per_s: float, until_s: float, first_s: float = 0.5) -> list[Request]:
    """One request after the other, so many a second."""
    count = int((until_s - first_s) * per_s) + 1
    return [
        Request(account_id=account_id, user_id=account_id, number=number, enqueued_s=first_s + number / per_s)
        for number in range(count)
    ]


def percentile(values: Iterable[float], percent: int) -> float:
    """The value below or at which so many percent are (nearest rank)."""
    found = sorted(values)
    return found[max(0, -(-len(found) * percent // 100) - 1)]
