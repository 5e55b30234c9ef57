"""Moves of one account that calls of this process have at hand are saved as one group, in one transaction.

ADR 0018 has the reasons. Rules of this file:
1. No task of its own: one of the waiting calls leads and saves the group, its own move first. Where nobody else waits,
   it saves its move as if there were no groups.
2. A group is decided anew for each try: each move on the account as the one before it leaves it. What has nothing to
   save there, cannot be decided, or does not fit is left out, and its call decides again.
3. A lost try reads the account once for the whole group. If that shows no rival, a generation has changed: each call
   reads its own rows again.
4. If a leader ends without an answer, each of the others reads its rows and saves its own move alone. What one move is
   refused for is not charged to the others: there, too, each saves its own.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from shared.core.dependency import Dependency
from shared.core.lifecycle.generation import Transition
from shared.core.metric import Metric
from shared.core.values import replace
from shared.ports import (
    AccountMoves,
    Answer,
    Conflict,
    Dependencies,
    Fate,
    Known,
    KnownUser,
    Loaded,
    PendingMove,
    Saved,
    Unavailable,
    Wait,
)
from shared.worker.noting import note_move

#: Every worker may save the same account at once. 30 tries with up to 1 s between them suffice for 200 writers.
CONFLICT_TRIES = 30
_LONGEST_PAUSE_S = 1.0

#: A group falls back no further than after so many tries: moves gather behind it.
_MOST_DOUBLED = 5

#: Of three rows each, and the account's, so many fit into a transaction of 100. The store knows what really fits.
MOST_TOGETHER = 33

#: The longer a group takes to decide and to write, the more often a rival is faster. So it is smaller where there are
#: rivals, and smaller still after a lost try: a process with many moves at hand would be shut out by those with few.
MOST_AGAINST_RIVALS, MOST_AGAIN = 24, 12


@dataclass(frozen=True, slots=True)
class Member:
    """A move of a group: the rows it was decided on, and what to save."""

    move: PendingMove
    loaded: Loaded
    transition: Transition[Any]


async def save_move(deps: Dependencies, mine: PendingMove, ready: Transition[Any], *, first: bool) -> Answer:
    """Save a move alone, in a group that this call leads, or in another call's.

    ``ready`` is the move as it was decided on what the call has read. ``first``: it was not tried before.
    """
    account_id = mine.key.account_id
    moves = deps.pending.of(account_id)
    if moves is None:
        moves = deps.pending.open(account_id)
        moves.waiting.append(mine)
        return await _lead(deps, moves, mine, ready, gathers=first)
    mine.wait = deps.pending.new_wait()
    moves.waiting.append(mine)
    answer = await _answer(deps, moves, mine, mine.wait)
    return await _lead(deps, moves, mine, None, gathers=True) if answer is Fate.LEAD else answer


async def _answer(deps: Dependencies, moves: AccountMoves, mine: PendingMove, wait: Wait) -> Answer:
    """The answer of whoever leads. A call that ends while it waits leaves, and leads nobody."""
    try:
        return await wait
    except BaseException:
        if mine.leads:
            deps.pending.end(mine.key.account_id, mine)
        moves.leave(mine)
        raise


async def _lead(
    deps: Dependencies, moves: AccountMoves, mine: PendingMove, ready: Transition[Any] | None, *, gathers: bool
) -> Answer:
    """Save what waits, this call's move first. ``gathers``: wait for more moves, if there are rivals."""
    account_id = mine.key.account_id
    rivals, full = deps.pending.rivals, len(moves.waiting) >= MOST_AGAINST_RIVALS
    fresh = ready is not None
    wait_s = rivals.wait_s(account_id, deps.now(), deps.chance(), full=full, fresh=fresh) if gathers else 0.0
    try:
        if wait_s:
            await deps.sleep(wait_s)
        known = rivals.known(account_id, deps.now())
        if ready is not None and not (wait_s and known):
            return await save_alone(deps, mine, ready)
        return await _save_group(deps, moves, mine, reads=wait_s > 0 or known)
    except BaseException:
        for each in moves.group:
            moves.answer(each, Fate.ALONE)
        raise
    finally:
        deps.pending.end(account_id, mine)


