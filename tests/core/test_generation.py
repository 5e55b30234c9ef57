"""The state machine: every state meets every fact, and whatever the history, states only go forward."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.core.catalog.catalog import quote
from shared.core.catalog.file import parse_catalog
from shared.core.events.generation_event import Output
from shared.core.keys import Key
from shared.core.lifecycle import opening, transitions
from shared.core.lifecycle.attempt import Delivery, Timing
from shared.core.lifecycle.generation import Generation, Transition
from shared.core.lifecycle.state import NEXT, State
from shared.core.money.ledger import Account, Plan
from shared.core.provider.prediction import Prediction, Status
from shared.core.reasons import SENTENCES, Reason, Refusal
from shared.core.requests.messages import GenerationRequest

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
LATER = NOW + timedelta(seconds=1000)
MUCH_LATER = NOW + timedelta(hours=9)
CATALOG = parse_catalog((Path(__file__).parents[2] / "shared" / "core" / "catalog" / "catalog.toml").read_text())
TIMING = Timing()
ADA = Account(account_id="ada", plan=Plan.PREMIUM, granted=10, available=10)
REQUEST = GenerationRequest(key=Key("ada", "one"), prompt="A lighthouse at night", model="flux-dev")
PREDICTION = "p" * 26
OUTPUT = Output(container="outputs", name="n", content_type="image/png", size_bytes=1, width=1, height=1)


def opened() -> tuple[Generation, Account]:
    """A generation that was just opened on flux-dev, which falls back to flux-schnell."""
    start = opening.opened(REQUEST, ADA, CATALOG, quote(CATALOG, REQUEST, Plan.PREMIUM), seed=7, now=NOW)
    assert start.account is not None
    return start.generation, start.account


SUBMITTING, HOLDING = opened()


def step(transition: Transition | None) -> Generation:
    """The generation after a transition that must be possible."""
    assert transition is not None
    return transition.generation


def missing(generation: Generation, since: datetime = NOW) -> Generation:
    """The same, and Replicate does not know its prediction."""
    attempt = replace(generation.attempt, missing_since=since) if generation.attempt else None
    return replace(generation, attempt=attempt)


RECEIVED = opening.received(REQUEST, Refusal.of(Reason.SAFETY_UNAVAILABLE), NOW).generation
WAITING = step(transitions.deferred(SUBMITTING, HOLDING, 1, 1, retry_at=NOW + timedelta(seconds=30), now=NOW))
RUNNING = step(transitions.adopted(SUBMITTING, 1, PREDICTION))
ENDING = step(transitions.end_requested(RUNNING, HOLDING, Reason.CANCELED_BY_USER, NOW))
DONE = Prediction(prediction_id=PREDICTION, status=Status.SUCCEEDED)
FOREIGN = replace(DONE, prediction_id="q" * 26)
SUCCEEDED = step(transitions.delivered(RUNNING, HOLDING, 1, DONE, Delivery(outputs=(OUTPUT,)), NOW))
FAILED = step(transitions.dead_lettered(RUNNING, HOLDING, NOW))
CANCELED = step(transitions.end_requested(WAITING, HOLDING, Reason.CANCELED_BY_USER, NOW))
REJECTED = opening.rejected(REQUEST.key, REQUEST, Refusal.of(Reason.NO_CREDITS), NOW).generation
_BEFORE_ITS_END = NOW + timedelta(seconds=(SUBMITTING.attempt.cancel_after_s if SUBMITTING.attempt else 0) + 59)
_LONG_MISSING = missing(RUNNING, NOW - timedelta(hours=1))
STATES = {
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
    return Prediction(prediction_id=PREDICTION, status=status, error=error)


def attempt_failed(prediction: Prediction) -> Callable[[Generation], Transition | None]:
    """What a fallen prediction makes of a generation."""
    return lambda g: transitions.attempt_failed(g, HOLDING, CATALOG, 1, prediction, seed=8, now=NOW)


def refused(reason: Reason, number: int = 1) -> Callable[[Generation], Transition | None]:
    """What a create that was refused makes of a generation."""
    return lambda g: transitions.refused(g, HOLDING, CATALOG, number, Refusal.of(reason), seed=8, now=NOW)


def opens(generation: Generation) -> Transition | None:
    """What the request of a generation makes of it, when it can be decided."""
    if not opening.unopened(generation):
        return None
    return opening.opened(REQUEST, ADA, CATALOG, quote(CATALOG, REQUEST, Plan.PREMIUM), seed=7, now=NOW)


def turned_away(generation: Generation) -> Transition | None:
    """What a request that cannot be paid makes of it."""
    if not opening.unopened(generation):
        return None
    return opening.opened(REQUEST, None, CATALOG, quote(CATALOG, REQUEST, Plan.PREMIUM), seed=7, now=NOW)


FACTS: dict[str, Callable[[Generation], Transition | None]] = {
    "opens": opens,
    "turned away": turned_away,
    "never opens": lambda g: opening.given_up(g, NOW),
    "not created": lambda g: transitions.deferred(g, HOLDING, 1, 1, retry_at=LATER, now=NOW),
    "wait over": lambda g: transitions.retried(g, LATER),
    "given up": lambda g: transitions.given_up(g, HOLDING, TIMING, MUCH_LATER),
    "create refused": refused(Reason.PROVIDER_REFUSED),
    "model is gone": refused(Reason.UNKNOWN_MODEL),
    "adopted": lambda g: transitions.adopted(g, 1, PREDICTION),
    "lost": lambda g: transitions.lost(g, HOLDING, CATALOG, TIMING, seed=8, now=LATER),
    "delivered": lambda g: transitions.delivered(g, HOLDING, 1, DONE, Delivery(outputs=(OUTPUT,)), NOW),
    "all refused": lambda g: transitions.delivered(
        g, HOLDING, 1, DONE, Delivery(refused=Refusal.of(Reason.OUTPUT_REFUSED), refused_outputs=1), NOW
    ),
    "failed": attempt_failed(ended(Status.FAILED, "NSFW content")),
    "interrupted": attempt_failed(ended(Status.FAILED, "(code: PA)")),
    "canceled there": attempt_failed(ended(Status.CANCELED)),
    "aborted there": attempt_failed(ended(Status.ABORTED)),
    "cancel wished": lambda g: transitions.end_requested(g, HOLDING, Reason.CANCELED_BY_USER, NOW),
    "unheard": lambda g: transitions.unheard(g, HOLDING, TIMING, MUCH_LATER),
    "missed": lambda g: transitions.missed(g, 1, PREDICTION, NOW),
    "known again": lambda g: transitions.known_again(missing(g), 1, PREDICTION),
    "promised": lambda g: transitions.promised(g, 1, PREDICTION),
    "vanished": lambda g: transitions.vanished(missing(g), HOLDING, TIMING, LATER),
    "dead-lettered": lambda g: transitions.dead_lettered(g, HOLDING, NOW),
}

#: Every state meets every fact: the state after it, or "-" for "nothing to say". An ended state says nothing, ever.
TABLE = """
                received    submitting  waiting     running     ending
