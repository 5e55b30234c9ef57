"""A cold start: indexing needs no setting, and loads no library that a first call may not need."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.process

ROOT = Path(__file__).parents[2]

#: Each costs 60 to 350 ms of a cold start, which a user waits for.
HEAVY = (
    "PIL",
    "aiohttp",
    "azure.ai",
    "azure.data",
    "azure.identity",
    "azure.keyvault",
    "azure.servicebus",
    "azure.storage",
    "httpx",
)

_IMPORT = f"import sys, json, function_app; print(json.dumps([n for n in {HEAVY!r} if n in sys.modules]))"

_INDEX = """
import json, function_app
found = {f.get_function_name(): f.get_trigger().get_dict_repr() for f in function_app.app.get_functions()}
print(json.dumps(found, default=lambda kind: getattr(kind, "name", str(kind))))
"""


def run(program: str) -> str:
    """Run a program in a new Python with an empty environment; returns its stdout."""
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, cwd=ROOT, env={}, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_importing_the_app_loads_no_heavy_library() -> None:
    """Even with an empty environment."""
    assert json.loads(run(_IMPORT)) == []


def test_every_function_is_indexed_without_a_setting() -> None:
    """All names and triggers are there. The host fills in what is between percent signs."""
    found = json.loads(run(_INDEX))
    queues = {name: trigger["queueName"] for name, trigger in found.items() if trigger["type"] == "serviceBusTrigger"}
    assert queues == {
        "generate": "%GENERATION_QUEUE%",
        "observe": "%PREDICTION_QUEUE%",
        "command": "%COMMAND_QUEUE%",
        "dead_letter_requests": "%GENERATION_QUEUE%/$DeadLetterQueue",
        "dead_letter_events": "%PREDICTION_QUEUE%/$DeadLetterQueue",
        "dead_letter_commands": "%COMMAND_QUEUE%/$DeadLetterQueue",
    }
    for name in queues:
        assert (found[name]["connection"], found[name]["dataType"]) == ("ServiceBus", "BINARY"), name
    timers = {name: trigger["schedule"] for name, trigger in found.items() if trigger["type"] == "timerTrigger"}
    assert timers == {"reconcile": "%RECONCILE_SCHEDULE%", "audit": "%AUDIT_SCHEDULE%"}
    routes = {
        name: (trigger["route"], trigger["methods"], trigger["authLevel"])
        for name, trigger in found.items()
        if trigger["type"] == "httpTrigger"
    }
    assert routes == {
        "replicate_webhook": ("webhooks/replicate", ["POST"], "ANONYMOUS"),
        "health": ("health", ["GET"], "ANONYMOUS"),
    }
    assert len(found) == len(queues) + len(timers) + len(routes)


def test_a_worker_that_gets_no_account_command_loads_none_of_their_types() -> None:
    """Neither with the triggers and the message handler, nor with the adapters that both use."""
    program = """
import json, sys
import shared.composition.app, shared.triggers.handlers, shared.worker
import shared.adapters.service_bus, shared.adapters.azure_storage.tables
print(json.dumps([name for name in sys.modules if "command" in name and name.startswith("shared.")]))
"""
    assert json.loads(run(program)) == ["shared.ports.commands", "shared.adapters.azure_storage.tables.commands"]


def test_the_app_never_loads_the_connector() -> None:
    """It is for scripts: neither the app's start nor its provider, whose connections it may use, imports it."""
    program = """
import json, sys
import function_app, shared.composition.app, shared.adapters.replicate.port, shared.adapters.replicate.sdk.api
print(json.dumps([name for name in sys.modules if ".sdk.connector" in name or name.endswith(".sdk.hardware")]))
"""
    assert json.loads(run(program)) == []


def test_without_a_price_of_a_credit_no_margin_is_loaded() -> None:
    """What is not used costs nothing at the start: not even its import."""
    program = """
import json, sys
from dev.fakes.app import ENVIRONMENT
from shared.config import data_files
from shared.config.settings import Settings
settings = Settings.from_env(ENVIRONMENT)
catalog = data_files.catalog(settings)
sold = data_files.sold(settings, catalog, data_files.plans(settings, catalog))
print(json.dumps([sold is catalog, [name for name in sys.modules if "margin" in name or "quoting" in name]]))
"""
    assert json.loads(run(program)) == [True, []]
