"""The history of a generation: bounded, repeats counted, with reason and time."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.core.lifecycle.steps import METRICS, MOST_ENTRIES, Entry, Happening, Step, happened, recorded

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
LATER = NOW + timedelta(minutes=1)

DEFERRED, RETRIED = happened(Step.CREATE_DEFERRED, why="paced", seconds=5), happened(Step.CREATE_RETRIED)


def test_each_step_has_its_time_and_why() -> None:
    """In the order in which they happened."""
    history = recorded((), [happened(Step.CREDITS_HELD, credits=3)], NOW)
    history = recorded(history, [happened(Step.PREDICTION_CREATED, prediction="p1")], LATER)

    assert history == (Entry("credits_held", NOW, NOW), Entry("prediction_created", LATER, LATER, why="p1"))


def test_what_takes_turns_is_counted() -> None:
    """A wait of hours is two entries, whose last times say how long it went on."""
    history = recorded((), [happened(Step.CREDITS_HELD, credits=3)], NOW)
    for _ in range(100):
        history = recorded(history, [DEFERRED, RETRIED], NOW)
    history = recorded(history, [DEFERRED], LATER)

    assert history[1:] == (
        Entry("create_deferred", NOW, LATER, 101, "paced"),
        Entry("create_retried", NOW, NOW, 100),
    )


def test_another_reason_is_another_entry() -> None:
    """What it waits for has changed, and that is what a reader looks for."""
    history = recorded((), [DEFERRED, happened(Step.CREATE_DEFERRED, why="no credit", seconds=5)], NOW)

    assert [entry.why for entry in history] == ["paced", "no credit"]


def test_the_first_and_the_latest_stay() -> None:
    """Of a history that is too long the start says what it was, and the end what it is."""
    history = recorded((), [happened(Step.CREDITS_HELD, credits=1)], NOW)
    models = [happened(Step.NEXT_ATTEMPT, model=str(number)) for number in range(100)]
    history = recorded(history, models, LATER)

    assert len(history) == MOST_ENTRIES
    assert history[0].step == "credits_held"
    assert [entry.why for entry in history[1:]] == [str(number) for number in range(100 - MOST_ENTRIES + 1, 100)]


@given(st.lists(st.tuples(st.sampled_from(Step), st.sampled_from(["", "a", "b"])), max_size=200))
def test_a_history_is_bounded_and_ends_with_what_happened_last(taken: list[tuple[Step, str]]) -> None:
    """Whatever happens: at most so many entries, and the latest time is there."""
    history: tuple[Entry, ...] = ()
    for number, (step, why) in enumerate(taken):
        history = recorded(history, [Happening(step, {"why": why})], NOW + timedelta(seconds=number))
        assert max(entry.last_at for entry in history) == NOW + timedelta(seconds=number)
    assert len(history) <= MOST_ENTRIES
    assert all(entry.at <= entry.last_at for entry in history)


def test_the_providers_own_words_are_not_kept() -> None:
    """They are in the log for its shorter life, and in the row once, redacted."""
    failed = happened(Step.PREDICTION_FAILED, model="flux-dev", kind="content", said="a secret garden")

    assert recorded((), [failed], NOW) == (Entry("prediction_failed", NOW, NOW, why="content"),)


@pytest.mark.parametrize("step", METRICS)
def test_a_step_that_is_counted_has_a_metric_of_ours(step: Step) -> None:
    """By its full name."""
    assert METRICS[step].startswith("darkroom.")
