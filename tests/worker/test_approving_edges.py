"""Approvals: what a caller may give, and what is said again."""

import math
from typing import Any

import pytest

from dev.fakes.world import KEY
from shared import worker
from tests.worker.test_approving import OPS, received, waiting


@pytest.mark.parametrize("most", [True, 2.0, 2.5, math.nan, math.inf, 2**70, -1, "2", None])
async def test_an_approval_is_of_a_whole_number_of_credits(most: Any) -> None:
    """A row with another number could not be read again, and its generation would wait for ever."""
    world = await waiting()
    before = received(world)
    with pytest.raises(ValueError, match="most_credits must be a whole number from 0 to 1000000000"):
        await worker.approve(world.deps, KEY, "daily", most, OPS)
    assert received(world) == before
