"""The bench's Functions host: feeds one worker, as many calls at a time as there are slots, and measures the cost.

Rules of this file:
1. The queues are those of the Service Bus emulator, which runs in this process. The worker sends over AMQP. The host
   takes the messages out of the broker without a second connection. Each message is handed over once: a call that
   fails is counted and not repeated.
2. A queue's calls take slots (maxConcurrentCalls of host.json is per function, so each queue has its own). Webhooks
   arrive through the HTTP front end and take none, but their time counts as time that they occupied the worker.
3. The worker has a core of its own; this process shares the other with the dependencies.
"""

import asyncio
import json
import os
import sys
import time
import uuid
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiohttp import web

from dev.bench import deployed, usage, wire
from dev.bench.dependencies import RunningDependencies
from dev.bench.usage import Usage
from dev.stack import ROOT
from servicebus_emulator import codec, entities
from servicebus_emulator.hub import Hub
from servicebus_emulator.queues import Queue
from servicebus_emulator.server import Options, Server

#: How long a worker may take to get ready: the slowest needs 3 s on a busy machine.
_READY_S = 30.0

#: A setting of the bench alone: a folder with packages that only a peer needs.
ADDED_PATH = "PYTHONPATH_ADDED"

REQUESTS, EVENTS, TOPIC, SUBSCRIPTION = "generation-requests", "prediction-events", "generation-events", "app"


@dataclass(slots=True)
class Tally:
    """The cost of the calls so far: seconds by function (with the wait inside the worker), failures, log records."""

    took_s: defaultdict[str, float] = field(default_factory=lambda: defaultdict(float))
    latencies_s: dict[str, list[float]] = field(default_factory=dict)
    statuses: Counter[int] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)
    records: Counter[str] = field(default_factory=Counter)
    leaks: int = 0


class Inbox:
    """Takes messages out of a queue of the emulator, as a receiver without a lock does."""

    def __init__(self, hub: Hub, path: str) -> None:
        self._hub = hub
        self._queue: Queue = hub.broker.entity(path)
        self.arrived: asyncio.Queue[bytes] = asyncio.Queue()
        hub.add_receiver(self._queue, self)

    def has_room(self) -> bool:
        """True: this receiver has no limit."""
        return True

    def give(self) -> bool:
        """Take the next message."""
        message = self._queue.take(self._hub.now_ms())
        if message is None:
            return False
        # The body is one data section: 0x00, its code, and a binary.
        self.arrived.put_nowait(_binary(message.content.body))
        return True


def _binary(section: bytes) -> bytes:
    value, _ = codec.decode(section)
    body = getattr(value, "value", value)
    if not isinstance(body, bytes):
        raise TypeError("the body of a message is not a data section")
    return body


class Host:
    """One worker and what feeds it. Made by ``running``."""

    def __init__(self, slots: int) -> None:
        self._slots = slots
        self._reader = asyncio.StreamReader()
        self._writer: asyncio.StreamWriter | None = None
        self._waiting: dict[str, asyncio.Future[wire.Head]] = {}
        self._connected = asyncio.Event()
        self.readiness: wire.Head = {}
        self.tally = Tally()
        self.ended: dict[str, str] = {}
        self._news = asyncio.Event()

    # The worker's side of the wire.

    async def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve the worker's connection: read its answers until it closes."""
        self._writer = writer
        while (frame := await wire.read(reader)) is not None:
            head, _ = frame
            if "answer" in head:
                self._waiting.pop(head["answer"]).set_result(head)
            elif "log" in head:
                self.tally.records[f"{head['level']} {head['logger']}"] += 1
                self.tally.leaks += "sig=" in head["log"]
            else:
                self.readiness = {**head["ready"], "functions": head["functions"]}
                self._connected.set()
        writer.close()

    async def ready(self) -> None:
        """Wait until the worker has indexed its app."""
        await self._connected.wait()

    async def ask(self, what: str) -> wire.Head:
        """Send ``usage`` or ``mark``; returns the worker's usage."""
        return await self._send({"do": what})

    async def used(self) -> Usage:
        """The worker's usage so far."""
        return Usage(**(await self.ask("usage"))["usage"])

    async def call(self, function: str, body: bytes, **more: Any) -> wire.Head:
        """Call a function; its time counts as time that it occupied the worker."""
        began_s = time.perf_counter()
        answer = await self._send({"do": "call", "function": function, **more}, body)
        took_s = time.perf_counter() - began_s
        self.tally.took_s[function] += took_s
        self.tally.latencies_s.setdefault(function, []).append(took_s)
        if not answer["ok"]:
            self.tally.failures.append(f"{function}: {answer['error']}")
        elif answer["status"] is not None:
            self.tally.statuses[int(answer["status"])] += 1
        return answer

    async def idle(self) -> None:
        """Wait until no call runs: a generation's event arrives before the call that published it is over."""
        while self._waiting:
            await asyncio.wait(list(self._waiting.values()))

    async def _send(self, head: wire.Head, body: bytes = b"") -> wire.Head:
        if self._writer is None:
            raise RuntimeError("the worker is not connected")
        call_id = uuid.uuid4().hex
        answered = self._waiting[call_id] = asyncio.get_running_loop().create_future()
        self._writer.write(wire.packed({**head, "id": call_id}, body))
        answer: wire.Head = await answered
        return answer

    # What feeds it.

    async def feed(self, function: str, queue: "asyncio.Queue[bytes]") -> None:
        """Call a function for each message of a queue, in as many slots as there are."""

        async def slot() -> None:
            while True:
                body = await queue.get()
                answer = await self.call(function, body, message_id=uuid.uuid4().hex)
                if "observe" not in self.readiness["functions"]:  # a design that does all in one call
                    self._end(json.loads(body)["generation_id"], "succeeded" if answer["ok"] else "failed")

        await asyncio.gather(*(slot() for _ in range(self._slots)))

    async def listen(self, queue: "asyncio.Queue[bytes]") -> None:
        """Note the end of every generation that has an event on the topic."""
        while True:
            event = json.loads(await queue.get())
            self._end(event["data"]["generation_id"], event["type"].rpartition(".")[2])

    def _end(self, generation_id: str, outcome: str) -> None:
        self.ended[generation_id] = outcome
        self._news.set()

    async def ended_of(self, count: int, timeout_s: float) -> None:
        """Wait until this many generations have ended. TimeoutError with the failures so far."""
        try:
            async with asyncio.timeout(timeout_s):
                while len(self.ended) < count:
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            failures = Counter(self.tally.failures).most_common(3)
            raise TimeoutError(f"{len(self.ended)} of {count} ended after {timeout_s:g} s; {failures}") from None

    async def webhook(self, request: web.Request) -> web.Response:
        """Pass a webhook of Replicate to the worker, as the HTTP front end does."""
        body = await request.read()
        headers = {name.lower(): value for name, value in request.headers.items()}
        url, query = str(request.url), dict(request.query)
        answer = await self.call("replicate_webhook", body, method="POST", url=url, headers=headers, query=query)
        return web.Response(status=int(answer["status"] or 500))


