"""Approvals: what is asked when a limit wants one, and what becomes of an answer.

Rules of this file:
1. The row in the open index is written before the wait is saved, and is due soon. Only after the event was published is
   it moved to the end of the wait. So a check asks again, under the same event id, if a crash came in between.
2. An approval is saved before anything is opened. Then a check opens the generation: the one that is sent here, or the
   timer's, because the row is due soon before the approval is saved.
3. A command decides once. Delivered again it finds its own decision, and completes what a crash has cut off. One that
   was refused decides nothing later: its decision carries the row that a refusal has taken (ports/commands.py).
4. The time to decide moves by the length of the pauses that concern the request.
5. Who reads until when it can be decided reads the moved time: in the event as it was known when it was sent, in a view
   as it is known now.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from shared.core.catalog.choosing import Quote
from shared.core.events.approval_event import ApprovalEvent
from shared.core.keys import Key
from shared.core.lifecycle import approving
from shared.core.lifecycle.approval import Asked, Decision, may_decide
from shared.core.lifecycle.generation import AnyGeneration, Closed, Received, Transition
from shared.core.money.credits import MOST_CREDITS, whole
from shared.core.money.limits import Scope
from shared.core.reasons import Reason, Refusal
from shared.core.requests.messages import Check
from shared.core.values import replace
from shared.ports import Dependencies, Envelope, Loaded
from shared.worker.accounts import Command
from shared.worker.finishing import end
from shared.worker.open_index import keeps_until
from shared.worker.pausing import LOOK_S, moved_until
from shared.worker.saving import Absent, save

#: A wait that a pause has moved is looked at again after at most this long.
_LOOK_AGAIN = timedelta(seconds=LOOK_S)


@dataclass(frozen=True, slots=True)
class Yes:
    """An approval: past this limit, for at most this many credits."""

    limit_id: str
    most_credits: int


async def ask(
    deps: Dependencies,
    waits: Received,
    loaded: Loaded,
    quoted: Quote | Refusal,
    *,
    free_at: datetime | None,
    published: int = 0,
) -> None:
    """Publish that an approval is needed, then let the row wait for its end. Safe to repeat.

    ``free_at`` is when the limit's window ends: it is looked at then, because it may open without an approval.
    ``published`` is the request that was published before.
    """
    if waits.approval is None:
        return
    if published != waits.approval.asks:
        await _publish(deps, waits, waits.approval, loaded, quoted)
    soon = deps.now() + timedelta(seconds=deps.timing.check_after_s)
    ends_at = waits.approval.until
    if ends_at <= deps.now():  # a pause has moved it, and may be ended early: it is looked at again before the new end
        moved = await moved_until(deps, waits, waits.approval, loaded, quoted)
        ends_at = max(soon, min(moved, deps.now() + _LOOK_AGAIN))
    due_at = min(ends_at, max(free_at, soon) if free_at else ends_at)
    await deps.index.release(waits.key, due_at, keeps_until(deps, due_at), waits.approval.asks)


async def _publish(deps: Dependencies, waits: Received, asked: Asked, loaded: Loaded, quoted: Quote | Refusal) -> None:
    of_app = asked.scope is Scope.APP
    approvers = loaded.account.approvers if loaded.account and not of_app else ()
    await deps.messenger.publish(
        ApprovalEvent(
            key=waits.key,
            asked=asked,
            until=await moved_until(deps, waits, asked, loaded, quoted),
            approvers=approvers,
            at=asked.last_asked_at,
            text=waits.text,
            metadata=waits.request.metadata,
        )
    )


async def approve(deps: Dependencies, key: Key, limit_id: str, most_credits: int, command: Command) -> None:
    """Approve a generation that waits, past one limit and up to so many credits. Raises ValueError if that cannot be.

    It opens with the next check, if balance and every other limit allow it.
    """
    whole("most_credits", most_credits, 0, MOST_CREDITS)
    await _decide(deps, key, command, Yes(limit_id, most_credits))
    loaded = await deps.store.load(key)
    if isinstance(loaded.generation, Received):
        await deps.messenger.send(Check(key), Envelope(key.named("approved", command.command_id)))


async def deny(deps: Dependencies, key: Key, reason: str, command: Command) -> None:
    """Deny a generation that waits: it ends, with this reason. Raises ValueError if it does not wait."""
    after = await _decide(deps, key, command, reason)
    if isinstance(after, Closed) and await deps.index.get(key) is not None:
        await end(deps, after)


async def check_decision(deps: Dependencies, loaded: Loaded, command: Command, answer: Yes | str) -> bool:
    """Whether a decision is still to be saved; False if this command has made it. Raises ValueError if it cannot be.

    It writes nothing, so that the command line can say at once what cannot be.
    """
    until = await decidable_until(deps, loaded) or deps.now()
    return _step(deps, loaded, command, answer, until) is not None


async def _decide(deps: Dependencies, key: Key, command: Command, answer: Yes | str) -> AnyGeneration:
    """Save a decision: a ``Yes``, or a denial with its sentence. Returns the generation after it."""
    loaded = await deps.store.load(key)
    until = await decidable_until(deps, loaded) or deps.now()
    if _step(deps, loaded, command, answer, until) is not None:
        # Before the save: whatever happens after it, a check comes soon.
        due_at = deps.now() + timedelta(seconds=deps.timing.check_after_s)
        await deps.index.move(key, due_at, keeps_until(deps, due_at))
    saved = await save(deps, key, lambda current: _step(deps, current, command, answer, until), loaded)
    if isinstance(saved, Absent):
        raise ValueError(_why_not(None))  # noqa: TRY004  # what was asked for is not there
    return saved.generation


def _step(
    deps: Dependencies, current: Loaded, command: Command, answer: Yes | str, until: datetime
) -> Transition[Received | Closed] | None:
    """The decision; None if this command has made it before. Raises ValueError if it cannot be made."""
    found = current.generation
    if _is_decided_by(found, command.command_id, answer):
        return None
    if not may_decide(current.account, found.approval if found else None, command.by):
        raise ValueError(f"{command.by!r} is no operator and no approver of this account's limits")
    kind = "approve" if isinstance(answer, Yes) else "deny"
    return replace(_decided(deps, found, command, answer, until), mark=(kind, command.command_id))


async def decidable_until(deps: Dependencies, loaded: Loaded) -> datetime | None:
    """Until when it can be decided, as far as pauses are known now. None: nothing was asked, or it has opened."""
    found = loaded.generation
    if not isinstance(found, Received) or found.approval is None:
        return None
    return await moved_until(deps, found, found.approval, loaded)


def _is_decided_by(found: AnyGeneration | None, command_id: str, answer: Yes | str) -> bool:
    """Whether this command has decided it before. Raises ValueError if it has decided something else."""
    decision = found.approval.decision_of(command_id) if found and found.approval else None
    if decision is None:
        return False
    before = Yes(decision.limit_id, decision.most_credits) if decision.most_credits is not None else None
    if before != (answer if isinstance(answer, Yes) else None):
        raise ValueError(f"the id {command_id!r} was used before for another decision: use another id")
    return True


def _decided(
    deps: Dependencies, found: AnyGeneration | None, command: Command, answer: Yes | str, until: datetime
) -> Transition[Received | Closed]:
    now = deps.now()
    if not isinstance(found, Received) or found.approval is None:
        raise ValueError(_why_not(found))
    asked = found.approval
    most = answer.most_credits if isinstance(answer, Yes) else None
    limit_id = answer.limit_id if isinstance(answer, Yes) else asked.limit_id
    decision = Decision(
        command_id=command.command_id,
        by=command.by,
        at=now,
        limit_id=limit_id,
        scope=asked.scope,
        most_credits=most,
    )
    if isinstance(answer, Yes):
        why = approving.impossible(found, limit_id, answer.most_credits, until=until, now=now)
    else:
        why = approving.undecidable(found, until, now)
    if why:
        raise ValueError(why)
    return (
        approving.approved(found, decision)
        if isinstance(answer, Yes)
        else approving.denied(found, decision, answer, now)
    )


def _why_not(found: AnyGeneration | None) -> str:
    """Why nothing can be decided about what does not wait for an approval."""
    if found is None:
        return "there is no generation of these ids"
    if isinstance(found, Received):
        return "it does not wait for an approval"
    if not found.state.ended:
        return "it was approved before, and has opened" if found.approval else "it needed no approval, and has opened"
    if found.reason is Reason.APPROVAL_DENIED:
        return "it was denied before, and has ended"
    return f"it has ended: {found.state.value}"
