"""The three types of a generation: what each of them may become."""

import pytest

from dev.architecture.facts import FACTS, NOW, RECEIVED, REJECTED, REQUEST, RUNNING, STATES, SUBMITTING, TIMING
from shared.core.lifecycle import opening
from shared.core.lifecycle.generation import AnyGeneration, Closed, Generation, Received, step, stepped
from shared.core.lifecycle.state import NEXT, ORDER, State
from shared.core.reasons import Reason, Refusal


def type_of(generation: AnyGeneration) -> type[AnyGeneration]:
    """The type that the sample's state and attempt must have."""
    if generation.state is State.RECEIVED:
        return Received
    return Closed if not hasattr(generation, "attempt") else Generation


@pytest.mark.parametrize("fact", FACTS)
@pytest.mark.parametrize("state", STATES)
def test_only_what_was_taken_in_opens_or_closes(state: str, fact: str) -> None:
    """What has opened stays opened, what is closed stays closed, and nothing of either is taken in again."""
    before = STATES[state]
    transition = FACTS[fact](before)
    if transition is None:
        return
    after = transition.generation
    assert type(after) is type_of(after)
    match before:
        case Received():
            assert isinstance(after, Received | Generation | Closed)
        case Generation():
            assert isinstance(after, Generation)
        case Closed():
            pytest.fail("what is closed meets no fact")


@pytest.mark.parametrize("ends", ["never opens", "end requested", "dead-lettered"])
def test_the_end_of_what_was_taken_in_keeps_what_it_was(ends: str) -> None:
    """Its request, its time and its trace are the ones that were saved; nothing was held, so no credit moves."""
    transition = FACTS[ends](RECEIVED)
    assert transition is not None
    after = transition.generation
    assert isinstance(after, Closed)
    assert (after.request, after.opened_at, after.trace_parent) == (REQUEST, RECEIVED.opened_at, RECEIVED.trace_parent)
    assert (after.ended_at, transition.account, transition.entries) == (NOW, None, ())
    assert after.rank > RECEIVED.rank


@pytest.mark.parametrize(
    ("wish", "state"), [(Reason.CANCELED_BY_USER, State.CANCELED), (Reason.TIMED_OUT, State.FAILED)]
)
def test_only_a_user_cancels(wish: Reason, state: State) -> None:
    """Any other end that is requested is a failure."""
    closed = opening.end_requested(RECEIVED, wish, NOW).generation
    assert (closed.state, closed.reason) == (state, wish)


def test_a_step_that_the_state_machine_has_not_is_a_bug() -> None:
    """Also from one type to another: the one function that makes transitions raises."""
    for before, after in ((None, RUNNING), (State.REJECTED, SUBMITTING), (State.SUBMITTING, RECEIVED)):
        assert after.state not in NEXT[before]
        with pytest.raises(ValueError, match=f"no step from {before} to {after.state}"):
            stepped(before, after)
    with pytest.raises(ValueError, match="no step from running to received"):
        step(RUNNING, State.RECEIVED)  # type: ignore[arg-type]  # what the type forbids


def test_what_is_closed_waits_only_for_its_event() -> None:
    """The timer looks soon after its end, and its rank is above that of all that is open."""
    later = opening.rejected(REQUEST.key, None, Refusal.of(Reason.INVALID_REQUEST), NOW).generation
    assert later.due_at(TIMING) == REJECTED.due_at(TIMING)
    assert later.rank[2] > max(ORDER.values())