@asynccontextmanager
async def running(
    dependencies: RunningDependencies,
    app: Path,
    slots: int = 16,
    settings: Mapping[str, str] | None = None,
    *,
    observing: bool = True,
) -> AsyncIterator["tuple[Host, asyncio.Queue[bytes]]"]:
    """Start a worker with ``app``, a folder with a function_app.py; yields its host and the queue of requests.

    With ``observing`` False nothing takes the prediction events: for a measurement of the webhook trigger alone.
    """
    async with AsyncExitStack() as stack:
        host = Host(slots)
        emulator = await Server.start(Options(entities=entities.from_json(bench_entities())))
        stack.push_async_callback(emulator.stop)
        inboxes = {
            path: Inbox(emulator.hub, path) for path in (REQUESTS, EVENTS, f"{TOPIC}/Subscriptions/{SUBSCRIPTION}")
        }
        public_url = await _front_end(stack, host)
        values = {**dependencies.values, "ServiceBus": emulator.connection_string, "PUBLIC_URL": public_url}
        await _worker(stack, host, app, values | dict(settings or {}))
        requests, events, topic = (inbox.arrived for inbox in inboxes.values())
        feeding = [host.feed("generate", requests), host.listen(topic)]
        if observing and "observe" in host.readiness["functions"]:
            feeding.append(host.feed("observe", events))
        tasks = [asyncio.create_task(each) for each in feeding]
        stack.callback(lambda: [task.cancel() for task in tasks])
        yield host, requests


def bench_entities() -> Mapping[str, Any]:
    """The queues and the topic, with the deployed duplicate detection."""
    window = {"duplicate_detection_window_s": 600}
    queues = [{"name": name, **window} for name in (REQUESTS, EVENTS)]
    return {"queues": queues, "topics": [{"name": TOPIC, "subscriptions": [{"name": SUBSCRIPTION}], **window}]}


async def _front_end(stack: AsyncExitStack, host: Host) -> str:
    app = web.Application(client_max_size=32 * 1024 * 1024)
    app.add_routes([web.post("/api/webhooks/replicate", host.webhook)])
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.5)
    await runner.setup()
    stack.push_async_callback(runner.cleanup)
    await web.TCPSite(runner, "127.0.0.1", 0, backlog=2048).start()
    return f"http://127.0.0.1:{runner.addresses[0][1]}"


async def _worker(stack: AsyncExitStack, host: Host, app: Path, values: Mapping[str, str]) -> None:
    listener = await asyncio.start_server(host.accept, "127.0.0.1", 0, limit=8 * 1024 * 1024)
    stack.callback(listener.close)
    pinned = usage.cores()
    command = [sys.executable, "-m", "dev.bench.worker", "--app", str(app)]
    command += ["--port", str(listener.sockets[0].getsockname()[1]), "--began", repr(time.time())]
    command += ["--core", str(pinned[0])] if pinned else []
    worker = await asyncio.create_subprocess_exec(*command, cwd=app, env=_environment(values))
    stack.push_async_callback(_stopped, worker)
    async with asyncio.timeout(_READY_S):
        await asyncio.wait(
            [asyncio.create_task(host.ready()), asyncio.create_task(worker.wait())], return_when="FIRST_COMPLETED"
        )
    if worker.returncode is not None:
        raise RuntimeError(f"the worker of {app.name} ended with {worker.returncode} before it was ready")


def _environment(values: Mapping[str, str]) -> dict[str, str]:
    """A worker's environment: Azure's packages and a peer's own. Python keeps compiled files, as it does in Azure."""
    added = values.get(ADDED_PATH)
    there = {path.name.partition(".")[0] for path in Path(added).iterdir()} if added else set()
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return environment | {
        "BENCH_SETTINGS": json.dumps(dict(values)),
        "BENCH_ABSENT": json.dumps(sorted(deployed.absent() - there)),
        "PYTHONPATH": os.pathsep.join([str(ROOT), *([added] if added else [])]),
    }


async def _stopped(worker: asyncio.subprocess.Process) -> None:
    if worker.returncode is None:
        worker.kill()
    await worker.wait()
