"""The nightly audit as its door has it: what it tells when the night was too short."""

import asyncio
import logging
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

import function_app
from dev.fakes.app import FakeApp
from dev.fakes.store import FakeStore
from shared import worker
from shared.core.dependency import Dependency
from shared.core.money.ledger import LedgerEntry
from shared.ports import Unavailable
from shared.triggers import audit
from shared.worker.accounts import AT_ONCE


class StuckStore(FakeStore):
    """One user's ledger never comes, another's cannot be read."""

    stuck = broken = ""

    async def ledger(self, account_id: str) -> AsyncIterator[LedgerEntry]:
        """See ``Store``."""
        if account_id == self.broken:
            raise Unavailable(Dependency.TABLES, "a row cannot be read")
        if account_id == self.stuck:
            await asyncio.Event().wait()
        async for entry in super().ledger(account_id):
            yield entry


@pytest.fixture
def rooms(monkeypatch: pytest.MonkeyPatch) -> FakeApp:
    """Rooms whose nights are short and whose ledgers may get stuck."""
    monkeypatch.setattr(audit, "AUDIT_S", 0.2)
    made = FakeApp()
    made.world.store = StuckStore()
    made.world.deps = replace(made.world.deps, store=made.world.store)
    vars(made.app).update(deps=made.world.deps, store=made.world.store)
    return made


async def crowd(rooms: FakeApp, size: int) -> list[str]:
    """So many accounts; returns their users in the order in which tonight's audit comes to them."""
    for number in range(size):
        await rooms.world.open_account(f"user{number}")
    return [account_id async for account_id, _ in worker.audit_tonight(rooms.world.deps)]


def errors(caplog: pytest.LogCaptureFixture) -> list[str]:
    """What the log has of errors."""
    return [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR]


async def test_an_audit_that_comes_to_its_end_says_nothing(rooms: FakeApp, caplog: pytest.LogCaptureFixture) -> None:
    """All books agree, and all were looked at."""
    await crowd(rooms, 3 * AT_ONCE)
    assert await rooms.app.handlers.audit() == 0
    assert errors(caplog) == []
    assert rooms.world.telemetry.total("darkroom.audits_unfinished") == 0


async def test_an_audit_that_is_cut_off_says_how_far_it_came(rooms: FakeApp, caplog: pytest.LogCaptureFixture) -> None:
    """What it had found is told as ever, then the number of accounts and the last of them; nothing is left running."""
    order = await crowd(rooms, 30)
    store = rooms.world.store
    assert isinstance(store, StuckStore)
    store.stuck = order[20]
    store.put_account(replace(rooms.world.account(order[3]), available=9, captured=1))
    mine = asyncio.all_tasks()
    async with asyncio.timeout(5):
        assert await rooms.app.handlers.audit() == 2
    assert errors(caplog) == [
        f"audit: account {order[3]}, ledger available: the account says 9, counted were 10; mend it with a correction",
        f"audit: account {order[3]}, ledger captured: the account says 1, counted were 0; mend it with a correction",
        f"audit: not finished, out of time: looked at 20 accounts, the last was {order[19]}",
    ]
    assert asyncio.all_tasks() == mine
    assert rooms.world.telemetry.total("darkroom.audits_unfinished") == 1


async def test_an_audit_that_cannot_go_on_says_how_far_it_came(
    rooms: FakeApp, caplog: pytest.LogCaptureFixture
) -> None:
    """The same where the tables give up in the middle, with their word for it."""
    order = await crowd(rooms, 30)
    assert isinstance(rooms.world.store, StuckStore)
    rooms.world.store.broken = order[7]
    assert await rooms.app.handlers.audit() == 0
    (told,) = errors(caplog)
    why = "tables is not available: a row cannot be read"
    assert told == f"audit: not finished, {why}: looked at 7 accounts, the last was {order[6]}"


async def test_a_sweep_that_takes_the_night_is_told_too(
    rooms: FakeApp, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing was looked at."""
    await crowd(rooms, 3)

    async def sweep(_: object) -> int:
        return await asyncio.sleep(60, 0)

    monkeypatch.setattr(rooms.world.blobs, "sweep_inputs", sweep)
    assert await rooms.app.handlers.audit() == 0
    assert errors(caplog) == ["audit: not finished, out of time: looked at 0 accounts, the last was nobody's"]


def test_it_ends_by_itself_before_it_is_ended() -> None:
    """What ends it from outside logs no number; and nothing here may set the bound aside."""
    assert audit.AUDIT_S <= function_app.LAST_RESORT_S - 30
