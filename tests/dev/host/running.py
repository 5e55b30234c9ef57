"""Starts the host as a process on a small app, and reads its log."""

import asyncio
import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dev import process

HOST_JSON = {
    "version": "2.0",
    "functionTimeout": "00:00:20",
    "extensions": {"serviceBus": {"maxConcurrentCalls": 2, "maxAutoLockRenewalDuration": "00:00:10"}},
}


@dataclass(slots=True)
class RunningHost:
    """A host and what it has logged so far."""

    child: process.Child | None = None
    records: list[dict[str, Any]] = field(default_factory=list)
    _news: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def url(self) -> str:
        """Where its HTTP functions answer."""
        assert self.child is not None
        return self.child.text("url")

    def read(self, line: str) -> None:
        """Take a line of the log."""
        self.records.append(json.loads(line) if line.startswith("{") else {"message": line})
        self._news.set()

    async def logged(self, count: int = 1, **expected: object) -> list[dict[str, Any]]:
        """Wait, at most 10 s, until so many records have all these values; returns the records."""
        async with asyncio.timeout(10):
            while len(found := [r for r in self.records if expected.items() <= r.items()]) < count:
                self._news.clear()
                await self._news.wait()
        return found


async def start(
    folder: Path,
    app: str,
    values: Mapping[str, str],
    host_json: Mapping[str, object] | None = None,
    starter: process.Starter = process.execute,
) -> RunningHost:
    """Write the app into the folder and run the host on it, started as a person's command starts it or in a fork."""
    (folder / "function_app.py").write_text(app, encoding="utf-8")
    (folder / "host.json").write_text(json.dumps({**HOST_JSON, **(host_json or {})}), encoding="utf-8")
    settings = {"IsEncrypted": False, "Values": dict(values)}
    (folder / "local.settings.json").write_text(json.dumps(settings), encoding="utf-8")
    options = ["--settings", str(folder / "local.settings.json"), "--app", str(folder), "--log-json"]
    command = [sys.executable, "-m", "dev.host", *options, "--exit-with-stdin"]
    running = RunningHost()
    running.child = await process.start("host", command, on_stderr=running.read, starter=starter)
    return running
