"""A call of the night's audit: what it logs, and how it ends when its time is over."""

import asyncio
import json
import logging
import re
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

import function_app
from dev.fakes.accounts import edited
from dev.fakes.app import FakeApp
from dev.fakes.store import FakeStore
from shared.core.dependency import Dependency
from shared.core.money.entries import LedgerEntry
from shared.ports import NightProgress, Unavailable, UnreadableRow
from shared.triggers import audit
from shared.worker.auditing import AT_ONCE
from shared.worker.nights import BETWEEN_CALLS, NIGHT

ROOT = Path(__file__).parents[2]


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
    """An app whose calls are ended after a second, and whose ledgers may get stuck."""
    monkeypatch.setattr(audit, "AUDIT_S", 1)
    made = FakeApp()
    made.world.store = StuckStore()
    made.world.deps = replace(made.world.deps, store=made.world.store)
    vars(made.app).update(deps=made.world.deps, store=made.world.store)
    return made


async def crowd(fake_app: FakeApp, size: int) -> list[str]:
    """Open ``size`` accounts, and let a day pass. Returns their ids in the order in which a night looks at them."""
    for number in range(size):
        await fake_app.world.open_account(f"user{number:02}")
    fake_app.world.pass_time(86_400)
    return sorted(fake_app.world.store.saved_accounts)


def lines(caplog: pytest.LogCaptureFixture, level: int = logging.ERROR) -> list[str]:
    """The log's messages of this level and above."""
    return [record.getMessage() for record in caplog.records if record.levelno >= level]


def signed(fake_app: FakeApp) -> int:
    """How many heads were signed."""
    return sum(name.startswith("heads/") for name in fake_app.world.blobs.proofs)


async def test_a_complete_night_without_differences_logs_nothing(
    fake_app: FakeApp, caplog: pytest.LogCaptureFixture
) -> None:
    """All accounts were looked at, old files were deleted once, and a second call has nothing to do."""
    await crowd(fake_app, 3 * AT_ONCE)
    for _ in range(2):
        assert await fake_app.app.handlers.audit() == 0
    assert lines(caplog, logging.WARNING) == []
    assert signed(fake_app) == 3 * AT_ONCE
    telemetry = fake_app.world.telemetry
    assert telemetry.total("darkroom.audits_unfinished") == 0
    assert len([each for each in telemetry.counts if each[0] == "darkroom.swept"]) == 1


async def test_differences_are_errors(fake_app: FakeApp, caplog: pytest.LogCaptureFixture) -> None:
    """Each by itself, with both numbers."""
    order = await crowd(fake_app, 5)
    fake_app.world.store.put_account(edited(fake_app.world.account(order[3]), 9, captured=1))
    bucket = "bucket grant:welcome available"
    assert await fake_app.app.handlers.audit() == 3
    assert lines(caplog) == [
        f"audit: account {order[3]}, ledger available: the account says 9, counted were 10; post a correction",
        f"audit: account {order[3]}, ledger captured: the account says 1, counted were 0; post a correction",
        f"audit: account {order[3]}, {bucket}: the account says 9, counted were 10; post a correction",
    ]


async def test_no_correction_is_proposed_for_what_none_can_mend(
    fake_app: FakeApp, caplog: pytest.LogCaptureFixture
) -> None:
    """A correction changes sums. An entry that was changed, a row that is gone or cannot be read is restored."""
    changed, gone, broken = await crowd(fake_app, 3)
    store = fake_app.world.store
    index = next(index for index, entry in enumerate(store.entries) if entry.account_id == changed)
    store.entries[index] = replace(store.entries[index], usd_micros=7)
    store.drop_account(gone)
    store.unreadable[broken] = UnreadableRow(f"row {broken}/account: plan cannot be read", broken)
    assert await fake_app.app.handlers.audit() == 3
    left = "the account's row: missing: there is none, and its ledger has entries"
    assert lines(caplog) == [
        f"audit: account {changed} cannot be compared: entry 1: changed: its content does not make its digest",
        f"audit: account {gone} cannot be compared: {left}",
        f"audit: account {broken} cannot be compared: row {broken}/account: plan cannot be read",
    ]


#: Where the app's own coroutines are. Other tests of a process may have clients with tasks of their own.
SHARED = f" running at {Path(audit.__file__).parents[1]}/"


