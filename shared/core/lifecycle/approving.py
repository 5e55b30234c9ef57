"""How a screened request waits for an approval, and what is decided about it.

Rules of this file, beside those of ``generation.py``:
1. What waits holds nothing. An approval opens nothing either: it is saved, and whoever opens the generation checks
   balance and every other limit again.
2. Yes and no are final: only what waits and was not decided can be approved or denied, and only until its time is over.
   That time (``until``) is an argument, because pauses move it.
"""

from datetime import datetime

from shared.core.lifecycle.approval import Asked, Decision
from shared.core.lifecycle.generation import Closed, Received, Transition, stepped
from shared.core.lifecycle.opening import given_up
from shared.core.lifecycle.steps import Step, happened
from shared.core.money.limits import Exceeded, sentence
from shared.core.reasons import Reason, Refusal, counted
from shared.core.requests.messages import GenerationRequest
from shared.core.values import replace


def needed(exceeded: Exceeded) -> Refusal:
    """Why it waits for an approval past this limit."""
    return Refusal(Reason.APPROVAL_NEEDED, f"{sentence(exceeded, advice=False)} It waits for an approval.")


def asked(
    request: GenerationRequest,
    before: Received | None,
    exceeded: Exceeded,
    credits_: int,
    *,
    now: datetime,
    until: datetime,
    trace_parent: str = "",
) -> Transition[Received] | None:
    """Wait for an approval of this cost past this limit. None if it waits for exactly that already."""
    last, limit = before.approval if before else None, exceeded.limit
    same = last and (last.limit_id, last.scope, last.credits) == (limit.limit_id, limit.scope, credits_)
    if last and same and last.pending:
        return None
    wanted = Asked(
        limit_id=limit.limit_id,
        scope=limit.scope,
        credits=credits_,
        asked_at=last.asked_at if last else now,
        until=until,
        asks=last.asks + 1 if last else 1,
        decisions=last.decisions if last else (),
        again_at=now if last else None,
    )
    waits = Received(
        key=request.key,
        opened_at=before.opened_at if before else now,
        request=request,
        ignored_fields=request.unknown_fields,
        approval=wanted,
        reason=needed(exceeded).reason,
        text=needed(exceeded).text,
        trace_parent=before.trace_parent if before else trace_parent,
    )
    step = happened(Step.APPROVAL_ASKED, reason=limit.limit_id, scope=limit.scope.value, credits=credits_)
    return stepped(before.state if before else None, waits).after(step)


def approved(found: Received, decision: Decision) -> Transition[Received]:
    """Somebody has approved it. It waits until it is opened."""
    wanted = _asked_of(found)
    decided = replace(found, approval=replace(wanted, decisions=(*wanted.decisions, decision)))
    step = happened(Step.APPROVED, reason=decision.by, limit=decision.limit_id, credits=decision.most_credits or 0)
    return stepped(found.state, decided).after(step)


def denied(found: Received, decision: Decision, text: str, now: datetime) -> Transition[Closed]:
    """Somebody has denied it: it ends."""
    wanted = _asked_of(found)
    decided = replace(found, approval=replace(wanted, decisions=(*wanted.decisions, decision)))
    refusal = Refusal(Reason.APPROVAL_DENIED, text) if text else Refusal.of(Reason.APPROVAL_DENIED)
    return given_up(decided, now, refusal).after(happened(Step.APPROVAL_DENIED, reason=decision.by))


def expired(found: Received, until: datetime, now: datetime) -> Transition[Closed] | None:
    """Nobody has decided in time: it ends. None if it was decided, or if there is time left."""
    wanted = found.approval
    if wanted is None or not wanted.pending or now < until:
        return None
    return given_up(found, now, Refusal.of(Reason.APPROVAL_EXPIRED))


def impossible(found: Received, limit_id: str, most_credits: int, *, until: datetime, now: datetime) -> str:
    """Why an approval of this limit and cost cannot be given; empty if it can."""
    why = undecidable(found, until, now)
    wanted = _asked_of(found) if found.approval else None
    if why or wanted is None:
        return why
    if limit_id != wanted.limit_id:
        return f"it waits for an approval past the limit {wanted.limit_id!r}, not {limit_id!r}"
    if most_credits < wanted.credits:
        return f"it needs up to {counted(wanted.credits, 'credit')}, and {most_credits} are fewer"
    return ""


def undecidable(found: Received, until: datetime, now: datetime) -> str:
    """Why nothing can be decided about it now; empty if it waits for an approval."""
    wanted = found.approval
    if wanted is None:
        return "it does not wait for an approval"
    if not wanted.pending:
        return "it was approved before"
    return "the time to approve it is over" if now >= until else ""


def _asked_of(found: Received) -> Asked:
    if found.approval is None:
        raise ValueError(f"generation {found.key} does not wait for an approval")
    return found.approval
