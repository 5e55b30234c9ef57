"""The local stack: emulator, Azurite, the two simulators and the Functions host, each a process on loopback.

Rules of this file:
1. Every port is a free one, chosen at start; `up` takes the usual ones if they are free. Every process ends with its
   parent, however the parent ends.
2. The host runs function_app.py with local.settings.json (made from the example when it is missing). The stack adds
   what it alone knows, addresses and a local pace of seconds, in a settings file of this run.
3. For `up` and `demo`, and never for a test, the environment counts too. Its settings of behaviour override the
   file's. With a real REPLICATE_API_TOKEN and a PUBLIC_URL the real Replicate replaces the simulator.
"""

import asyncio
import contextlib
import json
import sqlite3
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

from dev import azurite, ports, process, run_folders, simulated_replicate
from dev.entities import SUBSCRIPTION
from dev.entities import entities as made_of
from dev.local_settings import local_values, of_environment, real_replicate
from shared.composition.app import App
from shared.config.settings import Settings

ROOT = Path(__file__).parents[1]
LOCAL = ROOT / ".local"

#: The simulator has no limit of its own, so requests need not wait for a limit that only the real Replicate has.
UNPACED = "1000000"

#: Intervals of minutes in production are seconds here.
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
    replicate_token: str
    content_safety_url: str
    app: App
    host: process.Child


class Running:
    """``async with Running(...) as stack``: the stack, started and ended.

    Args:
        overrides: settings that override all others.
        on_log: called with every line that the host logs, a JSON object.
        lock_s: how long a received message stays locked.
        real: whether the environment counts, and with it the real Replicate if it names a token and a tunnel.
            Tests never set it.
        usual: whether the usual ports are used, if they are free.
        samples: whether sample pictures are served for examples (dev/samples.py).
        subscriptions: of the topic of events, each with a copy of every event.
        durable: a folder in which the emulator and Azurite keep their data; None keeps it in memory.
        storage: an Azurite of somebody else's, with an account for this stack alone; None starts one.
        starter: starts the processes but Azurite; a fork server's (forks.py) in place of an ordinary one.
    """

    def __init__(  # noqa: PLR0913  # each is what one of its callers needs
        self,
        overrides: Mapping[str, str] | None = None,
        on_log: Callable[[str], None] | None = None,
        durable: Path | None = None,
        lock_s: int = 30,
        *,
        real: bool = False,
        usual: bool = False,
        samples: bool = False,
        subscriptions: Sequence[str] = (SUBSCRIPTION,),
        storage: azurite.Azurite | None = None,
        starter: process.Starter = process.execute,
    ) -> None:
        self._overrides = dict(overrides or {})
        self._on_log = on_log
        self._durable = durable
        self._lock_s = lock_s
        self._own = of_environment() if real else {}
        self._real = real_replicate() if real else {}
        self._usual = usual
        self._with_samples = samples
        self._subscriptions = tuple(subscriptions)
        self._ending = AsyncExitStack()
        self._folder = Path()
        self._port = 0
        self._given = storage
        self._starter = starter
        self._storage: azurite.Azurite | None = None
        self._bus: process.Child | None = None
        self._host: process.Child | None = None
        self._samples: process.Child | None = None

    async def __aenter__(self) -> Stack:
        try:
            return await self._start()
        except BaseException:
            await self._ending.aclose()
            raise

    async def __aexit__(self, *_: object) -> None:
        await self._ending.aclose()

    async def _start(self) -> Stack:
        self._port = ports.of_host(ports.HOST if self._usual else 0)
        folder = run_folders.make(LOCAL)
        self._folder = folder.path
        self._ending.callback(folder.remove)
        async with asyncio.TaskGroup() as group:
            storage = group.create_task(self._azurite([self._usually(port) for port in ports.AZURITE]))
            bus = group.create_task(self._emulator(self._usually(ports.SERVICE_BUS)))
            safety = group.create_task(
                self._on_port("content safety", "replicate_simulator.content_safety", ports.CONTENT_SAFETY)
            )
            replicate = group.create_task(self._replicate())
            pictures = group.create_task(self._sampled())
        self._samples = pictures.result()
        simulator = replicate.result()
        values = self._values(storage.result(), bus.result(), safety.result(), simulator)
        file = self._settings_file
        file.write_text(json.dumps({"IsEncrypted": False, "Values": values}), encoding="utf-8")
        file.chmod(0o600)  # it may hold a real token
        app = App(Settings.from_env(values))
        self._ending.push_async_callback(app.close)
        async with asyncio.TaskGroup() as group:
            group.create_task(ensure(app))
            host = group.create_task(self._start_host())
        return Stack(
            values=values,
            settings_file=file,
            host_url=host.result().text("url"),
            replicate_url="" if simulator is None else simulator.text("url"),
            replicate_token="" if simulator is None else simulator.text("token"),
            content_safety_url=safety.result().text("url"),
            app=app,
            host=host.result(),
        )

    def _values(
        self, storage: azurite.Azurite, bus: process.Child, safety: process.Child, simulator: process.Child | None
    ) -> dict[str, str]:
        """The settings of the app: the local ones, where the services are, and what was asked for."""
        services = {
            "ServiceBus": bus.text("connection_string"),
            "STORAGE_CONNECTION_STRING": storage.connection_string,
            "AzureWebJobsStorage": storage.connection_string,
            "CONTENT_SAFETY_ENDPOINT": safety.text("url"),
            "CONTENT_SAFETY_KEY": safety.text("key"),
            "PUBLIC_URL": f"http://127.0.0.1:{self._port}",
            "KEYS_FOLDER": str(self._folder if self._durable is None else self._durable),
        }
        replicate = self._real if simulator is None else _simulated(simulator)
        return local_values() | LOCAL_PACE | self._own | services | replicate | self._overrides

    # Faults that a test of reliability injects. Each process returns at the same address, with its data if it is
    # durable.

    async def kill_host(self) -> None:
        """Kill the host with SIGKILL, whatever it does, and start another."""
        await _killed(self._host)
        await self._start_host()

    async def kill_emulator(self) -> None:
        """Kill the Service Bus emulator with SIGKILL, and start another on the same port and store."""
        bus = self._bus
        await _killed(bus)
        await self._emulator(bus.ready["port"] if bus else 0)

    async def restart_azurite(self) -> None:
        """Stop Azurite as its documentation asks, because it saves its tables at its end, and start another."""
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
        if self._samples is not None:
            authority = str(self._folder / "samples.pem")
            arguments += ["--samples", str(self._samples.ready["port"]), "--samples-ca", authority]
        self._host = await self._child("host", "dev.host", *arguments, on_stderr=self._on_log)
        return self._host

    async def _azurite(self, ports: Sequence[int] = (0, 0, 0)) -> azurite.Azurite:
        if self._given is not None:
            return self._given
        location = _made(self._durable / "azurite") if self._durable else None
        self._storage = await azurite.start(location, ports)
        self._ending.push_async_callback(self._storage.stop)
        return self._storage

    async def _emulator(self, port: object = 0) -> process.Child:
        entities = self._folder / "entities.json"
        entities.write_text(
            json.dumps(made_of(local_values() | self._overrides, self._lock_s, self._subscriptions)), encoding="utf-8"
        )
        arguments = ["--entities", str(entities), "--port", str(port)]
        if self._durable:
            store = _made(self._durable) / "servicebus.db"
            check_store(store)
            arguments += ["--db", str(store)]
        self._bus = await self._child("service bus emulator", "servicebus_emulator", *arguments)
        return self._bus

    async def _replicate(self) -> process.Child | None:
        if self._real:
            return None
        arguments = simulated_replicate.arguments()
        return await self._on_port("replicate simulator", "replicate_simulator", ports.REPLICATE, *arguments)

    async def _sampled(self) -> process.Child | None:
        if not self._with_samples:
            return None
        child = await self._child("sample pictures", "dev.samples")
        (self._folder / "samples.pem").write_text(child.text("ca"), encoding="utf-8")
        return child

    async def _on_port(self, name: str, module: str, usual: int, *arguments: str) -> process.Child:
        return await self._child(name, module, "--port", str(self._usually(usual)), *arguments)

    def _usually(self, port: int) -> int:
        return ports.free_or(port) if self._usual else 0

    async def _child(
        self, name: str, module: str, *arguments: str, on_stderr: Callable[[str], None] | None = None
    ) -> process.Child:
        command = [sys.executable, "-m", module, "--exit-with-stdin", *arguments]
        child = await process.start(name, command, cwd=ROOT, on_stderr=on_stderr, starter=self._starter)
        self._ending.push_async_callback(child.stop)
        return child


