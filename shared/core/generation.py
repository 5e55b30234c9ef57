"""The generation: its states, and every transition there is.

Rules of this file:
1. A generation changes state here and nowhere else. A transition is a plain function of values that returns a
   ``Transition``, or ``None``: "nothing to say to a generation in this state". Messages come late, twice and out
   of order, and that is no error.
2. The state names the next outside act, so that whoever finds a generation can carry on:

       HELD         surely nothing was created (yet, or for the next attempt); create at ``retry_at``
       SUBMITTING   a create may be in flight; only the one who saved this state POSTs, once
       RUNNING      Replicate works on ``prediction_id``; its webhook, or the timer, brings the rest
       SUCCEEDED | FAILED | CANCELED | REJECTED   ended: tell the app, then forget the index row

3. A rank (attempt, tries, state) only grows. Ended is final.
4. Every state that is not an end has a deadline (``due_at``), after which the timer looks at it.
5. What moves credits returns the account and the ledger entry in the same Transition: they are saved together
   or not at all.
"""

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from shared.core import credits as ledger
from shared.core.attempt import Attempt, Delivery, Timing, attempt_on, cost_of
from shared.core.catalog import Catalog, Quote
from shared.core.mapping import inputs_of
from shared.core.messages import ChosenBy, GenerationRequest, Key, Output, PassedOver
from shared.core.prediction import REASONS, Failure, Prediction, Status, failure_of
from shared.core.pricing import Metrics
from shared.core.reasons import Reason, Refusal
from shared.core.record import Record
from shared.core.state import NEXT, ORDER, State


@dataclass(frozen=True, slots=True, kw_only=True)
class Generation:
    """One generation, as it is saved.

    ``attempt`` is None if none was ever opened. ``chain`` names the models that may serve it, in order.
    ``ending`` is a wish to end that Replicate has not yet confirmed. Credits are integers.
    ``chosen_by`` and ``passed_over`` say why its attempt is on this model; ``metrics`` are the provider's own, raw, of
    the last attempt that ended; ``cost_usd_micros`` is what all attempts cost at the provider, as far as can be told.
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
    verdicts: tuple[Record, ...] = ()
    ending: Reason | None = None
    reason: Reason | None = None
    text: str = ""
    ended_at: datetime | None = None
    #: The trace in which it was opened (W3C traceparent), to which later messages link; empty where none was.
    trace_parent: str = ""
    chosen_by: ChosenBy | None = None
    passed_over: tuple[PassedOver, ...] = ()
    metrics: Metrics = field(default_factory=dict)
    cost_usd_micros: int = 0

    @property
    def rank(self) -> tuple[int, int, int]:
        """Grows with every change of state, whatever the history."""
        number, tries = (self.attempt.number, self.attempt.tries) if self.attempt else (0, 0)
        return (number, tries, ORDER.get(self.state, 4))

    def due_at(self, timing: Timing) -> datetime:
        """When the timer should look at this generation, if nothing was heard until then."""
        if self.state.ended or self.attempt is None:
            return (self.ended_at or self.opened_at) + timedelta(seconds=timing.check_after_s)
        attempt = self.attempt
        if self.state is State.HELD and attempt.retry_at:
            return attempt.retry_at + timedelta(seconds=timing.check_after_s)
        if self.state is State.SUBMITTING:
            return attempt.submitted_at + timedelta(seconds=timing.list_grace_s)
        wait_s = min(attempt.expected_s + timing.check_after_s, attempt.cancel_after_s)
        return attempt.submitted_at + timedelta(seconds=wait_s)


@dataclass(frozen=True, slots=True)
class Transition:
    """What is to be saved in one transaction: the generation and, where credits move, account and ledger entry."""

    generation: Generation
    account: ledger.Account | None = None
    entry: ledger.LedgerEntry | None = None


# Opening. There is no generation yet.


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

    A training opens as HELD, due at once: its archive is handed over first, and who dies over that has created nothing.
    """
    refusal = quoted if isinstance(quoted, Refusal) else ledger.refusal(account, quoted.hold_credits, now)
    if refusal or isinstance(quoted, Refusal) or account is None:
        return rejected(request.key, request, refusal or Refusal.of(Reason.NO_CREDITS), now)
    attempt = attempt_on(catalog, request, quoted.model.name, number=1, seed=seed, now=now)
    if isinstance(attempt, Refusal):
        return rejected(request.key, request, attempt, now)
    mapped = inputs_of(quoted.model, request, seed=attempt.seed)
    generation = Generation(
        key=request.key,
        state=State.HELD if attempt.trains else State.SUBMITTING,
        opened_at=now,
        request=request,
        attempt=replace(attempt, tries=0, retry_at=now) if attempt.trains else attempt,
        chain=quoted.chain,
        held_credits=quoted.hold_credits,
        ignored_fields=() if isinstance(mapped, Refusal) else mapped.ignored_fields,
        trace_parent=trace_parent,
        chosen_by=quoted.chosen_by,
        passed_over=quoted.passed_over,
    )
    after, entry = ledger.hold(account, quoted.hold_credits, generation_id=request.key.generation_id, at=now)
    return Transition(generation, after, entry)


