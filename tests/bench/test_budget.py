"""No flow calls its dependencies more often than its budget allows; each call costs latency, CPU and money."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from dev.bench import dependencies, flows
from dev.bench.flows import BUDGETS, Walk
from shared.ports.switches import AGAIN

pytestmark = pytest.mark.stack


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def walk() -> AsyncIterator[Walk]:
    """Every flow, run once on real dependencies."""
    async with dependencies.started() as around, flows.walking(around) as walking:
        await walking.all()
        yield walking


@pytest.mark.parametrize("flow", BUDGETS)
async def test_a_flow_keeps_to_its_budget(walk: Walk, flow: str) -> None:
    """The requests to each dependency are counted on the wire."""
    found, budget = walk.found[flow], BUDGETS[flow]

    assert {name: number for name, number in found.items() if number > budget[name]} == {}


async def test_the_kill_switches_are_read_once_for_the_requests_of_some_seconds(walk: Walk) -> None:
    """Twelve requests, one after another: no read a request, but one when the last is four seconds ago."""
    reads, lasted_s = await walk.switch_reads(12)

    assert reads <= 1 + lasted_s // AGAIN.total_seconds()


async def test_a_generation_asks_replicate_once_beside_its_picture(walk: Walk) -> None:
    """There is one create, whatever the run time, and one download of the picture."""
    straight = [walk.found[flow]["replicate"] for flow in ("request", "started", "completed", "completed again")]

    assert straight == [1, 0, 1, 0]
