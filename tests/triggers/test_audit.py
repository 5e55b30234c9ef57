"""The nightly audit's trigger: what it logs, and how it ends when its time is over."""

import asyncio
import logging
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

import function_app
from dev.fakes.accounts import edited
from dev.fakes.app import FakeApp
from dev.fakes.store import FakeStore
from shared import worker
from shared.core.dependency import Dependency
from shared.core.money.entries import LedgerEntry
from shared.ports import Unavailable
from shared.triggers import audit
from shared.worker.auditing import AT_ONCE


class StuckStore(FakeStore):
    """A store in which the ledger of ``stuck`` never answers, and that of ``broken`` cannot be read."""

    stuck = broken = ""

    async def ledger(self, account_id: str, after: int = 0) -> AsyncIterator[LedgerEntry]:
        """See ``Store``."""
        if account_id == self.broken:
            raise Unavailable(Dependency.TABLES, "a row cannot be read")
        if account_id == self.stuck:
            await asyncio.Event().wait()
        async for entry in super().ledger(account_id, after):
            yield entry


@pytest.fixture
def fake_app(monkeypatch: pytest.MonkeyPatch) -> FakeApp:
    """An app whose audit has 0.2 s, and whose ledgers may get stuck."""
    monkeypatch.setattr(audit, "AUDIT_S", 0.2)
    made = FakeApp()
    made.world.store = StuckStore()
    made.world.deps = replace(made.world.deps, store=made.world.store)
    vars(made.app).update(deps=made.world.deps, store=made.world.store)
    return made


async def crowd(fake_app: FakeApp, size: int) -> list[str]:
    """Open ``size`` accounts. Returns their ids in the order in which tonight's audit checks them."""
    for number in range(size):
        await fake_app.world.open_account(f"user{number}")
    return [account_id async for account_id, _ in worker.audit_tonight(fake_app.world.deps)]


def errors(caplog: pytest.LogCaptureFixture) -> list[str]:
    """The log's messages of level ERROR and above."""
    return [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR]


async def test_a_complete_audit_without_differences_logs_nothing(
    fake_app: FakeApp, caplog: pytest.LogCaptureFixture
) -> None:
    """All accounts were checked, and all agree with their ledgers."""
    await crowd(fake_app, 3 * AT_ONCE)
    assert await fake_app.app.handlers.audit() == 0
    assert errors(caplog) == []
    assert fake_app.world.telemetry.total("darkroom.audits_unfinished") == 0


async def test_an_audit_that_runs_out_of_time_logs_how_far_it_came(
    fake_app: FakeApp, caplog: pytest.LogCaptureFixture
) -> None:
    """It logs each difference, then the number of accounts and the last one. No task is left running."""
    order = await crowd(fake_app, 30)
    store = fake_app.world.store
    assert isinstance(store, StuckStore)
    store.stuck = order[20]
    store.put_account(edited(fake_app.world.account(order[3]), 9, captured=1))
    mine, bucket = asyncio.all_tasks(), "bucket grant:welcome available"
    async with asyncio.timeout(5):
        assert await fake_app.app.handlers.audit() == 3
    assert errors(caplog) == [
        f"audit: account {order[3]}, ledger available: the account says 9, counted were 10; post a correction",
        f"audit: account {order[3]}, ledger captured: the account says 1, counted were 0; post a correction",
        f"audit: account {order[3]}, {bucket}: the account says 9, counted were 10; post a correction",
        f"audit: not finished, out of time: 20 accounts were checked, the last was {order[19]}",
    ]
    assert not asyncio.all_tasks() - mine
    assert fake_app.world.telemetry.total("darkroom.audits_unfinished") == 1


async def test_an_audit_that_fails_logs_how_far_it_came(fake_app: FakeApp, caplog: pytest.LogCaptureFixture) -> None:
    """If the tables fail in the middle, the log has their reason too."""
    order = await crowd(fake_app, 30)
    assert isinstance(fake_app.world.store, StuckStore)
    fake_app.world.store.broken = order[7]
    assert await fake_app.app.handlers.audit() == 0
    (line,) = errors(caplog)
    why = "tables is not available: a row cannot be read"
    assert line == f"audit: not finished, {why}: 7 accounts were checked, the last was {order[6]}"


async def test_a_sweep_that_takes_all_the_time_is_logged_too(
    fake_app: FakeApp, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No account was checked."""
    await crowd(fake_app, 3)

    async def sweep(_: object) -> int:
        return await asyncio.sleep(60, 0)

    monkeypatch.setattr(fake_app.world.blobs, "sweep_inputs", sweep)
    assert await fake_app.app.handlers.audit() == 0
    assert errors(caplog) == ["audit: not finished, out of time: 0 accounts were checked, the last was none"]


def test_the_audit_ends_before_the_last_resort_ends_it() -> None:
    """The last resort would log no number of accounts."""
    assert audit.AUDIT_S <= function_app.LAST_RESORT_S - 30


async def test_a_model_that_has_drifted_is_counted_for_the_alert(
    fake_app: FakeApp, caplog: pytest.LogCaptureFixture
) -> None:
    """Each difference is an error, with the command that helps."""
    fake_app.drifts = [("flux-dev", "guidance: its greatest value is 8 now, ours is 10"), ("sdxl", "it is gone")]
    await fake_app.app.handlers.audit()
    assert fake_app.world.telemetry.total("darkroom.models_drifted") == 2
    assert errors(caplog) == [
        "models: flux-dev: guidance: its greatest value is 8 now, ours is 10; run `catalog check --write`",
        "models: sdxl: it is gone; run `catalog check --write`",
    ]


async def test_a_replicate_that_does_not_answer_is_no_drift(
    fake_app: FakeApp, caplog: pytest.LogCaptureFixture
) -> None:
    """It is a warning, and the audit of the accounts counts as done."""
    fake_app.drifts = Unavailable(Dependency.REPLICATE, "it answered 503")
    assert await fake_app.app.handlers.audit() == 0
    assert fake_app.world.telemetry.total("darkroom.models_drifted") == 0
    assert errors(caplog) == []
    assert "models: not compared, replicate is not available: it answered 503" in caplog.text
