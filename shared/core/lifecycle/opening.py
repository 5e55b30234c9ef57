"""How a generation opens with its hold, is taken in until it can, or is closed before it could.

Rules of this file, beside those of ``generation.py``:
1. These are the transitions of what has not opened: there is no generation yet, or one that was only taken in
   (``unopened``).
2. What was taken in keeps its request: the first of an id is the one, whatever comes under it later.
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
    """Whether it may still open."""
    return generation is None or generation.state is State.RECEIVED


def received(request: GenerationRequest, waits_for: Refusal, now: datetime, *, trace_parent: str = "") -> Transition:
    """Take in a request that cannot be decided now. ``waits_for`` is what it ends with, should that never change."""
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
    """Why a request cannot open on this account now, by all that is known before it was screened; None: it can."""
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
    """Open a generation with its hold, or write down why not.

    A training starts as WAITING, due at once: its archive is uploaded first, and a crash meanwhile has created nothing.
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
    """What was taken in has waited for too long: it ends, with what it waited for unless more is known."""
    if generation.state is not State.RECEIVED:
        return None
    waited_for = Refusal(generation.reason or Reason.PROVIDER_UNAVAILABLE, generation.text)
    why = refusal or waited_for
    return ended(generation, None, State.REJECTED, why, now).after(happened(Step.REJECTED, reason=why.reason))


def rejected(key: Key, request: GenerationRequest | None, refusal: Refusal, now: datetime) -> Transition:
    """A generation that never opens: invalid, unsafe, without credits, over a limit. No credit moves."""
    closed = _closed(key, State.REJECTED, request, refusal, now)
    return closed.after(happened(Step.REJECTED, reason=refusal.reason))


def canceled_unopened(key: Key, now: datetime) -> Transition:
    """A cancel that came before its request: the generation is closed before it can open."""
    closed = _closed(key, State.CANCELED, None, Refusal.of(Reason.CANCELED_BY_USER), now)
    return closed.after(happened(Step.CANCELED_UNOPENED))


def dead_lettered_unopened(key: Key, now: datetime) -> Transition:
    """A request that died before it could open."""
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
