"""The flows of the message handler, run in this process with every call to a dependency counted and timed.

The adapters are the real ones (shared/composition/container.py). Only the broker belongs to this file: it keeps sent
messages, and a flow handles them when it needs to. A flow's budget is the number of requests that it may make to each
dependency. A test holds the budget.
"""

import asyncio
import inspect
import json
import secrets
import time
import uuid
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import cached_property
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from dev import stack
from dev.bench.dependencies import RunningDependencies
from dev.fakes.accounts import granted
from replicate_simulator.webhooks import sign
from shared import worker
from shared.composition.app import App
from shared.config.settings import Settings
from shared.core.events.generation_event import Event
from shared.core.keys import Key
from shared.core.lifecycle.generation import Generation
from shared.core.money.account import Account
from shared.core.provider.prediction import Prediction
from shared.core.provider.webhook import Callback, callback_url
from shared.core.requests.messages import CancelRequest, Check, Message, PredictionEvent
from shared.core.requests.parsing import parse_request
from shared.ports import Dependencies, Envelope, Sendable, SwitchBoard
from shared.ports.switches import Board, RecentSwitches
from shared.worker.noting import note_move

USER = "user-0"

#: The ports whose adapters call another process.
PORTS = ("store", "index", "screener", "outputs", "input_files", "messenger", "images", "switches")

#: The budget of each flow: HTTP requests to each dependency, and messages sent. An instance reads the kill switches
#: once for all that it creates within some seconds: that read is a flow of its own, and the other flows come after it.
BUDGETS: Mapping[str, Mapping[str, int]] = {
    "kill switches": {"tables": 1, "content safety": 0, "replicate": 0, "service bus": 0, "blobs": 0},
    "request": {"tables": 5, "content safety": 1, "replicate": 1, "service bus": 0, "blobs": 0},
    "started": {"tables": 2, "content safety": 0, "replicate": 0, "service bus": 0, "blobs": 0},
    "completed": {"tables": 4, "content safety": 1, "replicate": 1, "service bus": 1, "blobs": 1},
    "completed again": {"tables": 3, "content safety": 0, "replicate": 0, "service bus": 0, "blobs": 0},
    # A repeated request publishes the outcome again.
    "request again": {"tables": 3, "content safety": 0, "replicate": 0, "service bus": 1, "blobs": 0},
    "refused prompt": {"tables": 5, "content safety": 1, "replicate": 0, "service bus": 1, "blobs": 0},
    "webhook": {"tables": 0, "content safety": 0, "replicate": 0, "service bus": 1, "blobs": 0},
    "tick, nothing open": {"tables": 1, "content safety": 0, "replicate": 0, "service bus": 0, "blobs": 0},
    "check": {"tables": 4, "content safety": 0, "replicate": 1, "service bus": 0, "blobs": 0},
    "cancel": {"tables": 5, "content safety": 0, "replicate": 1, "service bus": 1, "blobs": 1},
}


@dataclass(slots=True)
class Calls:
    """Calls through the ports: how many, CPU seconds, seconds."""

    number: Counter[str] = field(default_factory=Counter)
    cpu_s: defaultdict[str, float] = field(default_factory=lambda: defaultdict(float))
    wall_s: defaultdict[str, float] = field(default_factory=lambda: defaultdict(float))

    @asynccontextmanager
    async def timed(self, name: str) -> AsyncIterator[None]:
        """Count and time the block; meant for one call at a time."""
        cpu_s, wall_s = time.process_time(), time.perf_counter()
        try:
            yield
        finally:
            self.number[name] += 1
            self.cpu_s[name] += time.process_time() - cpu_s
            self.wall_s[name] += time.perf_counter() - wall_s


