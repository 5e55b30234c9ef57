"""One account, several processes: the short form of `python3 -m dev crowd`, on Azurite."""

import pytest

from dev.crowd.figures import Load
from dev.crowd.running import crowded
from tests.stack.road import Ground

pytestmark = [pytest.mark.stack, pytest.mark.process]


async def test_processes_that_meet_at_one_account_lose_nothing(ground: Ground) -> None:
    """Three processes, six generations a second: all opened and ended once, no credit off, the chain whole.

    How long a move takes is a matter of the machine here; `dev crowd` measures it.
    """
    figures = await crowded(Load(seconds=3, processes=3, rate=6), ground.storage())
    assert figures.off == ()
    assert (figures.captured, figures.entries, figures.moves) == (18, 38, 36)
    assert sum(each.deferred for each in figures.reports) == 0
    assert 0 < figures.entities_a_second < 1500
