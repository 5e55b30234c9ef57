"""The queue with turns, simulated: one account's burst does not delay another, and nobody starves."""

from dataclasses import replace

import pytest

from dev import fairness
from dev.simulation.fairness import (
    CASES,
    P95_S,
    alone,
    beside_a_burst,
    in_flight,
    longest_gap_s,
    most_in_flight,
    share_errors,
    shares,
    users_of_one,
    waits_beside,
    weighted,
)
from dev.simulation.turns import Model, QueueRun, burst, percentile

pytestmark = pytest.mark.long

#: The model: 16 slots an instance, from one to 40 of them, each after 30 s, ten creates a second.
MODEL = Model()


def test_beside_a_burst_of_5000_an_account_waits_ten_seconds_at_most() -> None:
    """The 95th percentile over the whole burst, with one request a second. What is parked is no create deferred."""
    run = beside_a_burst(MODEL, 1)
    assert all(request.posted_s >= 0 for request in run.requests if request.account_id == "big")
    waits = waits_beside(run)
    assert len(waits) > 500
    assert percentile(waits, 95) <= P95_S
    assert max(waits) < 32.5  # what one instance takes to park the burst
    assert run.counts.deferred < 50  # an instance that knows of nobody who waits takes some turns too many
    assert run.counts.instances == 40


def test_without_turns_it_waits_for_minutes() -> None:
    """The same queue and the same figures: so the bound is held by the turns, not by the model."""
    waits = waits_beside(beside_a_burst(replace(MODEL, turns=False), 1, count=2000))
    assert percentile(waits, 95) > 10 * P95_S


def test_looks_that_die_cost_a_second_each() -> None:
    """Half of the looks die before they give anything; the next one gives on what both should have given."""
    run = beside_a_burst(replace(MODEL, look_deaths=0.5), 1, count=1000)
    assert run.counts.dead_looks > 30
    assert all(request.posted_s >= 0 for request in run.requests if request.account_id == "big")
    late = [request.waited_s for request in run.requests if request.account_id == "small" and request.enqueued_s > 40]
    assert max(late) <= P95_S


def test_ten_thousand_of_one_do_not_delay_the_first_of_another() -> None:
    """Once they are parked, another's first request is created at once."""
    first = burst("other", 1, at_s=45.0)
    run = QueueRun(replace(MODEL, until_s=60.0), [*burst("big", 10_000), *first], {}, 1).run()
    assert run.counts.parked > 9000
    assert 0 < first[0].waited_s < 2


def test_no_account_starves_and_weights_are_kept() -> None:
    """30 accounts wait for minutes. Each has its weighted part, and none waits for long between two turns."""
    accounts = weighted(30)
    run = shares(accounts, 60, 1)
    assert all(request.posted_s >= 0 for request in run.requests)
    assert max(abs(part - 1) for part in share_errors(run, accounts, 20.0).values()) < 0.15
    assert longest_gap_s(run.requests) < 35


def test_more_accounts_than_turns_all_get_theirs() -> None:
    """A share is then less than one turn."""
    accounts = weighted(90)
    run = shares(accounts, 8, 1)
    assert all(request.posted_s >= 0 for request in run.requests)
    assert longest_gap_s(run.requests) < 60


def test_one_user_does_not_delay_another_of_the_account() -> None:
    """2,000 requests of one user wait; the other user's are next."""
    run, late = users_of_one(1)
    assert run.counts.parked > 3000
    assert max(request.waited_s for request in late) < 5


def test_limits_in_flight_hold_and_are_used() -> None:
    """50 of the app and 2 of a plan, never more; what is beyond waits and is done."""
    run = in_flight(1)
    assert most_in_flight(run) == 50
    assert most_in_flight(run, "tight") == 2
    assert all(request.posted_s >= 0 for request in run.requests)


def test_below_the_share_nothing_is_read() -> None:
    """Accounts that together use half of the pace: no read, no look, nothing parked, no wait."""
    run = alone(1)
    assert (run.counts.reads, run.counts.looks, run.counts.parked, run.counts.deferred) == (0, 0, 0, 0)
    assert len(run.requests) > 900
    assert max(request.waited_s for request in run.requests) == pytest.approx(MODEL.work_s)


def test_a_seed_is_one_history() -> None:
    """The same seed gives the same waits; another one others."""
    one, same, other = (waits_beside(beside_a_burst(MODEL, seed, count=300)) for seed in (3, 3, 4))
    assert one == same != other


def test_the_command_says_what_is_exceeded(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """It returns 1 for a figure beyond its bound, and 0 without one."""
    case = CASES[-1]
    monkeypatch.setattr(fairness, "CASES", (case,))
    assert fairness.main(["--seed", "2"]) == 0
    assert "every bound is kept" in capsys.readouterr().out
    broken = replace(case, figures=lambda seed: [replace(figure, most=-1.0) for figure in case.figures(seed)])
    monkeypatch.setattr(fairness, "CASES", (broken,))
    assert fairness.main([]) == 1
    assert "EXCEEDED" in capsys.readouterr().out
