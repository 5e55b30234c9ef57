"""Instances that are killed while they open, and what the rebuild makes of it."""

import asyncio
import json
import signal
import sys

import pytest

from dev.stack import ROOT
from shared import worker
from shared.adapters.azure_storage.access import StorageAccount
from shared.adapters.azure_storage.tables import TableIndex, TableMovedAccounts, TableService, TableStore
from shared.core.commands.acts import AccountCommand
from shared.core.commands.parsing import parse_command
from shared.core.money.entries import Move
from shared.core.money.tally import Tally, of_accounts, slot_of
from shared.core.values import replace
from shared.ports import Dependencies, Store
from shared.worker.app_limits import FRESH, sum_of
from shared.worker.app_rebuild import rebuild
from shared.worker.applying import apply
from tests.stack.app_opener import ACCOUNTS, dependencies
from tests.stack.road import Ground

pytestmark = [pytest.mark.stack, pytest.mark.timeout(180)]

LIMIT = 30


async def _prepared(service: TableService, name: str) -> Dependencies:
    """Accounts with credits, and the app's limit."""
    for each in (TableStore(service, name), TableIndex(service, f"{name}open")):
        await each.ensure()
    await TableMovedAccounts(service, f"{name}moved").ensure()
    deps = dependencies(service, name)
    for account_id in ACCOUNTS:
        await worker.grant(deps, account_id, 1000, grant_id="g")
    body = {"type": "set_limit", "command_id": "l", "by": "kim", "scope": "app", "limit_id": "daily"}
    command = parse_command(json.dumps(body | {"window": "rolling_24h", "credits": LIMIT}).encode())
    assert isinstance(command, AccountCommand)
    assert (await apply(deps, command, deps.now())).reason is None
    return deps


async def _ledgers(store: Store) -> Tally:
    """What all ledgers say was held: the truth."""
    entries = [entry for account_id in ACCOUNTS async for entry in store.ledger(account_id)]
    holds = [entry for entry in entries if entry.move is Move.HOLD]
    return of_accounts((slot_of(entry.at), entry.held, entry.usd_micros) for entry in holds)


async def _last_after_s(store: Store, held: int) -> float:
    """How long after so many credits were held the last hold was; 0 if there were no more."""
    entries = [entry for account_id in ACCOUNTS async for entry in store.ledger(account_id)]
    times = sorted(entry.at for entry in entries if entry.move is Move.HOLD)  # of one credit each
    return (times[-1] - times[held - 1]).total_seconds() if len(times) > held else 0.0


def _credits(tally: Tally) -> int:
    return sum(each[0] for each in tally.slots.values())


async def _at_once(_: float) -> None:
    """No wait."""


async def test_the_rebuilt_sum_is_that_of_the_ledgers_after_instances_were_killed(ground: Ground) -> None:
    """Two of three are killed by SIGKILL between a hold and its write. These two are not counted, and nothing else.

    The limit closes when it is full by what is counted. The third may open for 5 s more, by tallies that it has read.
    """
    storage, name = ground.storage().connection_string, "apps"
    service = TableService(StorageAccount.by_string(storage, "table"))
    deps = await _prepared(service, name)
    lasts = (5, 8, -1)
    command = [sys.executable, "-m", "tests.stack.app_opener", storage, name]
    instances = [
        await ground.starter([*command, f"i{number}", f"{last}"], None, ROOT) for number, last in enumerate(lasts)
    ]
    codes = await asyncio.gather(*(each.wait() for each in instances))
    assert codes == [-signal.SIGKILL, -signal.SIGKILL, 0]
    real, counted = await _ledgers(deps.store), sum_of(await deps.app_windows.read())
    assert _credits(real) - _credits(counted) == 2
    assert _credits(real) >= LIMIT
    assert await _last_after_s(deps.store, LIMIT + 2) <= FRESH.total_seconds()
    await rebuild(replace(dependencies(service, name), sleep=_at_once))  # nobody is left who might write
    assert sum_of(await deps.app_windows.read()).aged(deps.now()) == real
    await service.close()