class Timed:
    """An adapter whose calls are counted and timed."""

    def __init__(self, port: str, adapter: object, calls: Calls) -> None:
        self._port = port
        self._adapter = adapter
        self._calls = calls

    def __getattr__(self, name: str) -> Any:
        inner = getattr(self._adapter, name)
        label = f"{self._port}.{name}"
        if name == "fetch":
            return self._timed_fetch(inner, label)
        if not inspect.iscoroutinefunction(inner):
            return inner

        async def call(*args: object, **kwargs: object) -> object:
            async with self._calls.timed(label):
                return await inner(*args, **kwargs)

        return call

    def _timed_fetch(self, inner: Callable[..., Any], label: str) -> Callable[..., Any]:
        @asynccontextmanager
        async def fetch(*args: object) -> AsyncIterator[Any]:
            async with self._calls.timed(label), inner(*args) as chunks:
                yield chunks

        return fetch


#: How long predictions run at the simulator.
_RUN_S = 0.3


class KeepingMessenger:
    """Keeps sent messages and published events in place of Service Bus."""

    def __init__(self) -> None:
        self.sent: list[Sendable] = []
        self.published: list[Event] = []

    async def send(self, message: Sendable, envelope: Envelope, at: datetime | None = None) -> None:  # noqa: ARG002 - the port's
        """Keep the message."""
        self.sent.append(message)

    async def publish(self, event: Event, again: str = "") -> None:  # noqa: ARG002  # the number counts, not the repeat
        """Keep the event."""
        self.published.append(event)

    async def close(self) -> None:
        """Nothing is open, so nothing is closed."""

    @property
    def number(self) -> int:
        """How many messages and events were kept so far."""
        return len(self.sent) + len(self.published)


class LocalApp(App):
    """Darkroom's app with the messenger of this file."""

    @cached_property
    def messenger(self) -> Any:
        """A messenger that keeps what is sent."""
        return KeepingMessenger()


class Walk:
    """Runs flows one at a time. ``found`` has the requests of each flow, by dependency."""

    def __init__(self, around: RunningDependencies, app: LocalApp) -> None:
        self._around = around
        self._app = app
        self.calls: dict[str, Calls] = {}
        self.found: dict[str, Counter[str]] = {}
        self._last = Key(USER, "none")

    async def all(self) -> None:
        """Run each flow once."""
        await self._flow("kill switches", _read_switches)
        await self.main()
        await self._request("request again", load_key=self._last)
        await self._request("refused prompt", prompt="refuse me")
        headers, query, body = _delivery(self._around.values["REPLICATE_WEBHOOK_SECRET"])
        await self._flow("webhook", lambda _: self._app.receive(headers, query, body))
        await self._flow("tick, nothing open", worker.reconcile)
        await self._around.runs_for(60, 0)  # on a busy machine it would have ended before it is checked and canceled
        key = await self._request("another request")
        await self._handle("check", Check(key))
        await self._handle("cancel", CancelRequest(key))
        await self._around.runs_for(_RUN_S, 0)

    async def main(self) -> None:
        """The main flow: a request, the prediction's start, its end, and its end delivered again."""
        self._last = key = await self._request("request")
        running = await self._prediction(key, finished=False)
        await self._handle("started", PredictionEvent(key, 1, running))
        succeeded = await self._prediction(key, finished=True)
        await self._handle("completed", PredictionEvent(key, 1, succeeded))
        await self._handle("completed again", PredictionEvent(key, 1, succeeded))

    async def switch_reads(self, number: int) -> tuple[int, float]:
        """How often so many requests read the kill switches, and in how many seconds."""
        reads, began = _Reads(self._app.switches), time.monotonic()
        deps = replace(self._app.deps, switches=reads, recent_switches=RecentSwitches())
        for _ in range(number):
            await worker.handle(deps, _request_of(Key(USER, uuid.uuid4().hex)), Envelope(uuid.uuid4().hex), "unused")
        return reads.number, time.monotonic() - began

    async def _request(self, flow: str, prompt: str = "a lighthouse", load_key: Key | None = None) -> Key:
        key = load_key or Key(USER, uuid.uuid4().hex)
        await self._handle(flow, _request_of(key, prompt))
        return key

    async def _handle(self, flow: str, message: Message) -> None:
        queue = self._app.settings.generation_queue
        envelope = Envelope(uuid.uuid4().hex)
        await self._flow(flow, lambda deps: worker.handle(deps, message, envelope, queue))

    async def _flow(self, flow: str, walked: Callable[[Dependencies], Awaitable[object]]) -> None:
        calls = self.calls.setdefault(flow, Calls())
        deps = self._app.deps
        if flow != "kill switches":
            await _read_switches(deps)
        timed: dict[str, Any] = {name: Timed(name, getattr(deps, name), calls) for name in PORTS}
        timed["providers"] = {name: Timed("provider", each, calls) for name, each in deps.providers.items()}
        await self._around.counts()
        before, sent = await self._around.replicate_requests(), self._app.messenger.number
        async with calls.timed("whole"):
            await walked(replace(deps, **timed))
        found = Counter(dict.fromkeys(("tables", "content safety", "replicate", "service bus", "blobs"), 0))
        for name, number in (await self._around.counts()).items():
            found[next(dependency for dependency in found if name.startswith(dependency))] += number
        found["replicate"] += (await self._around.replicate_requests() - before).total()
        found["service bus"] += self._app.messenger.number - sent
        self.found[flow] = found

    async def _prediction(self, key: Key, *, finished: bool) -> Prediction:
        """The prediction in the form of a webhook."""
        while True:
            generation = (await self._app.store.load(key)).generation
            attempt = generation.attempt if isinstance(generation, Generation) else None
            if attempt is None or attempt.prediction_id is None:
                raise RuntimeError(f"generation {key} has no prediction")
            prediction = await self._app.replicate.get(attempt.ref(attempt.prediction_id))
            if prediction is not None and prediction.status.finished == finished:
                return prediction
            await asyncio.sleep(0.05)


