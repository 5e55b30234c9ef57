"""The dependencies of a measurement, each a process: Azurite for tables, the Replicate simulator, the stubs.

They run on the second core together with the bench. The measured process has the first core for itself.
"""

import sys
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aiohttp

from dev import azurite, process, simulated_replicate
from dev.azurite import ACCOUNT, ACCOUNT_KEY
from dev.local_settings import local_values
from dev.stack import ROOT, UNPACED


@dataclass(frozen=True, slots=True)
class RunningDependencies:
    """The running dependencies. ``values``: settings for an app that uses them, without queue and PUBLIC_URL."""

    values: Mapping[str, str]
    replicate: process.Child
    stubs: process.Child
    azurite: azurite.Azurite
    session: aiohttp.ClientSession

    @property
    def uncounted(self) -> Mapping[str, str]:
        """Settings with Azurite's own address: for measurements of time that need no count of table requests."""
        return {"STORAGE_CONNECTION_STRING": _storage(self.stubs.text("blob_url"), self.azurite.table_url)}

    async def runs_for(self, run_s: float, picture_bytes: int) -> None:
        """Set how long later predictions run, and the approximate size of their picture."""
        await self._set("run_time", {"start_s": 0, "run_s": run_s})
        await self._set("pictures", {"mode": "plain", "bytes": picture_bytes})

    async def counts(self) -> Counter[str]:
        """The requests since the last call, by dependency and kind."""
        async with self.session.get(f"{self.stubs.text('url')}/_bench/counts") as answer:
            counts = Counter(await answer.json())
        counts.pop("blob bytes", None)
        return counts

    async def replicate_requests(self) -> Counter[str]:
        """All requests to the simulator so far, by endpoint."""
        async with self.session.get(f"{self.replicate.text('url')}/_sim/stats") as answer:
            stats: dict[str, Any] = await answer.json()
        return Counter(stats["requests"])

    async def rest(self) -> None:
        """End all predictions that still run at the simulator."""
        await self._set("quiet", {"wait_s": 0})

    async def _set(self, what: str, body: Mapping[str, object]) -> None:
        async with self.session.post(f"{self.replicate.text('url')}/_sim/{what}", json=body) as answer:
            answer.raise_for_status()


@asynccontextmanager
async def started() -> AsyncIterator[RunningDependencies]:
    """Start all dependencies; they end with the block."""
    async with AsyncExitStack() as stack:
        storage = await azurite.start()
        stack.push_async_callback(storage.stop)
        replicate = await _child(stack, "replicate simulator", "replicate_simulator", *simulated_replicate.arguments())
        stubs = await _child(stack, "stubs", "dev.bench.stubs", "--tables", storage.table_url)
        session = await stack.enter_async_context(aiohttp.ClientSession())
        yield RunningDependencies(_values(replicate, stubs), replicate, stubs, storage, session)


async def _child(stack: AsyncExitStack, name: str, module: str, *arguments: str) -> process.Child:
    command = [sys.executable, "-m", module, "--exit-with-stdin", *arguments]
    child = await process.start(name, command, cwd=ROOT)
    stack.push_async_callback(child.stop)
    return child


def _values(replicate: process.Child, stubs: process.Child) -> dict[str, str]:
    url = replicate.text("url")
    storage = _storage(stubs.text("blob_url"), stubs.text("table_url"))
    return local_values() | {
        "STORAGE_CONNECTION_STRING": storage,
        "AzureWebJobsStorage": storage,
        "CONTENT_SAFETY_ENDPOINT": stubs.text("url"),
        "CONTENT_SAFETY_KEY": "any",
        "REPLICATE_API_TOKEN": replicate.text("token"),
        "REPLICATE_WEBHOOK_SECRET": replicate.text("webhook_secret"),
        "REPLICATE_API_URL": f"{url}/v1",
        "REPLICATE_DELIVERY_URL": url,
        "REPLICATE_STATUS_URL": "off",
        "REPLICATE_CREATES_PER_MINUTE": UNPACED,
        "LOG_LEVEL": "INFO",
    }


def _storage(blob_url: str, table_url: str) -> str:
    login = f"DefaultEndpointsProtocol=http;AccountName={ACCOUNT};AccountKey={ACCOUNT_KEY}"
    return f"{login};BlobEndpoint={blob_url};TableEndpoint={table_url};"
