"""The worker's records in the host's log: few per generation, and none with a signature."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from dev.bench import dependencies, load
from dev.bench.load import Cost, Run

pytestmark = pytest.mark.stack

#: Records of INFO and above that one generation may send to the host.
MOST_RECORDS = 4

RUN = Run(generations=6, run_s=0.2, users=2, picture_bytes=50_000, timeout_s=30)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def cost() -> AsyncIterator[Cost]:
    """The cost of a few generations through the real worker library."""
    async with dependencies.started() as around:
        yield await load.measure(around, "darkroom", RUN)


async def test_all_succeed_with_one_call_to_replicate(cost: Cost) -> None:
    """The benchmark's worker and host work as it says."""
    assert (cost.succeeded, cost.failures) == (RUN.generations, ())
    assert cost.replicate_calls == 1


async def test_few_records_reach_the_host(cost: Cost) -> None:
    """Each record costs the worker CPU, and Application Insights bills it."""
    assert 0 < cost.records <= MOST_RECORDS


async def test_no_record_has_a_signature(cost: Cost) -> None:
    """A SAS in a logged address would give access to any reader."""
    assert cost.leaks == 0
