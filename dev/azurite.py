"""Starts Azurite, Microsoft's emulator of Blob and Table storage, on free ports of the loopback."""

import os
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from dev import process
from dev.setup import PROJECT

ACCOUNT = "devstoreaccount1"
#: Published by Microsoft and the same in every Azurite. It protects nothing.
ACCOUNT_KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="

SERVICES = ("Blob", "Queue", "Table")  # Azurite always starts all three
LISTENING = re.compile(r"Azurite (\w+) service is successfully listening at (http://\S+)")

#: Loaded before Azurite: what makes its start shorter, and each read and write of a partition with many rows.
BEFORE = tuple(Path(__file__).with_name("azurite_package") / name for name in ("lazily.cjs", "by_row_key.cjs"))

FLAGS = (
    "--skipApiVersionCheck",  # the SDKs use newer API versions than Azurite knows, and Azurite would refuse those
    "--disableProductStyleUrl",  # the account is in the path, so 127.0.0.1 works as the host
    "--disableTelemetry",
    "--silent",  # no line per request; the listening addresses are still printed
)


@dataclass(frozen=True, slots=True)
class Azurite:
    """A running Azurite. The URLs contain the account, as the SDKs' `account_url` and `endpoint` expect."""

    blob_url: str
    table_url: str
    connection_string: str
    child: process.Child

    @property
    def ports(self) -> tuple[int, ...]:
        """The ports of Blob, Queue and Table: pass them to `start` to replace this process by another."""
        return tuple(urlsplit(self.child.text(name)).port or 0 for name in SERVICES)

    def of(self, account: str) -> "Azurite":
        """The same process, as the owner of this account sees it: nobody else's tables and containers."""
        return _seen(self.child, account)

    async def stop(self) -> None:
        """Stop it. Data kept in memory is lost."""
        await self.child.stop()


async def start(
    location: Path | None = None, ports: Sequence[int] = (0, 0, 0), accounts: Sequence[str] = (ACCOUNT,)
) -> Azurite:
    """Start Azurite and wait until all its ports answer, which takes about a second.

    Args:
        location: The folder that keeps its data. In memory when None.
        ports: For Blob, Queue and Table; 0 takes a free one.
        accounts: The storage accounts that it has. The first one is returned; `of` has the others.

    Raises:
        process.StartError: Azurite did not start.
        dev.setup_step.SetupError: The project is not set up.
    """
    persistence = ["--inMemoryPersistence"] if location is None else ["--location", str(location)]
    listen = [text for name, port in zip(SERVICES, ports, strict=True) for text in (f"--{name.lower()}Port", str(port))]
    node = [str(PROJECT.node()), *(text for file in BEFORE for text in ("--require", str(file)))]
    azurite = [*node, str(PROJECT.azurite_script), *persistence, *FLAGS, *listen]
    env = {**os.environ, "AZURITE_ACCOUNTS": ";".join(f"{account}:{ACCOUNT_KEY}" for account in accounts)}
    command = [sys.executable, "-m", "dev.leash", *azurite]
    return _seen(await process.start("azurite", command, announcement=_listening, env=env), accounts[0])


def _seen(child: process.Child, account: str) -> Azurite:
    blob_url, table_url, queue_url = (f"{child.text(name)}/{account}" for name in ("Blob", "Table", "Queue"))
    connection_string = (
        f"DefaultEndpointsProtocol=http;AccountName={account};AccountKey={ACCOUNT_KEY};"
        f"BlobEndpoint={blob_url};TableEndpoint={table_url};QueueEndpoint={queue_url};"
    )
    return Azurite(blob_url, table_url, connection_string, child)


def _listening(lines: Sequence[str]) -> Mapping[str, object] | None:
    """The addresses of the services; None until all of them listen."""
    found = {match[1]: match[2] for line in lines if (match := LISTENING.search(line))}
    return found if len(found) == len(SERVICES) else None
