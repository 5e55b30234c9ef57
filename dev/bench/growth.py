"""How costs grow: CPU per generation with their number, the timer with open rows, one account's conflicts."""

import asyncio
import time
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from dev import stack
from dev.bench import dependencies, load, usage
from dev.bench.dependencies import RunningDependencies
from dev.bench.host import bench_entities
from dev.bench.load import Run
from dev.bench.report import Cell, Report
from servicebus_emulator.emulator import Emulator
from shared import worker
from shared.adapters.azure_storage.tables import entities as wire
from shared.adapters.azure_storage.tables import rows
from shared.composition.app import App
from shared.config.settings import Settings
from shared.core.keys import Key
from shared.core.lifecycle.generation import Closed
from shared.core.lifecycle.state import State
from shared.core.reasons import Reason
from shared.ports import OpenRow

#: Rows of one transaction: the service accepts a hundred.
_TRANSACTION_ROWS = 100


async def measured(report: Report, *, full: bool, turns: int) -> None:
    """Run the benchmark."""
    async with dependencies.started() as around:
        sizes = (50, 1000, 10_000) if full else (50, 300)
        costs = await _by_number(around, sizes, turns)
        report.add("generations of 1 s, 16 in flight", [{"generations": size, "CPU ms": costs[size]} for size in sizes])
        few, many = sizes[:2]  # compared sizes run in turns; the largest runs once
        report.at_most(f"CPU at N = {many}, of that at {few}", 1.2, costs[many] / costs[few])
        hot = [await _accounts(around, users) for users in (1, 50)]
        report.add("100 generations at once", hot)
        ticks = await _ticks(around, (10, 1000, 100_000) if full else (10, 1000), (10, 1000))
    report.add("one tick of the timer", ticks)
    most = [row for row in ticks if row["open"] == 1000]
    first, last = (float(row["CPU s"] or 0) for row in (most[0], most[-1]))
    report.at_most("CPU of a tick over 1000 open", 1, max(float(row["CPU s"] or 0) for row in most), "s")
    report.at_most(f"CPU of a tick with {most[-1]['finished']} finished, of that with 10", 1.3, last / first)


async def _by_number(around: RunningDependencies, sizes: tuple[int, ...], turns: int) -> dict[int, float]:
    costs: dict[int, float] = {}
    for turn in range(turns):
        for size in sizes if turn == 0 else sizes[:2]:
            run = Run(generations=size, run_s=1, picture_bytes=100_000, timeout_s=900)
            cost = await load.measure(around, "darkroom", run)
            costs[size] = min(cost.cpu_ms, costs.get(size, cost.cpu_ms))
    return costs


async def _accounts(around: RunningDependencies, users: int) -> dict[str, Cell]:
    run = Run(generations=100, run_s=1, users=users, picture_bytes=100_000)
    cost = await load.measure(around, "darkroom", run)
    tables = sum(number for name, number in cost.calls.items() if name.startswith("tables"))
    return {
        "accounts": users,
        "succeeded": f"{cost.succeeded} of 100",
        "wall s": cost.wall_s,
        "CPU ms": cost.cpu_ms,
        "requests to tables": tables,
    }


async def _ticks(
    around: RunningDependencies, finished: tuple[int, ...], open_: tuple[int, ...]
) -> list[dict[str, Cell]]:
    """Measure a tick for each number of open generations, and beside each number of finished ones."""
    found: list[dict[str, Cell]] = []
    async with _open_app(around) as app:
        written = 0
        for done in finished:
            await _finish(app, written, done)
            written = done
            found += [{"finished": done, "open": number, **await _tick(app, number)} for number in open_]
    return found


@asynccontextmanager
async def _open_app(around: RunningDependencies) -> AsyncIterator[App]:
    """Darkroom's own adapters, in this process, on the core of the measured process."""
    with Emulator(bench_entities()) as emulator:  # a thread of this process: its CPU is not counted
        pinned = usage.cores()
        tables = {"STATE_TABLE": f"state{uuid.uuid4().hex[:12]}", "OPEN_TABLE": f"open{uuid.uuid4().hex[:12]}"}
        public = {"ServiceBus": emulator.connection_string, "PUBLIC_URL": "http://127.0.0.1:9"}
        app = App(Settings.from_env({**around.values, **tables, **public}))
        usage.pin(pinned[0] if pinned else None)
        try:
            await stack.ensure(app)
            yield app
        finally:
            usage.pin(pinned[1] if pinned else None)
            await app.close()


async def _finish(app: App, written: int, wanted: int) -> None:
    """Write this many finished generations to the table."""
    now = datetime.now(UTC)
    for start in range(written, wanted, _TRANSACTION_ROWS):
        numbers = range(start, min(start + _TRANSACTION_ROWS, wanted))
        writes: list[wire.Write] = []
        for number in numbers:
            key = Key(f"user-{start % 50}", f"done-{number}")
            done = Closed(
                key=key,
                state=State.REJECTED,
                opened_at=now,
                ended_at=now,
                request=None,
                reason=Reason.NO_CREDITS,
                text="",
            )
            writes.append((rows.generation_row(done), ""))
        await app._tables.rest.transact(app.settings.state_table, writes)  # noqa: SLF001  # there is no public way to write rows in bulk


async def _tick(app: App, number: int) -> dict[str, Cell]:
    """Open this many generations that are overdue, run the timer once, then remove them."""
    now = datetime.now(UTC)
    past = now - timedelta(seconds=60)
    keys = [Key(f"user-{each % 50}", f"open-{uuid.uuid4().hex}") for each in range(number)]
    row = OpenRow(key=keys[0], due_at=past, expires_at=now + timedelta(hours=1), written_at=past)
    await asyncio.gather(*(app.index.put(replace(row, key=key)) for key in keys))
    await worker.reconcile(app.deps)  # a tick must not include imports and connections of the first use
    cpu_s, wall_s = time.thread_time(), time.perf_counter()
    sent = await worker.reconcile(app.deps)
    spent = {"sent": sent, "CPU s": time.thread_time() - cpu_s, "wall s": time.perf_counter() - wall_s}
    await asyncio.gather(*(app.index.remove(key) for key in keys))
    return dict(spent)
