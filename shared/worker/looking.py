"""Looks: while requests wait for a turn, the app looks each second for what is free, and gives it on.

Rules of this file:
1. A look is a message of the other queue, which no backlog of requests delays. It is named by its second, so that the
   broker drops a second one. Each look asks for the next two before it gives anything: one of them may die.
2. Whoever parks a request, or begins or ends one and knows that somebody waits, asks for looks too. So does the check
   of a parked request: without any look the timer comes in the end.
3. A turn is given in an order that survives a crash anywhere: the place (its ETag decides between two looks), the turn
   in the open row (whose check sends the message if that is lost), the message, and last the waiting row.
4. A place has the weight and the concurrency of its account as they were at the last turn that was given. A change of
   them is written by whoever made it, and by the check of what waits: else nothing would go on until a turn is free.
5. A user who has all that it may have in flight is passed over. The next look goes on where this one stopped, so that
   many such users do not keep the others waiting.
"""

from contextlib import suppress
from datetime import datetime, timedelta

from shared.core.keys import Key
from shared.core.lifecycle.generation import AnyGeneration, Generation, Received
from shared.core.lifecycle.parking import is_parking
from shared.core.lifecycle.state import State
from shared.core.metric import Metric
from shared.core.money.account import plan_of
from shared.core.money.limits import Scope, laid_over, most_in_flight
from shared.core.reasons import Reason
from shared.core.requests.messages import GenerationRequest, Look
from shared.core.turns.giving import LOOK_S, LOOKS_AHEAD, free_times, given, next_place, served
from shared.core.turns.shares import Asking, Capacity, Place, Tally, Turn, tally
from shared.core.values import replace
from shared.ports import Conflict, Dependencies, Envelope, Loaded, PaceNow, PlaceRow, Unavailable, Waiting
from shared.worker.pausing import request_paused_for

#: The most rows of what no longer waits that one look passes over for one turn.
_MOST_PASSED = 50


def capacity_of(deps: Dependencies, pace: PaceNow | None) -> Capacity:
    """What is shared now."""
    return Capacity(in_flight=deps.limits.in_flight_most, per_s=pace.per_s if pace else None)


def asking_of(deps: Dependencies, account_id: str, user_id: str, loaded: Loaded) -> Asking:
    """The account, with weight and limits in flight: of its plan, itself and its user. A plan that is gone has none."""
    account, user = loaded.account, loaded.user
    own = account.own_limits if account and user_id == account_id else ()
    plan, limits = deps.plans.find(plan_of(account)), account.limits if account else ()
    bounds = [plan.concurrency if plan else None, most_in_flight(limits, Scope.ACCOUNT)]
    return Asking(
        account_id=account_id,
        weight=plan.weight if plan else 1,
        concurrency=min((each for each in bounds if each is not None), default=None),
        of_user=most_in_flight(laid_over(limits, user.limits if user else own), Scope.USER),
    )


async def renew_place(deps: Dependencies, account_id: str) -> None:
    """Write the place of an account that has changed, if something of it waits, and look for what it may have now.

    What fails is left to the next check of what waits: the command line may not even read the waiting list.
    """
    with suppress(Unavailable):
        row = await deps.waiting.place(account_id)
        if row is not None:
            loaded = Loaded(*await deps.store.load_account(account_id), None, "")
            await keep_place(deps, row, asking_of(deps, account_id, account_id, loaded), loaded)
            await ask_for_looks(deps)


async def keep_place(deps: Dependencies, row: PlaceRow, asking: Asking, loaded: Loaded) -> None:
    """Write the weight and the concurrency of an account into its place, if they are others (rule 4)."""
    place = row.place
    wanted = replace(place, weight=asking.weight, concurrency=asking.concurrency)
    if wanted != place and deps.plans.find(plan_of(loaded.account)) is not None:
        with suppress(Conflict):  # a look has given a turn meanwhile, and has written what there is
            await deps.waiting.save_place(row, wanted)


async def ask_for_looks(deps: Dependencies) -> None:
    """Ask for the next looks, those that this instance has not asked for yet (rule 1)."""
    now, recent = deps.now(), deps.recent_turns
    this = datetime.fromtimestamp(int(now.timestamp() / LOOK_S) * LOOK_S, tz=now.tzinfo)
    for ahead in range(1, LOOKS_AHEAD + 1):
        look = Look(this + timedelta(seconds=ahead * LOOK_S))
        if recent.looks_until is None or look.at > recent.looks_until:
            await deps.messenger.send(look, Envelope(look.name), at=look.at)
            recent.looks_until = look.at


async def ask_if_known(deps: Dependencies) -> None:
    """Ask for looks if this instance knows that somebody waits (rule 2). What fails is left to the next who asks."""
    if deps.recent_turns.rows:
        with suppress(Unavailable):
            await ask_for_looks(deps)


