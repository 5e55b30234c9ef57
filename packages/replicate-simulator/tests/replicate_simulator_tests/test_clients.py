"""Replicate's own clients on the simulator: the main calls of each, in a process of its own."""

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from replicate_simulator.clients import client_environment, client_lines
from replicate_simulator.clock import Clock
from replicate_simulator.engine import Settings, Simulator
from replicate_simulator.server import running
from replicate_simulator_tests import installed

pytestmark = pytest.mark.process

HERE = Path(__file__).parent / "clients"
TOKEN = "r8_" + "t" * 37


def command_of(client: str) -> tuple[list[str], dict[str, str]]:
    """How a client's script is run, and where it finds the client."""
    folder = installed.folder_of(client)
    if client == "javascript":
        return [installed.node(), str(HERE / "javascript.cjs")], {"NODE_PATH": str(folder / "node_modules")}
    script = HERE / f"{client.replace('-', '_')}.py"
    return [sys.executable, "-W", "ignore", str(script)], {"PYTHONPATH": str(folder)}


async def said_by(client: str) -> dict[str, Any]:
    """What a client's script got from a simulator of its own."""
    command, found = command_of(client)
    settings = Settings(TOKEN, start_s=0.05, run_s=0.2, plain_pictures=True)
    kept = {name: value for name, value in os.environ.items() if name in ("PATH", "HOME", "SYSTEMROOT")}
    async with running(Simulator(settings, "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", Clock())) as url:
        process = await asyncio.create_subprocess_exec(
            *command,
            env={**kept, **found, **client_environment(url, TOKEN)},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        out, err = await process.communicate()
    assert process.returncode == 0, err.decode()[-3000:]
    said: dict[str, Any] = json.loads(out)
    return said


@pytest.mark.parametrize("client", list(installed.VERSIONS))
async def test_the_main_calls_of_a_client(client: str) -> None:
    """Run, stream, create, wait, cancel, list, search, files, hardware, account, collections, secret, refusal."""
    said = await said_by(client)
    assert said.pop("version") == installed.VERSIONS[client]
    assert said.pop("readme", True)
    assert said == {
        "picture": "52494646",  # RIFF: a WebP, out of a data URI
        "text": "Here is what I know of it:\nfoxes",
        "streamed": "Here is what I know of it:\nfoxes",
        "made": ["succeeded", 2, 2],
        "canceled": "canceled",
        "listed": True,
        "found": True,
        "model": ["black-forest-labs", True],
        "versions": True,
        "file": [3, {"customer": "7"}, True],
        "deleted": True,
        "hardware": True,
        "account": "local",
        "collections": ["text-to-image", "language-models"],
        "secret": True,
        "refused": 422,
    }


def test_the_lines_for_a_shell() -> None:
    """The variables that the clients read, one value for all of them."""
    assert client_lines("http://127.0.0.1:7", "r8_x").splitlines() == [
        "export REPLICATE_BASE_URL=http://127.0.0.1:7/v1",
        "export REPLICATE_API_TOKEN=r8_x",
    ]
