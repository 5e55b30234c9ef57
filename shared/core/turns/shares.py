"""Shares: whether a request may have a turn at once, or waits for one.

Rules of this file:
1. A turn is taken before screening. Without one a request is saved as RECEIVED, holds nothing, and its message is
   completed. What waits for an approval or for the end of a pause has no turn. It asks again when it may go on.
2. Two things are shared: the app's limit on generations in flight, and the creates that the pace lets through in a
   window of some seconds. A turn counts as in flight until its generation has ended or is paused. It counts for the
   pace from when it is given until the window has passed after it began.
3. Turns in hand are reckoned from the generations that have them. There is no counter that could drift.
4. A share is the account's weighted part of all accounts that have a turn in hand or wait. An account that is alone has
   all of it. What the others do not use may be used, as long as nobody waits for it.
5. An account below its share of the pace gets its turn at once, even if the others have all of theirs in hand: they
   get no further turns until the sum fits again. An app's or an account's limit in flight is never exceeded so.
6. An account of which something waits takes no turn at once: its older requests come first.
7. A value is of one moment. The time is an argument.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from math import ceil

from shared.core.keys import Key

#: The window of the pace, in seconds. A slower pace has a longer one: at least one turn fits into it.
WINDOW_S = 3.0

#: The part of the pace that turns use. At the whole of it, a queue for tokens that has once begun would never end.
PACE_PART = 0.95

#: What a turn adds to the place of an account of weight 1. Tables hold whole numbers.
TURN = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Capacity:
    """What is shared. None: no bound.

    ``in_flight``: the app's limit on generations in flight. ``per_s``: how many creates a second the pace allows now,
    for all instances together.
    """

    in_flight: int | None = None
    per_s: float | None = None

    def __post_init__(self) -> None:
        if self.per_s is not None and self.per_s <= 0:
            raise ValueError("a pace of nothing a second")

    @property
    def paced(self) -> int | None:
        """How many turns may count for the pace at once."""
        return None if self.per_s is None else max(1, int(self.per_s * PACE_PART * WINDOW_S))

    @property
    def window_s(self) -> float:
        """How long a turn that has begun counts for the pace, so that turns come at the part of the pace for them."""
        return WINDOW_S if self.per_s is None or self.paced is None else self.paced / (self.per_s * PACE_PART)

    def paced_within(self, seconds: float) -> int:
        """How many turns the pace has in so many seconds."""
        return max(1, ceil((self.paced or 0) * seconds / self.window_s))


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """A turn in hand: a generation that has one. ``begun``: its message was handled; else it is on its way.

    ``since`` is when it began, or from when it was given.
    """

    key: Key
    weight: int
    since: datetime
    begun: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """An account of which requests wait.

    ``asked_at``: since when. ``served``: its turns so far, each as ``TURN`` divided by its weight. ``after_user``:
    whose request got the last one. ``weight`` and ``concurrency`` are those of its plan.
    """

    account_id: str
    asked_at: datetime
    weight: int = 1
    concurrency: int | None = None
    served: int = 0
    after_user: str = ""


@dataclass(frozen=True, slots=True)
class Tally:
    """The turns in hand at one moment, by account: those in flight, and those that count for the pace.

    ``free_at``: when those that have begun stop to count for the pace, in order. ``weights`` are of the accounts.
    ``of_users``: those in flight by account and user.
    """

    in_flight: Mapping[str, int]
    paced: Mapping[str, int]
    free_at: tuple[datetime, ...]
    weights: Mapping[str, int]
    of_users: Mapping[tuple[str, str], int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asking:
    """The account of a request that asks for a turn, with its plan's weight and its limits in flight.

    ``of_user`` is that of the user who asks.
    """

    account_id: str
    weight: int = 1
    concurrency: int | None = None
    of_user: int | None = None


def tally(turns: Iterable[Turn], capacity: Capacity, now: datetime) -> Tally:
    """Reckon the turns in hand from the generations that have them."""
    window = timedelta(seconds=capacity.window_s)
    in_flight, of_users = Counter[str](), Counter[tuple[str, str]]()
    paced: Counter[str] = Counter()
    free_at, weights = [], {}
    for turn in turns:
        account_id = turn.key.account_id
        in_flight[account_id] += 1
        of_users[account_id, turn.key.user_id] += 1
        weights[account_id] = turn.weight
        if not turn.begun:
            paced[account_id] += 1
        elif turn.since + window > now:
            paced[account_id] += 1
            free_at.append(turn.since + window)
    return Tally(in_flight, paced, tuple(sorted(free_at)), weights, of_users)


def surely_free(
    asking: Asking, places: Iterable[Place], capacity: Capacity, *, held_credits: int, spare_tokens: float
) -> bool:
    """Whether a request has a turn without any turn in hand being read.

    ``held_credits`` are the account's: each hold is of one credit at least, so not more are in flight.
    ``spare_tokens``: what the pace has beyond half of its bucket, without the tokens for the requests under way, and
    nothing while somebody queues for one. Beside accounts that wait they are shared, as the turns are.
    """
    others = {place.account_id: place.weight for place in places}
    if asking.account_id in others or capacity.in_flight is not None:
        return False
    if asking.concurrency is not None and held_credits >= asking.concurrency:
        return False
    if capacity.paced is None:
        return True
    part = asking.weight / (asking.weight + sum(others.values()))
    return spare_tokens >= 0 and (not others or held_credits + 1 <= (capacity.paced + spare_tokens) * part)


def may_take(asking: Asking, found: Tally, places: Iterable[Place], capacity: Capacity) -> bool:
    """Whether a new request has a turn at once. False: it waits."""
    waiting = tuple(places)
    if any(place.account_id == asking.account_id for place in waiting):
        return False
    own = found.in_flight.get(asking.account_id, 0)
    if asking.concurrency is not None and own >= asking.concurrency:
        return False
    others = able(waiting, found)
    return _fits_in_flight(asking, found, others, capacity) and _fits_pace(asking, found, others, capacity)


def able(places: Iterable[Place], found: Tally) -> tuple[Place, ...]:
    """The places that a free turn could go to: a full account waits for a turn of its own."""
    return tuple(
        place
        for place in places
        if place.concurrency is None or found.in_flight.get(place.account_id, 0) < place.concurrency
    )


def below_share(found: Tally, others: tuple[Place, ...], capacity: Capacity) -> Callable[[Place], bool]:
    """Which of the places have not more than their share in hand, of the pace and of what is in flight.

    Shares are fractions and turns are whole: one more than the share is allowed, or great weights would be held back.
    """
    bounds = [
        (most / _weights(counts, found.weights, others), counts)
        for most, counts in ((capacity.in_flight, found.in_flight), (capacity.paced, found.paced))
        if most is not None
    ]
    return lambda place: all(counts.get(place.account_id, 0) < each * place.weight + 1 for each, counts in bounds)


def _fits_in_flight(asking: Asking, found: Tally, others: tuple[Place, ...], capacity: Capacity) -> bool:
    most, counts = capacity.in_flight, found.in_flight
    return most is None or (sum(counts.values()) < most and (not others or _adds(asking, most, counts, found, others)))


def _fits_pace(asking: Asking, found: Tally, others: tuple[Place, ...], capacity: Capacity) -> bool:
    most, counts = capacity.paced, found.paced
    return most is None or _adds(asking, most, counts, found, others) or (not others and sum(counts.values()) < most)


def _adds(asking: Asking, most: int, counts: Mapping[str, int], found: Tally, others: tuple[Place, ...]) -> bool:
    """Whether one more turn is within the account's weighted part of ``most``."""
    own = counts.get(asking.account_id, 0)
    weights = _weights(counts, {**found.weights, asking.account_id: asking.weight}, others)
    return own + 1 <= most * asking.weight / (weights if own else weights + asking.weight)


def _weights(counts: Mapping[str, int], weights: Mapping[str, int], others: Iterable[Place]) -> int:
    """The sum of the weights of all accounts that have a turn in hand or wait."""
    active = {account_id: weights[account_id] for account_id, count in counts.items() if count}
    return sum((active | {place.account_id: place.weight for place in others}).values())
