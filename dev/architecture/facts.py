"""The state machine's samples: a generation in each state, and every fact as a transition that such a generation meets.

`python3 -m dev architecture` draws docs/architecture.md from them, and tests/core/test_generation.py compares them with
its own table of expectations.

Rules of this file:
1. A fact is a name, a sentence (``MEANINGS``) and a call of one transition of the core on a sample (``FACTS``). A new
   transition gets all three; a test asks for its fact, and then for its row.
2. ``STATES`` has each state once, and "ending": a running generation whose end was requested.
"""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TypeAlias

from dev.fakes.accounts import funded
from dev.fakes.catalogs import REAL, REAL_PLANS
from shared.adapters.replicate.failures import failure_of
from shared.core.catalog.choosing import quote
from shared.core.events.generation_event import Output
from shared.core.keys import Key
from shared.core.lifecycle import approving, opening, parking, transitions
from shared.core.lifecycle.approval import Decision
from shared.core.lifecycle.attempt import Delivery, Timing
from shared.core.lifecycle.generation import AnyGeneration, Generation, Received, Transition
from shared.core.money.limits import Effect, Exceeded, Limit
from shared.core.money.payer import Payer
from shared.core.money.windows import Span
from shared.core.provider.prediction import DeferReason, NotCreated, Prediction, Status
from shared.core.reasons import Reason, Refusal
from shared.core.requests.messages import GenerationRequest

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
PACED = NotCreated(DeferReason.PACED, 5)
LATER = NOW + timedelta(seconds=1000)
MUCH_LATER = NOW + timedelta(hours=9)
CATALOG = REAL
TIMING = Timing()
ADA = Payer(funded("ada", 10, plan="premium"))
REQUEST = GenerationRequest(key=Key("ada", "one"), prompt="A lighthouse at night", model="flux-dev")
PREDICTION = "p" * 26
OUTPUT = Output(container="outputs", name="n", content_type="image/png", size_bytes=1, width=1, height=1)


def _opened() -> tuple[Generation, Payer]:
    """A generation that was just opened on flux-dev, which falls back to flux-schnell."""
    start = opening.opened(REQUEST, ADA, CATALOG, quote(CATALOG, REQUEST, REAL_PLANS["premium"]), seed=7, now=NOW)
    if start.account is None or not isinstance(start.generation, Generation):
        raise AssertionError("the sample's account can pay")
    return start.generation, Payer(start.account)


SUBMITTING, HOLDING = _opened()


def step(transition: Transition[Generation] | None) -> Generation:
    """Returns the generation after a transition that must be possible."""
    if transition is None:
        raise AssertionError("a sample's transition says nothing")
    return transition.generation


def idempotent(generation: Generation) -> Generation:
    """The same generation, and its provider takes a create that is sent twice for one."""
    guarantees = replace(generation.attempt.guarantees, idempotent=True)
    return replace(generation, attempt=replace(generation.attempt, guarantees=guarantees))


def missing(generation: Generation, since: datetime = NOW) -> Generation:
    """The same generation, and Replicate does not know its prediction."""
    return replace(generation, attempt=replace(generation.attempt, missing_since=since))


RECEIVED = opening.received(REQUEST, Refusal.of(Reason.SAFETY_UNAVAILABLE), NOW).generation
WAITING = step(transitions.deferred(SUBMITTING, HOLDING, 1, 1, PACED, retry_at=NOW + timedelta(seconds=30), now=NOW))
RUNNING = step(transitions.adopted(SUBMITTING, 1, PREDICTION))
ENDING = step(transitions.end_requested(RUNNING, HOLDING, Reason.CANCELED_BY_USER, NOW))
DONE = Prediction(prediction_id=PREDICTION, status=Status.SUCCEEDED)
FOREIGN = replace(DONE, prediction_id="q" * 26)
SUCCEEDED = step(transitions.delivered(RUNNING, HOLDING, 1, DONE, Delivery(outputs=(OUTPUT,)), NOW))
FAILED = step(transitions.dead_lettered(RUNNING, HOLDING, NOW))
CANCELED = step(transitions.end_requested(WAITING, HOLDING, Reason.CANCELED_BY_USER, NOW))
REJECTED = opening.rejected(REQUEST.key, REQUEST, Refusal.of(Reason.NO_CREDITS), NOW).generation
STATES: dict[str, AnyGeneration] = {
    "received": RECEIVED,
    "submitting": SUBMITTING,
    "waiting": WAITING,
    "running": RUNNING,
    "ending": ENDING,
    "succeeded": SUCCEEDED,
    "failed": FAILED,
    "canceled": CANCELED,
    "rejected": REJECTED,
}


def ended(status: Status, error: str = "") -> Prediction:
    """The prediction with this status."""
    return Prediction(prediction_id=PREDICTION, status=status, error=error, failure=failure_of(error))


#: What a fact makes of a generation; None if it changes nothing.
Fact: TypeAlias = Callable[[AnyGeneration], Transition[AnyGeneration] | None]


