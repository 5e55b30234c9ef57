"""How far the night's audit has come: the same cases on the fake and on Azurite."""

from dataclasses import replace
from datetime import date

import pytest

from shared.adapters.azure_storage.tables import TableMovedAccounts, TableNights, TableService
from shared.ports import NightProgress, Nights, UnreadableRow
from tests.adapters.conftest import fresh_name
from tests.adapters.examples import AWKWARD_IDS, NOW

PROGRESS = NightProgress(began_at=NOW, day=date(2026, 11, 28), after="acme", checked=7)


async def test_before_the_first_night_there_is_none(nights: Nights) -> None:
    """The audit begins with the oldest day."""
    assert await nights.progress() is None


@pytest.mark.parametrize("an_id", ["", *AWKWARD_IDS])
async def test_what_is_kept_reads_back(nights: Nights, an_id: str) -> None:
    """The last that was kept, with any account, to the microsecond."""
    await nights.keep(PROGRESS)
    last = replace(
        PROGRESS, began_at=NOW.replace(microsecond=123457), after=an_id, checked=2**40, swept=True, logged=True
    )
    await nights.keep(last)
    assert await nights.progress() == last


@pytest.mark.stack
async def test_the_progress_is_no_account_that_moved_and_one_that_cannot_be_read_says_so(
    table_service: TableService,
) -> None:
    """Both are in one table; a day that is no day is an unreadable row."""
    name = fresh_name()
    moved, kept = TableMovedAccounts(table_service, name), TableNights(table_service, name)
    await moved.ensure()
    await kept.keep(PROGRESS)
    assert [each async for each in moved.of_day(PROGRESS.day)] == []
    row = {"PartitionKey": "night", "RowKey": "progress", "day": "soon"}
    await table_service.rest.replace(name, row)
    with pytest.raises(UnreadableRow, match="day cannot be read"):
        await kept.progress()