opens           submitting  -           -           -           -
turned away     rejected    -           -           -           -
never opens     rejected    -           -           -           -
not created     -           waiting     -           -           -
wait over       -           -           submitting  -           -
given up        -           -           failed      -           -
create refused  -           failed      -           -           -
model is gone   -           waiting     -           -           -
adopted         -           running     running     -           -
lost            -           waiting     -           -           -
delivered       -           -           -           succeeded   succeeded
all refused     -           -           -           failed      failed
failed          -           -           -           failed      canceled
interrupted     -           -           -           waiting     canceled
canceled there  -           -           -           failed      canceled
aborted there   -           -           -           waiting     canceled
cancel wished   canceled    submitting  canceled    running     -
unheard         -           -           -           failed      canceled
missed          -           -           -           running     running
known again     -           -           -           running     running
promised        -           -           -           running     running
vanished        -           -           -           failed      canceled
dead-lettered   failed      failed      failed      failed      failed
"""


def expectations() -> list[tuple[str, str, str]]:
    """(state, fact, the state expected) of the whole table, ended states included."""
    header, *rows = TABLE.strip("\n").splitlines()
    cases = []
    for row in rows:
        fact, cells = row[:16].strip(), row[16:].split()
        cases += [(state, fact, cell) for state, cell in zip(header.split(), cells, strict=True)]
        cases += [(state, fact, "-") for state in ("succeeded", "failed", "canceled", "rejected")]
    assert {fact for _, fact, _ in cases} == set(FACTS)
    return cases


@pytest.mark.parametrize(("state", "fact", "expected"), expectations())
def test_every_state_meets_every_fact(state: str, fact: str, expected: str) -> None:
    """The whole machine on one page; what ends resolves its hold in the same transition."""
    before = STATES[state]
    transition = FACTS[fact](before)
    if expected == "-":
        assert transition is None
        return
    assert transition is not None
    after = transition.generation
    assert after.state.value == expected
    assert after.state in NEXT[before.state]
    assert after.rank >= before.rank
    if before is RECEIVED:
        assert (transition.entry is not None) == (transition.account is not None) == (not after.state.ended)
        assert after.request == REQUEST
        return
    assert (transition.entry is not None) == after.state.ended
    if transition.account is not None:
        captured = 2 if after.state is State.SUCCEEDED else 0
        assert (transition.account.available, transition.account.held, transition.account.captured) == (
            10 - captured,
            0,
            captured,
        )


@pytest.mark.parametrize("state", State)
def test_the_drawing_covers_every_state(state: State) -> None:
    """NEXT has every state as a key, and ends are those without a way on."""
    assert state.ended == (NEXT[state] == frozenset())


@pytest.mark.parametrize(
    ("what", "transition"),
    [
        ("another attempt's answer", lambda: transitions.adopted(SUBMITTING, 2, PREDICTION)),
        ("another try's answer", lambda: transitions.deferred(SUBMITTING, HOLDING, 1, 2, retry_at=LATER, now=NOW)),
        ("another attempt's refusal", lambda: refused(Reason.LOST, number=2)(SUBMITTING)),
        ("a wait that is not over", lambda: transitions.retried(WAITING, NOW)),
        ("a foreign prediction", lambda: transitions.delivered(RUNNING, HOLDING, 1, FOREIGN, Delivery(), NOW)),
        ("another attempt's success", lambda: transitions.delivered(RUNNING, HOLDING, 2, DONE, Delivery(), NOW)),
        (
            "a foreign fall",
            lambda: transitions.attempt_failed(
                RUNNING, HOLDING, CATALOG, 1, replace(FOREIGN, status=Status.FAILED), seed=1, now=NOW
            ),
        ),
        ("lost too early", lambda: transitions.lost(SUBMITTING, HOLDING, CATALOG, TIMING, seed=1, now=NOW)),
        ("given up too early", lambda: transitions.given_up(WAITING, HOLDING, TIMING, LATER)),
        ("unheard too early", lambda: transitions.unheard(RUNNING, HOLDING, TIMING, LATER)),
        ("a 404 again", lambda: transitions.missed(missing(RUNNING), 1, PREDICTION, NOW)),
        ("a 404 of another attempt", lambda: transitions.missed(RUNNING, 2, PREDICTION, NOW)),
        ("a 404 of a foreign prediction", lambda: transitions.missed(RUNNING, 1, "q" * 26, NOW)),
        ("known all the time", lambda: transitions.known_again(RUNNING, 1, PREDICTION)),
        ("a foreign one that is known", lambda: transitions.known_again(missing(RUNNING), 1, "q" * 26)),
        (
            "promised again",
            lambda: transitions.promised(step(transitions.promised(RUNNING, 1, PREDICTION)), 1, PREDICTION),
        ),
        ("a foreign promise", lambda: transitions.promised(RUNNING, 1, "q" * 26)),
        ("vanished, and known", lambda: transitions.vanished(RUNNING, HOLDING, TIMING, MUCH_LATER)),
        ("vanished before Cancel-After", lambda: transitions.vanished(_LONG_MISSING, HOLDING, TIMING, _BEFORE_ITS_END)),
        ("vanished just now", lambda: transitions.vanished(missing(RUNNING, LATER), HOLDING, TIMING, LATER)),
    ],
)
def test_what_does_not_concern_it_changes_nothing(what: str, transition: Callable[[], Transition | None]) -> None:
    """Each condition of a transition, one at a time."""
    assert transition() is None, what


def test_a_second_prediction_of_a_running_attempt_is_not_adopted() -> None:
    """The first one known is the one."""
    assert transitions.adopted(RUNNING, 1, "q" * 26) is None
    assert not transitions.concerns(RUNNING, 1, "q" * 26)


def test_the_next_attempt_has_its_own_seed_number_and_price() -> None:
    """Flux-dev fell; flux-schnell is asked next, for less, within the hold."""
    after = step(FACTS["interrupted"](RUNNING))
    assert after.attempt is not None
    assert (after.attempt.number, after.attempt.posts, after.attempt.model) == (2, 0, "flux-schnell")
    assert (after.attempt.seed, after.attempt.unit_credits, after.held_credits) == (8, 1, 2)
    assert after.attempt.prediction_id is None


def test_an_attempt_beyond_the_hold_is_not_opened() -> None:
    """Prices may have risen since the hold was made: then the generation ends."""
    dearer = parse_catalog(
        (Path(__file__).parents[2] / "shared" / "core" / "catalog" / "catalog.toml")
        .read_text()
        .replace("credits = 1\n", "credits = 9\n")
    )
    after = step(
        transitions.attempt_failed(RUNNING, HOLDING, dearer, 1, ended(Status.FAILED, "(code: PA)"), seed=8, now=NOW)
    )
    assert (after.state, after.reason) == (State.FAILED, Reason.PROVIDER_FAILED)


@pytest.mark.parametrize("state", STATES.values(), ids=STATES)
def test_every_state_has_a_time_at_which_the_timer_looks(state: Generation) -> None:
    """No state waits for ever."""
    assert NOW <= state.due_at(TIMING) <= NOW + timedelta(seconds=400)


def test_every_reason_has_a_sentence_without_numbers() -> None:
    """No code reaches a user bare, and no sentence quotes a threshold or a price."""
    assert set(SENTENCES) == set(Reason)
    assert not [text for text in SENTENCES.values() if any(char.isdigit() for char in text)]


@given(st.lists(st.sampled_from(sorted(FACTS)), max_size=25))
def test_any_history_goes_forward_and_ends_once(history: list[str]) -> None:
    """Facts in any order: the rank never falls, the money is whole, what is held is resolved once."""
    generation, entries = RECEIVED, 0
    for name in history:
        transition = FACTS[name](generation)
        if transition is None:
            continue
        assert transition.generation.rank >= generation.rank
        assert not generation.state.ended
        generation = transition.generation
        entries += transition.entry is not None
    assert entries == (generation.held_credits > 0) + (generation.held_credits > 0 and generation.state.ended)
