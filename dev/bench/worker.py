"""`python -m dev.bench.worker --app FOLDER --port PORT`: the measured process.

The library that the Functions worker runs (azure-functions-runtime) indexes the app and calls its functions. A
connection to the bench's host (dev/bench/wire.py) replaces the worker's gRPC stream. Log records go to the host as
the real worker sends them: formatted, one by one.

Rule of this file: it imports nothing that the real worker would not have imported, because that would hide a cost of
the app.
"""

import argparse
import asyncio
import cProfile
import functools
import importlib.util
import json
import logging
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from dev.bench import usage, wire
from dev.bench.hiding import hide

#: As in the real worker: records from INFO on are sent, and the app may ask for less.
LOG_LEVEL = logging.INFO


class ToHost(logging.Handler):
    """Sends every record to the host."""

    def __init__(self, send: Callable[[bytes], None]) -> None:
        super().__init__()
        self._send = send

    def emit(self, record: logging.LogRecord) -> None:
        """Format and send one record."""
        if record.name.startswith("azure_functions_runtime"):
            return
        entry = {"log": self.format(record), "level": record.levelname, "logger": record.name}
        self._send(wire.packed(entry))


class _AnyEnum(type):
    def __getattr__(cls, name: str) -> str:
        return f"{cls.__name__}.{name}"


class _Protos:
    """Replaces the generated gRPC classes: each keeps its arguments, and a constant is its own name."""

    BINDINGS = {"in": 0, "out": 1, "inout": 2, "undefined": 0, "string": 1, "binary": 2, "stream": 3}  # noqa: RUF012  # read only

    @functools.cache  # noqa: B019  # one instance lives as long as the process
    def __getattr__(self, name: str) -> Any:
        members: dict[str, Any] = {"__init__": lambda made, *_, **given: made.__dict__.update(given)}
        if name == "BindingInfo":
            members |= self.BINDINGS
            members["Direction"] = type("Direction", (), dict(self.BINDINGS))
        return _AnyEnum(name, (), members)


class Worker:
    """Indexes one app, and calls its functions as the host asks."""

    def __init__(self, runtime: Any, invoke: Any, datum: Any) -> None:
        self._runtime = runtime
        self._invoke = invoke
        self._datum = datum
        self._ids: dict[str, str] = {}
        self._running: set[asyncio.Task[None]] = set()
        self._send: Callable[[bytes], None] = lambda _: None
        self._profile = os.environ.get("BENCH_PROFILE")
        self._profiler = cProfile.Profile(time.process_time)  # not the clock: another process may have the core

    async def index(self, folder: Path) -> dict[str, float]:
        """Load and index the app. Returns seconds of wall time and CPU. Raises RuntimeError if it fails."""
        before, began_s = usage.now(), time.perf_counter()
        asked = SimpleNamespace(capabilities={}, function_app_directory=str(folder))
        made = await self._runtime.worker_init_request(_wrapped(worker_init_request=asked))
        if made.result.status != "StatusResult.Success":
            raise RuntimeError(f"the app cannot be indexed: {made.result.exception.message}")
        found = await self._runtime.functions_metadata_request(_wrapped())
        self._ids = {each.name: each.function_id for each in found.function_metadata_results}
        return {"wall_s": time.perf_counter() - began_s, "cpu_s": usage.now().cpu_s - before.cpu_s}

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, readiness: wire.Head) -> None:
        """Serve the host's calls until it closes the connection."""
        self._send = writer.write
        logging.basicConfig(level=LOG_LEVEL, handlers=[ToHost(writer.write)], force=True)
        writer.write(wire.packed({"ready": readiness, "functions": sorted(self._ids)}))
        while (frame := await wire.read(reader)) is not None:
            head, body = frame
            if head["do"] == "call":
                task = asyncio.create_task(self._call(head, body))
                self._running.add(task)
                task.add_done_callback(self._running.discard)
            else:
                writer.write(wire.packed({"answer": head["id"], **self._answer(head["do"])}))
        writer.close()

    def _answer(self, asked: str) -> dict[str, Any]:
        if asked == "mark":
            usage.mark()
            if self._profile is not None:
                self._profiler.enable()
        elif self._profile is not None:
            self._profiler.disable()
            self._profiler.dump_stats(self._profile)
            self._profiler.enable()
        return {"usage": usage.now().to_json(), "modules": sorted(sys.modules)}

    async def _call(self, head: wire.Head, body: bytes) -> None:
        inputs, metadata = _http(self._datum, head, body) if "headers" in head else _queued(self._datum, head, body)
        ok, returned, _, error, _ = await self._invoke(head["id"], self._ids[head["function"]], inputs, metadata)
        status = returned.value["status_code"].value if returned is not None else None
        self._send(wire.packed({"answer": head["id"], "ok": ok, "status": status, "error": error}))


