"""What Darkroom promises about turns while things go wrong: no limit in flight is exceeded, and nobody starves.

Rules of this file:
1. Every bound counts: of a plan, of an account, of each of its users, of one user, and of the whole app. They are read
   from the rows and the settings, and share no code with the message handler.
2. A bound that is lowered is exceeded by what was opened before. No history here lowers one.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, MutableMapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from dev.fakes.world import World
from shared.core.keys import Key
from shared.core.lifecycle.generation import AnyGeneration, Generation
from shared.core.money.limits import Limit, Scope
from shared.core.money.windows import Span
from shared.core.reasons import Reason
from shared.worker.parking import LINED_UP_S

#: How long one call of the message handler may last.
_CALL_S = 300

#: What waits while its account has room gets a turn within this time, whatever died: its check lines it up once more,
#: and two looks follow. One call may have slept meanwhile.
STARVES_AFTER = timedelta(seconds=LINED_UP_S + _CALL_S + 5)


@dataclass(frozen=True, slots=True)
class Count:
    """So many, by whom: the app, an account or a user. ``most``: how many there may be; None: any number."""

    whose: str
    count: int
    most: int | None

    @property
    def full(self) -> bool:
        """Whether one more would be too many."""
        return self.most is not None and self.count >= self.most

    @property
    def exceeded(self) -> bool:
        """Whether there are too many."""
        return self.most is not None and self.count > self.most


def too_many_in_flight(world: World) -> Count | None:
    """The first bound that what is in flight exceeds: what has a hold and is not paused."""
    keys = [key for key, generation in world.store.saved_generations.items() if _in_flight(generation)]
    return next((each for each in _counts(world, keys, keys) if each.exceeded), None) if keys else None


def starving(world: World, room_since: MutableMapping[Key, datetime]) -> Key | None:
    """A request that has waited for too long while there was room. ``room_since`` is kept from look to look."""
    waiting = set(_with_room(world))
    for gone in [key for key in room_since if key not in waiting]:
        del room_since[gone]
    for key in waiting:
        room_since.setdefault(key, world.time)
    return next((key for key in sorted(waiting) if world.time - room_since[key] > STARVES_AFTER), None)


def _with_room(world: World) -> Iterator[Key]:
    """What waits for a turn that it does not have, and would exceed no bound with it."""
    in_hand: list[Key] | None = None
    for key, generation in world.store.saved_generations.items():
        if generation.reason is not Reason.WAITS_FOR_TURN or generation.state.ended:
            continue
        row = world.index.rows.get(key)
        if row is None or row.turn:
            continue
        if in_hand is None:
            in_hand = [each for each, other in world.index.rows.items() if other.turn is not None]
        if not any(each.full for each in _counts(world, in_hand, (key,))):
            yield key


def _in_flight(generation: AnyGeneration) -> bool:
    if generation.state.ended or not isinstance(generation, Generation):
        return False
    return generation.reason not in (Reason.PAUSED, Reason.WAITS_FOR_TURN)


def _counts(world: World, counted: Iterable[Key], about: Iterable[Key]) -> Iterator[Count]:
    """How many are counted of all who are concerned by these keys."""
    accounts, users = Counter[str](), Counter[tuple[str, str]]()
    for key in counted:
        accounts[key.account_id] += 1
        users[key.account_id, key.user_id] += 1
    yield Count("the app", accounts.total(), world.deps.limits.in_flight_most)
    for account_id in dict.fromkeys(key.account_id for key in about):
        account = world.store.saved_accounts[account_id]
        plan = world.deps.plans.find(account.plan)
        bounds = _bounds(account.limits, Scope.ACCOUNT)
        if plan is not None and plan.concurrency is not None:
            bounds["the plan"] = plan.concurrency
        yield Count(f"account {account_id}", accounts[account_id], min(bounds.values(), default=None))
    for account_id, user_id in dict.fromkeys((key.account_id, key.user_id) for key in about):
        bounds = _bounds(world.store.saved_accounts[account_id].limits, Scope.USER)
        user = world.store.saved_users.get((account_id, user_id))
        own = world.store.saved_accounts[account_id].own_limits if account_id == user_id else ()
        bounds |= _bounds(user.limits if user else own, Scope.USER)
        yield Count(f"user {user_id} of {account_id}", users[account_id, user_id], min(bounds.values(), default=None))


def _bounds(limits: Iterable[Limit], scope: Scope) -> dict[str, int]:
    """The limits in flight of a scope, by their ids: one of a user's own replaces that of each user."""
    return {each.limit_id: each.amount for each in limits if each.window is Span.IN_FLIGHT and each.scope is scope}