def _opened_only(transition: Callable[[Generation], Transition[Generation] | None]) -> Fact:
    """A fact that only an opened generation can meet."""
    return lambda generation: transition(generation) if isinstance(generation, Generation) else None


def attempt_failed(prediction: Prediction) -> Fact:
    """What a failed prediction makes of a generation."""
    return _opened_only(lambda g: transitions.attempt_failed(g, HOLDING, CATALOG, 1, prediction, seed=8, now=NOW))


def refused(reason: Reason, number: int = 1) -> Fact:
    """What a create that was refused makes of a generation."""
    return _opened_only(lambda g: transitions.refused(g, HOLDING, CATALOG, number, Refusal.of(reason), seed=8, now=NOW))


def _opens(generation: AnyGeneration) -> Transition[AnyGeneration] | None:
    """What the request of a generation makes of it, when it can be decided."""
    if not isinstance(generation, Received):
        return None
    return opening.opened(
        REQUEST, ADA, CATALOG, quote(CATALOG, REQUEST, REAL_PLANS["premium"]), seed=7, now=NOW, before=generation
    )


def _turned_away(generation: AnyGeneration) -> Transition[AnyGeneration] | None:
    """What a request that cannot be paid makes of it."""
    if not isinstance(generation, Received):
        return None
    return opening.opened(
        REQUEST, None, CATALOG, quote(CATALOG, REQUEST, REAL_PLANS["premium"]), seed=7, now=NOW, before=generation
    )


def _waits_for(generation: AnyGeneration) -> Transition[AnyGeneration] | None:
    """What another trouble makes of a request that waits to open."""
    if not isinstance(generation, Received):
        return None
    return opening.waits_for(generation, Refusal.of(Reason.PROVIDER_UNAVAILABLE))


def _paused(generation: AnyGeneration) -> Transition[AnyGeneration] | None:
    """What a kill switch makes of it."""
    waits = Refusal.of(Reason.PAUSED)
    if isinstance(generation, Received):
        return opening.waits_for(generation, waits)
    return _opened_only(
        lambda g: transitions.paused(g, HOLDING, g.attempt, waits, "the app by kim", retry_at=LATER, now=NOW)
    )(generation)


def _without_turn(generation: AnyGeneration) -> Transition[AnyGeneration] | None:
    """What the lack of a turn makes of it."""
    waits = Refusal.of(Reason.WAITS_FOR_TURN)
    if isinstance(generation, Received):
        return parking.parked_received(generation, waits)
    return _opened_only(lambda g: parking.parked(g, g.attempt, waits, NOW))(generation)


def _never_opens(generation: AnyGeneration) -> Transition[AnyGeneration] | None:
    """What the deadline of a request that waits makes of it."""
    return opening.given_up(generation, NOW) if isinstance(generation, Received) else None


#: A limit that asks for an approval, what asks for it, and who gives it.
_ASKS = Exceeded(Limit(limit_id="daily", window=Span.DAY, amount=1, effect=Effect.APPROVE), 1, 3, None)
_YES = Decision(command_id="a", by="operator:kim", at=NOW, limit_id="daily", scope=_ASKS.limit.scope, most_credits=3)


def _asks(generation: AnyGeneration) -> Transition[Received] | None:
    """What a limit that asks for an approval makes of it."""
    if not isinstance(generation, Received):
        return None
    return approving.asked(REQUEST, generation, _ASKS, 3, now=NOW, until=LATER)


def _waits(generation: AnyGeneration) -> Received | None:
    """The sample as it waits for an approval."""
    asked = _asks(generation)
    return asked.generation if asked else generation if isinstance(generation, Received) else None


def _approved(generation: AnyGeneration) -> Transition[AnyGeneration] | None:
    """What an approval makes of it."""
    waits = _waits(generation)
    return approving.approved(waits, _YES) if waits else None


def _denied(generation: AnyGeneration) -> Transition[AnyGeneration] | None:
    """What a denial makes of it."""
    waits = _waits(generation)
    return approving.denied(waits, replace(_YES, most_credits=None), "", NOW) if waits else None


def _undecided(generation: AnyGeneration) -> Transition[AnyGeneration] | None:
    """What the end of the wait for an approval makes of it."""
    waits = _waits(generation)
    until = waits.approval.until if waits and waits.approval else LATER
    return approving.expired(waits, until, LATER) if waits else None


def _end_requested(generation: AnyGeneration) -> Transition[AnyGeneration] | None:
    """What a user's cancel makes of it."""
    if isinstance(generation, Received):
        return opening.end_requested(generation, Reason.CANCELED_BY_USER, NOW)
    return _opened_only(lambda g: transitions.end_requested(g, HOLDING, Reason.CANCELED_BY_USER, NOW))(generation)


