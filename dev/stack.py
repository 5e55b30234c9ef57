"""The local stack: emulator, Azurite, the two simulators and the Functions host, each a process on loopback.

Rules of this file:
1. Every port is a free one, chosen at start; every process ends with its parent, however that ends.
2. The host runs function_app.py with local.settings.json (made from the example when absent); what the stack
   itself knows, addresses and a local pace of seconds, goes over it into a settings file of this run.
3. With a real REPLICATE_API_TOKEN and a PUBLIC_URL in the environment the real Replicate takes the simulator's place
   for whoever asks for it: `up` and `demo` do, a test never does.
"""

import asyncio
import json
import os
import shutil
import socket
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

from dev import azurite, process
from shared.settings import HOST_NAMES, NAMES, Settings
from shared.wiring import Wiring

ROOT = Path(__file__).parents[1]
LOCAL = ROOT / ".local"
EXAMPLE, LOCAL_SETTINGS = ROOT / "local.settings.json.example", ROOT / "local.settings.json"

#: The app in front, as far as the stack knows it: one subscription to the events.
SUBSCRIPTION = "app"

#: The queues as the deployment makes them.
_QUEUE = {"max_delivery_count": 10, "duplicate_detection_window_s": 600}

#: The simulator has no limit of its own: nobody is to wait here for what only the real Replicate asks for.
UNPACED = "1000000"

#: What is minutes in production is seconds here.
LOCAL_PACE = {
    "RECONCILE_SCHEDULE": "* * * * * *",
    "CHECK_AFTER_S": "1",
    "LIST_GRACE_S": "2",
    "CANCEL_GRACE_S": "5",
    "LOG_LEVEL": "DEBUG",
}


@dataclass(frozen=True, slots=True)
class Stack:
    """A running stack. ``replicate_url`` is empty when the real Replicate is used."""

    values: Mapping[str, str]
    settings_file: Path
    host_url: str
    replicate_url: str
    content_safety_url: str
    wiring: Wiring
    host: process.Child


class Running:
    """``async with Running(...) as stack``: the stack, started and ended.

    Args:
        overrides: settings that go over everything else.
        on_log: called with every line that the host logs, a JSON object.
        lock_s: how long a message that a process took is its own.
        real: whether the real Replicate is used where the environment names its token and a tunnel. Tests never do.
        durable: a folder in which the emulator and Azurite keep their data; None keeps it in memory.
    """

    def __init__(
        self,
        overrides: Mapping[str, str] | None = None,
        on_log: Callable[[str], None] | None = None,
        durable: Path | None = None,
        lock_s: int = 30,
        *,
        real: bool = False,
    ) -> None:
        self._overrides = dict(overrides or {})
        self._on_log = on_log
        self._durable = durable
        self._lock_s = lock_s
        self._real = real and bool(os.environ.get("REPLICATE_API_TOKEN") and os.environ.get("PUBLIC_URL"))
        self._ending = AsyncExitStack()
        self._folder = Path()
        self._port = 0
        self._storage: azurite.Azurite | None = None
        self._bus: process.Child | None = None
        self._host: process.Child | None = None

    async def __aenter__(self) -> Stack:
        try:
            return await self._start()
        except BaseException:
            await self._ending.aclose()
            raise

    async def __aexit__(self, *_: object) -> None:
        await self._ending.aclose()

    async def _start(self) -> Stack:
        self._folder = folder = Path(tempfile.mkdtemp(prefix="run-", dir=_made(LOCAL)))
        self._ending.callback(shutil.rmtree, folder, ignore_errors=True)
        async with asyncio.TaskGroup() as group:
            storage = group.create_task(self._azurite())
            bus = group.create_task(self._emulator())
            safety = group.create_task(self._child("content safety", "dev.content_safety"))
            replicate = group.create_task(self._replicate())
        self._port = _host_port()
        values = local_values() | LOCAL_PACE
        values |= {
            "ServiceBus": bus.result().text("connection_string"),
            "STORAGE_CONNECTION_STRING": storage.result().connection_string,
            "AzureWebJobsStorage": storage.result().connection_string,
            "CONTENT_SAFETY_ENDPOINT": safety.result().text("url"),
            "CONTENT_SAFETY_KEY": safety.result().text("key"),
            "PUBLIC_URL": f"http://127.0.0.1:{self._port}",
        }
        simulator = replicate.result()
        values |= _real_replicate() if simulator is None else _simulated(simulator)
        values |= self._overrides
        file = self._settings_file
        file.write_text(json.dumps({"IsEncrypted": False, "Values": values}), encoding="utf-8")
        file.chmod(0o600)  # it may hold a real token
        wiring = Wiring(Settings.from_env(values))
        self._ending.push_async_callback(wiring.close)
        async with asyncio.TaskGroup() as group:
            group.create_task(ensure(wiring))
            host = group.create_task(self._start_host())
        return Stack(
            values=values,
            settings_file=file,
            host_url=host.result().text("url"),
            replicate_url="" if simulator is None else simulator.text("url"),
            content_safety_url=safety.result().text("url"),
            wiring=wiring,
            host=host.result(),
        )

    # What a test of reliability does to it. Each comes back at the same address, with its data if it is durable.

    async def kill_host(self) -> None:
        """SIGKILL the host in the middle of whatever it does, and start another."""
        await _killed(self._host)
        await self._start_host()

    async def kill_emulator(self) -> None:
        """SIGKILL the Service Bus emulator, and start another on the same port and store."""
        bus = self._bus
        await _killed(bus)
        await self._emulator(bus.ready["port"] if bus else 0)

    async def restart_azurite(self) -> None:
        """Stop Azurite as its own documentation asks, for it saves its tables when it ends, and start another."""
        storage = self._storage
        if storage is not None:
            await storage.stop()
        await self._azurite(storage.ports if storage else (0, 0, 0))

    # The processes.

    @property
    def _settings_file(self) -> Path:
        return self._folder / "settings.json"

    async def _start_host(self) -> process.Child:
        arguments = ["--settings", str(self._settings_file), "--port", str(self._port), "--log-json"]
        self._host = await self._child("host", "dev.host", *arguments, on_stderr=self._on_log)
        return self._host

    async def _azurite(self, ports: Sequence[int] = (0, 0, 0)) -> azurite.Azurite:
        location = _made(self._durable / "azurite") if self._durable else None
        self._storage = await azurite.start(location, ports)
        self._ending.push_async_callback(self._storage.stop)
        return self._storage

    async def _emulator(self, port: object = 0) -> process.Child:
        entities = self._folder / "entities.json"
        entities.write_text(json.dumps(_entities(local_values() | self._overrides, self._lock_s)), encoding="utf-8")
        arguments = ["--entities", str(entities), "--port", str(port)]
        if self._durable:
            arguments += ["--db", str(_made(self._durable) / "servicebus.db")]
        self._bus = await self._child("service bus emulator", "dev.servicebus", *arguments)
        return self._bus

    async def _replicate(self) -> process.Child | None:
        if self._real:
            return None
        return await self._child("replicate simulator", "dev.replicate")

    async def _child(
        self, name: str, module: str, *arguments: str, on_stderr: Callable[[str], None] | None = None
    ) -> process.Child:
        command = [sys.executable, "-m", module, "--exit-with-stdin", *arguments]
        child = await process.start(name, command, cwd=ROOT, on_stderr=on_stderr)
        self._ending.push_async_callback(child.stop)
        return child


