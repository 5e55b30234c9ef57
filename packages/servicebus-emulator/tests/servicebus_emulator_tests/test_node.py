"""The unmodified @azure/service-bus on the emulator: fields that go with settling, and what is refused by its name."""

import asyncio
import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from servicebus_emulator import Emulator

pytestmark = [pytest.mark.stack, pytest.mark.process]

FOLDER = Path(__file__).parents[1] / "node"
ENTITIES = {"queues": [{"name": "node"}], "topics": [{"name": "news", "subscriptions": [{"name": "s"}]}]}
MISSING = f"@azure/service-bus is not installed: run `npm ci --ignore-scripts` in tests/{FOLDER.name}"
NO_NODE = "there is no Node on PATH"


def _problem() -> str | None:
    """Why this test cannot run here."""
    if shutil.which("node") is None:
        return NO_NODE
    return None if (FOLDER / "node_modules" / "@azure" / "service-bus").is_dir() else MISSING


async def _said(connection_string: str) -> dict[str, Any]:
    """The script's output on the emulator."""
    kept = {name: value for name, value in os.environ.items() if name in {"PATH", "HOME", "SYSTEMROOT"}}
    process = await asyncio.create_subprocess_exec(
        shutil.which("node") or "node",
        str(FOLDER / "properties.cjs"),
        env={**kept, "SERVICE_BUS": connection_string},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()
    assert process.returncode == 0, err.decode()[-3000:]
    said: dict[str, Any] = json.loads(out)
    return said


async def test_the_node_sdk(caplog: pytest.LogCaptureFixture) -> None:
    """Abandon, defer and dead-letter with properties, over the link and over $management; sessions and rules."""
    if problem := _problem():
        if os.environ.get("CI"):
            pytest.fail(problem)
        pytest.skip(problem)
    async with Emulator(ENTITIES) as emulator:
        said = await _said(emulator.connection_string)
        assert emulator.count("node") == emulator.count("node/$DeadLetterQueue") == 0
    refused = said.pop("refused")
    given = {"own": "stays", "text": "why", "number": 7, "yes": True}
    assert said == {
        "version": "7.9.5",
        "settled": {
            "abandoned": {**given, "step": "abandoned"},
            "deferred": {**given, "step": "deferred"},
            "managed": {**given, "step": "abandoned over $management"},
            "dead": [
                "r",
                "d",
                {**given, "step": "dead", "DeadLetterReason": "r", "DeadLetterErrorDescription": "d"},
            ],
        },
        "deadLettered": ["r2", {"step": "over the link", "DeadLetterReason": "r2"}],
    }
    _check_refusals(refused, [record.getMessage() for record in caplog.records])


def _check_refusals(refused: dict[str, str], log: list[str]) -> None:
    """Each refusal names what is unsupported, in the error and in a line of the log."""
    # For a session that is asked for by name, the SDK has a text of its own whatever the reason: the log has the name.
    assert "requested session 'a'" in refused.pop("session")
    assert "does not support message sessions" in refused.pop("nextSession")
    assert set(refused) == {"addRule", "removeRule", "rules"}
    assert all("does not support rules of subscriptions" in text for text in refused.values())
    refusals = [line for line in log if line.startswith("Refused: ")]
    assert len(refusals) == 5
