"""Whether a request has its turn. The rules of shares are in core/turns, the protocol in docs/adr/0017-turns.md.

Rules of this file:
1. A turn is written into the open row, with the put that is there anyway. Only then the others are counted: of several
   that take a turn at once, the last one to write sees all others. So no account exceeds its concurrency.
2. Who is one too many gives the turn back. Of several at once the first ones stay, and count again for a moment.
3. Nothing is read where nothing is near its bound: no limit in flight, and tokens to spare (``surely_free``).
4. An account of which something waits takes no turn at once. Its older requests come first.
"""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

from shared.core.turns.shares import Asking, Capacity, Place, Turn, may_take, surely_free, tally
from shared.core.values import replace
from shared.ports import PLACES_FRESH, TURNS_FRESH, Dependencies, Loaded, OpenRow, Unavailable
from shared.worker.looking import ask_for_looks, capacity_of

#: How often, and after how many seconds each, who is among the first counts again while others give their turns back.
RECOUNTS, RECOUNT_S = 4, 0.1


@dataclass(frozen=True, slots=True)
class Wanted:
    """A turn that is asked for: by whom, and the open row that will have it. ``given``: a look has given it."""

    asking: Asking
    row: OpenRow
    held_credits: int = 0
    given: bool = False

    @property
    def account_id(self) -> str:
        """The account that pays."""
        return self.asking.account_id


def held_credits(loaded: Loaded) -> int:
    """What the account holds. Each hold is of one credit at least."""
    return loaded.account.held if loaded.account else 0


async def take(deps: Dependencies, wanted: Wanted) -> bool:
    """Take a turn, and write it into the open row. False: there is none now, and the row may still say there is."""
    places = () if wanted.given else await _known_places(deps)
    if any(place.account_id == wanted.account_id for place in places):
        return False
    turn = Turn(key=wanted.row.key, weight=wanted.asking.weight, since=deps.now(), begun=True)
    await deps.index.put(replace(wanted.row, turn=turn))
    free = wanted.given or _surely_free(deps, wanted, places)
    bounds = (wanted.asking.concurrency, wanted.asking.of_user)
    taken = (free and bounds == (None, None)) or await _is_counted(deps, wanted, turn, free=free)
    if taken:
        deps.recent_turns.took(turn)
    if taken and places:
        with suppress(Unavailable):
            await ask_for_looks(deps)
    return taken


async def _known_places(deps: Dependencies) -> tuple[Place, ...]:
    """The places as far as this instance knows: read again while somebody waits, and never where nobody did."""
    recent = deps.recent_turns
    if recent.rows and recent.is_older(PLACES_FRESH, deps.now()):
        now = deps.now()
        recent.learn(recent.turns, await deps.waiting.places(), now)
    return recent.places


def _surely_free(deps: Dependencies, wanted: Wanted, places: Sequence[Place]) -> bool:
    """Whether nobody is near the bounds of what all share. The account's own concurrency is counted."""
    pace = deps.pace()
    spare = pace.spare - deps.recent_turns.under_way if pace else 0.0
    asking, held = replace(wanted.asking, concurrency=None), wanted.held_credits
    return surely_free(asking, places, capacity_of(deps, pace), held_credits=held, spare_tokens=spare)


async def _is_counted(deps: Dependencies, wanted: Wanted, turn: Turn, *, free: bool) -> bool:
    """Whether there is room, by the turns in hand (rule 1)."""
    others = await _others(deps, turn, wanted.asking)
    if others is None:
        return False
    if wanted.given:
        return True
    if await deps.waiting.place(wanted.account_id) is not None:
        return False
    return free or await _shares(deps, wanted.asking, others, capacity_of(deps, deps.pace()))


async def _others(deps: Dependencies, turn: Turn, asking: Asking) -> Sequence[Turn] | None:
    """The account's other turns. None: with them the account, or its user, has all that it may have (rule 2)."""
    for tried in range(RECOUNTS):
        if tried:
            await deps.sleep(RECOUNT_S)
        others = [each for each in await deps.index.turns(turn.key.account_id) if each.key != turn.key]
        of_user = [each for each in others if each.key.user_id == turn.key.user_id]
        full = [
            (most, those)
            for most, those in ((asking.concurrency, others), (asking.of_user, of_user))
            if most is not None and len(those) >= most
        ]
        if not full:
            return others
        if any(sum((each.since, each.key) < (turn.since, turn.key) for each in those) >= most for most, those in full):
            return None
    return None


async def _shares(deps: Dependencies, asking: Asking, own: Sequence[Turn], capacity: Capacity) -> bool:
    """Whether the turn is within what the app and the pace have for this account now."""
    recent = deps.recent_turns
    if recent.is_older(TURNS_FRESH, deps.now()):
        now = deps.now()
        recent.learn(await deps.index.turns(), await deps.waiting.places(), now)
    elsewhere = [each for each in recent.turns if each.key.account_id != asking.account_id]
    places = [place for place in recent.places if place.account_id != asking.account_id]
    return may_take(asking, tally([*elsewhere, *own], capacity, deps.now()), places, capacity)