async def _killed(child: process.Child | None) -> None:
    if child is None:
        return
    if child.process.returncode is not None:
        raise process.StartError(f"{child.name} had ended by itself. Its stderr ends with:\n{child.stderr_tail}")
    child.process.kill()
    await child.wait()


def local_values() -> dict[str, str]:
    """The values of local.settings.json, which is made from the example when it is absent."""
    if not LOCAL_SETTINGS.exists():
        shutil.copyfile(EXAMPLE, LOCAL_SETTINGS)
    values: dict[str, str] = json.loads(LOCAL_SETTINGS.read_text(encoding="utf-8"))["Values"]
    known = {name.env for name in NAMES} | set(HOST_NAMES)
    return {name: value for name, value in values.items() if name in known}


async def ensure(wiring: Wiring) -> None:
    """Create the tables and containers, which in production the deployment creates."""
    await asyncio.gather(wiring.store.ensure(), wiring.index.ensure(), wiring.blobs.ensure())


def _entities(values: Mapping[str, str], lock_s: int) -> Mapping[str, object]:
    queues = [
        {"name": values[name], "lock_duration_s": lock_s, **_QUEUE} for name in ("GENERATION_QUEUE", "PREDICTION_QUEUE")
    ]
    topic = {
        "name": values["EVENTS_TOPIC"],
        "subscriptions": [{"name": SUBSCRIPTION}],
        "duplicate_detection_window_s": 600,
    }
    return {"queues": queues, "topics": [topic]}


def _real_replicate() -> dict[str, str]:
    """The real Replicate: its webhooks come through the tunnel at PUBLIC_URL."""
    names = ("REPLICATE_API_TOKEN", "REPLICATE_WEBHOOK_SECRET", "PUBLIC_URL")
    return {name: os.environ[name] for name in names if os.environ.get(name)} | {"CHECK_AFTER_S": "20"}


def _simulated(simulator: process.Child) -> dict[str, str]:
    url = simulator.text("url")
    return {
        "REPLICATE_API_TOKEN": simulator.text("token"),
        "REPLICATE_WEBHOOK_SECRET": "",  # fetched from the simulator, as it may be from Replicate
        "REPLICATE_API_URL": f"{url}/v1",
        "REPLICATE_DELIVERY_URL": url,
        "REPLICATE_CREATES_PER_MINUTE": UNPACED,
    }


def _host_port() -> int:
    """HOST_PORT, which a tunnel was pointed at, or a port that is free now.

    The host's address must be known before it starts, for webhooks go there.
    """
    if chosen := os.environ.get("HOST_PORT"):
        return int(chosen)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder
