"""The webhook trigger: valid, wrongly signed and oversized deliveries, 16 at a time, straight into the worker.

A time is measured from the host's call to the answer, so it includes the worker's own part.
"""

import asyncio
import json
import secrets
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from dev.bench import dependencies, load
from dev.bench import host as hosts
from dev.bench.host import Host
from dev.bench.load import APPS
from dev.bench.report import Cell, Report
from replicate_simulator.webhooks import sign
from shared.core.keys import Key
from shared.core.provider.standard_webhooks import verify
from shared.core.provider.webhook import Callback, callback_url
from shared.triggers.replicate_webhook import WEBHOOK_BYTES

IN_FLIGHT = 16


@dataclass(frozen=True, slots=True)
class Delivery:
    """One request to the webhook."""

    url: str
    headers: dict[str, str]
    body: bytes

    @property
    def query(self) -> dict[str, str]:
        """Its query parameters."""
        pairs = (pair.split("=", 1) for pair in self.url.partition("?")[2].split("&"))
        return dict(tuple(pair) for pair in pairs)  # type: ignore[misc]  # each pair has two parts


async def measured(report: Report, *, full: bool, turns: int) -> None:
    """Run the benchmark."""
    count = 4000 if full else 1000
    async with dependencies.started() as around:
        secret = around.values["REPLICATE_WEBHOOK_SECRET"]
        kinds: dict[str, Callable[[], Delivery]] = {
            "valid": lambda: _valid(secret),
            "wrong signature": lambda: _wrong(secret),
            "too large": _large,
        }
        rows: list[dict[str, Cell]] = []
        values = {"STATE_TABLE": "state", "OPEN_TABLE": "open"}
        await load.prepare(around, values, users=1)
        async with hosts.running(around, APPS["darkroom"], settings=values, observing=False) as (host, _):
            for kind, make in kinds.items():
                number = count // 20 if kind == "too large" else count
                await _driven(host, make, IN_FLIGHT, 50)
                best = min([await _driven(host, make, IN_FLIGHT, number) for _ in range(turns)], key=_cpu)
                alone = await _driven(host, make, 1, min(number, 300))
                rows.append(
                    {"delivery": kind, **best, "p50 ms alone": alone["p50 ms"], "p99 ms alone": alone["p99 ms"]}
                )
    report.add(f"{IN_FLIGHT} at a time", rows)
    verification_us = _verification_us(secret)
    report.add("verification", [{"of": "a webhook of 1.7 kB", "us": verification_us}])
    valid = rows[0]
    report.at_most("the trigger's own time, p50, one at a time", 3, float(valid["p50 ms alone"] or 0), "ms")
    report.at_most("the trigger's verification", 50, verification_us, "us")
    report.at_least("webhooks a second per core, by CPU", 800, float(valid["per s by CPU"] or 0))


def _cpu(row: dict[str, float]) -> float:
    return row["CPU ms"]


async def _driven(host: Host, make: Callable[[], Delivery], in_flight: int, count: int) -> dict[str, float]:
    deliveries = [make() for _ in range(count)]
    took_ms: list[float] = []

    async def worker() -> None:
        while deliveries:
            each = deliveries.pop()
            began_s = time.perf_counter()
            await host.call(
                "replicate_webhook", each.body, method="POST", url=each.url, headers=each.headers, query=each.query
            )
            took_ms.append((time.perf_counter() - began_s) * 1000)

    before, began_s = await host.used(), time.perf_counter()
    await asyncio.gather(*(worker() for _ in range(in_flight)))
    wall_s = time.perf_counter() - began_s
    cpu_s = (await host.used()).cpu_s - before.cpu_s
    ordered = sorted(took_ms)
    return {
        "per s": count / wall_s,
        "per s by CPU": count / cpu_s,
        "CPU ms": cpu_s * 1000 / count,
        "p50 ms": statistics.median(ordered),
        "p99 ms": ordered[int(len(ordered) * 0.99)],
    }


def _valid(secret: str) -> Delivery:
    # The generation does not exist: the trigger does the same work, and the message handler has nothing to do.
    callback = Callback(Key("user-0", secrets.token_hex(16)), 1)
    url = callback_url("http://127.0.0.1/api/webhooks/replicate", callback, secret)
    body = json.dumps(_prediction()).encode()
    return Delivery(url, _headers(secret, body), body)


def _wrong(secret: str) -> Delivery:
    delivery = _valid(secret)
    return Delivery(delivery.url, delivery.headers | {"webhook-signature": "v1," + "A" * 44}, delivery.body)


def _large() -> Delivery:
    return Delivery("http://127.0.0.1/api/webhooks/replicate?a=b", {}, bytes(WEBHOOK_BYTES + 1))


def _headers(secret: str, body: bytes) -> dict[str, str]:
    message_id, timestamp = f"msg_{secrets.token_hex(13)}", str(int(time.time()))
    signature = sign(secret, message_id, timestamp, body)
    return {"webhook-id": message_id, "webhook-timestamp": timestamp, "webhook-signature": signature}


def _prediction() -> dict[str, object]:
    """The body of a webhook, of about the size that Replicate sends."""
    return {
        "id": secrets.token_hex(13),
        "model": "black-forest-labs/flux-schnell",
        "status": "processing",
        "input": {"prompt": "A beautiful sunset over mountains, highly detailed", "seed": 1},
        "output": None,
        "logs": "Using seed: 1\n" * 80,
        "urls": {"get": "https://api.replicate.com/v1/predictions/x", "cancel": "https://api.replicate.com/v1/x"},
        "created_at": datetime.now(UTC).isoformat(),
    }


def _verification_us(secret: str) -> float:
    body = json.dumps(_prediction()).encode()
    headers, now, times = _headers(secret, body), datetime.now(UTC), 2000
    best = float("inf")
    for _ in range(5):
        began_s = time.perf_counter()
        for _ in range(times):
            verify(headers, body, [secret], now)
        best = min(best, time.perf_counter() - began_s)
    return best / times * 1e6
