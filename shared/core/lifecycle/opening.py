"""How a generation opens with its hold, is taken in until it can open, or is closed before it opens.

Rules of this file, beside those of ``generation.py``:
1. These transitions start from a generation that has not opened: there is none yet, or it is ``Received``.
2. A RECEIVED generation keeps its request. A later request with the same id changes nothing.
3. What is closed here holds nothing, so no credit moves. If there is an account, ``posted`` adds its entry of zero
   credits, so that the ledger is a feed without gaps.
"""

from datetime import datetime

from shared.core.catalog.catalog import Catalog
from shared.core.catalog.choosing import Quote
from shared.core.keys import Key
from shared.core.lifecycle.attempt import attempt_on, without_destination
from shared.core.lifecycle.generation import (
    Closed,
    ClosedState,
    G,
    Generation,
    Received,
    Transition,
    stepped,
    wished_state,
)
from shared.core.lifecycle.state import State
from shared.core.lifecycle.steps import Happening, Step, happened
from shared.core.money.limits import Notice
from shared.core.money.payer import Payer
from shared.core.money.payer import refusal as refusal_of_payer
from shared.core.reasons import Reason, Refusal
from shared.core.requests.messages import GenerationRequest
from shared.core.values import replace


def received(
    request: GenerationRequest, waits_for: Refusal, now: datetime, *, trace_parent: str = ""
) -> Transition[Received]:
    """Take in a request that cannot be decided now. ``waits_for`` is the refusal that it gets if that never changes."""
    taken_in = Received(
        key=request.key,
        opened_at=now,
        request=request,
        ignored_fields=request.unknown_fields,
        reason=waits_for.reason,
        text=waits_for.text,
        trace_parent=trace_parent,
    )
    return stepped(None, taken_in).after(happened(Step.TAKEN_IN, reason=waits_for.reason))


def waits_for(found: Received, waits: Refusal) -> Transition[Received] | None:
    """It waits for something else than before, or for longer."""
    if (found.reason, found.text) == (waits.reason, waits.text):
        return None
    changed = stepped(found.state, replace(found, reason=waits.reason, text=waits.text))
    return changed.after(happened(Step.WAITS_FOR, reason=waits.reason))


def refusal_of(
    request: GenerationRequest, payer: Payer | None, quoted: Quote | Refusal, now: datetime
) -> Refusal | None:
    """Why a request cannot open on this account now, as far as is known before screening. None if it can."""
    if isinstance(quoted, Refusal):
        return quoted
    refusal = refusal_of_payer(payer, quoted.cost, request.key, now) or without_destination(quoted.model, request)
    if refusal is None and request.strict and quoted.ignored_fields:
        text = f"strict refuses what {quoted.model.name} has no use for: {', '.join(quoted.ignored_fields)}"
        return Refusal(Reason.INVALID_REQUEST, text)
    return refusal


def opened(  # noqa: PLR0913  # each is a fact of its own, and all but two are named
    request: GenerationRequest,
    payer: Payer | None,
    catalog: Catalog,
    quoted: Quote | Refusal,
    *,
    seed: int,
    now: datetime,
    before: Received | None = None,
    trace_parent: str = "",
) -> Transition[Generation | Closed]:
    """Open a generation with its hold, or reject it with the reason. ``before`` is what waited to open, if it did.

    A training starts in WAITING and is due immediately. Its archive is uploaded before the create is sent, so a crash
    during the upload cannot have started a training.
    """
    refusal = refusal_of(request, payer, quoted, now)
    if refusal or isinstance(quoted, Refusal) or payer is None:
        return rejected(request.key, request, refusal or Refusal.of(Reason.NO_CREDITS), now, before)
    attempt = attempt_on(catalog, request, quoted.model.name, number=1, seed=seed, now=now)
    if isinstance(attempt, Refusal):
        return rejected(request.key, request, attempt, now, before)
    hold, moved = payer.hold(quoted.cost, request.key, now)
    generation = Generation(
        key=request.key,
        state=State.WAITING if attempt.trains else State.SUBMITTING,
        opened_at=now,
        request=request,
        attempt=replace(attempt, posts=0, retry_at=now) if attempt.trains else attempt,
        plan=quoted.plan,
        chain=quoted.chain,
        hold=hold,
        notices=(*moved.notices, *payer.app_notices(quoted.cost)),
        ignored_fields=(*quoted.ignored_fields, *request.unknown_fields),
        approval=before.approval if before else None,
        trace_parent=trace_parent,
        chosen_by=quoted.chosen_by,
        passed_over=quoted.passed_over,
    )
    return stepped(before.state if before else None, generation).moving(moved).after(*_held(quoted, generation.notices))


