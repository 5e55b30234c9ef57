"""How far apart a process saves where it has rivals: all on the clock, nothing by lot."""

from datetime import timedelta

import pytest

from dev.fakes.world import START
from shared.ports.rivals import Rivals


def met(times: int) -> Rivals:
    """Rivals of ada's account, met so often."""
    rivals = Rivals()
    for _ in range(times):
        rivals.met("ada", START)
    return rivals


def after(seconds: float) -> timedelta:
    """So many seconds."""
    return timedelta(seconds=seconds)


def test_without_a_rival_nothing_waits() -> None:
    """Neither before anything was saved nor after; and nobody reads again."""
    rivals = Rivals()
    assert rivals.wait_s("ada", START) == 0
    rivals.saved("ada", "1", START, START)
    assert rivals.wait_s("ada", START) == 0
    assert not rivals.known("ada", START)


def test_each_loss_doubles_the_interval_of_that_account() -> None:
    """To 0.8 s at most: a move may take a second."""
    assert [met(times).wait_s("ada", START) for times in range(6)] == [0, 0.2, 0.4, 0.8, 0.8, 0.8]
    assert met(3).wait_s("eve", START) == 0
    assert met(1).known("ada", START)


def test_the_interval_begins_with_the_last_save() -> None:
    """So processes that did not meet keep their order. What comes after the interval waits for what comes with it."""
    rivals = met(3)
    rivals.saved("ada", "1", START, START + after(0.1))
    assert rivals.wait_s("ada", START + after(0.3)) == pytest.approx(0.5)
    assert rivals.wait_s("ada", START + after(0.9)) == 0.03
    rivals.saved("ada", "2", START + after(0.9), START + after(1))
    assert rivals.wait_s("ada", START + after(1)) == pytest.approx(0.7)


def test_a_clock_that_is_set_back_makes_nobody_wait_longer() -> None:
    """Else a leader would sleep for as long as the clock was wrong, and with it all who wait for it."""
    rivals = met(3)
    rivals.saved("ada", "1", START, START)
    assert rivals.wait_s("ada", START - after(3600)) == 0.8


def test_who_has_no_place_in_the_order_yet_takes_one_by_chance() -> None:
    """All that have lost to the same rival would come again together."""
    assert [met(1).wait_s("ada", START, chance) for chance in (0.0, 0.5, 1.0)] == [0, 0.1, 0.2]


def test_who_has_a_large_group_at_hand_waits_for_a_quarter() -> None:
    """There is nothing to gather."""
    rivals = met(3)
    rivals.saved("ada", "1", START, START)
    assert rivals.wait_s("ada", START, full=True) == pytest.approx(0.2)


def test_the_interval_halves_after_forty_saves_without_a_loss() -> None:
    """It need not be as long. A loss begins the count anew."""
    rivals, now = met(4), START
    for number in range(39):
        rivals.saved("ada", str(number), now, now)
    rivals.met("ada", now)
    for number in range(39):
        rivals.saved("ada", str(number), now, now)
    assert rivals.wait_s("ada", now) == 0.8
    rivals.saved("ada", "x", now, now)
    assert rivals.wait_s("ada", now) == 0.4


def test_the_interval_stays_while_a_rival_is_seen() -> None:
    """The row is not as this process has left it: somebody else is there."""
    rivals = met(3)
    rivals.saved("ada", "1", START, START)
    rivals.read("ada", "2", START + after(3))
    assert rivals.wait_s("ada", START + after(6.9)) == 0.03
    assert rivals.known("ada", START + after(6.9))
    rivals.saved("ada", "3", START + after(6.9), START + after(6.9))
    assert rivals.wait_s("ada", START + after(6.9)) == 0.8
    rivals.read("ada", "3", START + after(6.9))
    assert rivals.wait_s("ada", START + after(7.1)) == pytest.approx(0.2)  # halved: nobody else since 3 s


def test_without_a_rival_in_sight_the_interval_halves_until_it_is_gone() -> None:
    """A process that is alone again saves at once again."""
    rivals = met(3)
    assert [rivals.wait_s("ada", START + after(seconds)) for seconds in (3.9, 4, 8, 12)] == [0.8, 0.4, 0.2, 0]
    assert not rivals.known("ada", START + after(12))


def test_after_three_saves_in_a_row_a_gap_is_left() -> None:
    """Somebody who always loses gets in; one that saves now and then leaves none."""
    rivals = Rivals()
    for number in range(3):
        assert rivals.wait_s("ada", START + after(0.1 * number)) == 0
        rivals.saved("ada", str(number), START + after(0.1 * number), START + after(0.1 * number))
    assert rivals.wait_s("ada", START + after(0.2)) == pytest.approx(0.2)
    assert not rivals.known("ada", START + after(0.2))
    rivals.saved("ada", "4", START + after(0.4), START + after(0.4))
    assert rivals.wait_s("ada", START + after(0.4)) == 0


def test_a_user_in_a_hurry_waits_seldom() -> None:
    """A call that has just read the rows needs no second look: a gap is left after six of them."""
    rivals = Rivals()
    for number in range(6):
        now = START + after(0.1 * number)
        assert rivals.wait_s("ada", now, fresh=True) == 0
        rivals.saved("ada", str(number), now, now)
    assert rivals.wait_s("ada", START + after(0.5), fresh=True) == pytest.approx(0.2)


def test_a_rival_that_is_seen_without_a_loss_is_known() -> None:
    """It got in where a gap was left."""
    rivals = Rivals()
    rivals.saved("ada", "1", START, START)
    rivals.read("ada", "1", START)
    assert not rivals.known("ada", START)
    rivals.read("ada", "2", START)
    assert rivals.known("ada", START)


def test_only_so_many_accounts_are_remembered() -> None:
    """An app with many accounts keeps no row for each."""
    rivals = Rivals()
    for number in range(1000):
        rivals.met(f"a{number}", START)
    assert rivals.wait_s("a0", START) == 0
    assert rivals.wait_s("a999", START) > 0
    assert len(rivals._accounts) == 256