async def save_alone(deps: Dependencies, mine: PendingMove, ready: Transition[Any]) -> Answer:
    """Commit what a call has decided on the rows that it has read."""
    began_at = deps.now()
    if ready.account is not None:
        await note_move(deps, mine.key.account_id)
    try:
        after = await deps.store.commit(mine.loaded, ready)
    except Conflict:
        _lost(deps, mine.key.account_id if ready.account else "")
        return Fate.LOST
    if ready.account:
        deps.pending.rivals.saved(mine.key.account_id, after.account_etag, began_at, deps.now())
        _learn(deps, mine.key.account_id, [after])
    return Saved(ready, after)


async def _save_group(deps: Dependencies, moves: AccountMoves, mine: PendingMove, *, reads: bool) -> Answer:
    """Decide and commit until this call's move is saved or left out. ``reads``: what is known may be old."""
    account_id = mine.key.account_id
    for tried in range(CONFLICT_TRIES):
        began_at = deps.now()
        if (reads or tried) and not await _read_again(deps, moves) and tried:
            return _all_stale(moves)
        await note_move(deps, account_id)
        group = decided(moves, _most_together(deps, account_id, tried))
        if not group or group[0].move is not mine:
            return Fate.STALE
        try:
            return await _commit(deps, moves, group, began_at)
        except Conflict:
            _lost(deps, account_id if not tried else "")
            if len(group) == 1:
                return Fate.LOST
        await pause(deps, min(tried, _MOST_DOUBLED))
    raise too_many()


def _most_together(deps: Dependencies, account_id: str, tried: int) -> int:
    if tried:
        return MOST_AGAIN
    return MOST_AGAINST_RIVALS if deps.pending.rivals.known(account_id, deps.now()) else MOST_TOGETHER


def decided(moves: AccountMoves, most: int) -> list[Member]:
    """Decide the first so many, each on the account as the one before it leaves it. Who is left out is answered."""
    known = moves.known = _newest(moves)
    group: list[Member] = []
    if known is None:
        return group
    taken = set()
    for each in moves.waiting[:most]:
        if each.key in taken:  # a second delivery of the same message: it decides after the first
            continue
        loaded = _rows_for(known, each)
        transition = _decision(each, loaded)
        if transition is None or transition.account is None:
            moves.answer(each, Fate.STALE)
            continue
        taken.add(each.key)
        group.append(Member(each, loaded, transition))
        known = _after(known, each, transition)
    return group


async def _commit(deps: Dependencies, moves: AccountMoves, group: list[Member], began_at: datetime) -> Answer:
    """Commit a group, and answer its calls. Returns the answer of the first, which leads."""
    moves.group = [each.move for each in group[1:]]
    for each in group:
        each.move.prepared = each.transition
    try:
        if len(group) == 1:
            afters = [await deps.store.commit(group[0].loaded, group[0].transition)]
        else:
            afters = await deps.store.commit_group([(each.loaded, each.transition) for each in group])
    except Conflict:
        raise
    except Unavailable as trouble:
        for each in group[1:]:
            moves.answer(each.move, trouble)
        raise
    except Exception:
        if len(group) == 1:
            raise
        for each in group[1:]:
            moves.answer(each.move, Fate.ALONE)
        return Fate.ALONE
    deps.pending.rivals.saved(group[0].move.key.account_id, afters[0].account_etag, began_at, deps.now())
    answers = [Saved(each.transition, after) for each, after in zip(group, afters, strict=False)]
    for member, answer in zip(group, answers, strict=False):
        moves.answer(member.move, answer)
    _learn(deps, group[0].move.key.account_id, afters)
    return answers[0]


def _all_stale(moves: AccountMoves) -> Fate:
    """Nobody else has moved the account: one of the generations has changed, and each call looks after its own."""
    for each in moves.waiting[:MOST_TOGETHER]:
        moves.answer(each, Fate.STALE)
    return Fate.STALE


