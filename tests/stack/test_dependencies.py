"""Dependencies that are down, and secrets that change."""

import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest

from dev import process
from dev.stack import ROOT
from tests.stack.road import Ground, Road, key_of, open_road

pytestmark = pytest.mark.stack

DEPENDENCIES = {
    *("settings", "tables", "kill switches", "blobs", "service bus"),
    *("content safety", "secrets", "replicate"),
}

#: The functions that would take the shared stack's messages away from its own host.
_QUIET = (
    "generate",
    "observe",
    "command",
    "dead_letter_requests",
    "dead_letter_events",
    "dead_letter_commands",
    "reconcile",
    "audit",
)


async def test_while_content_safety_is_down_the_request_waits(road: Road) -> None:
    """Nothing is allowed unscreened: the request is deferred without a hold, and done when the service is back."""
    message = await road.message()
    key = key_of(message)
    (await road.safety.post("/_sim/faults", json={"kind": "down", "times": -1, "on": "text"})).raise_for_status()
    try:
        await road.send(message)
        defer = await road.log.step(key, "deferred")
        assert defer["dependency"] == "content safety"
        assert await road.balances(key.user_id) == (10, 0, 0)
    finally:
        (await road.safety.delete("/_sim/faults")).raise_for_status()
    await road.paid_once(await road.ended(key), message["prompt"])


async def test_while_no_output_can_be_screened_none_is_shown(road: Road) -> None:
    """The picture exists without a verdict; it is stored only after it has passed."""
    message = await road.message()
    key = key_of(message)
    (await road.safety.post("/_sim/faults", json={"kind": "down", "times": -1, "on": "image"})).raise_for_status()
    try:
        await road.send(message)
        await road.log.step(key, "deferred")
        with pytest.raises(FileNotFoundError):
            await road.stack.app.outputs.read_output(f"{key}/1-0.webp")
    finally:
        (await road.safety.delete("/_sim/faults")).raise_for_status()
    await road.paid_once(await road.ended(key), message["prompt"])


async def test_health_says_ok_of_every_dependency(road: Road) -> None:
    """The answer is 200, names each dependency, and holds nothing secret."""
    async with httpx.AsyncClient() as client:
        answer = await client.get(f"{road.stack.host_url}/api/health")
    assert answer.status_code == 200
    assert answer.json() == dict.fromkeys(DEPENDENCIES, "ok")


async def test_health_names_the_dependency_that_has_stopped(road: Road, ground: Ground, tmp_path: Path) -> None:
    """503: Content Safety was there when the host started, and is gone now; the others are ok."""
    command = [sys.executable, "-m", "replicate_simulator.content_safety", "--exit-with-stdin"]
    safety = await process.start("content safety", command, cwd=ROOT, starter=ground.starter)
    overrides = {"CONTENT_SAFETY_ENDPOINT": safety.text("url"), "CONTENT_SAFETY_KEY": safety.text("key")}
    async with _second_host(road, ground, overrides, tmp_path) as url, httpx.AsyncClient(timeout=20) as client:
        await safety.stop()
        answer = await client.get(f"{url}/api/health")
    assert answer.status_code == 503
    states = answer.json()
    assert states.pop("content safety") != "ok"
    assert states == dict.fromkeys(DEPENDENCIES - {"content safety"}, "ok")


@asynccontextmanager
async def _second_host(road: Road, ground: Ground, overrides: dict[str, str], folder: Path) -> AsyncIterator[str]:
    """Run a second host on the same stack, with other settings and HTTP functions only; yields its address."""
    values = {**road.stack.values, **overrides, **{f"AzureWebJobs.{name}.Disabled": "true" for name in _QUIET}}
    file = folder / "settings.json"
    file.write_text(json.dumps({"IsEncrypted": False, "Values": values}))
    command = [
        sys.executable,
        "-m",
        "dev.host",
        "--settings",
        str(file),
        "--port",
        "0",
        "--exit-with-stdin",
        "--log-json",
    ]
    host = await process.start("second host", command, cwd=ROOT, on_stderr=road.log.read, starter=ground.starter)
    try:
        yield host.text("url")
    finally:
        await host.stop()


async def test_a_new_signing_secret_is_fetched_at_the_first_failed_signature(ground: Ground) -> None:
    """Replicate rotates it while a prediction runs: its webhooks, under the new secret and the old address, pass."""
    new_secret = "whsec_" + "bmV3IHNlY3JldCwgMjQgYnl0ZXMu"
    async with open_road(ground, {"CHECK_AFTER_S": "60"}) as road:  # the timer shall not be faster than the webhook
        await road.generate()  # the host knows the first secret now
        message = await road.message()
        key = key_of(message)
        await road.fault("slow_start", message, seconds=2)
        await road.send(message)
        await road.log.step(key, "prediction_created")
        (await road.replicate.post("/_sim/webhook-secret", json={"secret": new_secret})).raise_for_status()
        outcome = await road.ended(key)
        assert [each["tries"] for each in (await road.predictions(message["prompt"]))[0]["webhooks"]] == [[202]]
        assert not road.log.steps(key, "checked")
        await road.paid_once(outcome, message["prompt"])
        after = await road.message()
        await road.paid_once(await road.outcome(after), after["prompt"])
        assert not [line for line in road.log.lines if new_secret in line]
