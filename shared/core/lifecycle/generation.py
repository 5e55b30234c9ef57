"""The three types of a generation, and the one function that changes its state.

Rules of this file:
1. A generation changes state by ``stepped`` only. All transitions are in opening.py and transitions.py. A transition is
   a pure function that returns a ``Transition``, or ``None`` if the fact changes nothing in this state. Messages
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
6. A transition that moves credits returns the account, the user and the ledger entries too: all are saved together or
   not at all.
7. What the states allow is a type, so that nobody asks for what cannot be there. ``Received`` has not opened,
   ``Generation`` has opened, and ``Closed`` ended without having opened. Only a ``Generation`` has a hold and an
   attempt, and it always has both.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Generic, Literal, TypeAlias, TypeVar

from shared.core.events.generation_event import ChosenBy, Output, PassedOver
from shared.core.keys import Key
from shared.core.lifecycle.approval import Asked
from shared.core.lifecycle.attempt import Attempt, Timing
from shared.core.lifecycle.state import ENDED_ORDER, NEXT, ORDER, State
from shared.core.lifecycle.steps import Happening, History, Step, happened, recorded
from shared.core.money.account import Account, Hold, User
from shared.core.money.chain import LedgerRef
from shared.core.money.entries import LedgerEntry
from shared.core.money.limits import Notice
from shared.core.money.moves import Moved
from shared.core.money.payer import Payer
from shared.core.money.sealing import sealed
from shared.core.provider.metrics import Metrics
from shared.core.reasons import Reason, Refusal
from shared.core.requests.messages import GenerationRequest
from shared.core.safety.screening_record import ScreeningRecord
from shared.core.training.versions import TrainedVersion
from shared.core.values import replace

#: The states of what has opened, and of what ended without having opened.
OpenedState: TypeAlias = Literal[
    State.SUBMITTING, State.WAITING, State.RUNNING, State.SUCCEEDED, State.FAILED, State.CANCELED
]
ClosedState: TypeAlias = Literal[State.REJECTED, State.CANCELED, State.FAILED]


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """A request that was taken in and is not decided: no hold, no attempt. Its state is RECEIVED.

    ``reason`` and ``text`` say what it waits for. Its request is the one that opens: the first of its id.
    ``approval`` is what was asked for it and decided. With it, it was screened and its inputs were copied.
    """

    key: Key
    opened_at: datetime
    request: GenerationRequest
    reason: Reason
    text: str
    ignored_fields: tuple[str, ...] = ()
    screenings: tuple[ScreeningRecord, ...] = ()
    approval: Asked | None = None
    #: The trace in which it was taken in (W3C traceparent), to which later messages link. Empty if there was none.
    trace_parent: str = ""
    history: History = ()

    @property
    def state(self) -> Literal[State.RECEIVED]:
        """Always RECEIVED."""
        return State.RECEIVED

    @property
    def rank(self) -> tuple[int, int, int]:
        """See ``Generation.rank``: below every other. It grows with each approval that is asked or decided."""
        asked = self.approval
        return (-1, asked.asks + len(asked.decisions) if asked else 0, ORDER[State.RECEIVED])

    def due_at(self, timing: Timing) -> datetime:
        """When the timer checks it, if its request does not arrive before."""
        return self.opened_at + timedelta(seconds=timing.check_after_s)


@dataclass(frozen=True, slots=True, kw_only=True)
class Closed:
    """A generation that ended without having opened: rejected, canceled or dead-lettered. No credit ever moved for it.

    ``request`` is None if no request was read: a cancel or a dead letter came first, or the message was invalid.
    ``reason`` and ``text`` say why it ended.
    """

    key: Key
    state: ClosedState
    opened_at: datetime
    ended_at: datetime
    request: GenerationRequest | None
    reason: Reason
    text: str
    ignored_fields: tuple[str, ...] = ()
    screenings: tuple[ScreeningRecord, ...] = ()
    approval: Asked | None = None
    trace_parent: str = ""
    history: History = ()
    #: The facts of its receipt (receipt.py), as canonical JSON.
    receipt: str = ""

    @property
    def rank(self) -> tuple[int, int, int]:
        """See ``Generation.rank``: above what was only taken in."""
        return (0, 0, ENDED_ORDER)

    def due_at(self, timing: Timing) -> datetime:
        """When the timer publishes its event, if no message about it arrives before."""
        return self.ended_at + timedelta(seconds=timing.check_after_s)


@dataclass(frozen=True, slots=True, kw_only=True)
class Generation:
    """A generation that has opened, as it is saved. Credits are integers.

    ``hold`` names the buckets that its credits were taken from. It stays as it is after the end: refunds go back there.
    ``captured_credits`` were captured at its end; ``refunded_credits`` of them were given back afterwards.
    ``chain`` names the models that may serve it, in order.
    ``requested_end`` is an end that was requested and that Replicate has not yet confirmed.
    ``chosen_by`` and ``passed_over`` say why its attempt is on this model.
    ``metrics`` are the provider's raw metrics of the last attempt that ended.
    ``cost_usd_micros`` estimates what all attempts cost at the provider.
    ``provider_error`` is the provider's redacted error of the last failed attempt: for operators only.
    """

    key: Key
    state: OpenedState
    opened_at: datetime
    request: GenerationRequest
    attempt: Attempt
    chain: tuple[str, ...] = ()
    hold: Hold
    captured_credits: int = 0
    refunded_credits: int = 0
    outputs: tuple[Output, ...] = ()
    refused_outputs: int = 0
    ignored_fields: tuple[str, ...] = ()
    screenings: tuple[ScreeningRecord, ...] = ()
    approval: Asked | None = None
    requested_end: Reason | None = None
    reason: Reason | None = None
    text: str = ""
    ended_at: datetime | None = None
    #: The trace in which it was opened (W3C traceparent), to which later messages link. Empty if there was none.
    trace_parent: str = ""
    #: The name of the account's plan when it was opened. It stays, whatever plan the account has later.
    plan: str = ""
    chosen_by: ChosenBy | None = None
    passed_over: tuple[PassedOver, ...] = ()
    metrics: Metrics = field(default_factory=dict)
    cost_usd_micros: int = 0
    #: The worst case of attempts that may have run and were never measured (metering.py).
    unmeasured_usd_micros: int = 0
    provider_error: str = ""
    history: History = ()
    #: The steps of ``warn`` limits that its hold has reached, the app's among them.
    notices: tuple[Notice, ...] = ()
    #: The entries that moved its credits so far, for its receipt.
    ledger: tuple[LedgerRef, ...] = ()
    #: The facts of its receipt (receipt.py), as canonical JSON. Empty until it has ended.
    receipt: str = ""

    @property
    def held_credits(self) -> int:
        """The credits that were set aside for it when it opened."""
        return self.hold.credits

    @property
    def rank(self) -> tuple[int, int, int]:
        """(attempt, posts, state) as numbers: it grows with every change of state, whatever the path."""
        return (self.attempt.number, self.attempt.posts, ORDER.get(self.state, ENDED_ORDER))

    def due_at(self, timing: Timing) -> datetime:
        """When the timer checks this generation, if no message about it arrives before."""
        if self.state.ended:
            return (self.ended_at or self.opened_at) + timedelta(seconds=timing.check_after_s)
        attempt = self.attempt
        if self.state is State.WAITING and attempt.retry_at:
            return attempt.retry_at + timedelta(seconds=timing.check_after_s)
        if self.state is State.SUBMITTING:
            return attempt.submitted_at + timedelta(seconds=timing.list_grace_s)
        wait_s = min(attempt.expected_s + timing.check_after_s, attempt.cancel_after_s)
        return attempt.submitted_at + timedelta(seconds=wait_s)


#: Whatever is saved under a key.
AnyGeneration: TypeAlias = Received | Generation | Closed

G = TypeVar("G", bound=Received | Generation | Closed)
G_co = TypeVar("G_co", bound=Received | Generation | Closed, covariant=True)


@dataclass(frozen=True, slots=True)
class Transition(Generic[G_co]):
    """What to save in one transaction: the generation and, if credits move, the account, its user and the entries.

    ``steps`` name what happened, in order. ``mark`` is the kind and id of the command that decided it, if one did. It
    is saved too, so that a command which was refused decides nothing any more. ``version`` is what a training has made.
    """

    generation: G_co
    account: Account | None = None
    user: User | None = None
    entries: tuple[LedgerEntry, ...] = ()
    steps: tuple[Happening, ...] = ()
    mark: tuple[str, str] | None = None
    version: TrainedVersion | None = None

    def moving(self, moved: Moved) -> "Transition[G_co]":
        """This transition with a move of credits."""
        return replace(self, account=moved.account, user=moved.user, entries=moved.entries)

    def sealed(self, head: str, key: bytes) -> "Transition[G_co]":
        """This transition with its entries linked to ``head``, the digest of the account's last entry."""
        if self.account is None or not self.entries:
            return self
        account, entries = sealed(self.account, self.entries, head, key)
        return replace(self, account=account, entries=entries)

    def after(self, *steps: Happening) -> "Transition[G_co]":
        """This transition with ``steps`` before its own."""
        return replace(self, steps=(*steps, *self.steps))

    def recorded(self, before: AnyGeneration | None, at: datetime) -> "Transition[G_co]":
        """This transition with its steps added to the history of the generation ``before`` it, opened or not."""
        history = recorded(before.history if before else (), self.steps, at)
        return replace(self, generation=replace(self.generation, history=history))


