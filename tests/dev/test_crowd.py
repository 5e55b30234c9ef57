"""`python3 -m dev crowd`: its bounds on virtual time, where the machine's CPU says nothing, and how it counts."""

import multiprocessing
import time
from dataclasses import replace
from functools import cache

import pytest

from dev.crowd.figures import MOST_AT_ONCE_S, MOST_ENTITIES, MOST_P95_S, Figures, Load, kept, quantile, table
from dev.crowd.process import ACCOUNT, times
from dev.crowd.virtual import simulated
from dev.crowd.wire import Partition


@cache
def crowd(processes: int, users: int = 0, at_once: int = 0) -> Figures:
    """50 generations a second for twelve seconds, or so many at once. Eight processes find their order in the first."""
    return simulated(Load(seconds=12, processes=processes, rate=50, users=users, at_once=at_once))


@pytest.mark.long
@pytest.mark.parametrize("processes", [1, 2, 8])
def test_fifty_generations_a_second_of_one_account_keep_their_bounds(processes: int) -> None:
    """However the processes meet: nobody is shut out, no credit is off, and the chain is whole."""
    figures = crowd(processes)
    assert figures.p95_s <= MOST_P95_S
    assert figures.entities_a_second <= MOST_ENTITIES
    assert (figures.off, figures.captured, figures.entries) == ((), 600, 1202)
    assert figures.moves == 1200
    assert sum(each.deferred for each in figures.reports) == 0
    assert kept(figures)


@pytest.mark.long
def test_no_process_is_shut_out_by_another() -> None:
    """Two that always have a move at hand: each gets in between the groups of the other."""
    figures = crowd(2)
    assert figures.p95_s <= MOST_P95_S / 2
    assert (figures.off, figures.captured) == ((), 600)


@pytest.mark.long
@pytest.mark.parametrize("processes", [1, 8])
def test_a_hundred_at_once_need_few_requests(processes: int) -> None:
    """They open, run for a second and end: in at most 1.8 s and 12 table requests each."""
    figures = crowd(processes, at_once=100)
    assert figures.moving_s <= MOST_AT_ONCE_S
    assert figures.requests_each <= 12
    assert (figures.off, figures.captured) == ((), 100)


@pytest.mark.long
def test_users_of_the_account_are_saved_with_it() -> None:
    """Twenty of them, each with a row of its own."""
    figures = crowd(8, users=20)
    assert (figures.off, figures.captured) == ((), 600)
    assert figures.p95_s <= MOST_P95_S
    assert figures.entities_a_second <= MOST_ENTITIES


@pytest.mark.long
def test_a_bound_that_is_exceeded_is_seen() -> None:
    """Of each kind; and the table says what is off."""
    good = crowd(1)
    assert kept(good)
    slow = replace(good.reports[0], moves_s=(1.5,) * 1200)
    for bad in (
        replace(good, reports=(slow,)),
        replace(good, entities=(2000,) * 40),
        replace(good, off=("ada: 3 credits",)),
        replace(good, captured=599),
    ):
        assert not kept(bad)
    assert "ada: 3 credits" in table(replace(good, off=("ada: 3 credits",)))


def test_quantiles() -> None:
    """The smallest value that so many are not above."""
    assert quantile([], 0.95) == 0
    assert quantile([3.0, 1.0, 2.0], 0.5) == 2
    assert quantile(list(map(float, range(100))), 0.95) == 95


def test_the_generations_are_shared_out() -> None:
    """Each is one process's, at its own time."""
    load = Load(seconds=2, processes=3, rate=5)
    every = [each for number in range(3) for each in times(load, number)]
    assert sorted(at_s for _, at_s in every) == [number / 5 for number in range(10)]
    assert len({key for key, _ in every}) == 10
    assert {key.user_id for key, _ in every} == {ACCOUNT}
    assert {at_s for _, at_s in times(replace(load, at_once=7), 0)} == {0.0}


def test_a_partition_serves_so_many_entities_a_second() -> None:
    """What is beyond that is refused, whole, and is not counted."""
    seconds = multiprocessing.get_context("spawn").Array("q", 10)
    partition = Partition(seconds, time.monotonic() - 5.0, most=10)
    assert [partition.serve(each) for each in (6, 4, 1)] == [True, True, False]
    assert sum(int(each) for each in seconds[:]) == 10
