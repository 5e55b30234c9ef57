"""What fairness promises, as cases of the simulated queue: each has figures, and bounds for some of them."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from itertools import pairwise

from dev.simulation.turns import Model, QueueRun, Request, burst, percentile, steady
from shared.core.turns.shares import Asking

#: The bound of the 95th percentile from enqueued to POSTed, beside a burst of another account.
P95_S = 10.0

#: The bound if the platform starts one instance each 30 s: parking the burst takes the first one some seconds longer.
_SLOW_S = 12.0

#: A burst of 5,000 at ten a second lasts ten minutes. Whoever asks beside it asks for longer.
_BURST, _BESIDE_S = 5000, 760.0

#: Until when 10,000 requests have been parked, one instance alone for the first 30 s.
_PARKED_S = 40.0


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure of a case. ``most`` is its bound, if it has one."""

    label: str
    value: float
    most: float | None = None

    @property
    def kept(self) -> bool:
        """Whether the bound is kept."""
        return self.most is None or self.value <= self.most


@dataclass(frozen=True, slots=True)
class Case:
    """One case: what it is, and its figures for a seed."""

    name: str
    figures: Callable[[int], list[Figure]]


def beside_a_burst(model: Model, seed: int, count: int = _BURST) -> QueueRun:
    """A burst of one account, and one request a second of another, at phases that the seed makes."""
    first_s = (seed * 0.37) % 1
    small = steady("small", 1.0, _BESIDE_S * count / _BURST, first_s)
    return QueueRun(model, [*burst("big", count), *small], {}, seed).run()


def waits_beside(run: QueueRun) -> list[float]:
    """The waits of the small account over the whole burst. A request that was never POSTed has waited to the end."""
    end_s = max(request.posted_s for request in run.requests if request.account_id == "big")
    return [
        request.waited_s if request.posted_s >= 0 else run.model.until_s - request.enqueued_s
        for request in run.requests
        if request.account_id == "small" and request.enqueued_s <= end_s
    ]


def _beside(model: Model, most_s: float | None = P95_S) -> Callable[[int], list[Figure]]:
    def figures(seed: int) -> list[Figure]:
        run = beside_a_burst(model, seed)
        waits = waits_beside(run)
        return [
            Figure("p95 s", percentile(waits, 95), most_s),
            Figure("p50 s", percentile(waits, 50)),
            Figure("longest s", max(waits)),
            Figure("burst done s", max(each.posted_s for each in run.requests if each.account_id == "big")),
            Figure("creates deferred", run.counts.deferred),
            Figure("reads", run.counts.reads),
            Figure("looks", run.counts.looks),
            Figure("instances", run.counts.instances),
        ]

    return figures


def _firsts(model: Model, *, bounded: bool = True) -> Callable[[int], list[Figure]]:
    """10,000 requests of one account; the first request of five others, each at another time."""

    def figures(seed: int) -> list[Figure]:
        times = (1.0, 20.0, 45.0, 120.0, 600.0)
        firsts = [request for at_s in times for request in burst(f"first-{at_s:.0f}", 1, at_s)]
        QueueRun(model, [*burst("big", 10_000), *firsts], {}, seed).run()
        return [
            Figure(
                f"first at {first.enqueued_s:.0f} s",
                first.waited_s,
                max(5.0, _PARKED_S - first.enqueued_s) if bounded else None,
            )
            for first in firsts
        ]

    return figures


def shares(accounts: Mapping[str, Asking], each: int, seed: int, model: Model | None = None) -> QueueRun:
    """All of the accounts ask for so many at once, in turn, each with three users."""
    requests = [request for account_id in accounts for request in burst(account_id, each, users=3)]
    return QueueRun(model or Model(), sorted(requests, key=lambda each: each.number), accounts, seed).run()


def share_errors(run: QueueRun, accounts: Mapping[str, Asking], from_s: float) -> dict[str, float]:
    """Each account's creates by its weighted part, while all accounts wait: 1 is exactly its share."""
    last = Counter[str]()
    for request in run.requests:
        last[request.account_id] = max(last[request.account_id], int(request.posted_s))
    until_s = min(last.values())
    done = Counter(request.account_id for request in run.requests if from_s <= request.posted_s <= until_s)
    weights = sum(each.weight for each in accounts.values())
    return {
        account_id: done[account_id] * weights / (each.weight * done.total()) for account_id, each in accounts.items()
    }