async def test_a_call_that_does_not_end_is_ended_and_logged(
    fake_app: FakeApp, caplog: pytest.LogCaptureFixture
) -> None:
    """A ledger that never answers. No task is left running, and what was done before stays done."""
    order = await crowd(fake_app, 30)
    store = fake_app.world.store
    assert isinstance(store, StuckStore)
    store.stuck = order[20]
    async with asyncio.timeout(5):
        assert await fake_app.app.handlers.audit() == 0
    assert lines(caplog) == [f"audit: a call was ended after {order[19]}: out of time"]
    assert not [task for task in asyncio.all_tasks() if SHARED in repr(task)]
    assert fake_app.world.telemetry.total("darkroom.audits_unfinished") == 1
    store.stuck = ""
    assert await fake_app.app.handlers.audit() == 0
    assert signed(fake_app) == 30


async def test_a_call_without_tables_is_no_error_and_the_next_one_goes_on(
    fake_app: FakeApp, caplog: pytest.LogCaptureFixture
) -> None:
    """It is a warning: the night has more calls."""
    order = await crowd(fake_app, 30)
    store = fake_app.world.store
    assert isinstance(store, StuckStore)
    store.broken = order[17]
    assert await fake_app.app.handlers.audit() == 0
    why = "tables is not available: a row cannot be read"
    assert lines(caplog, logging.WARNING) == [f"audit: a call stopped after {order[16]}, the next one goes on: {why}"]
    assert fake_app.world.telemetry.total("darkroom.audits_unfinished") == 0
    store.broken = ""
    assert await fake_app.app.handlers.audit() == 0
    assert signed(fake_app) == 30


async def test_a_call_that_cannot_read_how_far_the_night_is_counts_as_unfinished(
    fake_app: FakeApp, caplog: pytest.LogCaptureFixture
) -> None:
    """Otherwise nothing would ever say that no night is looked at."""
    await crowd(fake_app, 1)

    async def down() -> NightProgress | None:
        raise Unavailable(Dependency.TABLES, "the test says so")

    fake_app.world.nights.progress = down  # type: ignore[method-assign]  # a table that is down
    assert await fake_app.app.handlers.audit() == 0
    assert lines(caplog) == ["audit: not begun: tables is not available: the test says so"]
    assert fake_app.world.telemetry.total("darkroom.audits_unfinished") == 1


async def test_a_sweep_that_takes_long_leaves_time_for_the_audit(
    fake_app: FakeApp, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The accounts are looked at, and the next call sweeps again."""
    await crowd(fake_app, 3)
    monkeypatch.setattr(audit, "SWEEP_S", 0.05)
    swept = []

    async def sweep(_: object, __: object) -> int:
        swept.append(1)
        return await asyncio.sleep(60 if len(swept) == 1 else 0, 0)

    monkeypatch.setattr(fake_app.world.blobs, "sweep_inputs", sweep)
    for _ in range(3):
        assert await fake_app.app.handlers.audit() == 0
        assert signed(fake_app) == 3
    assert lines(caplog, logging.WARNING) == []
    assert len(swept) == 2


def test_a_call_ends_before_it_is_ended_and_before_the_next_one_begins() -> None:
    """Its own end comes first, then its bound, the last resort, the next call, and functionTimeout."""
    assert audit.SWEEP_S < audit.BEGIN_S <= audit.AUDIT_S - 30 <= function_app.LAST_RESORT_S - 60
    assert timedelta(seconds=function_app.LAST_RESORT_S) < BETWEEN_CALLS
    assert audit.AUDIT_S <= 240


@pytest.mark.parametrize("file", ["infra/settings.json", "local.settings.json.example"])
def test_the_schedule_calls_all_night(file: str) -> None:
    """Every five minutes, for as many hours as a night has, and not over midnight."""
    found = json.loads((ROOT / file).read_text())
    schedule = found.get("Values", found)["AUDIT_SCHEDULE"]
    matched = re.fullmatch(r"0 \*/(\d+) (\d+)-(\d+) \* \* \*", schedule)
    assert matched is not None
    every, first, last = map(int, matched.groups())
    assert timedelta(minutes=every) == BETWEEN_CALLS
    assert timedelta(hours=last - first + 1) == NIGHT
    assert first > 0


async def test_a_model_that_has_drifted_is_counted_for_the_alert(
    fake_app: FakeApp, caplog: pytest.LogCaptureFixture
) -> None:
    """Each difference is an error, with the command that helps."""
    fake_app.drifts = [("flux-dev", "guidance: its greatest value is 8 now, ours is 10"), ("sdxl", "it is gone")]
    await fake_app.app.handlers.audit()
    assert fake_app.world.telemetry.total("darkroom.models_drifted") == 2
    assert lines(caplog) == [
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
    assert lines(caplog) == []
    assert "models: not compared, replicate is not available: it answered 503" in caplog.text
