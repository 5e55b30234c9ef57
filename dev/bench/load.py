"""Runs generations through one worker and measures the cost of each.

Rules of this file:
1. A few generations run before the measurement, so that modules are loaded and connections open. The measurement
   begins after the last of their calls, and ends with the last call of the measured generations.
2. Every run has tables of its own, because Azurite slows down as a table grows.
3. A generation that does not succeed counts as a failure. A figure with failures is not a success.
"""

import asyncio
import json
import time
import uuid
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from dev import stack
from dev.bench import host as hosts
from dev.bench.dependencies import RunningDependencies
from dev.bench.host import Host
from dev.fakes.accounts import granted
from shared.composition.app import App
from shared.config.settings import Settings
from shared.core.money.account import Account

ROOT = Path(__file__).parents[2]
PEERS = Path(__file__).parent / "peers"
APPS: Mapping[str, Path] = {"darkroom": ROOT} | {
    name: PEERS / name for name in ("bare", "usual", "polling", "sdk_run", "sdk_wait")
}

PICTURE_BYTES = 1_500_000
WARM_UP = 8
#: More credits than any run needs; the accounts exist to hold and capture from.
_CREDITS = 1_000_000
_MIB = 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """What to send: ``generations``, of ``run_s`` at Replicate, for ``users``, all at once or ``per_s``."""

    generations: int
    run_s: float = 3.0
    slots: int = 16
    users: int = 50
    per_s: float | None = None
    picture_bytes: int = PICTURE_BYTES
    timeout_s: float = 300.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """The cost of a run. Per generation unless the name says otherwise; seconds, bytes, counts."""

    design: str
    generations: int
    succeeded: int
    wall_s: float
    cpu_ms: float
    slot_s: float
    before_mib: float
    peak_mib: float
    records: float
    leaks: int
    replicate_calls: float
    requests: float
    held_ms: Mapping[str, float]
    calls: Mapping[str, float] = field(default_factory=dict)
    failures: tuple[str, ...] = ()

    @property
    def per_s(self) -> float:
        """Generations a second."""
        return self.succeeded / self.wall_s


async def measure(
    dependencies: RunningDependencies, design: str, run: Run, settings: Mapping[str, str] | None = None
) -> Cost:
    """Run a design and measure it; see ``Run``."""
    values = {"STATE_TABLE": _fresh("state"), "OPEN_TABLE": _fresh("open"), **(settings or {})}
    await prepare(dependencies, values, run.users)
    async with hosts.running(dependencies, APPS[design], run.slots, values) as (host, requests):
        await dependencies.runs_for(0.2, run.picture_bytes)
        await _warm_up(host, requests, run)
        await dependencies.runs_for(run.run_s, run.picture_bytes)
        await dependencies.counts()
        replicate_before = await dependencies.replicate_requests()
        host.tally = hosts.Tally()
        await host.ask("mark")
        before, began_s = await host.used(), time.perf_counter()
        failure = await _send_all(host, requests, run)
        wall_s = time.perf_counter() - began_s
        after = await host.used()
        replicate = await dependencies.replicate_requests() - replicate_before
        counts = await dependencies.counts()
    await dependencies.rest()
    counts.update({f"replicate {name}": number for name, number in replicate.items()})
    tally, number = host.tally, run.generations
    return Cost(
        design=design,
        generations=number,
        succeeded=sum(1 for outcome in host.ended.values() if outcome == "succeeded") - WARM_UP,
        wall_s=wall_s,
        cpu_ms=(after.cpu_s - before.cpu_s) * 1000 / number,
        slot_s=sum(tally.took_s.values()) / number,
        before_mib=before.resident_bytes / _MIB,
        peak_mib=after.peak_bytes / _MIB,
        records=tally.records.total() / number,
        leaks=tally.leaks,
        replicate_calls=sum(each for name, each in replicate.items() if "/v1/" in name) / number,
        requests=counts.total() / number,
        held_ms={name: each * 1000 / number for name, each in tally.took_s.items()},
        calls={name: each / number for name, each in sorted(counts.items())},
        failures=tuple(f"{times} x {text}" for text, times in Counter(tally.failures).most_common(3)) + failure,
    )


async def _warm_up(host: Host, requests: "asyncio.Queue[bytes]", run: Run) -> None:
    for number in range(WARM_UP):
        requests.put_nowait(request(number % run.users))
    await host.ended_of(WARM_UP, 60)
    await host.idle()


async def _send_all(host: Host, requests: "asyncio.Queue[bytes]", run: Run) -> tuple[str, ...]:
    for number in range(run.generations):
        requests.put_nowait(request(number % run.users))
        if run.per_s:
            await asyncio.sleep(1 / run.per_s)
    try:
        await host.ended_of(run.generations + WARM_UP, run.timeout_s)
    except TimeoutError as late:
        return (str(late),)
    await host.idle()
    return ()


def request(user: int) -> bytes:
    """A message of the request queue."""
    body = {
        "generation_id": uuid.uuid4().hex,
        "user_id": f"user-{user}",
        "prompt": "A beautiful sunset over mountains, highly detailed",
        "model": "flux-schnell",
        "output_format": "png",
    }
    return json.dumps(body).encode()


async def prepare(dependencies: RunningDependencies, values: Mapping[str, str], users: int) -> None:
    """Create the tables and containers, and grant every user enough credits."""
    settings = {**dependencies.values, "ServiceBus": "Endpoint=sb://unused", "PUBLIC_URL": "http://127.0.0.1", **values}
    app = App(Settings.from_env(settings))
    try:
        await stack.ensure(app)
        for user in range(users):
            account = Account(account_id=f"user-{user}")
            rich = granted(account, _CREDITS, grant_id="bench", at=datetime.now(UTC))
            await app.store.post(rich.account, "", rich.entries)
    finally:
        await app.close()


def _fresh(name: str) -> str:
    return f"{name}{uuid.uuid4().hex[:12]}"