def _request_of(key: Key, prompt: str = "a lighthouse") -> Message:
    body = {"generation_id": key.generation_id, "user_id": USER, "prompt": prompt, "output_format": "png"}
    message, _ = parse_request(json.dumps({**body, "model": "flux-schnell"}).encode())
    return message


class _Reads:
    """The kill switches, and how often they were read."""

    def __init__(self, board: SwitchBoard) -> None:
        self.number = 0
        self._board = board

    async def read(self) -> Board:
        """See ``SwitchBoard``."""
        self.number += 1
        return await self._board.read()

    async def save(self, board: Board) -> None:
        """See ``SwitchBoard``."""
        await self._board.save(board)


async def _read_switches(deps: Dependencies) -> None:
    """What an instance has done that has created something in the last seconds."""
    deps.recent_switches.forget()
    await deps.recent_switches.get(deps.switches, deps.now())


@asynccontextmanager
async def walking(around: RunningDependencies) -> AsyncIterator[Walk]:
    """A walk with these dependencies, in tables of its own, by a user with enough credits."""
    tables = {"STATE_TABLE": f"state{uuid.uuid4().hex[:12]}", "OPEN_TABLE": f"open{uuid.uuid4().hex[:12]}"}
    values = {**around.values, **tables, "ServiceBus": "Endpoint=sb://unused", "PUBLIC_URL": "http://127.0.0.1:9"}
    app = LocalApp(Settings.from_env(values))
    try:
        await stack.ensure(app)
        rich = granted(Account(account_id=USER), 1_000_000, grant_id="bench", at=datetime.now(UTC))
        await note_move(app.deps, USER)  # an account's first move of a day is the only one with this write
        await app.store.post(rich.account, "", rich.entries)
        await around.runs_for(_RUN_S, 0)
        yield Walk(around, app)
    finally:
        await app.close()


def _delivery(secret: str) -> tuple[dict[str, str], dict[str, str], bytes]:
    """A signed delivery of a webhook, for a generation that does not exist."""
    body = json.dumps({"id": secrets.token_hex(13), "status": "processing", "model": "any"}).encode()
    message_id, timestamp = f"msg_{secrets.token_hex(13)}", str(int(time.time()))
    url = callback_url("http://127.0.0.1", Callback(Key(USER, uuid.uuid4().hex), 1), secret)
    headers = {
        "webhook-id": message_id,
        "webhook-timestamp": timestamp,
        "webhook-signature": sign(secret, message_id, timestamp, body),
    }
    return headers, dict(parse_qsl(urlsplit(url).query)), body
