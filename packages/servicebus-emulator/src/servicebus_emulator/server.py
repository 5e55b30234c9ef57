"""The emulator on an event loop: it listens on loopback until `stopping` is set."""

import asyncio
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from servicebus_emulator.broker import Broker
from servicebus_emulator.connection import Connection
from servicebus_emulator.entities import Entities
from servicebus_emulator.hub import Credentials, Hub, Limits
from servicebus_emulator.store import Store

HOST = "127.0.0.1"
KEY_NAME = "RootManageSharedAccessKey"
KEY = "SAS_KEY_VALUE"  # the word that Microsoft's emulator uses; it opens nothing but this loopback port


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How to run: port 0 means a free one; without `db` nothing is stored."""

    entities: Entities
    port: int = 0
    db: Path | None = None
    limits: Limits = field(default_factory=Limits)


class Server:
    """A listening emulator. Make it with `start`, on a running loop."""

    def __init__(self, options: Options) -> None:
        store = None if options.db is None else Store(options.db)
        broker = Broker(options.entities, store)
        self.hub = Hub(broker, store, Credentials(name=KEY_NAME, key=KEY), options.limits, self._fail)
        if store is not None:
            store.load(broker, self.hub.now_ms())
        self.port = 0
        self._listener: asyncio.Server | None = None
        self._connections: set[Connection] = set()
        self.stopping = asyncio.Event()
        self._failure: Exception | None = None

    @classmethod
    async def start(cls, options: Options) -> Self:
        """Listen; OSError when the port is taken, sqlite3.Error when the store cannot be opened."""
        server = cls(options)
        loop = asyncio.get_running_loop()
        server._listener = await loop.create_server(
            lambda: Connection(server.hub, server._connections), HOST, options.port
        )
        server.port = server._listener.sockets[0].getsockname()[1]
        server.hub.end_turn_soon()  # commit what loading changed, set the timer
        return server

    @property
    def connection_string(self) -> str:
        """The connection string for the SDKs; azure-servicebus understands it from 7.14 on."""
        return (
            f"Endpoint=sb://{HOST}:{self.port};SharedAccessKeyName={KEY_NAME};"
            f"SharedAccessKey={KEY};UseDevelopmentEmulator=true;"
        )

    async def run(self) -> None:
        """Serve until `stopping` is set; raises what made serving impossible."""
        await self.stopping.wait()
        if self._failure is not None:
            raise self._failure

    def drop_connections(self) -> None:
        """Cut every connection, as a network failure would."""
        for connection in list(self._connections):
            connection.abort()

    async def stop(self) -> None:
        """Stop listening, cut the connections, close the store."""
        if self._listener is not None:
            self._listener.close()
        self.drop_connections()
        await asyncio.sleep(0)  # an aborted transport notifies its protocol one turn later
        self.hub.stop()

    def _fail(self, error: Exception) -> None:
        self._failure = error
        self.drop_connections()
        self.stopping.set()
