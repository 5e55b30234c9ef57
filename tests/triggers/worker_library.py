"""Runs function_app.py under the library of the Functions worker, and prints the results as JSON.

    python -m tests.triggers.worker_library FOLDER_OF_THE_LIBRARY_OR_NOTHING

Rules of this file:
1. It runs as a process of its own, because the library keeps its state in module globals and indexes an app once.
2. Each scenario has a new world. It prints what the worker would answer to the host, and what was saved.
3. There is no gRPC here. The library is called through the entry that takes its own type of values (``Datum``).
"""

import asyncio
import contextlib
import importlib
import io
import json
import sys
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from dev.fakes.app import BODY, Delivery, FakeApp, delivery
from shared.composition import app

ROOT = Path(__file__).parents[2]

#: The worker's binding kinds as protobuf numbers them (Azure/azure-functions-language-worker-protobuf).
_DATA_TYPES = {"undefined": 0, "string": 1, "binary": 2, "stream": 3}
_DIRECTIONS = {"in": 0, "out": 1, "inout": 2}


class _Enum(type):
    """A type in which each name of an enumeration is its own text, such as StatusResult.Success."""

    def __getattr__(cls, name: str) -> str:
        return f"{cls.__name__}.{name}"


class _Protos:
    """Stands for the generated protobuf module: every message type keeps its fields."""

    def __init__(self) -> None:
        self._types: dict[str, type] = {}

    def __getattr__(self, name: str) -> type:
        if name.startswith("__"):
            raise AttributeError(name)
        if name not in self._types:
            self._types[name] = _Enum(name, (SimpleNamespace,), _numbers(name))
        return self._types[name]


def _numbers(name: str) -> dict[str, Any]:
    if name != "BindingInfo":
        return {}
    return {**_DATA_TYPES, **_DIRECTIONS, "Direction": SimpleNamespace(**_DIRECTIONS)}


class Worker:
    """The library, with the app indexed. ``functions`` are the ids by name."""

    def __init__(self) -> None:
        self.runtime = importlib.import_module("azure_functions_runtime")
        self.datum = importlib.import_module("azure_functions_runtime.bindings.datumdef").Datum
        self.invoke = importlib.import_module("azure_functions_runtime.native_invocation").invocation_request_native
        self.functions: dict[str, str] = {}
        self.metadata: dict[str, Any] = {}
        self._protos = _Protos()

    async def start(self) -> None:
        """Import and index function_app.py, as the worker does at its start."""
        self.runtime.start_threadpool_executor()
        request = SimpleNamespace(capabilities={}, function_app_directory=str(ROOT))
        init = await self.runtime.worker_init_request(self._wrap(worker_init_request=request))
        if init.result.status != "StatusResult.Success":
            raise RuntimeError(init.result.exception.message)
        answer = await self.runtime.functions_metadata_request(self._wrap())
        for found in answer.function_metadata_results:
            self.functions[found.name] = found.function_id
            self.metadata[found.name] = {
                "bindings": [json.loads(binding) for binding in found.raw_bindings],
                "retries": str(found.retry_options) if found.retry_options else None,
            }

    def _wrap(self, **request: Any) -> SimpleNamespace:
        properties = {"protos": self._protos, "host": "127.0.0.1"}
        return SimpleNamespace(request=SimpleNamespace(**request), properties=properties)

    async def message(self, function: str, body: bytes, message_id: str = "m-1") -> dict[str, Any]:
        """Deliver a queue message, as the host sends it for a BINARY trigger."""
        datum = self.datum
        metadata = {
            "MessageId": datum(message_id, "string"),
            "DeliveryCount": datum(3, "int"),
            "SequenceNumber": datum(7, "int"),
            "LockToken": datum("token", "string"),
            "EnqueuedTimeUtc": datum('"2026-11-20T10:00:00"', "json"),
            "ApplicationProperties": datum('{"deferrals": 2}', "json"),
            "UserProperties": datum('{"deferrals": 2}', "json"),
        }
        return await self._invoke(function, [("msg", datum(body, "bytes"))], metadata)

    async def http(self, function: str, method: str, webhook: Delivery) -> dict[str, Any]:
        """Deliver an HTTP request."""
        request = {
            "method": self._text(method),
            "url": self._text("https://darkroom.example/api/" + function),
            "headers": {name: self._text(value) for name, value in webhook.headers.items()},
            "params": {},
            "query": {name: self._text(value) for name, value in webhook.query.items()},
            "body": self.datum(webhook.body, "bytes"),
        }
        return await self._invoke(function, [("req", self.datum(request, "http"))], {})

    async def tick(self, function: str) -> dict[str, Any]:
        """Fire a timer."""
        return await self._invoke(function, [("timer", self.datum('{"IsPastDue": true}', "json"))], {})

    def _text(self, value: str) -> Any:
        return self.datum(value, "string")

    async def _invoke(self, function: str, inputs: Any, metadata: Mapping[str, Any]) -> dict[str, Any]:
        ok, returned, outputs, error, _ = await self.invoke("inv-1", self.functions[function], inputs, metadata)
        answers: dict[str, Any] = {"ok": ok, "error": error, "outputs": len(outputs)}
        if returned is not None and function in {"replicate_webhook", "health"}:
            answers["status"] = returned.value["status_code"].value
            answers["body"] = bytes(returned.value["body"].value).decode()
        return answers


