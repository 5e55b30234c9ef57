"""The open index: the same cases on the fake and on Azurite."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from shared.core.keys import Key
from shared.core.turns.shares import Turn
from shared.ports import OpenIndex, OpenRow
from tests.adapters.examples import AWKWARD_IDS, NOW, open_row

KEY = Key("ada", "one")


@pytest.mark.parametrize("user_id", AWKWARD_IDS)
async def test_a_row_reads_back_as_it_was_put(index: OpenIndex, user_id: str) -> None:
    """With any id, and to the microsecond; a second put overwrites."""
    row = open_row(Key(user_id, user_id[::-1]))
    await index.put(row)
    assert await index.get(row.key) == row

    later = replace(row, due_at=NOW + timedelta(days=1), expires_at=NOW, written_at=NOW)
    await index.put(later)
    assert await index.get(row.key) == later


async def test_ids_are_not_mixed_up(index: OpenIndex) -> None:
    """Two keys whose parts read the same one after the other are two rows."""
    first, second = open_row(Key("a-b", "c")), open_row(Key("a", "b-c"), due_s=5)
    await index.put(first)
    await index.put(second)

    assert await index.get(first.key) == first
    assert await index.get(second.key) == second


async def test_a_move_changes_the_due_time_alone(index: OpenIndex) -> None:
    """What else the row says stays."""
    row = open_row(KEY)
    await index.put(row)

    await index.move(KEY, NOW + timedelta(seconds=9))

    assert await index.get(KEY) == replace(row, due_at=NOW + timedelta(seconds=9))


async def test_a_move_changes_both_times_where_both_are_given(index: OpenIndex) -> None:
    """An expiry that lies earlier than before too."""
    row, earlier = open_row(KEY), open_row(KEY).expires_at - timedelta(seconds=1)
    await index.put(row)

    await index.move(KEY, NOW + timedelta(seconds=9), earlier)

    assert await index.get(KEY) == replace(row, due_at=NOW + timedelta(seconds=9), expires_at=earlier)


async def test_a_move_keeps_what_a_long_key_stands_for(index: OpenIndex) -> None:
    """The two longest ids there are: found by the timer after a move, and removed."""
    row = open_row(Key("u" * 128, "g" * 128))
    await index.put(row)
    await index.put(open_row(KEY, due_s=60))

    await index.move(row.key, NOW - timedelta(seconds=9))

    assert list(await index.due(NOW, 10)) == [replace(row, due_at=NOW - timedelta(seconds=9))]
    await index.remove(row.key)
    assert await index.get(row.key) is None
    assert await index.get(KEY) == open_row(KEY, due_s=60)


async def test_a_move_brings_nothing_back(index: OpenIndex) -> None:
    """A row that was removed, or never was, stays away."""
    await index.move(KEY, NOW)
    assert await index.get(KEY) is None

    await index.put(open_row(KEY))
    await index.remove(KEY)
    await index.remove(KEY)
    await index.move(KEY, NOW)
    assert await index.get(KEY) is None
    assert await index.due(NOW + timedelta(days=1), 10) == []


async def test_due_is_what_is_due_by_what_expires_first(index: OpenIndex) -> None:
    """Up to and including now; what expires first at the front, however the rows lie."""
    expected = [open_row(Key("ada", f"{number:02}"), due_s=-number, expires_s=number * 10) for number in range(20)]
    await asyncio.gather(*(index.put(row) for row in reversed(expected)))
    await index.put(open_row(Key("ada", "later"), due_s=0.001, expires_s=-5))

    assert list(await index.due(NOW, 1000)) == expected
    assert list(await index.due(NOW, 7)) == expected[:7]
    assert list(await index.due(NOW - timedelta(seconds=18), 1000)) == expected[18:]


async def test_the_first_of_many_pages_is_not_all(index: OpenIndex) -> None:
    """More due rows than a page of the service holds (1000): still the ones that expire first."""
    await asyncio.gather(*(index.put(open_row(Key("ada", str(number)), expires_s=-number)) for number in range(1100)))

    found = await index.due(NOW, 3)

    assert [row.key.generation_id for row in found] == ["1099", "1098", "1097"]


def a_turn(key: Key, *, begun: bool = False, weight: int = 1, since_s: float = 0) -> Turn:
    """A turn in hand."""
    return Turn(key=key, weight=weight, since=NOW + timedelta(seconds=since_s, microseconds=7), begun=begun)


@pytest.mark.parametrize("account_id", AWKWARD_IDS)
async def test_turns_are_those_of_the_rows(index: OpenIndex, account_id: str) -> None:
    """Of one account, or of all; rows without a turn, and accounts whose ids begin alike, are others."""
    mine = [a_turn(Key("u" * 128, "g" * 128, account_id)), a_turn(Key("bob", "2", account_id), begun=True, weight=4)]
    other = a_turn(Key("bob", "3", account_id[:100] + "-x"))
    for turn in (*mine, other):
        await index.put(replace(open_row(turn.key), turn=turn))
    await index.put(open_row(Key("bob", "none", account_id)))

    assert sorted(await index.turns(account_id), key=lambda turn: turn.key) == sorted(mine, key=lambda turn: turn.key)
    assert {turn.key: turn for turn in await index.turns()} == {turn.key: turn for turn in (*mine, other)}
    assert (await index.get(other.key)) == replace(open_row(other.key), turn=other)


async def test_a_turn_is_given_to_a_row_and_goes_with_it(index: OpenIndex) -> None:
    """With the time of its check, and nothing else changes. A put without it takes it back, a removal too."""
    row, later = open_row(KEY), NOW + timedelta(seconds=30)
    await index.put(row)

    assert await index.give(a_turn(KEY), later)
    assert await index.get(KEY) == replace(row, due_at=later, turn=a_turn(KEY))
    await index.move(KEY, NOW)
    assert list(await index.turns("ada")) == [a_turn(KEY)]

    await index.put(row)
    assert list(await index.turns()) == []
    await index.give(a_turn(KEY, begun=True), later)
    await index.remove(KEY)
    assert list(await index.turns()) == []


async def test_a_turn_is_given_back_and_given_anew(index: OpenIndex) -> None:
    """With the time of the next check, and nothing else changes; what has no row stays without one."""
    row, later = open_row(KEY), NOW + timedelta(seconds=30)
    await index.put(replace(row, turn=a_turn(KEY, begun=True)))
    await index.release(KEY, later, later + timedelta(hours=1))
    assert await index.get(KEY) == replace(row, due_at=later, expires_at=later + timedelta(hours=1))
    assert list(await index.turns()) == list(await index.turns("ada")) == []
    await index.give(a_turn(KEY), later)
    assert list(await index.turns("ada")) == [a_turn(KEY)]
    await index.remove(KEY)
    await index.release(KEY, later, later)
    assert await index.get(KEY) is None


async def test_a_turn_brings_no_row_back(index: OpenIndex) -> None:
    """What has ended meanwhile needs none."""
    assert not await index.give(a_turn(KEY), NOW)
    assert await index.get(KEY) is None


async def test_the_keys_of_an_account_are_those_of_its_rows(index: OpenIndex) -> None:
    """Of all its users, with a turn or without; not those of an account whose id begins alike, or of none."""
    mine = [Key("acme", "one"), Key("ada", "one", "acme"), Key("ada", "two", "acme")]
    for key in (*mine, Key("acme-2", "one"), Key("acm", "one"), Key("acme", "one", "rival")):
        await index.put(open_row(key))
    assert sorted([key async for key in index.of_account("acme")]) == sorted(mine)
    assert [key async for key in index.of_account("ac")] == []
    assert len([key async for key in index.of_account()]) == len(mine) + 3


async def test_what_waits_for_an_approval_is_found_by_its_account(index: OpenIndex) -> None:
    """Only rows whose request was published, of one account or of all; moving one again keeps that."""
    mine, other, plain = Key("ada", "one", "acme"), Key("ada", "two", "acme2"), Key("bob", "three", "acme")
    for key in (mine, other, plain):
        await index.put(OpenRow(key=key, due_at=NOW, expires_at=NOW, written_at=NOW))
    await index.release(mine, NOW + timedelta(days=3), NOW, asked=2)
    await index.release(other, NOW, NOW, asked=1)
    await index.move(plain, NOW)
    await index.move(mine, NOW + timedelta(days=1))
    (row,) = await index.awaiting_approval("acme")
    assert (row.key, row.asked, row.due_at) == (mine, 2, NOW + timedelta(days=1))
    assert {row.key for row in await index.awaiting_approval()} == {mine, other}
    assert await index.get(mine) == row
    await index.remove(mine)
    await index.release(mine, NOW, NOW, asked=3)
    assert [row.key for row in await index.awaiting_approval()] == [other]
