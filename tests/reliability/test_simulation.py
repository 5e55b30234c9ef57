"""Seeded histories: two hours of faults, then none, then rest with every promise kept."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from dev import simulate
from dev.simulation.simulation import Figures, Simulation
from dev.simulation.weather import CALM

pytestmark = [pytest.mark.long, pytest.mark.timeout(400)]  # a busy machine may take long over what is long

#: About ten seconds on a laptop. `python3 -m dev simulate --seeds 1000` plays more.
SEEDS = range(30)

PROJECT = Path(__file__).parents[2]


def test_every_seed_settles_with_every_promise_kept(capsys: pytest.CaptureFixture[str]) -> None:
    """Each seed is a history of three users; a failing one is named with the command that repeats it."""
    figures = Figures()
    for seed in SEEDS:
        played = simulate.play(seed, users=3, generations=30)
        assert isinstance(played, Figures), f"{played}: python3 -m dev simulate --seed {seed}"
        figures.add(played)
    with capsys.disabled():
        checks = figures.totals["invariant checks"]
        sys.stdout.write(f"\n{figures.seeds} seeds, {figures.faults.total()} faults, {checks} checks\n")
    wanted = {"crashes", "reply_lost", "fails", "redelivered", "slow", "copy_lost", "create_lost", "create_deferred"}
    wanted |= {
        "webhook_lost",
        "webhook_doubled",
        "webhook_late",
        "list_lags",
        "sticks",
        "stall",
        "outages",
        "dead-lettered",
    }
    wanted |= {"not_known", "output_late", "webhook_empty"}
    assert wanted <= set(figures.faults), "a kind of fault never came"
    assert {"succeeded", "failed", "canceled", "rejected"} <= set(figures.outcomes)
    assert figures.totals["conflicts"] > 0
    assert all(figures.totals[each] for each in ("approved and opened", "denied", "not decided in time"))


def test_without_faults_all_goes_well() -> None:
    """There is no crash, no conflict, no extra prediction and no loss."""
    figures = Simulation(1, rates=CALM).run()
    assert not figures.faults
    assert figures.totals["extra predictions"] == figures.totals["lost creates"] == 0


@pytest.mark.process
def test_the_same_seed_is_the_same_history() -> None:
    """This holds in another process too, whose hashes have another salt."""
    script = "from dev.simulation.simulation import Simulation; print(Simulation(5, 2, 10).run().trace)"
    environment = os.environ | {"PYTHONHASHSEED": "77"}
    elsewhere = subprocess.run(
        [sys.executable, "-c", script], cwd=PROJECT, env=environment, capture_output=True, text=True, check=True
    )
    here = Simulation(5, 2, 10).run().trace
    assert here == elsewhere.stdout.strip()
    assert here != Simulation(6, 2, 10).run().trace


def test_the_command_prints_figures_and_the_trace(capsys: pytest.CaptureFixture[str]) -> None:
    """A run of one seed prints its trace, so that two runs can be compared."""
    assert simulate.main(["--seed", "3", "--users", "2", "--generations", "5"]) == 0
    printed = capsys.readouterr().out
    assert "trace " in printed
    assert "1 seeds, 0 broke a promise" in printed
    assert "invariant checks" in printed


def test_a_seed_that_fails_is_printed_with_the_line_that_plays_it_again(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The output has the promise, the last moments and the command, and the exit code is 1."""
    monkeypatch.setattr("dev.simulation.simulation.BOUND_S", -7000)
    assert simulate.main(["--seeds", "1", "--users", "1", "--generations", "3"]) == 1
    printed = capsys.readouterr().out
    assert "seed 0 broke a promise: Broken: everything settles" in printed
    assert "again: python3 -m dev simulate --seed 0 --users 1 --generations 3" in printed
