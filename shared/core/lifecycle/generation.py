"""The generation, and the one function that changes its state.

Rules of this file:
1. A generation changes state by ``step`` only. All transitions are in opening.py and transitions.py. A transition is a
   pure function that returns a ``Transition``, or ``None`` if the fact changes nothing in this state. Messages
   arrive late, twice and out of order; that is not an error.
2. The state names the next external action, so that any worker that loads a generation can continue it:

       RECEIVED     taken in: undecided, no hold, no attempt; the request message is processed again later
       WAITING      surely nothing was created (yet, or for the next attempt); create at ``retry_at``
       SUBMITTING   a create may be in flight; only the worker that saved this state POSTs, once
       RUNNING      Replicate works on ``prediction_id``; its webhook or the timer brings the result
       SUCCEEDED | FAILED | CANCELED | REJECTED   ended: publish the event, then remove the index row

3. The rank (attempt, posts, state) only grows. An ended state is final.
4. Every state that is not an end has a deadline (``due_at``). After it the timer checks the generation.
5. A transition names its steps (steps.py). Log line, metric and history are made from them.
6. A transition that moves credits returns the account and the ledger entry too: all are saved together or not at all.
"""

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from shared.core.events.generation_event import ChosenBy, Output, PassedOver
from shared.core.keys import Key
from shared.core.lifecycle.attempt import Attempt, Timing
from shared.core.lifecycle.state import NEXT, ORDER, State
from shared.core.lifecycle.steps import Happening, History, Step, happened, recorded
from shared.core.money import ledger
from shared.core.provider.metrics import Metrics
from shared.core.reasons import Reason, Refusal
from shared.core.requests.messages import GenerationRequest
from shared.core.safety.screening_record import ScreeningRecord


@dataclass(frozen=True, slots=True, kw_only=True)
class Generation:
    """One generation, as it is saved. Credits are integers.

    ``attempt`` is None if none was ever opened. ``reason`` and ``text`` of a RECEIVED generation say what it waits for.
    ``chain`` names the models that may serve it, in order.
    ``requested_end`` is an end that was requested and that Replicate has not yet confirmed.
    ``chosen_by`` and ``passed_over`` say why its attempt is on this model.
    ``metrics`` are the provider's raw metrics of the last attempt that ended.
    ``cost_usd_micros`` estimates what all attempts cost at the provider.
    ``provider_error`` is the provider's redacted error of the last failed attempt: for operators only.
    """

    key: Key
    state: State
    opened_at: datetime
    request: GenerationRequest | None
    attempt: Attempt | None = None
    chain: tuple[str, ...] = ()
    held_credits: int = 0
    captured_credits: int = 0
    outputs: tuple[Output, ...] = ()
    refused_outputs: int = 0
    ignored_fields: tuple[str, ...] = ()
    screenings: tuple[ScreeningRecord, ...] = ()
    requested_end: Reason | None = None
    reason: Reason | None = None
    text: str = ""
    ended_at: datetime | None = None
    #: The trace in which it was opened (W3C traceparent), to which later messages link. Empty if there was none.
    trace_parent: str = ""
    chosen_by: ChosenBy | None = None
    passed_over: tuple[PassedOver, ...] = ()
    metrics: Metrics = field(default_factory=dict)
    cost_usd_micros: int = 0
    provider_error: str = ""
    history: History = ()

    @property
    def rank(self) -> tuple[int, int, int]:
        """(attempt, posts, state) as numbers: it grows with every change of state, whatever the path."""
        number, posts = (self.attempt.number, self.attempt.posts) if self.attempt else (0, 0)
        return (number, posts, ORDER.get(self.state, 4))

    def due_at(self, timing: Timing) -> datetime:
        """When the timer checks this generation, if no message about it arrives before."""
        if self.state.ended or self.attempt is None:
            return (self.ended_at or self.opened_at) + timedelta(seconds=timing.check_after_s)
        attempt = self.attempt
        if self.state is State.WAITING and attempt.retry_at:
            return attempt.retry_at + timedelta(seconds=timing.check_after_s)
        if self.state is State.SUBMITTING:
            return attempt.submitted_at + timedelta(seconds=timing.list_grace_s)
        wait_s = min(attempt.expected_s + timing.check_after_s, attempt.cancel_after_s)
        return attempt.submitted_at + timedelta(seconds=wait_s)


@dataclass(frozen=True, slots=True)
class Transition:
    """What to save in one transaction: the generation and, if credits move, the account and the ledger entry.

    ``steps`` name what happened, in order.
    """

    generation: Generation
    account: ledger.Account | None = None
    entry: ledger.LedgerEntry | None = None
    steps: tuple[Happening, ...] = ()

    def after(self, *steps: Happening) -> "Transition":
        """This transition with ``steps`` before its own."""
        return replace(self, steps=(*steps, *self.steps))

    def recorded(self, before: Generation | None, at: datetime) -> "Transition":
        """This transition with its steps added to the history of the generation ``before`` it, opened or not."""
        history = recorded(before.history if before else (), self.steps, at)
        return replace(self, generation=replace(self.generation, history=history))


# The three ways in which a transition writes a state.


def ended_as_wished(generation: Generation, account: ledger.Account | None, wish: Reason, now: datetime) -> Transition:
    """End because an end was requested, by the user or by a time limit."""
    state = State.CANCELED if wish is Reason.CANCELED_BY_USER else State.FAILED
    return ended(generation, account, state, Refusal.of(wish), now)


def ended(
    generation: Generation,
    account: ledger.Account | None,
    state: State,
    refusal: Refusal | None,
    now: datetime,
    *,
    captured: int = 0,
) -> Transition:
    """End, and resolve the hold in the same transaction. A RECEIVED generation holds nothing."""
    explained = {"reason": refusal.reason if refusal else None, "text": refusal.text if refusal else ""}
    if generation.state is State.RECEIVED:
        return step(generation, state, **explained, ended_at=now)
    if account is None:
        raise ValueError(f"generation {generation.key} holds credits of an account that does not exist")
    after, entry = ledger.resolve(account, generation.held_credits, captured, key=generation.key, at=now)
    done = step(generation, state, captured_credits=captured, **explained, ended_at=now)
    released = generation.held_credits - captured
    steps = [happened(Step.CAPTURED, credits=captured)] if captured else []
    if released or not captured:
        steps.append(happened(Step.RELEASED, credits=released))
    return Transition(done.generation, after, entry, tuple(steps))


def step(generation: Generation, state: State, **changes: object) -> Transition:
    """Change the state: the only function that does. Raises ValueError for a step that is not in NEXT: a bug."""
    if state not in NEXT[generation.state]:
        raise ValueError(f"generation {generation.key}: no step from {generation.state} to {state}")
    return Transition(replace(generation, state=state, **changes))  # type: ignore[arg-type]  # checked by the callers' types