def _wrapped(**request: object) -> SimpleNamespace:
    return SimpleNamespace(request=SimpleNamespace(**request), properties={"protos": _Protos(), "host": "127.0.0.1"})


def _queued(datum: Any, head: wire.Head, body: bytes) -> tuple[list[Any], dict[str, Any]]:
    metadata = {
        "MessageId": datum(head["message_id"], "string"),
        "DeliveryCount": datum(1, "int"),
        "SequenceNumber": datum(1, "int"),
        "LockToken": datum(head["message_id"], "string"),
        "EnqueuedTimeUtc": datum('"2026-11-20T10:00:00"', "json"),
        "ApplicationProperties": datum("{}", "json"),
        "UserProperties": datum("{}", "json"),
    }
    return [("msg", datum(body, "bytes"))], metadata


def _http(datum: Any, head: wire.Head, body: bytes) -> tuple[list[Any], dict[str, Any]]:
    request = {
        "method": datum(head["method"], "string"),
        "url": datum(head["url"], "string"),
        "headers": {name: datum(value, "string") for name, value in head["headers"].items()},
        "params": {},
        "query": {name: datum(value, "string") for name, value in head["query"].items()},
        "body": datum(body, "bytes"),
    }
    return [("req", datum(request, "http"))], {}


def _runtime_folder() -> Path:
    return Path(__file__).parents[2] / ".local" / "functions-runtime"


async def _run(app: Path, port: int, began_s: float) -> None:
    if importlib.util.find_spec("azure_functions_runtime") is None:
        sys.path.append(str(_runtime_folder()))  # set-up unpacks it here for Pythons that cannot install it
    import azure.functions  # noqa: F401, PLC0415 - the library's own, and no part of what an app costs
    import azure_functions_runtime as runtime  # noqa: PLC0415 - only now it can be found
    from azure_functions_runtime.bindings.datumdef import Datum  # noqa: PLC0415 - as above
    from azure_functions_runtime.native_invocation import invocation_request_native  # noqa: PLC0415 - as above

    runtime.start_threadpool_executor()
    worker = Worker(runtime, invocation_request_native, Datum)
    bare = usage.now()
    indexed = await worker.index(app)
    readiness = {
        "index": indexed,
        "bare_cpu_s": bare.cpu_s,
        "spawn_to_indexed_s": time.time() - began_s,
        "usage": usage.now().to_json(),
    }
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=8 * 1024 * 1024)
    await worker.serve(reader, writer, readiness)


def main() -> None:
    """Run until the host closes the connection. The environment variable BENCH_SETTINGS holds settings as JSON."""
    parser = argparse.ArgumentParser(prog="python -m dev.bench.worker")
    parser.add_argument("--app", type=Path, required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--core", type=int)
    parser.add_argument("--began", type=float, required=True, help="when the process was started, seconds since 1970")
    options = parser.parse_args()
    usage.pin(options.core)
    hide(json.loads(os.environ.pop("BENCH_ABSENT", "[]")))
    os.environ.update(json.loads(os.environ.pop("BENCH_SETTINGS")))
    asyncio.run(_run(options.app, options.port, options.began))
    os._exit(0)  # the real worker ends the same way: no clean-up reaches an app


if __name__ == "__main__":
    main()
