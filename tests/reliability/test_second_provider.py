"""Crash points at a second provider, in the flows where its guarantees differ; the command runs all flows."""

import pytest

from dev.simulation.schedules import Flow
from dev.simulation.second_provider import DIFFERING, MATTERS, SECOND_FLOWS
from dev.simulation.tallies import play

pytestmark = [pytest.mark.long, pytest.mark.timeout(400)]


@pytest.mark.parametrize("flow", DIFFERING, ids=lambda flow: flow.name)
def test_every_schedule_of_a_flow_settles_at_a_second_provider(flow: Flow) -> None:
    """With an idempotency key and without a list: paid once, published once, nothing left open."""
    tally = play(flow.name)
    assert not tally.broken
    assert tally.schedules > 0


def test_the_flows_that_differ_are_there() -> None:
    """Each name is one of a flow, and the others are for the command."""
    assert len(DIFFERING) == len(MATTERS) < len(SECOND_FLOWS)
