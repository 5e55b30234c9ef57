"""The app under azure-functions-runtime, the library that runs it in production: bindings, answers, failures."""

import importlib.util
import json
import subprocess
import sys
from typing import Any

import pytest

from dev.setup import PROJECT

pytestmark = pytest.mark.process


@pytest.fixture(scope="module")
def told() -> Any:
    """What the library said of the app, and of every scenario."""
    installed = importlib.util.find_spec("azure_functions_runtime") is not None
    folder = [] if installed else [str(PROJECT.functions_runtime)]
    command = [sys.executable, "-m", "tests.triggers.worker_library", *folder]
    done = subprocess.run(command, cwd=PROJECT.root, capture_output=True, text=True, timeout=90, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


DONE = {"ok": True, "error": None, "outputs": 0}


def test_the_library_indexes_every_function(told: Any) -> None:
    """With its triggers; BINARY bodies, and no retry policy, which the host does not know for Service Bus."""
    bindings = {name: found["bindings"] for name, found in told["metadata"].items()}
    assert set(bindings) == {
        "generate",
        "observe",
        "dead_letter_requests",
        "dead_letter_events",
        "replicate_webhook",
        "reconcile",
        "audit",
        "health",
    }
    queues = [found[0] for found in bindings.values() if found[0]["type"] == "serviceBusTrigger"]
    assert len(queues) == 4
    assert {(trigger["dataType"], trigger["connection"]) for trigger in queues} == {("BINARY", "ServiceBus")}
    assert not any(found["retries"] for found in told["metadata"].values())


def test_a_generation_walks_through_the_library(told: Any) -> None:
    """Every door once: done, with nothing returned but HTTP answers; the picture is paid."""
    road = told["whole_road"]
    for name in ("generate", "observe", "dead_letter_requests", "dead_letter_events", "reconcile", "audit"):
        assert road[name] == DONE, name
    assert (road["webhook"]["status"], road["webhook"]["body"]) == ("202", "queued")
    assert road["unsigned"]["status"] == "401"
    assert road["empty"]["status"] == "400"
    assert road["health"]["status"] == "200"
    assert set(json.loads(road["health"]["body"]).values()) == {"ok"}
    assert (road["state"], road["balances"]) == ("succeeded", [9, 0, 1])


def test_garbage_is_no_failure(told: Any) -> None:
    """Every body to every queue is done with, and kept."""
    garbage = told["garbage"]
    assert garbage["told"] == [DONE] * 28
    assert garbage["archived"] == 14  # the two queues and their dead letters archive alike, by content


def test_a_bodys_keys_stay_in_the_body(told: Any) -> None:
    """Keys such as messageId in a JSON body change nothing about the message: the envelope is the broker's."""
    found = told["metadata_keys"]
    assert found == {
        "told": DONE,
        "message_id": "ada/ada/one/deferred/generate/3/20261120T100000.000000",
        "deferrals": 3,
    }


def test_a_failure_is_reported(told: Any) -> None:
    """Not swallowed: the host must abandon the message."""
    assert told["failing"] == {"ok": False, "error": "LookupError('a bug')", "outputs": 0}


def test_a_cancel_is_reported_and_does_not_hang_the_worker(told: Any) -> None:
    """The library does not catch CancelledError, so it must not leave the function."""
    assert told["cancelled"]["ok"] is False
    assert told["cancelled"]["error"] == "RuntimeError('generate was cancelled; its message will come again')"
