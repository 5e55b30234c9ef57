"""Crash points at a second provider, in the flows where its guarantees differ; the command runs all flows."""

import ast
import sys
from types import FrameType

import pytest

from dev.simulation.cases import End, Webhook
from dev.simulation.effects import Fault, Mode
from dev.simulation.schedules import Flow, Stage
from dev.simulation.second_provider import DIFFERING, MATTERS, SECOND_FLOWS
from dev.simulation.tallies import play
from tests.sources import ROOT, functions, python

pytestmark = [pytest.mark.long, pytest.mark.timeout(400)]


@pytest.mark.parametrize("flow", DIFFERING, ids=lambda flow: flow.name)
def test_every_schedule_of_a_flow_settles_at_a_second_provider(flow: Flow) -> None:
    """With an idempotency key and without a list: paid once, published once, nothing left open."""
    tally = play(flow.name)
    assert not tally.broken
    assert tally.schedules > 0


def deciding() -> set[str]:
    """The functions of the app that read what an attempt's provider guarantees, by file and name."""
    found = {
        f"{file}:{function.name}"
        for file in python("shared")
        if "adapters" not in file.parts  # a column that is written decides nothing
        for function in functions(file)
        for node in ast.walk(function)
        if isinstance(node, ast.Attribute) and ast.unparse(node.value).endswith("attempt.guarantees")
    }
    return found - {f"{ROOT}/shared/core/lifecycle/attempt.py:created"}  # compares with a list, and this one has none


async def ran(flow: Flow) -> set[str]:
    """The functions of the app that run in a flow: without a fault, and if one of its first two effects fails."""
    found = set[str]()

    def look(frame: FrameType, event: str, _: object) -> None:
        if event == "call":
            found.add(f"{frame.f_code.co_filename}:{frame.f_code.co_name}")

    before = sys.getprofile()
    sys.setprofile(look)
    try:
        for at in range(3):
            stage = Stage(End.SUCCEEDED, Webhook.NONE, Fault())
            await stage.open()
            faced = await flow.prepare(stage)
            stage.meets(Fault(at, Mode.FAILS))
            if not await stage.face(faced):
                await stage.again(faced)
            await stage.settle()
    finally:
        sys.setprofile(before)
    return found


async def test_whatever_decides_by_a_guarantee_runs_in_a_flow_that_differs() -> None:
    """A branch that no such flow takes would be run at the second provider by the command alone."""
    found = set[str]().union(*[await ran(flow) for flow in DIFFERING])
    assert len(deciding()) > 5
    assert sorted(each.removeprefix(f"{ROOT}/") for each in deciding() - found) == []


def test_the_flows_that_differ_are_there() -> None:
    """Each name is one of a flow, and the others are for the command."""
    assert len(DIFFERING) == len(MATTERS) < len(SECOND_FLOWS)