Scenario = Callable[[Worker, FakeApp], Awaitable[Any]]
QUEUES = ("generate", "observe", "command", "dead_letter_requests", "dead_letter_events", "dead_letter_commands")
COMMAND = {"type": "grant", "command_id": "c1", "account_id": "acme", "by": "billing", "credits": 5}
REQUEST = {"generation_id": "one", "user_id": "ada", "prompt": "A kingfisher", "model": "flux-schnell"}


async def whole_way(worker: Worker, fake_app: FakeApp) -> Any:
    """generate, webhook, observe, command, dead letters, reconcile, audit, health."""
    answers = {"generate": await worker.message("generate", json.dumps(REQUEST).encode())}
    replicate = fake_app.replicate
    replicate.succeed(replicate.only_id, [b"picture"])
    answers["webhook"] = await worker.http("replicate_webhook", "POST", delivery())
    event = json.dumps(replicate.event(replicate.only_id).to_json()).encode()
    answers["observe"] = await worker.message("observe", event)
    answers["dead_letter_requests"] = await worker.message("dead_letter_requests", json.dumps(REQUEST).encode())
    answers["dead_letter_events"] = await worker.message("dead_letter_events", event)
    answers["command"] = await worker.message("command", json.dumps(COMMAND).encode())
    answers["dead_letter_commands"] = await worker.message("dead_letter_commands", json.dumps(COMMAND).encode())
    answers["reconcile"] = await worker.tick("reconcile")
    answers["audit"] = await worker.tick("audit")
    answers["health"] = await worker.http("health", "GET", Delivery({}, {}, b""))
    answers["unsigned"] = await worker.http("replicate_webhook", "POST", Delivery({}, {}, BODY))
    answers["empty"] = await worker.http("replicate_webhook", "POST", Delivery({}, {}, b""))
    return answers | {"state": fake_app.world.generation().state, "balances": fake_app.world.balances()}


async def garbage(worker: Worker, fake_app: FakeApp) -> Any:
    """Bodies that are not messages, to every queue and every dead-letter queue."""
    bodies = [b"", b"\xff\x00", b"[]", b"7", b"{", b'"' + b"x" * 300_000 + b'"', b'{"user_id": "a/b"}']
    answers = [await worker.message(queue, body) for queue in QUEUES for body in bodies]
    return {"answers": answers, "archived": len(fake_app.world.blobs.dead_letters)}


async def metadata_keys(worker: Worker, fake_app: FakeApp) -> Any:
    """A body with keys of the message's metadata; Content Safety is down, so a copy shows the envelope."""
    fake_app.screener.down = True
    body = REQUEST | {"messageId": "other", "deliveryCount": 99, "State": "x", "expiresAtUtc": "2020-01-01T00:00:00"}
    answers = await worker.message("generate", json.dumps(body).encode(), "m-7~2")
    (sent,) = fake_app.messenger.scheduled
    return {"answers": answers, "message_id": sent.envelope.message_id, "deferrals": sent.envelope.deferrals}


async def failing(worker: Worker, fake_app: FakeApp) -> Any:
    """A handler that raises."""

    async def broken(*_: Any) -> None:
        raise LookupError("a bug")

    fake_app.world.store.load = broken  # type: ignore[method-assign, assignment]
    return await worker.message("generate", json.dumps(REQUEST).encode())


async def cancelled(worker: Worker, fake_app: FakeApp) -> Any:
    """A library gives up by cancelling. Without the bound of every function the worker would never answer."""

    async def gives_up(*_: Any) -> None:
        raise asyncio.CancelledError

    fake_app.world.store.load = gives_up  # type: ignore[method-assign, assignment]
    return await worker.message("generate", json.dumps(REQUEST).encode())


SCENARIOS: Mapping[str, Scenario] = {
    scenario.__name__: scenario for scenario in (whole_way, garbage, metadata_keys, failing, cancelled)
}


async def main() -> dict[str, Any]:
    """Index the app, then run every scenario in a world of its own."""
    worker = Worker()
    await worker.start()
    answers: dict[str, Any] = {"metadata": worker.metadata}
    for name, scenario in SCENARIOS.items():
        fake_app = FakeApp()
        await fake_app.world.open_account()
        app.use(fake_app.app)
        answers[name] = await scenario(worker, fake_app)
    worker.runtime.stop_threadpool_executor()
    return answers


if __name__ == "__main__":
    sys.path[:0] = sys.argv[1:]
    with contextlib.redirect_stdout(io.StringIO()):  # the library prints
        result = asyncio.run(main())
    print(json.dumps(result, default=str))  # noqa: T201  # the test reads it
