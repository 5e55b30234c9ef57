"""What the whole app uses: the same cases on the fake and on Azurite."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest

from shared.adapters.azure_storage.tables import TableAppWindows, TableService
from shared.adapters.azure_storage.tables import app_windows as tables_app_windows
from shared.core.money.limits import Scope, Warned
from shared.core.money.tally import Tally, tallied
from shared.ports import Conflict, Unavailable, UnreadableRow
from shared.ports.app_windows import MOST_FOLDED, AppRows, AppWindows, TallyRow

NOW = datetime(2026, 11, 28, 12, 34, 56, 123456, tzinfo=UTC)
FULL = Tally({1994736: (3, 9000), 1994735: (-2, 0)}, {20779: (40, 10**12)})


async def test_there_is_nothing_at_first(app_windows: AppWindows) -> None:
    """No base, no instance, no warning."""
    assert await app_windows.read() == AppRows()


async def test_what_is_saved_is_read_back(app_windows: AppWindows) -> None:
    """The base and each instance, negative sums too, to the microsecond."""
    base = await app_windows.save(TallyRow("", FULL, NOW))
    ones = [await app_windows.save(TallyRow(f"i{number}", tallied(NOW, number, 0), NOW)) for number in range(3)]
    found = await app_windows.read()
    assert (found.base, sorted(found.instances, key=lambda each: each.name)) == (base, ones)
    again = await app_windows.save(replace(ones[1], tally=FULL))
    assert again.etag != ones[1].etag
    assert again in (await app_windows.read()).instances


async def test_a_write_that_takes_too_long_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Made later, it could count what a rebuild has counted meanwhile."""

    async def hangs(*_: object) -> str:
        await asyncio.sleep(60)
        return "etag"

    service = SimpleNamespace(rest=SimpleNamespace(insert=hangs, replace=hangs), role="any")
    monkeypatch.setattr(tables_app_windows, "WRITE_S", 0.01)
    for etag in ("", "etag"):
        with pytest.raises(Unavailable, match="takes too long"):
            await TableAppWindows(service, "state").save(TallyRow("one", FULL, NOW, etag))  # type: ignore[arg-type]


async def test_whoever_read_an_older_state_is_refused(app_windows: AppWindows) -> None:
    """A row that is new, that was changed, and that is gone."""
    row = await app_windows.save(TallyRow("one", FULL, NOW))
    with pytest.raises(Conflict):
        await app_windows.save(replace(row, etag=""))
    changed = await app_windows.save(replace(row, tally=Tally()))
    with pytest.raises(Conflict):
        await app_windows.save(row)
    await app_windows.fold(TallyRow("", FULL, NOW), [changed])
    with pytest.raises(Conflict):
        await app_windows.save(changed)


async def test_rows_are_folded_into_the_base_together_or_not_at_all(app_windows: AppWindows) -> None:
    """As many as fit into one transaction."""
    rows = [await app_windows.save(TallyRow(f"i{number}", tallied(NOW, 1, 0), NOW)) for number in range(MOST_FOLDED)]
    await app_windows.save(replace(rows[7], tally=FULL))
    with pytest.raises(Conflict):
        await app_windows.fold(TallyRow("", FULL, NOW), rows)
    found = await app_windows.read()
    assert (found.base, len(found.instances)) == (None, MOST_FOLDED)
    await app_windows.fold(TallyRow("", FULL, NOW), found.instances)
    after = await app_windows.read()
    assert after.base is not None
    assert (after.base.tally, after.instances) == (FULL, ())
    await app_windows.fold(replace(after.base, tally=Tally()), [])
    with pytest.raises(Conflict):
        await app_windows.fold(after.base, [])


async def test_a_step_is_noted_once_and_forgotten(app_windows: AppWindows) -> None:
    """However often it is noted, and whatever the limit's id."""
    noted = Warned("o'brien@x", Scope.APP, 80, NOW)
    other = replace(noted, until=NOW + timedelta(days=1))
    for each in (noted, noted, other):
        await app_windows.remember(each)
    assert sorted((await app_windows.read()).warned, key=lambda each: each.until) == [noted, other]
    for _ in range(2):
        await app_windows.forget(noted)
    assert (await app_windows.read()).warned == (other,)


@pytest.mark.stack
async def test_the_kill_switches_are_no_tally(table_app_windows: TableAppWindows, table_service: TableService) -> None:
    """They are in the same partition. A tally that cannot be read says which it is."""
    keys = {"PartitionKey": ";app", "RowKey": "switches", "switches": "[]"}
    await table_service.rest.insert(table_app_windows.table, keys)
    assert await table_app_windows.read() == AppRows()
    row = {"PartitionKey": ";app", "RowKey": "use:base", "at": NOW, "slots": '[["a secret"]]'}
    await table_service.rest.insert(table_app_windows.table, row)
    with pytest.raises(UnreadableRow, match=r"^row ;app/use:base: slots cannot be read$"):
        await table_app_windows.read()
