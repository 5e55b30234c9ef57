"""Which accounts moved on which day: the same cases on the fake and on Azurite."""

from datetime import date, timedelta

import pytest

from shared.ports import MovedAccounts
from tests.adapters.examples import AWKWARD_IDS

TODAY = date(2026, 11, 29)


async def listed(moved: MovedAccounts, day: date = TODAY, after: str = "") -> list[str]:
    """The accounts of a day."""
    return [account_id async for account_id in moved.of_day(day, after)]


async def test_the_accounts_of_a_day_are_in_order_and_each_is_there_once(moved: MovedAccounts) -> None:
    """However often and in whatever order they were noted, and with any ids."""
    for account_id in (*AWKWARD_IDS, "acme", *reversed(AWKWARD_IDS)):
        await moved.note(account_id, TODAY)
    assert await listed(moved) == sorted({*AWKWARD_IDS, "acme"})


async def test_a_listing_goes_on_after_an_id(moved: MovedAccounts) -> None:
    """The id itself need not be there, and one that begins like another is after it."""
    for account_id in ("a", "ab", "b", "B", "c"):
        await moved.note(account_id, TODAY)
    assert await listed(moved, after="a") == ["ab", "b", "c"]
    assert await listed(moved, after="aa") == ["ab", "b", "c"]
    assert await listed(moved, after="c") == []


async def test_each_day_has_accounts_of_its_own(moved: MovedAccounts) -> None:
    """Of a day on which nobody moved there are none; a day that is forgotten takes no other with it."""
    yesterday = TODAY - timedelta(days=1)
    await moved.note("acme", yesterday)
    await moved.note("rival", TODAY)
    assert await listed(moved, yesterday) == ["acme"]
    await moved.forget(yesterday)
    await moved.forget(yesterday)
    assert (await listed(moved, yesterday), await listed(moved)) == ([], ["rival"])


@pytest.mark.parametrize("number", [100, 250])
async def test_a_day_of_many_accounts_is_forgotten_whole(moved: MovedAccounts, number: int) -> None:
    """A transaction has at most 100 rows."""
    for each in range(number):
        await moved.note(f"account-{each:03d}", TODAY)
    assert len(await listed(moved)) == number
    await moved.forget(TODAY)
    assert await listed(moved) == []
