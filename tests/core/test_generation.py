"""The state machine: every state meets every fact, and whatever the history, states only go forward."""

import inspect
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dev import architecture
from dev.architecture import facts
from dev.architecture.facts import (
    CATALOG,
    DONE,
    FACTS,
    FOREIGN,
    HOLDING,
    LATER,
    MUCH_LATER,
    NOW,
    PACED,
    PREDICTION,
    RECEIVED,
    REQUEST,
    RUNNING,
    STATES,
    SUBMITTING,
    TIMING,
    WAITING,
    ended,
    missing,
    refused,
    step,
)
from shared.core.catalog.file import parse_catalog
from shared.core.lifecycle import approving, opening, parking, refunding, transitions
from shared.core.lifecycle.attempt import Delivery
from shared.core.lifecycle.generation import AnyGeneration, Generation, Transition
from shared.core.lifecycle.state import NEXT, State
from shared.core.lifecycle.steps import Step
from shared.core.provider.prediction import Status
from shared.core.reasons import SENTENCES, Reason

_BEFORE_ITS_END = NOW + timedelta(seconds=SUBMITTING.attempt.cancel_after_s + 59)
_LONG_MISSING = missing(RUNNING, NOW - timedelta(hours=1))

#: Every state meets every fact: the state after it, or "-" for "nothing to say". An ended state says nothing, ever.
TABLE = """
                received    submitting  waiting     running     ending
opens           submitting  -           -           -           -
turned away     rejected    -           -           -           -
waits for       received    -           -           -           -
paused          received    waiting     waiting     -           -
no turn         received    -           waiting     -           -
never opens     rejected    -           -           -           -
needs approval  received    -           -           -           -
approved        received    -           -           -           -
denied          rejected    -           -           -           -
not decided     rejected    -           -           -           -
not created     -           waiting     -           -           -
wait over       -           -           submitting  -           -
given up        -           -           failed      -           -
posted again    -           submitting  -           -           -
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
end requested   canceled    submitting  canceled    running     -
unheard         -           -           -           failed      canceled
missed          -           -           -           running     running
known again     -           -           -           running     running
promised        -           -           -           running     running
vanished        -           -           -           failed      canceled
dead-lettered   failed      failed      failed      failed      failed
"""


def expectations() -> list[tuple[str, str, str]]:
    """Each (state, fact, expected state) of the whole table, ended states included."""
    header, *rows = TABLE.strip("\n").splitlines()
    cases = []
    for row in rows:
        fact, cells = row[:16].strip(), row[16:].split()
        cases += [(state, fact, cell) for state, cell in zip(header.split(), cells, strict=True)]
        cases += [(state, fact, "-") for state in ("succeeded", "failed", "canceled", "rejected")]
    assert {fact for _, fact, _ in cases} == set(FACTS)
    return cases


@pytest.mark.parametrize(("state", "fact", "expected"), expectations())
def test_every_transition_names_its_steps(state: str, fact: str, expected: str) -> None:
    """Log, metric and history say what was saved; a step that resolves a hold says what happened to the credits."""
    transition = FACTS[fact](STATES[state])
    assert (transition is None) == (expected == "-")
    if transition is None:
        return
    taken = {each.step for each in transition.steps}
    assert taken
    moves_credits = bool(transition.entries) and transition.generation.state.ended
    assert bool(taken & {Step.CAPTURED, Step.RELEASED}) == moves_credits


@pytest.mark.parametrize(("state", "fact", "expected"), expectations())
def test_every_state_meets_every_fact(state: str, fact: str, expected: str) -> None:
    """Every pair is in the table, and an end resolves its hold in the same transition."""
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
        assert (bool(transition.entries)) == (transition.account is not None) == isinstance(after, Generation)
        assert after.request == REQUEST
        return
    assert (bool(transition.entries)) == after.state.ended
    if transition.account is not None:
        captured = 2 if after.state is State.SUCCEEDED else 0
        assert (transition.account.available, transition.account.held, transition.account.captured) == (
            10 - captured,
            0,
            captured,
        )


#: Transitions that are no fact of the table: those that begin a generation from nothing, and the one after its end.
NO_FACTS = {"received", "rejected", "canceled_unopened", "dead_lettered_unopened", "refunded"}

#: Parts of transitions.
PARTS = {"posted"}


