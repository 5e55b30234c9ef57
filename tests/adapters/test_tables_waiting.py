"""What waits for a turn: the same cases on the fake and on Azurite."""

from dataclasses import replace
from datetime import timedelta

import pytest

from shared.core.keys import Key
from shared.core.turns.giving import served
from shared.core.turns.shares import Place
from shared.ports import Conflict, PlaceRow, Waiting, WaitingList
from tests.adapters.examples import AWKWARD_IDS, NOW

PLACE = Place(account_id="acme", asked_at=NOW, weight=3, concurrency=7)


def waiting(user_id: str, generation_id: str, after_s: float = 0, account_id: str = "acme") -> Waiting:
    """A parked request."""
    return Waiting(Key(user_id, generation_id, account_id), NOW + timedelta(seconds=after_s))


async def only_place(listed: WaitingList) -> PlaceRow:
    """The one place there is."""
    (row,) = await listed.places()
    return row


@pytest.mark.parametrize("an_id", AWKWARD_IDS)
async def test_what_waits_reads_back(waiting_list: WaitingList, an_id: str) -> None:
    """With any ids, and to the microsecond."""
    parked = Waiting(Key(an_id, an_id[::-1], an_id), NOW + timedelta(microseconds=123457))
    place = replace(PLACE, account_id=an_id, concurrency=None, served=2**53 + 1, after_user=an_id)
    await waiting_list.wait(parked, place)
    assert await waiting_list.next_waiting(an_id, "") == parked
    assert await waiting_list.next_waiting(an_id, an_id) == parked
    assert (await only_place(waiting_list)).place == place
    assert await waiting_list.place(an_id) == await only_place(waiting_list)
    assert await waiting_list.place("nobody") is None


async def test_parking_twice_is_one_row_and_keeps_the_place(waiting_list: WaitingList) -> None:
    """The second one may come from a check, with a place that would begin anew."""
    parked = waiting("ada", "one")
    await waiting_list.wait(parked, PLACE)
    row = await waiting_list.save_place(await only_place(waiting_list), replace(PLACE, served=5, after_user="ada"))
    await waiting_list.wait(parked, PLACE)

    assert await only_place(waiting_list) == row
    await waiting_list.remove_waiting(parked)
    assert await waiting_list.next_waiting("acme", "") is None


async def test_users_are_a_ring_and_a_users_requests_keep_their_order(waiting_list: WaitingList) -> None:
    """Users whose ids begin alike are others; the oldest request is first, whatever its id."""
    rows = [waiting("ab", "z", 0), waiting("ab", "a", 1), waiting("ab-c", "x", 5), waiting("ab=", "y", 5)]
    for row in (*rows, waiting("aa", "other", account_id="rival")):
        await waiting_list.wait(row, replace(PLACE, account_id=row.key.account_id))

    order, after = [], ""
    while found := await waiting_list.next_waiting("acme", after):
        order.append(found)
        await waiting_list.remove_waiting(found)
        after = found.key.user_id
    assert order == [rows[2], rows[0], rows[3], rows[1]]
    assert await waiting_list.next_waiting("rival", "") is not None


async def test_the_longest_ids_are_two_rows(waiting_list: WaitingList) -> None:
    """Two generations whose row keys would be too long."""
    one, other = (waiting("u" * 128, "g" * 127 + end, account_id="a" * 128) for end in "12")
    for row in (one, other):
        await waiting_list.wait(row, replace(PLACE, account_id="a" * 128))
    await waiting_list.remove_waiting(one)
    assert await waiting_list.next_waiting("a" * 128, "") == other


async def test_of_two_looks_one_gives(waiting_list: WaitingList) -> None:
    """Both have read the same place. The second write is a conflict, and changes nothing."""
    await waiting_list.wait(waiting("ada", "one"), PLACE)
    read = await only_place(waiting_list)
    after = await waiting_list.save_place(read, served(read.place, "ada", [read.place]))

    with pytest.raises(Conflict):
        await waiting_list.save_place(read, replace(read.place, served=9))
    with pytest.raises(Conflict):
        await waiting_list.remove_place(read)
    assert await only_place(waiting_list) == after


async def test_a_removed_place_is_gone_and_may_come_again(waiting_list: WaitingList) -> None:
    """A save of one that was removed is a conflict, and does not bring it back."""
    await waiting_list.wait(waiting("ada", "one"), PLACE)
    read = await only_place(waiting_list)
    await waiting_list.remove_place(read)
    for act in (waiting_list.save_place(read, PLACE), waiting_list.remove_place(read)):
        with pytest.raises(Conflict):
            await act
    assert list(await waiting_list.places()) == []

    await waiting_list.remove_waiting(waiting("ada", "none such"))
    await waiting_list.wait(waiting("ada", "two"), PLACE)
    assert (await only_place(waiting_list)).place == PLACE