def rejected(key: Key, request: GenerationRequest | None, refusal: Refusal, now: datetime) -> Transition:
    """A generation that never opens: invalid, unsafe, without credits, over a limit. No credit moves."""
    return _closed(key, State.REJECTED, request, refusal, now)


def canceled_unopened(key: Key, now: datetime) -> Transition:
    """A cancel that came before its request: the generation is closed before it can open."""
    return _closed(key, State.CANCELED, None, Refusal.of(Reason.CANCELED_BY_USER), now)


def buried_unopened(key: Key, now: datetime) -> Transition:
    """A request that died before it could open."""
    return _closed(key, State.FAILED, None, Refusal.of(Reason.DEAD_LETTERED), now)


def _closed(key: Key, state: State, request: GenerationRequest | None, refusal: Refusal, now: datetime) -> Transition:
    return Transition(
        Generation(
            key=key,
            state=state,
            opened_at=now,
            request=request,
            reason=refusal.reason,
            text=refusal.text,
            ended_at=now,
        )
    )


# The create and its answers.


def held(
    generation: Generation,
    account: ledger.Account | None,
    number: int,
    tries: int,
    *,
    retry_at: datetime,
    now: datetime,
) -> Transition | None:
    """The create was surely not made: try again at ``retry_at``, unless somebody wished meanwhile that it ends."""
    attempt = generation.attempt
    if (
        generation.state is not State.SUBMITTING
        or attempt is None
        or (attempt.number, attempt.tries) != (number, tries)
    ):
        return None
    if generation.ending is not None:
        return _ended_as_wished(generation, account, generation.ending, now)
    return _step(generation, State.HELD, attempt=replace(attempt, retry_at=retry_at))


def retried(generation: Generation, now: datetime) -> Transition | None:
    """The wait of a HELD generation is over: the caller may POST once this is saved."""
    attempt = generation.attempt
    if generation.state is not State.HELD or attempt is None or attempt.retry_at is None or now < attempt.retry_at:
        return None
    again = replace(attempt, tries=attempt.tries + 1, submitted_at=now, retry_at=None)
    return _step(generation, State.SUBMITTING, attempt=again)


def given_up(
    generation: Generation, account: ledger.Account | None, timing: Timing, now: datetime
) -> Transition | None:
    """A HELD generation that could not be created for too long."""
    waited = now - generation.opened_at
    if generation.state is not State.HELD or waited < timedelta(seconds=timing.give_up_after_s):
        return None
    return _ended(generation, account, State.FAILED, Refusal.of(Reason.PROVIDER_UNAVAILABLE), now)


def refused(
    generation: Generation,
    account: ledger.Account | None,
    catalog: Catalog,
    number: int,
    refusal: Refusal,
    *,
    seed: int,
    now: datetime,
) -> Transition | None:
    """The create was refused for good: for its input, which ends it; or the model is gone: the next one is tried."""
    if generation.state is not State.SUBMITTING or generation.attempt is None or generation.attempt.number != number:
        return None
    if refusal.reason is not Reason.UNKNOWN_MODEL:
        return _ended(generation, account, State.FAILED, refusal, now)
    if generation.ending is not None:
        return _ended_as_wished(generation, account, generation.ending, now)
    following = _following_model(generation)
    return _next_attempt(generation, account, catalog, following, refusal, seed=seed, now=now)


