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
def answers() -> Any:
    """The output of worker_library.py: the app's metadata, and the answers of every scenario."""
    installed = importlib.util.find_spec("azure_functions_runtime") is not None
    folder = [] if installed else [str(PROJECT.functions_runtime)]
    command = [sys.executable, "-m", "tests.triggers.worker_library", *folder]
    done = subprocess.run(command, cwd=PROJECT.root, capture_output=True, text=True, timeout=90, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


QUEUES = ("generate", "observe", "command", "dead_letter_requests", "dead_letter_events", "dead_letter_commands")

DONE = {"ok": True, "error": None, "outputs": 0}


def test_the_library_indexes_every_function(answers: Any) -> None:
    """With its triggers, BINARY bodies, and no retry policy: the host has none for Service Bus."""
    bindings = {name: found["bindings"] for name, found in answers["metadata"].items()}
    assert set(bindings) == {
        "generate",
        "observe",
        "command",
        "dead_letter_requests",
        "dead_letter_events",
        "dead_letter_commands",
        "replicate_webhook",
        "reconcile",
        "audit",
        "health",
    }
    queues = [found[0] for found in bindings.values() if found[0]["type"] == "serviceBusTrigger"]
    assert len(queues) == 6
    assert {(trigger["dataType"], trigger["connection"]) for trigger in queues} == {("BINARY", "ServiceBus")}
    assert not any(found["retries"] for found in answers["metadata"].values())


def test_a_generation_walks_through_the_library(answers: Any) -> None:
    """Each function is called once. All succeed, only HTTP functions return a value, and the image is paid."""
    way = answers["whole_way"]
    for name in (*QUEUES, "reconcile", "audit"):
        assert way[name] == DONE, name
    assert (way["webhook"]["status"], way["webhook"]["body"]) == ("202", "queued")
    assert way["unsigned"]["status"] == "401"
    assert way["empty"]["status"] == "400"
    assert way["health"]["status"] == "200"
    assert set(json.loads(way["health"]["body"]).values()) == {"ok"}
    assert (way["state"], way["balances"]) == ("succeeded", [9, 0, 1])


def test_garbage_is_no_failure(answers: Any) -> None:
    """Every body to every queue is completed, and archived."""
    garbage = answers["garbage"]
    assert garbage["answers"] == [DONE] * 42
    assert garbage["archived"] == 21  # a queue and its dead-letter queue archive the same content once


def test_a_bodys_keys_stay_in_the_body(answers: Any) -> None:
    """Keys such as messageId in a JSON body change nothing about the message: the envelope is the broker's."""
    found = answers["metadata_keys"]
    assert found == {
        "answers": DONE,
        "message_id": "ada/ada/one/deferred/generate/3/20261120T100000.000000",
        "deferrals": 3,
    }


def test_a_failure_is_reported(answers: Any) -> None:
    """The host must abandon the message."""
    assert answers["failing"] == {"ok": False, "error": "LookupError('a bug')", "outputs": 0}


def test_a_cancel_is_reported_and_does_not_hang_the_worker(answers: Any) -> None:
    """The library does not catch CancelledError, so it must not leave the function."""
    assert answers["cancelled"]["ok"] is False
    assert (
        answers["cancelled"]["error"] == "RuntimeError('generate was cancelled; its message will be delivered again')"
    )
