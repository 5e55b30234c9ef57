"""What Darkroom promises about turns while things go wrong: nobody starves."""

from collections import Counter
from collections.abc import Iterator, MutableMapping
from datetime import datetime, timedelta

from dev.fakes.world import World
from shared.core.keys import Key
from shared.core.reasons import Reason
from shared.worker.parking import LINED_UP_S

#: How long one call of the message handler may last.
_CALL_S = 300

#: What waits while its account has room gets a turn within this time, whatever died: its check lines it up once more,
#: and two looks follow. One call may have slept meanwhile.
STARVES_AFTER = timedelta(seconds=LINED_UP_S + _CALL_S + 5)


def starving(world: World, room_since: MutableMapping[Key, datetime]) -> Key | None:
    """A request that has waited for too long while its account had room. ``room_since`` is kept from look to look."""
    waiting = set(_with_room(world))
    for gone in [key for key in room_since if key not in waiting]:
        del room_since[gone]
    for key in waiting:
        room_since.setdefault(key, world.time)
    return next((key for key in sorted(waiting) if world.time - room_since[key] > STARVES_AFTER), None)


def _with_room(world: World) -> Iterator[Key]:
    """What waits for a turn that it does not have, of accounts that have fewer in hand than their plan allows."""
    in_hand = Counter(key.account_id for key, row in world.index.rows.items() if row.turn is not None)
    for key, generation in world.store.saved_generations.items():
        row = world.index.rows.get(key)
        if generation.reason is not Reason.WAITS_FOR_TURN or generation.state.ended or row is None or row.turn:
            continue
        plan = world.deps.plans.find(world.store.saved_accounts[key.account_id].plan)
        if plan is None or plan.concurrency is None or in_hand[key.account_id] < plan.concurrency:
            yield key
