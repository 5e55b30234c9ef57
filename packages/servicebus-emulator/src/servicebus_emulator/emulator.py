"""The emulator inside another program, for tests: it runs in a thread with its own event loop.

    with Emulator({"queues": [{"name": "orders"}]}) as emulator:
        client = ServiceBusClient.from_connection_string(emulator.connection_string)

`async with` does the same, so that fixtures of both kinds read alike; starting takes about a millisecond.
All methods may be called from any thread.
"""

import asyncio
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from pathlib import Path
from typing import Any, Self, TypeVar

from servicebus_emulator import entities
from servicebus_emulator.errors import ServiceError
from servicebus_emulator.hub import Limits
from servicebus_emulator.memory import State
from servicebus_emulator.server import Options, Server

_T = TypeVar("_T")

_START_S = 10  # far more than it takes; a test must not hang when it fails


class Emulator:
    """A Service Bus namespace on loopback. servicebus_emulator.entities has the shape of the entities."""

    def __init__(
        self,
        entities_json: Mapping[str, Any],
        port: int = 0,
        db: Path | None = None,
        max_message_bytes: int = Limits().message_bytes,
    ) -> None:
        self._options = Options(
            entities=entities.from_json(entities_json),
            port=port,
            db=db,
            limits=Limits(message_bytes=max_message_bytes),
        )
        self._thread = threading.Thread(target=self._run, name="servicebus-emulator", daemon=True)
        self._started: Future[tuple[asyncio.AbstractEventLoop, Server]] = Future()

    @property
    def connection_string(self) -> str:
        """The connection string for the SDKs."""
        return self._server.connection_string

    @property
    def port(self) -> int:
        """The port it listens on."""
        return self._server.port

    def start(self) -> Self:
        """Start the thread. Raises OSError when the port is taken, sqlite3.Error when the store cannot be opened."""
        self._thread.start()
        self._loop, self._server = self._started.result(_START_S)
        return self

    def stop(self) -> None:
        """Stop and wait for the thread."""
        self._loop.call_soon_threadsafe(self._server.stopping.set)
        self._thread.join(_START_S)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_exc: object) -> None:
        self.stop()

    async def __aenter__(self) -> Self:
        return self.start()

    async def __aexit__(self, *_exc: object) -> None:
        await asyncio.to_thread(self.stop)

    def add(self, entities_json: Mapping[str, Any]) -> None:
        """Create more entities, for instance a queue per test."""
        added = entities.from_json(entities_json)
        self._call(lambda: self._server.hub.broker.add(added))

    def count(self, path: str, state: State | None = None) -> int:
        """How many messages are in a queue: locked, deferred and scheduled ones too, or those of one state."""
        queue = self._server.hub.broker.entity(path)
        return self._call(lambda: sum(1 for each in queue.messages.values() if state is None or each.state is state))

    def expire_lock(self, path: str, sequence_number: int) -> None:
        """Expire a lock now. Raises ServiceError when no locked message has this sequence number."""
        hub = self._server.hub
        queue = hub.broker.entity(path)
        self._call(lambda: queue.expire_lock(sequence_number, hub.now_ms()))

    def fail_next_sends(self, condition: str, count: int = 1) -> None:
        """Refuse the next sends (to any entity) with an AMQP condition, e.g. "com.microsoft:server-busy"."""
        fault = ServiceError(condition, "A fault that was asked for.")
        self._call(lambda: self._server.hub.faults.extend([fault] * count))

    def drop_connections(self) -> None:
        """Cut every connection, as a network failure would."""
        self._call(self._server.drop_connections)

    def _call(self, function: Callable[[], _T]) -> _T:
        """Run a function on the loop of the emulator, and end the turn."""

        async def run() -> _T:
            result = function()
            self._server.hub.end_turn_soon()
            return result

        return asyncio.run_coroutine_threadsafe(run(), self._loop).result(_START_S)

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except BaseException as error:
            if self._started.done():
                raise
            self._started.set_exception(error)

    async def _serve(self) -> None:
        server = await Server.start(self._options)
        self._started.set_result((asyncio.get_running_loop(), server))
        try:
            await server.run()
        finally:
            await server.stop()