async def _read_again(deps: Dependencies, moves: AccountMoves) -> bool:
    """Read the account, and the users of those who wait, again. False if nothing has changed, or it is gone."""
    account_id = moves.waiting[0].key.account_id
    names = sorted({each.key.user_id for each in moves.waiting[:MOST_TOGETHER]} - {account_id})
    (account, etag), users = await deps.store.load_payers(account_id, names)
    if account is None:
        return False
    deps.pending.rivals.read(account_id, etag, deps.now())
    before = moves.known
    found = {name: KnownUser(account.seq, *row) for name, row in zip(names, users, strict=True)}
    moves.known = Known(account, etag, found)
    if before is None or before.etag != etag:
        return True
    return any(name in before.users and before.users[name].etag != each.etag for name, each in found.items())


def _newest(moves: AccountMoves) -> Known | None:
    """What was read or saved last: by this line of calls, or by one of those who wait."""
    known = moves.known
    for each in moves.waiting[:MOST_TOGETHER]:
        loaded, user_id = each.loaded, each.key.user_id
        if loaded.account is None:
            continue
        if known is None or loaded.account.seq > known.account.seq:
            known = Known(loaded.account, loaded.account_etag, known.users if known else {})
        mine = KnownUser(loaded.account.seq, loaded.user, loaded.user_etag)
        if user_id != each.key.account_id and (user_id not in known.users or known.users[user_id].seq < mine.seq):
            known = replace(known, users={**known.users, user_id: mine})
    return known


def _rows_for(known: Known, move: PendingMove) -> Loaded:
    rows = replace(move.loaded, account=known.account, account_etag=known.etag)
    user = known.users.get(move.key.user_id)
    return replace(rows, user=user.user, user_etag=user.etag) if user else rows


def _after(known: Known, move: PendingMove, transition: Transition[Any]) -> Known:
    """What the next move of the group is decided on. The ETags stay those of the rows that are replaced."""
    account = transition.account or known.account
    if transition.user is None:
        return replace(known, account=account)
    user_id = move.key.user_id
    before = known.users.get(user_id)
    after = KnownUser(account.seq, transition.user, before.etag if before else "")
    return replace(known, account=account, users={**known.users, user_id: after})


def _decision(move: PendingMove, loaded: Loaded) -> Transition[Any] | None:
    """What a call decides on these rows; None too if it raises: in its own call it does that again."""
    try:
        return move.decide(loaded)
    except Exception:  # noqa: BLE001  # whatever it is, it is not the leader's
        return None


def _learn(deps: Dependencies, account_id: str, afters: list[Loaded]) -> None:
    """Keep what was saved for those who wait. What was decided for a row that was saved just now is stale."""
    moves = deps.pending.of(account_id)
    if moves is None:
        return
    saved = {after.generation.key for after in afters if after.generation is not None}
    for each in [each for each in moves.waiting if each.key in saved]:
        moves.answer(each, Fate.STALE)
    for after in afters if moves.waiting else ():
        if after.account is None:
            continue
        users = moves.known.users if moves.known else {}
        if after.user is not None:
            mine = KnownUser(after.account.seq, after.user, after.user_etag)
            users = {**users, after.user.user_id: mine}
        moves.known = Known(after.account, after.account_etag, users)


def _lost(deps: Dependencies, account_id: str) -> None:
    """Count a lost try; if it moved credits, the account's next moves are gathered."""
    deps.telemetry.count(Metric.CONFLICTS)
    if account_id:
        deps.pending.rivals.met(account_id, deps.now())


async def pause(deps: Dependencies, tried: int) -> None:
    """Wait after a lost try, each time longer, so that rivals do not meet again."""
    await deps.sleep(deps.chance() * min(_LONGEST_PAUSE_S, 0.02 * 2**tried))


def too_many() -> Unavailable:
    """All tries were lost."""
    return Unavailable(Dependency.TABLES, "the account is being changed by too many at once")