def _held(quoted: Quote, notices: tuple[Notice, ...]) -> list[Happening]:
    """The hold, and what its limits warn of."""
    warned = [
        happened(Step.LIMIT_WARNED, reason=each.limit.limit_id, percent=each.step, used=each.used) for each in notices
    ]
    return [happened(Step.CREDITS_HELD, credits=quoted.hold_credits), *warned]


def rejected(
    key: Key, request: GenerationRequest | None, refusal: Refusal, now: datetime, before: Received | None = None
) -> Transition[Closed]:
    """A generation that never opens: it is invalid, unsafe, without credits or over a limit."""
    closed = _closed_at_once(key, State.REJECTED, request, refusal, now, before)
    return closed.after(happened(Step.REJECTED, reason=refusal.reason))


def canceled_unopened(key: Key, now: datetime) -> Transition[Closed]:
    """A cancel arrived before its request: close the generation, so that it can never open."""
    closed = _closed_at_once(key, State.CANCELED, None, Refusal.of(Reason.CANCELED_BY_USER), now)
    return closed.after(happened(Step.CANCELED_UNOPENED))


def dead_lettered_unopened(key: Key, now: datetime) -> Transition[Closed]:
    """The message of a request was dead-lettered before the generation opened."""
    closed = _closed_at_once(key, State.FAILED, None, Refusal.of(Reason.DEAD_LETTERED), now)
    return closed.after(happened(Step.DEAD_LETTERED))


def _closed_at_once(
    key: Key,
    state: ClosedState,
    request: GenerationRequest | None,
    refusal: Refusal,
    now: datetime,
    before: Received | None = None,
) -> Transition[Closed]:
    closed = Closed(
        key=key,
        state=state,
        opened_at=now,
        request=request,
        ignored_fields=request.unknown_fields if request else (),
        reason=refusal.reason,
        text=refusal.text,
        approval=before.approval if before else None,
        ended_at=now,
    )
    return stepped(before.state if before else None, closed)


def posted(closing: Transition[G], payer: Payer | None, now: datetime) -> Transition[G]:
    """A transition with the ledger's entry of an end that never opened, if it is one and there is an account."""
    if payer is None or not isinstance(closing.generation, Closed):
        return closing
    return closing.moving(payer.ended_unopened(closing.generation.key, now))


# What ends a generation that was only taken in.


def given_up(found: Received, now: datetime, refusal: Refusal | None = None) -> Transition[Closed]:
    """It has waited for too long: end it with ``refusal``, or else with what it waited for."""
    why = refusal or Refusal(found.reason, found.text)
    return _closed(found, State.REJECTED, why, now).after(happened(Step.REJECTED, reason=why.reason))


def end_requested(found: Received, wish: Reason, now: datetime) -> Transition[Closed]:
    """End it because that was requested: nothing runs that would have to stop first."""
    closed = _closed(found, wished_state(wish), Refusal.of(wish), now)
    return closed.after(happened(Step.END_REQUESTED, reason=wish))


def dead_lettered(found: Received, now: datetime) -> Transition[Closed]:
    """Its message was dead-lettered."""
    return _closed(found, State.FAILED, Refusal.of(Reason.DEAD_LETTERED), now).after(happened(Step.DEAD_LETTERED))


def _closed(found: Received, state: ClosedState, why: Refusal, now: datetime) -> Transition[Closed]:
    closed = Closed(
        key=found.key,
        state=state,
        opened_at=found.opened_at,
        request=found.request,
        ignored_fields=found.ignored_fields,
        screenings=found.screenings,
        approval=found.approval,
        reason=why.reason,
        text=why.text,
        ended_at=now,
        trace_parent=found.trace_parent,
    )
    return stepped(found.state, closed)