# The ways in which a transition writes a state.


def ended_as_wished(generation: Generation, payer: Payer | None, wish: Reason, now: datetime) -> Transition[Generation]:
    """End because an end was requested, by the user or by a time limit."""
    return ended(generation, payer, wished_state(wish), Refusal.of(wish), now)


def wished_state(wish: Reason) -> Literal[State.CANCELED, State.FAILED]:
    """The state of what ends because of ``wish``: only a user cancels."""
    return State.CANCELED if wish is Reason.CANCELED_BY_USER else State.FAILED


def ended(
    generation: Generation,
    payer: Payer | None,
    state: OpenedState,
    refusal: Refusal | None,
    now: datetime,
    *,
    captured: int = 0,
) -> Transition[Generation]:
    """End, and resolve the hold in the same transaction."""
    if payer is None:
        raise ValueError(f"generation {generation.key} holds credits of an account that does not exist")
    counts = generation.cost_usd_micros + generation.unmeasured_usd_micros
    moved = payer.resolve(generation.hold, captured, counts, generation.key, now)
    reason, text = (refusal.reason, refusal.text) if refusal else (None, "")
    done = step(generation, state, captured_credits=captured, reason=reason, text=text, ended_at=now)
    released = generation.held_credits - captured
    steps = [happened(Step.CAPTURED, credits=captured)] if captured else []
    if released or not captured:
        steps.append(happened(Step.RELEASED, credits=released))
    return replace(done.moving(moved), steps=tuple(steps))


def step(generation: Generation, state: OpenedState, **changes: object) -> Transition[Generation]:
    """Change the state of what has opened, with ``changes`` of its fields."""
    after = replace(generation, state=state, **changes)  # type: ignore[arg-type]  # checked by the callers' types
    return stepped(generation.state, after)


def stepped(before: State | None, after: G) -> Transition[G]:
    """The transition to ``after``. Every step from a state is made here, and only steps of NEXT are possible.

    A refund is no step: it changes no state (refunding.py).
    ``before`` is None if there was no generation. Raises ValueError for a step that is not in NEXT: a bug.
    """
    if after.state not in NEXT[before]:
        raise ValueError(f"generation {after.key}: no step from {before} to {after.state}")
    return Transition(after)