def test_every_transition_is_a_fact() -> None:
    """A new one is asked for: each public function of the lifecycle that returns one, with a few exceptions."""
    source = Path(facts.__file__).read_text(encoding="utf-8")
    found = {
        f"{module.__name__.rpartition('.')[2]}.{name}": name
        for module in (opening, transitions, approving, parking, refunding)
        for name, each in inspect.getmembers(module, inspect.isfunction)
        if each.__module__ == module.__name__ and not name.startswith("_")
        if "Transition" in str(inspect.signature(each).return_annotation)
    }
    assert {name for called, name in found.items() if f"{called}(" not in source} <= NO_FACTS | PARTS
    assert set(found.values()) >= NO_FACTS | PARTS


def test_the_page_shows_the_same_table() -> None:
    """docs/architecture.md has the table that the command makes by running the transitions."""
    page = architecture.PAGE.read_text(encoding="utf-8")
    header, *rows = [
        [cell.strip(" `") for cell in line.strip("|").split("|")]
        for line in page[page.index("| Fact |") :].partition("\n\n")[0].splitlines()
        if line.startswith(("| Fact |", "| `"))
    ]
    assert header[0] == "Fact"
    shown = {(state, row[0], cell) for row in rows for state, cell in zip(header[2:], row[2:], strict=True)}
    assert shown == {case for case in expectations() if case[0] in header}
    assert {case[0] for case in expectations()} - set(header) == {state.value for state in State if state.ended}


@pytest.mark.parametrize("state", State)
def test_the_drawing_covers_every_state(state: State) -> None:
    """NEXT has every state as a key, and an end has no next state."""
    assert state.ended == (NEXT[state] == frozenset())


@pytest.mark.parametrize(
    ("what", "transition"),
    [
        ("another attempt's answer", lambda: transitions.adopted(SUBMITTING, 2, PREDICTION)),
        (
            "another try's answer",
            lambda: transitions.deferred(SUBMITTING, HOLDING, 1, 2, PACED, retry_at=LATER, now=NOW),
        ),
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
def test_what_does_not_concern_it_changes_nothing(
    what: str, transition: Callable[[], Transition[AnyGeneration] | None]
) -> None:
    """Each condition of a transition is violated alone."""
    assert transition() is None, what


def test_a_second_prediction_of_a_running_attempt_is_not_adopted() -> None:
    """The first known prediction stays the attempt's own."""
    assert transitions.adopted(RUNNING, 1, "q" * 26) is None
    assert not transitions.concerns(RUNNING, 1, "q" * 26)


def test_the_next_attempt_has_its_own_seed_number_and_price() -> None:
    """Flux-dev failed, so flux-schnell follows for less, within the hold."""
    transition = FACTS["interrupted"](RUNNING)
    assert transition is not None
    after = transition.generation
    assert isinstance(after, Generation)
    assert (after.attempt.number, after.attempt.posts, after.attempt.model) == (2, 0, "flux-schnell")
    assert (after.attempt.seed, after.attempt.unit_credits, after.held_credits) == (8, 1, 2)
    assert after.attempt.prediction_id is None


def test_an_attempt_beyond_the_hold_is_not_opened() -> None:
    """Prices may have risen since the hold; then the generation ends."""
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
def test_every_state_has_a_time_at_which_the_timer_looks(state: AnyGeneration) -> None:
    """No state waits without a time."""
    assert NOW <= state.due_at(TIMING) <= NOW + timedelta(seconds=400)


def test_every_reason_has_a_sentence_without_numbers() -> None:
    """Every code has a sentence for users, which quotes no threshold and no price."""
    assert set(SENTENCES) == set(Reason)
    assert not [text for text in SENTENCES.values() if any(char.isdigit() for char in text)]


@given(st.lists(st.sampled_from(sorted(FACTS)), max_size=25))
def test_any_history_goes_forward_and_ends_once(history: list[str]) -> None:
    """For facts in any order the rank never falls, the account adds up, and the hold is resolved once."""
    generation: AnyGeneration = RECEIVED
    entries = 0
    for name in history:
        transition = FACTS[name](generation)
        if transition is None:
            continue
        assert transition.generation.rank >= generation.rank
        assert not generation.state.ended
        generation = transition.generation
        entries += bool(transition.entries)
    assert entries == isinstance(generation, Generation) * (1 + generation.state.ended)
