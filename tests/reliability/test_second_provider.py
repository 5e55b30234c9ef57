"""Crash points at a second provider, in the flows where its guarantees differ; the command runs all flows."""

from pathlib import Path

import pytest

from dev.second_provider import main
from dev.simulation.schedules import Flow
from dev.simulation.second_provider import DIFFERING, SECOND_FLOWS
from dev.simulation.tallies import Tallies

pytestmark = [pytest.mark.long, pytest.mark.timeout(400)]


@pytest.mark.parametrize("flow", DIFFERING, ids=lambda flow: flow.name)
def test_every_schedule_of_a_flow_settles_at_a_second_provider(flow: Flow, tmp_path: Path) -> None:
    """With an idempotency key and without a list: paid once, published once, nothing left open."""
    tally = Tallies(tmp_path / "tallies").of(flow.name)
    assert not tally.broken
    assert tally.schedules > 0


def test_the_flows_that_differ_are_there() -> None:
    """They are the flows with a create, and those with a create of unknown result."""
    assert 10 <= len(DIFFERING) < len(SECOND_FLOWS)


@pytest.mark.process
def test_the_command_counts_its_schedules(capsys: pytest.CaptureFixture[str]) -> None:
    """It also says when no flow has the name."""
    assert main(["--flow", "check of nothing"]) == 0
    assert "schedules of 1 flows, 0 flows broken" in capsys.readouterr().out
    assert main(["--flow", "no such flow"]) == 1