async def look(deps: Dependencies) -> None:
    """Give on what is free now, and what the pace frees until the next look."""
    now = deps.now()
    rows = await deps.waiting.places()
    if rows:
        await ask_for_looks(deps)
    turns = await deps.index.turns() if rows else ()
    deps.recent_turns.learn(turns, rows, now)
    deps.telemetry.count(Metric.ACCOUNTS_WAITING, len(rows))
    capacity, kept = capacity_of(deps, deps.pace()), {row.place.account_id: row for row in rows}
    found, touched = tally(turns, capacity, now), dict[str, PlaceRow]()
    for at in free_times(found, capacity, now) if rows else ():
        gave = await _give_next(deps, kept, found, capacity, at)
        if gave is None:
            break
        found = given(found, gave.place)
        touched[gave.place.account_id] = gave
    for row in touched.values():
        await _remove_if_empty(deps, row)


async def _give_next(
    deps: Dependencies, kept: dict[str, PlaceRow], found: Tally, capacity: Capacity, at: datetime
) -> PlaceRow | None:
    """Give one turn to the account that is next; None: nobody may have it. ``kept`` loses who gets no more now."""
    while (place := next_place([row.place for row in kept.values()], found, capacity)) is not None:
        row = kept.pop(place.account_id)
        with suppress(Conflict):
            gave = await _give(deps, row, [each.place for each in kept.values()], found, at)
            if gave is not None:
                kept[place.account_id] = gave
                return gave
            await _remove_if_empty(deps, row)
    return None


async def _give(deps: Dependencies, row: PlaceRow, others: list[Place], found: Tally, at: datetime) -> PlaceRow | None:
    """Give one turn to the next request of an account (rule 3). None: nothing of it waits that may have one."""
    place, user, full = row.place, row.place.after_user, set[str]()
    for _ in range(_MOST_PASSED):
        waiting = await deps.waiting.next_waiting(place.account_id, user)
        if waiting is None or waiting.key.user_id in full:
            return None
        request, loaded = await _waits(deps, waiting)
        if request is None:
            await deps.waiting.remove_waiting(waiting)
            continue
        asking = asking_of(deps, waiting.key.account_id, waiting.key.user_id, loaded)
        if asking.of_user is not None and found.of_users.get(_user_of(waiting.key), 0) >= asking.of_user:
            user = waiting.key.user_id
            full.add(user)
            continue
        after = served(place, waiting.key.user_id, [place, *others])
        if deps.plans.find(plan_of(loaded.account)) is not None:
            after = replace(after, weight=asking.weight, concurrency=asking.concurrency)
        saved = await deps.waiting.save_place(row, after)
        turn = Turn(key=waiting.key, weight=after.weight, since=at, begun=False)
        if await deps.index.give(turn, at + timedelta(seconds=deps.timing.check_after_s)):
            await send_turn(deps, request, at)
            await count_wait(deps, loaded, given=True)
        await deps.waiting.remove_waiting(waiting)
        return saved
    await deps.waiting.save_place(row, replace(place, after_user=user))
    return None


async def count_wait(deps: Dependencies, loaded: Loaded, *, given: bool) -> None:
    """Count for how long a request has waited for its turn, without its pauses, if they can be read."""
    found = loaded.generation
    if found is None or found.request is None:
        return
    parked = [entry.at for entry in found.history if is_parking(entry)]
    since = max(parked, default=found.opened_at)
    with suppress(Unavailable):
        waited = deps.now() - since - await request_paused_for(deps, found.request, loaded, since)
        deps.telemetry.count(Metric.TURN_WAITS_S, waited.total_seconds(), given="yes" if given else "no")


def _user_of(key: Key) -> tuple[str, str]:
    return key.account_id, key.user_id


async def _waits(deps: Dependencies, waiting: Waiting) -> tuple[GenerationRequest | None, Loaded]:
    """The request of what still waits, and its account. None: it has a turn, has opened, or waits for another thing."""
    opened = await deps.index.get(waiting.key)
    loaded = await deps.store.load(waiting.key)
    found = loaded.generation
    if opened is None or opened.turn is not None or found is None or not waits_for_turn(found):
        return None, loaded
    return found.request, loaded


def waits_for_turn(found: AnyGeneration | None) -> bool:
    """Whether it waits for a turn: before it has opened, or after a pause."""
    parked = isinstance(found, Received) or (isinstance(found, Generation) and found.state is State.WAITING)
    return parked and found is not None and found.reason is Reason.WAITS_FOR_TURN


async def send_turn(deps: Dependencies, request: GenerationRequest, at: datetime) -> None:
    """Send what was given a turn to its queue, for the time of the turn. Its patience begins with the turn."""
    now = deps.now()
    message_id = request.key.named("turn", f"{at:%Y%m%dT%H%M%S.%f}")
    envelope = Envelope(message_id, since=now, digest=request.digest)
    await deps.messenger.send(request, envelope, at=at if at > now else None)


async def _remove_if_empty(deps: Dependencies, row: PlaceRow) -> None:
    """Remove the place of an account of which nothing waits, and look once more: one may have come between."""
    account_id = row.place.account_id
    if await deps.waiting.next_waiting(account_id, "") is not None:
        return
    try:
        await deps.waiting.remove_place(row)
    except Conflict:
        return
    came = await deps.waiting.next_waiting(account_id, "")
    if came is not None:
        await deps.waiting.wait(came, row.place)
