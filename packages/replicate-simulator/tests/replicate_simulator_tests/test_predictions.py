"""The pure life of a prediction: every way it can go, at exact times."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from replicate_simulator.models import MODELS
from replicate_simulator.predictions import Plan, Prediction, advance, cancel, next_change, view
from replicate_simulator.schemas import Order, Target

T0 = datetime(2026, 1, 1, 12, tzinfo=UTC)
URLS = ("http://127.0.0.1/a.webp", "http://127.0.0.1/b.webp")
PLAN = Plan(start_s=2, run_s=3, outputs=URLS, logs="Using seed: 1\n")
FLUX = MODELS["black-forest-labs/flux-schnell"]


def prediction(plan: Plan = PLAN, cancel_after_s: int | None = None) -> Prediction:
    """A prediction created at T0."""
    order = Order(Target(FLUX, "hidden"), {"prompt": "x"}, "https://a.example/", None, cancel_after_s)
    return Prediction("p" * 26, order, plan, T0)


def at(seconds: float) -> datetime:
    """So many seconds after T0."""
    return T0 + timedelta(seconds=seconds)


def test_success_passes_through_every_status_at_its_planned_time() -> None:
    """starting, processing, succeeded; each change happens at its planned moment and not before."""
    waiting = prediction()
    assert next_change(waiting) == at(2)
    assert advance(waiting, at(1.9)) == (waiting, ())
    running, events = advance(waiting, at(2))
    assert (running.status, running.started_at, [each.name for each in events]) == (
        "processing",
        at(2),
        ["start", "logs"],
    )
    done, events = advance(running, at(5))
    assert (done.status, done.completed_at, done.outputs) == ("succeeded", at(5), URLS)
    assert [(each.name, each.prediction.status) for each in events] == [
        ("output", "processing"),
        ("completed", "succeeded"),
    ]


def test_a_jump_skips_nothing() -> None:
    """One look after two hours gives the same end as many looks, and every event on the way."""
    done, events = advance(prediction(), at(7200))
    assert [each.name for each in events] == ["start", "logs", "output", "completed"]
    assert (done.started_at, done.completed_at, done.data_removed) == (at(2), at(5), True)


@pytest.mark.parametrize(
    ("plan", "cancel_after_s", "status", "ends_s", "error", "started", "events"),
    [
        (PLAN, 6, "succeeded", 5, None, True, ["start", "logs", "output", "completed"]),
        (PLAN, 5, "canceled", 5, None, True, ["start", "logs", "completed"]),
        (replace(PLAN, start_s=9), 5, "aborted", 5, None, False, []),
        (replace(PLAN, run_s=None), 60, "canceled", 60, None, True, ["start", "logs", "completed"]),
        (replace(PLAN, error="no"), None, "failed", 5, "no", True, ["start", "logs", "completed"]),
        (replace(PLAN, error="no", boots=False), None, "failed", 2, "no", False, ["completed"]),
        (replace(PLAN, boots=False), None, "aborted", 2, None, False, []),
    ],
)
def test_every_end_is_reached_as_planned(
    plan: Plan,
    cancel_after_s: int | None,
    status: str,
    ends_s: float,
    error: str | None,
    started: bool,
    events: list[str],
) -> None:
    """Status, time, error, start and events of each way to end; `aborted` sends no event."""
    done, shown = advance(prediction(plan, cancel_after_s), at(100))
    assert (done.status, done.completed_at, done.error) == (status, at(ends_s), error)
    assert (done.started_at is not None) == started
    assert [each.name for each in shown] == events


def test_stuck_never_changes_by_itself() -> None:
    """Without an end and a deadline a running prediction waits for its user."""
    running, _ = advance(prediction(replace(PLAN, run_s=None)), at(10**6))
    assert (running.status, next_change(running)) == ("processing", None)


@pytest.mark.parametrize(("now_s", "status", "names"), [(1, "canceled", 1), (3, "canceled", 3), (6, "succeeded", 4)])
def test_cancel_ends_what_has_not_ended(now_s: float, status: str, names: int) -> None:
    """A cancel ends a waiting and a running prediction; one that has ended stays what it is."""
    done, events = cancel(prediction(), at(now_s))
    assert (done.status, len(events)) == (status, names)
    assert cancel(done, at(now_s)) == (done, ())


def test_data_is_removed_an_hour_after_the_end() -> None:
    """The view loses input, output and logs, and keeps the row."""
    kept, _ = advance(prediction(), at(5 + 3599))
    assert view(kept, "http://x")["output"] == list(URLS)
    gone = view(advance(prediction(), at(5 + 3600))[0], "http://x")
    assert (gone["data_removed"], gone["input"], gone["output"], gone["logs"]) == (True, {}, None, None)
    assert gone["status"] == "succeeded"


def test_the_view_shows_what_was_asked_and_what_it_took() -> None:
    """Metrics, deadline, webhook and the mixed precision of times are in the JSON."""
    shown = view(advance(prediction(cancel_after_s=60), at(5))[0], "http://x")
    assert shown["metrics"] == {"total_time": 5.0, "predict_time": 3.0, "image_count": 2, "image_output_count": 2}
    assert shown["deadline"] == "2026-01-01T12:01:00.000Z"
    assert shown["completed_at"] == "2026-01-01T12:00:05.000000000Z"
    assert shown["webhook"] == "https://a.example/"
    assert "webhook_events_filter" not in shown
