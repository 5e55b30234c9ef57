"""Starts Azurite, Microsoft's emulator of Blob and Table storage, on free ports of the loopback."""

import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from dev import process
from dev.setup import PROJECT

ACCOUNT = "devstoreaccount1"
#: Published by Microsoft, the same in every Azurite; it protects nothing.
ACCOUNT_KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="

SERVICES = ("Blob", "Queue", "Table")  # Azurite always starts all three
LISTENING = re.compile(r"Azurite (\w+) service is successfully listening at (http://\S+)")

FLAGS = (
    "--skipApiVersionCheck",  # the SDKs speak newer versions of the API than Azurite knows, and it refuses those
    "--disableProductStyleUrl",  # the account is in the path, so 127.0.0.1 will do as the host
    "--disableTelemetry",
    "--silent",  # no line per request; it still says where it listens
)


@dataclass(frozen=True, slots=True)
class Azurite:
    """A running Azurite. The URLs contain the account, as the SDKs' `account_url` and `endpoint` want it."""

    blob_url: str
    table_url: str
    connection_string: str
    child: process.Child

    @property
    def ports(self) -> tuple[int, ...]:
        """Where Blob, Queue and Table listen, to start another in its place."""
        return tuple(urlsplit(self.child.text(name)).port or 0 for name in SERVICES)

    async def stop(self) -> None:
        """End it; in-memory data is gone then."""
        await self.child.stop()


async def start(location: Path | None = None, ports: Sequence[int] = (0, 0, 0)) -> Azurite:
    """Start Azurite and wait until all its ports answer, about a second.

    Args:
        location: The folder that keeps its data. In memory when None.
        ports: For Blob, Queue and Table; 0 takes a free one.

    Raises:
        process.StartError: It did not come up.
        dev.setup_step.SetupError: The project is not set up.
    """
    persistence = ["--inMemoryPersistence"] if location is None else ["--location", str(location)]
    listen = [text for name, port in zip(SERVICES, ports, strict=True) for text in (f"--{name.lower()}Port", str(port))]
    azurite = [str(PROJECT.node()), str(PROJECT.azurite_script), *persistence, *FLAGS, *listen]
    child = await process.start("azurite", [sys.executable, "-m", "dev.leash", *azurite], announcement=_listening)
    blob_url, table_url, queue_url = (f"{child.text(name)}/{ACCOUNT}" for name in ("Blob", "Table", "Queue"))
    connection_string = (
        f"DefaultEndpointsProtocol=http;AccountName={ACCOUNT};AccountKey={ACCOUNT_KEY};"
        f"BlobEndpoint={blob_url};TableEndpoint={table_url};QueueEndpoint={queue_url};"
    )
    return Azurite(blob_url, table_url, connection_string, child)


def _listening(lines: Sequence[str]) -> Mapping[str, object] | None:
    """Where the services listen, once all of them do."""
    found = {match[1]: match[2] for line in lines if (match := LISTENING.search(line))}
    return found if len(found) == len(SERVICES) else None
