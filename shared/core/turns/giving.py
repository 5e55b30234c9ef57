"""Giving turns on: how many are free, whose account is next, and which of its users.

Rules of this file:
1. A look gives on what is free now, and what the pace frees until the next look is due: each turn with its own time.
   So nothing of the pace is lost between two looks.
2. Accounts below their share come first. Among them the one with the fewest turns for its weight is next (stride
   scheduling), then the one that has waited longest. So nobody waits for ever.
3. An account that begins to wait starts where the others are. Time in which it asked for nothing is not saved up.
4. Within an account its users take turns in a ring, and a user's requests in the order of their times.
5. The same look gives the same turns. Two workers that look at once choose the same, and one of their writes fails.
"""

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from shared.core.turns.shares import TURN, Asking, Capacity, Place, Tally, able, below_share
from shared.core.values import replace

#: While somebody waits, the app looks this often for what is free.
LOOK_S = 1.0

#: So many looks are asked for ahead: if one dies, the next one comes a second later, though nobody asks anew.
LOOKS_AHEAD = 2

#: The most turns that one look gives.
LOOK_TURNS = 500

#: How many times the turns of a second one look gives at most, so that turns do not come in bunches for ever.
_CATCH_UP = 1.5


def free_times(found: Tally, capacity: Capacity, now: datetime) -> tuple[datetime, ...]:
    """The times of the turns that are free now, or will be before the next look, in order."""
    times = [now] * LOOK_TURNS
    if capacity.paced is not None:
        counting = sum(found.paced.values())
        soon = [at for at in found.free_at if at <= now + timedelta(seconds=LOOK_S)]
        over = max(0, counting - capacity.paced)
        times = ([now] * max(0, capacity.paced - counting) + soon[over:])[: capacity.paced_within(LOOK_S * _CATCH_UP)]
    if capacity.in_flight is not None:
        times = times[: max(0, capacity.in_flight - sum(found.in_flight.values()))]
    return tuple(times[:LOOK_TURNS])


def next_place(places: Iterable[Place], found: Tally, capacity: Capacity) -> Place | None:
    """The account that gets the next free turn. None: nobody who waits may have one."""
    waiting = able(places, found)
    if not waiting:
        return None
    below = below_share(found, waiting, capacity)
    return min(waiting, key=lambda place: (not below(place), place.served, place.asked_at, place.account_id))


def next_user(users: Sequence[str], after: str) -> str:
    """The user whose request is next: the first after the last one's id, in a ring. ``users`` are sorted."""
    return users[bisect_right(users, after) % len(users)]


def given(found: Tally, place: Place) -> Tally:
    """The tally after one more turn was given, to the place's last user."""
    account_id = place.account_id
    user = account_id, place.after_user
    return replace(
        found,
        in_flight={**found.in_flight, account_id: found.in_flight.get(account_id, 0) + 1},
        paced={**found.paced, account_id: found.paced.get(account_id, 0) + 1},
        weights={**found.weights, account_id: place.weight},
        of_users={**found.of_users, user: found.of_users.get(user, 0) + 1},
    )


def served(place: Place, user_id: str, places: Iterable[Place]) -> Place:
    """The place after a turn was given to one of its users. ``places`` are all; what it missed is not made up for.

    A weight is at least 1, so who always waits is at most one turn behind who is furthest.
    """
    furthest = max(each.served for each in places)
    return replace(place, served=max(place.served, furthest - TURN) + TURN // place.weight, after_user=user_id)


def new_place(asking: Asking, places: Iterable[Place], now: datetime) -> Place:
    """The place of an account that begins to wait: level with the one that is next."""
    return Place(
        account_id=asking.account_id,
        asked_at=now,
        weight=asking.weight,
        concurrency=asking.concurrency,
        served=min((place.served for place in places), default=0),
    )