def adopted(generation: Generation, number: int, prediction_id: str) -> Transition | None:
    """The prediction of this attempt is known: from the create's answer, its webhook, or Replicate's list."""
    attempt = generation.attempt
    if generation.state not in (State.SUBMITTING, State.HELD) or attempt is None or attempt.number != number:
        return None
    return _step(generation, State.RUNNING, attempt=replace(attempt, prediction_id=prediction_id, retry_at=None))


def lost(
    generation: Generation,
    account: ledger.Account | None,
    catalog: Catalog,
    timing: Timing,
    *,
    seed: int,
    now: datetime,
) -> Transition | None:
    """No trace of a create whose ``Cancel-After`` has passed: it never was, or it is over. Open the next attempt.

    Trainings know no ``Cancel-After``: one that nobody sees may still run, so there is no next attempt.
    """
    attempt = generation.attempt
    if generation.state is not State.SUBMITTING or attempt is None or now < attempt.canceled_at(timing):
        return None
    if generation.ending is not None:
        return _ended_as_wished(generation, account, generation.ending, now)
    again = None if attempt.trains else attempt.model
    return _next_attempt(generation, account, catalog, again, Refusal.of(Reason.LOST), seed=seed, now=now)


#: Attempts beyond the fallback chain: how often a model is asked again after an answer was lost for good.
LOST_ATTEMPTS = 2


def _next_attempt(
    generation: Generation,
    account: ledger.Account | None,
    catalog: Catalog,
    model_name: str | None,
    refusal: Refusal,
    *,
    seed: int,
    now: datetime,
) -> Transition:
    """Open the next attempt on ``model_name``, within the hold; or end with ``refusal`` where there is none.

    It opens as HELD, due at once: its create walks the same way as any other that is to be tried again.
    """
    attempt, request = generation.attempt, generation.request
    if model_name is None or request is None or attempt is None:
        return _ended(generation, account, State.FAILED, refusal, now)
    if attempt.number >= len(generation.chain) + LOST_ATTEMPTS:
        return _ended(generation, account, State.FAILED, refusal, now)
    following = attempt_on(catalog, request, model_name, number=attempt.number + 1, seed=seed, now=now)
    if isinstance(following, Refusal) or following.unit_credits * following.outputs > generation.held_credits:
        return _ended(generation, account, State.FAILED, refusal, now)
    following = replace(following, tries=0, retry_at=now)
    if following.model == attempt.model:
        return _step(generation, State.HELD, attempt=following)
    passed = (*generation.passed_over, PassedOver(attempt.model, refusal.reason))
    return _step(generation, State.HELD, attempt=following, chosen_by=ChosenBy.FALLBACK, passed_over=passed)


# What Replicate says about a prediction.


def concerns(generation: Generation, number: int, prediction_id: str) -> bool:
    """Whether a prediction is the one this generation runs on; late, double and foreign ones are not."""
    attempt = generation.attempt
    return (
        generation.state is State.RUNNING
        and attempt is not None
        and attempt.number == number
        and attempt.prediction_id == prediction_id
    )


def delivered(
    generation: Generation,
    account: ledger.Account | None,
    number: int,
    prediction: Prediction,
    delivery: Delivery,
    now: datetime,
) -> Transition | None:
    """A prediction succeeded and its outputs were dealt with: capture for what is stored, release the rest."""
    attempt = generation.attempt
    if attempt is None or not concerns(generation, number, prediction.prediction_id):
        return None
    done = replace(
        _metered(generation, prediction, cost_of(attempt, prediction, delivery)),
        refused_outputs=delivery.refused_outputs,
    )
    if not delivery.outputs:
        refusal = delivery.refused or delivery.problem or Refusal.of(Reason.OUTPUT_INVALID)
        return _ended(done, account, State.FAILED, refusal, now)
    done = replace(done, outputs=delivery.outputs)
    captured = attempt.unit_credits * len(delivery.outputs)
    return _ended(done, account, State.SUCCEEDED, None, now, captured=captured)


def _metered(generation: Generation, prediction: Prediction, cost_usd_micros: int) -> Generation:
    """The generation with what an attempt that ended has measured and cost."""
    total = generation.cost_usd_micros + cost_usd_micros
    return replace(generation, metrics=prediction.metrics, cost_usd_micros=total)