def longest_gap_s(requests: Iterable[Request]) -> float:
    """The longest time between two creates of one account, or before its first one."""
    times: dict[str, list[float]] = {}
    for request in requests:
        times.setdefault(request.account_id, [0.0]).append(request.posted_s)
    ordered = [sorted(found) for found in times.values()]
    return max(later - earlier for found in ordered for earlier, later in pairwise(found))


def weighted(count: int) -> dict[str, Asking]:
    """So many accounts with weights 1, 2 and 4."""
    return {f"a{number}": Asking(account_id=f"a{number}", weight=(1, 2, 4)[number % 3]) for number in range(count)}


def _weights(count: int, each: int) -> Callable[[int], list[Figure]]:
    def figures(seed: int) -> list[Figure]:
        accounts = weighted(count)
        run = shares(accounts, each, seed)
        parts = share_errors(run, accounts, _PARKED_S)
        turn_s = sum(account.weight for account in accounts.values()) / run.model.creates_per_s
        return [
            Figure("share, off by at most", max(abs(part - 1) for part in parts.values()), 0.2),
            Figure("longest between two s", longest_gap_s(run.requests), _PARKED_S + 1.5 * turn_s),
            Figure("creates deferred", run.counts.deferred),
        ]

    return figures


def users_of_one(seed: int) -> tuple[QueueRun, list[Request]]:
    """One user of an account asks for 2,000; another user of it asks once each 20 s, beside a second account."""
    late = [
        Request(account_id="team", user_id="late", number=number, enqueued_s=40.0 + number * 20) for number in range(15)
    ]
    requests = [*burst("team", 2000), *burst("other", 2000), *late]
    return QueueRun(Model(), requests, {}, seed).run(), late


def _users(seed: int) -> list[Figure]:
    _, late = users_of_one(seed)
    return [Figure("longest of another user s", max(request.waited_s for request in late), 5.0)]


def most_in_flight(run: QueueRun, account_id: str = "") -> int:
    """The most generations in flight at once, of one account or of all."""
    steps = []
    for request in run.requests:
        if request.posted_s >= 0 and account_id in ("", request.account_id):
            steps += [(request.posted_s, 1), (request.ended_s if request.ended_s >= 0 else run.model.until_s, -1)]
    running = most = 0
    for _, step in sorted(steps):
        running += step
        most = max(most, running)
    return most


def in_flight(seed: int) -> QueueRun:
    """An app with 50 in flight at most, a plan with a concurrency of 2, and a burst."""
    accounts = {"tight": Asking(account_id="tight", concurrency=2)}
    requests = [*burst("big", 800), *burst("tight", 60), *steady("small", 0.5, 150)]
    return QueueRun(Model(in_flight=50, life_s=10.0), requests, accounts, seed).run()


def _limits(seed: int) -> list[Figure]:
    run = in_flight(seed)
    waits = [request.waited_s for request in run.requests if request.account_id == "small"]
    return [
        Figure("app in flight", most_in_flight(run), 50),
        Figure("plan in flight", most_in_flight(run, "tight"), 2),
        Figure("small p95 s", percentile(waits, 95), P95_S),
        Figure("small longest s", max(waits)),
        Figure(
            "burst's creates a second", 800 / max(each.posted_s for each in run.requests if each.account_id == "big")
        ),
    ]


def alone(seed: int) -> QueueRun:
    """Five accounts that together ask for less than there is."""
    requests = [request for number in range(5) for request in steady(f"a{number}", 1.0, 200.0, number / 7)]
    return QueueRun(Model(), requests, {}, seed).run()


def _unused(seed: int) -> list[Figure]:
    run = alone(seed)
    return [
        Figure("reads", run.counts.reads, 0),
        Figure("looks", run.counts.looks, 0),
        Figure("longest s", max(request.waited_s for request in run.requests), 1.3),
    ]


_ISSUE = Model()

CASES = (
    Case("burst of 5,000 beside 1 a second", _beside(_ISSUE)),
    Case("the same, without turns", _beside(replace(_ISSUE, turns=False), None)),
    Case("the same, half of the looks die", _beside(replace(_ISSUE, look_deaths=0.5))),
    Case("the same, instances start one at a time", _beside(replace(_ISSUE, asked_at_once=1), _SLOW_S)),
    Case("10,000 of one, the first of another", _firsts(_ISSUE)),
    Case("the same, without turns", _firsts(replace(_ISSUE, turns=False), bounded=False)),
    Case("30 accounts, weights 1, 2, 4", _weights(30, 150)),
    Case("150 accounts, weights 1, 2, 4", _weights(150, 30)),
    Case("2,000 of one user, another user of it", _users),
    Case("50 in flight, a plan with 2", _limits),
    Case("five accounts below their shares", _unused),
)