async def _killed(child: process.Child | None) -> None:
    if child is None:
        return
    if child.process.returncode is not None:
        raise process.StartError(f"{child.name} had ended by itself. Its stderr ends with:\n{child.stderr_tail}")
    child.process.kill()
    await child.wait()


def check_store(file: Path) -> None:
    """Check the file of the emulator. Raises StartError: the emulator itself names neither the file nor the cure."""
    if not file.exists():
        return
    try:
        with contextlib.closing(sqlite3.connect(file)) as store:
            store.execute("SELECT count(*) FROM sqlite_master")
    except sqlite3.OperationalError:  # another process has it: the emulator says so
        return
    except sqlite3.DatabaseError as error:
        raise process.StartError(
            f"{file} cannot be read: {error}. Delete it: the messages that it kept are gone, nothing else."
        ) from None


async def ensure(app: App) -> None:
    """Create the tables and containers, which the deployment creates in production."""
    containers = (app.outputs, app.input_files, app.uploads, app.quarantine, app.dead_letters, app.proofs)
    tables = (app.store, app.index, app.moved, app.waiting)
    await asyncio.gather(*(each.ensure() for each in (*tables, *containers)))


def _simulated(simulator: process.Child) -> dict[str, str]:
    url = simulator.text("url")
    return {
        "REPLICATE_API_TOKEN": simulator.text("token"),
        "REPLICATE_WEBHOOK_SECRET": "",  # fetched from the simulator, as it may be fetched from Replicate
        "REPLICATE_API_URL": f"{url}/v1",
        "REPLICATE_DELIVERY_URL": url,
        "REPLICATE_STATUS_URL": "off",  # Replicate's own state says nothing of the simulator
        "REPLICATE_CREATES_PER_MINUTE": UNPACED,
    }


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder
