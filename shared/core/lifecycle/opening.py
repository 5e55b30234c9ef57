"""How a generation opens with its hold, is taken in until it can open, or is closed before it opens.

Rules of this file, beside those of ``generation.py``:
1. These transitions start from a generation that has not opened: there is none yet, or it is RECEIVED (``unopened``).
2. A RECEIVED generation keeps its request. A later request with the same id changes nothing.
"""

from dataclasses import replace
from datetime import datetime

from shared.core.catalog.catalog import Catalog, Quote
from shared.core.keys import Key
from shared.core.lifecycle.attempt import attempt_on, without_destination
from shared.core.lifecycle.generation import Generation, Transition, ended
from shared.core.lifecycle.state import State
from shared.core.lifecycle.steps import Step, happened
from shared.core.money import ledger
from shared.core.reasons import Reason, Refusal
from shared.core.requests.messages import GenerationRequest


def unopened(generation: Generation | None) -> bool:
    """Whether a generation may still open: it does not exist yet, or is only RECEIVED."""
    return generation is None or generation.state is State.RECEIVED


def received(request: GenerationRequest, waits_for: Refusal, now: datetime, *, trace_parent: str = "") -> Transition:
    """Take in a request that cannot be decided now. ``waits_for`` is the refusal that it gets if that never changes."""
    return Transition(
        Generation(
            key=request.key,
            state=State.RECEIVED,
            opened_at=now,
            request=request,
            ignored_fields=request.unknown_fields,
            reason=waits_for.reason,
            text=waits_for.text,
            trace_parent=trace_parent,
        ),
        steps=(happened(Step.TAKEN_IN, reason=waits_for.reason),),
    )


def refusal_of(
    request: GenerationRequest, account: ledger.Account | None, quoted: Quote | Refusal, now: datetime
) -> Refusal | None:
    """Why a request cannot open on this account now, as far as is known before screening. None if it can."""
    if isinstance(quoted, Refusal):
        return quoted
    refusal = ledger.refusal(account, quoted.hold_credits, now) or without_destination(quoted.model, request)
    if refusal is None and request.strict and quoted.ignored_fields:
        text = f"strict refuses what {quoted.model.name} has no use for: {', '.join(quoted.ignored_fields)}"
        return Refusal(Reason.INVALID_REQUEST, text)
    return refusal


def opened(
    request: GenerationRequest,
    account: ledger.Account | None,
    catalog: Catalog,
    quoted: Quote | Refusal,
    *,
    seed: int,
    now: datetime,
    trace_parent: str = "",
) -> Transition:
    """Open a generation with its hold, or reject it with the reason.

    A training starts in WAITING and is due immediately. Its archive is uploaded before the create is sent, so a crash
    during the upload cannot have started a training.
    """
    refusal = refusal_of(request, account, quoted, now)
    if refusal or isinstance(quoted, Refusal) or account is None:
        return rejected(request.key, request, refusal or Refusal.of(Reason.NO_CREDITS), now)
    attempt = attempt_on(catalog, request, quoted.model.name, number=1, seed=seed, now=now)
    if isinstance(attempt, Refusal):
        return rejected(request.key, request, attempt, now)
    generation = Generation(
        key=request.key,
        state=State.WAITING if attempt.trains else State.SUBMITTING,
        opened_at=now,
        request=request,
        attempt=replace(attempt, posts=0, retry_at=now) if attempt.trains else attempt,
        chain=quoted.chain,
        held_credits=quoted.hold_credits,
        ignored_fields=(*quoted.ignored_fields, *request.unknown_fields),
        trace_parent=trace_parent,
        chosen_by=quoted.chosen_by,
        passed_over=quoted.passed_over,
    )
    after, entry = ledger.hold(account, quoted.hold_credits, key=request.key, at=now)
    return Transition(generation, after, entry, (happened(Step.CREDITS_HELD, credits=quoted.hold_credits),))


def given_up(generation: Generation, now: datetime, refusal: Refusal | None = None) -> Transition | None:
    """End a RECEIVED generation that has waited for too long: with ``refusal``, or else with what it waited for."""
    if generation.state is not State.RECEIVED:
        return None
    waited_for = Refusal(generation.reason or Reason.PROVIDER_UNAVAILABLE, generation.text)
    why = refusal or waited_for
    return ended(generation, None, State.REJECTED, why, now).after(happened(Step.REJECTED, reason=why.reason))


def rejected(key: Key, request: GenerationRequest | None, refusal: Refusal, now: datetime) -> Transition:
    """A generation that never opens: it is invalid, unsafe, without credits or over a limit. No credit moves."""
    closed = _closed(key, State.REJECTED, request, refusal, now)
    return closed.after(happened(Step.REJECTED, reason=refusal.reason))


def canceled_unopened(key: Key, now: datetime) -> Transition:
    """A cancel arrived before its request: close the generation, so that it can never open."""
    closed = _closed(key, State.CANCELED, None, Refusal.of(Reason.CANCELED_BY_USER), now)
    return closed.after(happened(Step.CANCELED_UNOPENED))


def dead_lettered_unopened(key: Key, now: datetime) -> Transition:
    """The message of a request was dead-lettered before the generation opened."""
    return _closed(key, State.FAILED, None, Refusal.of(Reason.DEAD_LETTERED), now).after(happened(Step.DEAD_LETTERED))


def _closed(key: Key, state: State, request: GenerationRequest | None, refusal: Refusal, now: datetime) -> Transition:
    return Transition(
        Generation(
            key=key,
            state=state,
            opened_at=now,
            request=request,
            ignored_fields=request.unknown_fields if request else (),
            reason=refusal.reason,
            text=refusal.text,
            ended_at=now,
        )
    )
