"""The kill switches, as the fake and the table keep them."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from dev.fakes.switches import FakeSwitches
from shared.adapters.azure_storage.tables import TableService, TableSwitches
from shared.core.money.account import Stamp
from shared.core.money.app_limits import NO_LIMITS, AppLimits
from shared.core.money.limits import Limit, Scope
from shared.core.money.windows import Span
from shared.core.switches import MOST_ENDED, MOST_PAUSED, MOST_SPANS, Order, PauseScope, Switch, Target
from shared.core.switches import Span as Paused
from shared.ports import Conflict, UnreadableRow
from shared.ports.switches import Board

NOON = datetime(2026, 11, 21, 12, 0, 0, 123456, tzinfo=UTC)

Either = FakeSwitches | TableSwitches


def switch(number: int = 0, scope: PauseScope = PauseScope.USER, text: str = "why") -> Switch:
    """A switch with all that it may have."""
    spans = tuple(Paused(NOON + timedelta(hours=2 * n), NOON + timedelta(hours=2 * n + 1)) for n in range(MOST_SPANS))
    order = Order(
        target=Target(scope, f"acme{number}", "o'brien", "owner/model"),
        issued_at=NOON,
        command_id=f"c{number}",
        until=NOON + timedelta(days=7),
        by="kim",
        why=text,
        reason=text,
    )
    return Switch(order, spans)


async def test_nothing_was_ever_paused(switches: Either) -> None:
    """There is no row."""
    assert await switches.read() == Board()


async def test_what_is_saved_is_read_back(switches: Either) -> None:
    """Every scope and field, to the microsecond; one that has ended too."""
    ended = Switch(Order(target=Target(PauseScope.APP), issued_at=NOON, command_id="r"))
    saved = (ended, *(switch(n, scope) for n, scope in enumerate(PauseScope)))
    stamp = Stamp("daily", NOON, "c1")
    limits = AppLimits((Limit(limit_id="daily", window=Span.DAY, amount=5, scope=Scope.APP),), (stamp,))
    await switches.save(Board(saved, limits))
    found = await switches.read()
    assert (found.switches, found.limits) == (saved, limits)
    await switches.save(replace(found, switches=(), limits=NO_LIMITS))
    assert replace(await switches.read(), etag="") == Board()


async def test_whoever_read_an_older_state_is_refused(switches: Either) -> None:
    """The first of two commands at once counts: both when there was no row, and when there was one."""
    await switches.save(Board((switch(1),)))
    with pytest.raises(Conflict):
        await switches.save(Board((switch(2),)))
    read = await switches.read()
    await switches.save(replace(read, switches=(switch(3),)))
    with pytest.raises(Conflict):
        await switches.save(replace(read, switches=(switch(4),)))
    assert (await switches.read()).switches == (switch(3),)


async def test_the_most_switches_with_the_longest_texts_are_one_row(switches: Either) -> None:
    """Characters of four bytes, and texts that are gone where nobody is paused: the row is as large as it can be."""
    paused = tuple(switch(number, text="\U0001f3a8" * 400) for number in range(MOST_PAUSED))
    models = tuple(switch(number, PauseScope.MODEL, "w" * 400) for number in range(75))
    saved = (*paused, *models, *(switch(number, text="") for number in range(MOST_ENDED)))
    await switches.save(Board(saved))
    assert (await switches.read()).switches == saved


@pytest.mark.stack
async def test_a_row_that_cannot_be_read_stops_what_would_create(
    table_switches: TableSwitches, table_service: TableService
) -> None:
    """A newer version may pause what this one does not know: it must not create as if nothing were paused."""
    keys, insert = {"PartitionKey": ";app", "RowKey": "switches"}, table_service.rest.insert
    await insert(table_switches.table, keys | {"switches": '[{"scope":"planet"}]'})
    with pytest.raises(UnreadableRow):
        await table_switches.read()
    await table_service.rest.replace(table_switches.table, keys | {"switches": "[]", "limits": '[["a"]]'})
    with pytest.raises(UnreadableRow):
        await table_switches.read()
