"""/stream: an output as server-sent events: a text while it is written, the addresses of files when they are there.

Rules: the address is the secret, so no token is needed. Each connection gets all events from the first on, with the
same ids. The chunks of a text are spread evenly over the time that its prediction runs. After 30 simulated seconds
without an event the answer ends with the comment `:408: 408 Request Timeout`, as Replicate's does.
"""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Final

from aiohttp import web

from replicate_simulator.engine import SIMULATOR, Record, Simulator
from replicate_simulator.faults import STREAM_KINDS
from replicate_simulator.predictions import Status

_SILENCE: Final = timedelta(seconds=30)
# How often to look whether something came to pass before its time, in real seconds.
_LOOK_S: Final = 0.02


async def get_stream(request: web.Request) -> web.StreamResponse:
    """GET /stream/{id}."""
    simulator = request.app[SIMULATOR]
    record = simulator.find(request.match_info["id"])
    if record is None or record.trains:
        return web.Response(status=404, text="Not found")
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream", "Cache-Control": "no-store"})
    await response.prepare(request)
    fault, sent = simulator.faults.take(STREAM_KINDS, record.prompt, record.model), 0
    with suppress(ConnectionResetError):  # the client has had enough
        async for event in _events(simulator, record):
            if fault is not None and sent == int(fault.params["after"]):
                await _spoil(request, response, fault.kind)
                return response
            await response.write(event.encode())
            sent += 1
    return response


async def _spoil(request: web.Request, response: web.StreamResponse, kind: str) -> None:
    if kind == "stream_idle":
        await response.write(b":408: 408 Request Timeout\n\n")
    elif request.transport is not None:
        request.transport.abort()


async def _events(simulator: Simulator, record: Record) -> AsyncIterator[str]:
    """The events of a prediction, each when it happens."""
    chunks, given, quiet_since = record.prediction.plan.outputs, 0, simulator.clock.now()
    while True:
        simulator.settle(record)
        now = simulator.clock.now()
        while given < _written(record, now):
            yield _event("output", chunks[given], f"{int(record.prediction.created_at.timestamp())}:{given}")
            given, quiet_since = given + 1, now
        if record.prediction.is_terminal:
            break
        if now - quiet_since > _SILENCE:
            yield ":408: 408 Request Timeout\n\n"
            return
        await asyncio.sleep(_LOOK_S)
    for event in _ending(record):
        yield event


def _written(record: Record, now: datetime) -> int:
    """How many chunks the text has."""
    prediction = record.prediction
    plan, started_at = prediction.plan, prediction.started_at
    if started_at is None or plan.error is not None:
        return 0
    if prediction.outputs is not None:
        return len(plan.outputs)
    if prediction.order.target.model.output != "chunks":  # a file is there when it is whole
        return 0
    until = prediction.completed_at or now
    return int(len(plan.outputs) * (until - started_at).total_seconds() / plan.run_s) if plan.run_s else 0


def _ending(record: Record) -> list[str]:
    match record.prediction.status:
        case Status.SUCCEEDED:
            return [_event("done", "{}")]
        case Status.FAILED:
            detail = json.dumps({"detail": record.prediction.error})
            return [_event("error", detail), _event("done", json.dumps({"reason": "error"}))]
        case _:
            return [_event("done", json.dumps({"reason": "canceled"}))]


def _event(name: str, data: str, event_id: str = "") -> str:
    head = [f"event: {name}", *([f"id: {event_id}"] if event_id else [])]
    return "\n".join([*head, *(f"data: {line}" for line in data.split("\n")), "", ""])
