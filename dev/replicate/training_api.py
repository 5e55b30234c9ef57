"""/v1: trainings. They live as predictions do, and end with a new version of the destination."""

import secrets
from collections.abc import Mapping
from typing import Any, Final

from aiohttp import web

from dev.replicate import problems
from dev.replicate.api import ACCOUNT, json_object
from dev.replicate.engine import SIMULATOR, Record
from dev.replicate.models import TRAINER, Input
from dev.replicate.paging import paged
from dev.replicate.problems import invalid
from dev.replicate.schemas import Order, Target, faults_of, input_faults, webhook_faults

_PAGE: Final = 100
_BODY: Final[Mapping[str, Input]] = {
    "destination": Input("string", required=True),
    "input": Input("object", required=True),
}
_WEBHOOK: Final = ("webhook", "webhook_events_filter")


async def create(request: web.Request) -> web.Response:
    """POST /v1/models/{owner}/{name}/versions/{id}/trainings."""
    simulator, body = request.app[SIMULATOR], await json_object(request)
    place = request.match_info
    if f"{place['owner']}/{place['name']}" != TRAINER.name or place["version"] != TRAINER.version:
        raise problems.unknown_version()
    _check(body)
    destination = body["destination"]
    if destination not in simulator.library.models or not destination.startswith(f"{ACCOUNT['username']}/"):
        raise problems.no_destination()
    order = Order(
        target=Target(TRAINER, TRAINER.version),
        input=body["input"],
        webhook=body.get("webhook"),
        events_filter=tuple(body["webhook_events_filter"]) if "webhook_events_filter" in body else None,
        cancel_after_s=None,
    )
    weights = f"{simulator.base_url}/delivery/xezq/{secrets.token_hex(20)}/trained_model.tar"
    record = simulator.create(order, (f"{destination}:{secrets.token_hex(32)}", weights))
    return web.json_response(_shown(request, record), status=201)


async def get(request: web.Request) -> web.Response:
    """GET /v1/trainings/{id}."""
    return web.json_response(_shown(request, _record(request)))


async def cancel(request: web.Request) -> web.Response:
    """POST /v1/trainings/{id}/cancel: one that has ended is answered as it is."""
    record = _record(request)
    request.app[SIMULATOR].cancel(record)
    return web.json_response(_shown(request, record))


async def list_(request: web.Request) -> web.Response:
    """GET /v1/trainings: newest first."""
    records = [record for record in reversed(request.app[SIMULATOR].records) if record.trains]
    for record in records:
        request.app[SIMULATOR].settle(record)
    return paged(request, records, _PAGE, lambda record: _shown(request, record))


def _check(body: Mapping[str, Any]) -> None:
    faults = list(faults_of("", _BODY, {name: value for name, value in body.items() if name not in _WEBHOOK}))
    faults += webhook_faults(body)
    if isinstance(body.get("input"), dict):
        faults += input_faults(TRAINER, body["input"])
    if faults:
        raise invalid(faults)


def _record(request: web.Request) -> Record:
    record = request.app[SIMULATOR].find(request.match_info["id"])
    if record is None or not record.trains:
        raise problems.not_found()
    return record


def _shown(request: web.Request, record: Record) -> dict[str, Any]:
    """Returns a training as JSON: it has no output before its end, and its data is not removed."""
    shown = request.app[SIMULATOR].shown(record)
    return {
        name: value for name, value in shown.items() if name != "data_removed" and (name, value) != ("output", None)
    }
