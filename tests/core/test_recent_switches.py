"""The kill switches as an instance keeps them: never too old, and read by one for all."""

import asyncio
from datetime import timedelta

import pytest

from dev.fakes.switches import FakeSwitches
from dev.fakes.world import START
from shared.core.switches import Order, PauseScope, Switch, Switches, Target
from shared.ports.switches import AGAIN, FRESH, Board, RecentSwitches

OLD: Switches = ()
NEW: Switches = (Switch(Order(target=Target(PauseScope.APP), issued_at=START, command_id="p1")),)


class Slow(FakeSwitches):
    """A board whose reads last until they are released."""

    def __init__(self) -> None:
        super().__init__()
        self.released = asyncio.Event()

    async def read(self) -> Board:
        """See ``SwitchBoard``."""
        found = await super().read()
        await self.released.wait()
        return found


async def known(board: Slow) -> RecentSwitches:
    """What has read the switches at START, and a board that was changed since."""
    recent = RecentSwitches()
    board.released.set()
    await recent.get(board, START)
    board.released.clear()
    board.switches, board.reads = NEW, 0
    return recent


@pytest.mark.parametrize("age", [timedelta(), AGAIN - timedelta(microseconds=1)])
async def test_what_is_recent_is_not_read_again(age: timedelta) -> None:
    """The read of another request serves this one."""
    board = Slow()
    recent = await known(board)
    assert await recent.get(board, START + age) == OLD
    assert board.reads == 0


async def test_one_reads_and_the_others_go_on() -> None:
    """Between four and five seconds one asks for all. What it finds holds from when it asked."""
    board = Slow()
    recent = await known(board)
    reading = asyncio.create_task(recent.get(board, START + AGAIN))
    await asyncio.sleep(0)
    late = START + FRESH - timedelta(microseconds=1)
    assert [await asyncio.wait_for(recent.get(board, late), 1) for _ in range(3)] == [OLD] * 3
    board.released.set()
    assert await reading == NEW
    assert await recent.get(board, START + AGAIN + AGAIN - timedelta(microseconds=1)) == NEW
    assert board.reads == 1


async def test_what_is_too_old_is_read_by_each_who_asks() -> None:
    """Nobody waits for the read of another, which may hang."""
    board = Slow()
    recent = await known(board)
    asked = [asyncio.create_task(recent.get(board, START + FRESH)) for _ in range(3)]
    await asyncio.sleep(0.01)
    assert board.reads == 3
    board.released.set()
    assert [await each for each in asked] == [NEW] * 3


async def test_a_clock_that_was_set_back_and_a_change_of_ours_read_anew() -> None:
    """A time before the last read says nothing about its age; who has changed a switch forgets what it knew."""
    board = Slow()
    recent = await known(board)
    board.released.set()
    assert await recent.get(board, START - timedelta(seconds=1)) == NEW
    recent.forget()
    await recent.get(board, START)
    assert board.reads == 2