def fell(
    generation: Generation,
    account: ledger.Account | None,
    catalog: Catalog,
    number: int,
    prediction: Prediction,
    *,
    seed: int,
    now: datetime,
) -> Transition | None:
    """A prediction failed, or was canceled or aborted: end, or try the next model of the chain."""
    if generation.attempt is None or not concerns(generation, number, prediction.prediction_id):
        return None
    generation = _metered(generation, prediction, cost_of(generation.attempt, prediction))
    if generation.ending is not None:
        return _ended_as_wished(generation, account, generation.ending, now)
    if prediction.status is Status.CANCELED:
        # Not by us: it ran into Cancel-After, or somebody canceled it on Replicate's own page.
        return _ended(generation, account, State.FAILED, Refusal.of(Reason.TIMED_OUT), now)
    refusal = Refusal.of(Reason.TIMED_OUT)  # aborted: it never started within Cancel-After, so it was not charged
    if prediction.status is Status.FAILED:
        failure = failure_of(prediction.error)
        refusal = Refusal.of(REASONS[failure])
        if failure not in (Failure.TRANSIENT, Failure.MODEL):
            return _ended(generation, account, State.FAILED, refusal, now)
    following = _following_model(generation)
    return _next_attempt(generation, account, catalog, following, refusal, seed=seed, now=now)


def _following_model(generation: Generation) -> str | None:
    """The model of the chain after the one that fell."""
    chain, attempt = generation.chain, generation.attempt
    if attempt is None or attempt.model not in chain:
        return None
    after = chain[chain.index(attempt.model) + 1 :]
    return after[0] if after else None


# Wishes to end.


def ending(generation: Generation, account: ledger.Account | None, wish: Reason, now: datetime) -> Transition | None:
    """End at once where nothing can be running; else note the wish, so that whoever hears of the prediction ends it."""
    if generation.state.ended:
        return None
    if generation.state is State.HELD:
        return _ended_as_wished(generation, account, wish, now)
    if generation.ending is not None:
        return None
    return _step(generation, generation.state, ending=wish)


def overdue(generation: Generation, timing: Timing, now: datetime) -> bool:
    """Whether a RUNNING generation is past the time at which Replicate should have cancelled it itself."""
    attempt = generation.attempt
    return generation.state is State.RUNNING and attempt is not None and now >= attempt.canceled_at(timing)


def unheard(generation: Generation, account: ledger.Account | None, timing: Timing, now: datetime) -> Transition | None:
    """Replicate has not answered until even a finished prediction's outputs would be deleted: release."""
    attempt = generation.attempt
    if attempt is None or not overdue(generation, timing, now):
        return None
    if now < attempt.canceled_at(timing) + timedelta(seconds=timing.output_life_s):
        return None
    return _ended_as_wished(generation, account, generation.ending or Reason.TIMED_OUT, now)


def buried(generation: Generation, account: ledger.Account | None, now: datetime) -> Transition | None:
    """Its message is a dead letter: end, and release."""
    if generation.state.ended:
        return None
    return _ended(generation, account, State.FAILED, Refusal.of(Reason.DEAD_LETTERED), now)


def _ended_as_wished(generation: Generation, account: ledger.Account | None, wish: Reason, now: datetime) -> Transition:
    state = State.CANCELED if wish is Reason.CANCELED_BY_USER else State.FAILED
    return _ended(generation, account, state, Refusal.of(wish), now)


def _ended(
    generation: Generation,
    account: ledger.Account | None,
    state: State,
    refusal: Refusal | None,
    now: datetime,
    *,
    captured: int = 0,
) -> Transition:
    """End, and resolve the hold in the same transaction."""
    if account is None:
        raise ValueError(f"generation {generation.key} holds credits of an account that does not exist")
    after, entry = ledger.resolve(
        account, generation.held_credits, captured, generation_id=generation.key.generation_id, at=now
    )
    done = _step(
        generation,
        state,
        captured_credits=captured,
        reason=refusal.reason if refusal else None,
        text=refusal.text if refusal else "",
        ended_at=now,
    )
    return Transition(done.generation, after, entry)


def _step(generation: Generation, state: State, **changes: object) -> Transition:
    """The one place where the state is written; a step that is not in NEXT is a bug."""
    if state not in NEXT[generation.state]:
        raise ValueError(f"generation {generation.key}: no way from {generation.state} to {state}")
    return Transition(replace(generation, state=state, **changes))  # type: ignore[arg-type]  # checked by the callers' types