def _dead_lettered(generation: AnyGeneration) -> Transition[AnyGeneration] | None:
    """What a dead letter makes of it."""
    if isinstance(generation, Received):
        return opening.dead_lettered(generation, NOW)
    return _opened_only(lambda g: transitions.dead_lettered(g, HOLDING, NOW))(generation)


FACTS: dict[str, Fact] = {
    "opens": _opens,
    "turned away": _turned_away,
    "waits for": _waits_for,
    "paused": _paused,
    "no turn": _without_turn,
    "never opens": _never_opens,
    "needs approval": _asks,
    "approved": _approved,
    "denied": _denied,
    "not decided": _undecided,
    "not created": _opened_only(lambda g: transitions.deferred(g, HOLDING, 1, 1, PACED, retry_at=LATER, now=NOW)),
    "wait over": _opened_only(lambda g: transitions.retried(g, LATER)),
    "given up": _opened_only(lambda g: transitions.given_up(g, HOLDING, TIMING, MUCH_LATER)),
    "posted again": _opened_only(lambda g: transitions.posted_again(idempotent(g), TIMING, LATER)),
    "create refused": refused(Reason.PROVIDER_REFUSED),
    "model is gone": refused(Reason.UNKNOWN_MODEL),
    "adopted": _opened_only(lambda g: transitions.adopted(g, 1, PREDICTION)),
    "lost": _opened_only(lambda g: transitions.lost(g, HOLDING, CATALOG, TIMING, seed=8, now=LATER)),
    "delivered": _opened_only(lambda g: transitions.delivered(g, HOLDING, 1, DONE, Delivery(outputs=(OUTPUT,)), NOW)),
    "all refused": _opened_only(
        lambda g: transitions.delivered(
            g, HOLDING, 1, DONE, Delivery(refused=Refusal.of(Reason.OUTPUT_REFUSED), refused_outputs=1), NOW
        )
    ),
    "failed": attempt_failed(ended(Status.FAILED, "NSFW content")),
    "interrupted": attempt_failed(ended(Status.FAILED, "(code: PA)")),
    "canceled there": attempt_failed(ended(Status.CANCELED)),
    "aborted there": attempt_failed(ended(Status.ABORTED)),
    "end requested": _end_requested,
    "unheard": _opened_only(lambda g: transitions.unheard(g, HOLDING, TIMING, MUCH_LATER)),
    "missed": _opened_only(lambda g: transitions.missed(g, 1, PREDICTION, NOW)),
    "known again": _opened_only(lambda g: transitions.known_again(missing(g), 1, PREDICTION)),
    "promised": _opened_only(lambda g: transitions.promised(g, 1, PREDICTION)),
    "vanished": _opened_only(lambda g: transitions.vanished(missing(g), HOLDING, TIMING, LATER)),
    "dead-lettered": _dead_lettered,
}

#: What each fact is, in one sentence.
MEANINGS = {
    "opens": "The request passed screening, and its account can pay the worst case.",
    "turned away": "The request is valid, and its account cannot pay it.",
    "waits for": "The request cannot open yet, for another reason than before.",
    "paused": "A kill switch stops it before its create is sent.",
    "no turn": "It could go on, and others have the turns.",
    "never opens": "The request waited to open until its deadline passed.",
    "needs approval": "A limit asks for an approval of the request, which was screened.",
    "approved": "An operator or an approver of the account allows it past that limit.",
    "denied": "An operator or an approver of the account denies it.",
    "not decided": "Nobody has approved or denied it until its deadline passed.",
    "not created": "The create surely made no prediction, and may be sent again later.",
    "wait over": "`retry_at` has passed.",
    "given up": "The create could not be sent until its deadline passed.",
    "posted again": "No answer to the create has come, and its provider takes a create that is sent twice for one.",
    "create refused": "The provider refused the input; another model would refuse it too.",
    "model is gone": "The provider does not know the model, and the chain has another one.",
    "adopted": "The prediction of this attempt is known: by the create's answer, a webhook, or the provider's list.",
    "lost": "The create's answer never came, and `Cancel-After` has passed: no prediction of it can be running.",
    "delivered": "The prediction succeeded, and outputs passed screening and were stored.",
    "all refused": "The prediction succeeded, and screening refused every output.",
    "failed": "The prediction failed because of its input; another model would refuse it too.",
    "interrupted": "The prediction failed for a reason of the provider's own, and the chain has another model.",
    "canceled there": "The provider reports the prediction as canceled: it ran into `Cancel-After`.",
    "aborted there": "The provider reports the prediction as aborted before it ran.",
    "end requested": "The user cancels, or an operator does.",
    "unheard": "The attempt is overdue, and the provider reports no end.",
    "missed": "The provider answers 404 to the prediction for the first time.",
    "known again": "The provider knows the prediction again after a 404.",
    "promised": "The provider says that the prediction succeeded, and its outputs are not complete yet.",
    "vanished": "The provider has answered 404 to the prediction for too long.",
    "dead-lettered": "A message of the generation is in a dead-letter queue.",
}
