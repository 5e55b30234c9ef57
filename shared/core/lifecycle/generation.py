"""The generation, and the one place where its state is written.

Rules of this file:
1. A generation changes state by ``step`` and nowhere else; opening.py and transitions.py have every transition there
   is. A transition is a plain function of values that returns a ``Transition``, or ``None``: "nothing to say to a
   generation in this state". Messages come late, twice and out of order, and that is no error.
2. The state names the next outside act, so that whoever finds a generation can carry on:

       RECEIVED     taken in: nothing is decided, nothing is held, there is no attempt; its request comes again
       WAITING         surely nothing was created (yet, or for the next attempt); create at ``retry_at``
       SUBMITTING   a create may be in flight; only the one who saved this state POSTs, once
       RUNNING      Replicate works on ``prediction_id``; its webhook, or the timer, brings the rest
       SUCCEEDED | FAILED | CANCELED | REJECTED   ended: tell the app, then forget the index row

3. A rank (attempt, posts, state) only grows. Ended is final.
4. Every state that is not an end has a deadline (``due_at``), after which the timer looks at it.
5. A transition names its steps (steps.py), from which log, metric and history are made.
6. What moves credits returns the account and the ledger entry in the same Transition: they are saved together
   or not at all.
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
    """One generation, as it is saved.

    ``attempt`` is None if none was ever opened; ``reason`` and ``text`` of a RECEIVED one say what it waits for.
    ``chain`` names the models that may serve it, in order.
    ``ending`` is a wish to end that Replicate has not yet confirmed. Credits are integers.
    ``chosen_by`` and ``passed_over`` say why its attempt is on this model; ``metrics`` are the provider's own, raw, of
    the last attempt that ended; ``cost_usd_micros`` is what all attempts cost at the provider, as far as can be told.
    ``provider_error`` is what the provider said of the last attempt that failed, redacted: for operators only.
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
    #: The trace in which it was opened (W3C traceparent), to which later messages link; empty where none was.
    trace_parent: str = ""
    chosen_by: ChosenBy | None = None
    passed_over: tuple[PassedOver, ...] = ()
    metrics: Metrics = field(default_factory=dict)
    cost_usd_micros: int = 0
    provider_error: str = ""
    history: History = ()

    @property
    def rank(self) -> tuple[int, int, int]:
        """Grows with every change of state, whatever the history."""
        number, posts = (self.attempt.number, self.attempt.posts) if self.attempt else (0, 0)
        return (number, posts, ORDER.get(self.state, 4))

    def due_at(self, timing: Timing) -> datetime:
        """When the timer should look at this generation, if nothing was heard until then."""
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
    """What is to be saved in one transaction: the generation and, where credits move, account and ledger entry.

    ``steps`` name what has happened, in order.
    """

    generation: Generation
    account: ledger.Account | None = None
    entry: ledger.LedgerEntry | None = None
    steps: tuple[Happening, ...] = ()

    def after(self, *steps: Happening) -> "Transition":
        """The same, where these steps led to it."""
        return replace(self, steps=(*steps, *self.steps))

    def recorded(self, before: Generation | None, at: datetime) -> "Transition":
        """The same, with its steps added to the history of what was there ``before``, opened or not."""
        history = recorded(before.history if before else (), self.steps, at)
        return replace(self, generation=replace(self.generation, history=history))


# The three ways in which a transition writes a state.


def ended_as_wished(generation: Generation, account: ledger.Account | None, wish: Reason, now: datetime) -> Transition:
    """End because somebody wished it: the user, or the clock."""
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
    """End, and resolve the hold in the same transaction. What was only taken in holds nothing."""
    told = {"reason": refusal.reason if refusal else None, "text": refusal.text if refusal else ""}
    if generation.state is State.RECEIVED:
        return step(generation, state, **told, ended_at=now)
    if account is None:
        raise ValueError(f"generation {generation.key} holds credits of an account that does not exist")
    after, entry = ledger.resolve(account, generation.held_credits, captured, key=generation.key, at=now)
    done = step(generation, state, captured_credits=captured, **told, ended_at=now)
    released = generation.held_credits - captured
    steps = [happened(Step.CAPTURED, credits=captured)] if captured else []
    if released or not captured:
        steps.append(happened(Step.RELEASED, credits=released))
    return Transition(done.generation, after, entry, tuple(steps))


def step(generation: Generation, state: State, **changes: object) -> Transition:
    """The one place where the state is written; a step that is not in NEXT is a bug."""
    if state not in NEXT[generation.state]:
        raise ValueError(f"generation {generation.key}: no way from {generation.state} to {state}")
    return Transition(replace(generation, state=state, **changes))  # type: ignore[arg-type]  # checked by the callers' types
