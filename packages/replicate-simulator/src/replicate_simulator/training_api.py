"""/v1: trainings. A training lives as a prediction does, and ends with a new version of its destination."""

from collections.abc import Mapping
from typing import Any, Final

from aiohttp import web

from replicate_simulator import problems, targets
from replicate_simulator.api import created, json_object, named
from replicate_simulator.engine import SIMULATOR, Record
from replicate_simulator.models import Input, Model
from replicate_simulator.paging import paged
from replicate_simulator.problems import invalid
from replicate_simulator.schemas import Order, Target, faults_of, input_faults, webhook_faults

_PAGE: Final = 100
_BODY: Final[Mapping[str, Input]] = {
    "destination": Input("string", required=True),
    "input": Input("object", required=True),
}
_WEBHOOK: Final = ("webhook", "webhook_events_filter")


async def create(request: web.Request) -> web.Response:
    """POST /v1/models/{owner}/{name}/versions/{id}/trainings."""
    body, library = await json_object(request), request.app[SIMULATOR].library
    target, problem = named(lambda _: targets.trainer(library, **request.match_info), body)

    def order() -> Order:
        if target is None:
            raise problem or problems.unknown_version()
        return _order(request, target, body)

    return await created(request, body, target, order, lambda record: _just_created(request, record))


async def get(request: web.Request) -> web.Response:
    """GET /v1/trainings/{id}."""
    return web.json_response(request.app[SIMULATOR].training_shown(_record(request)))


async def cancel(request: web.Request) -> web.Response:
    """POST /v1/trainings/{id}/cancel: one that has ended is answered as it is."""
    record = _record(request)
    request.app[SIMULATOR].cancel(record)
    return web.json_response(request.app[SIMULATOR].training_shown(record))


async def list_(request: web.Request) -> web.Response:
    """GET /v1/trainings: newest first."""
    simulator = request.app[SIMULATOR]
    simulator.settle_trainings()
    records = [record for record in reversed(simulator.records) if record.trains]
    return paged(request, records, _PAGE, simulator.training_shown)


def _order(request: web.Request, target: Target, body: Mapping[str, Any]) -> Order:
    _check(target.model, body)
    destination = body["destination"]
    models = request.app[SIMULATOR].library.models
    if destination not in models or not request.app[SIMULATOR].settings.owns(destination):
        raise problems.no_destination()
    return Order(
        target=target,
        input=body["input"],
        webhook=body.get("webhook"),
        events_filter=tuple(body["webhook_events_filter"]) if "webhook_events_filter" in body else None,
        cancel_after_s=None,  # the document knows no Cancel-After here
        destination=destination,
    )


def _check(trainer: Model, body: Mapping[str, Any]) -> None:
    faults = list(faults_of("", _BODY, {name: value for name, value in body.items() if name not in _WEBHOOK}))
    faults += webhook_faults(body)
    if isinstance(body.get("input"), dict):
        faults += input_faults(trainer, body["input"])
    if faults:
        raise invalid(faults)


def _record(request: web.Request) -> Record:
    record = request.app[SIMULATOR].find(request.match_info["id"])
    if record is None or not record.trains:
        raise problems.not_found()
    return record


def _just_created(request: web.Request, record: Record) -> dict[str, Any]:
    """Returns a training as the create shows it: in the document its addresses then lead to /predictions."""
    simulator = request.app[SIMULATOR]
    shown = simulator.training_shown(record)
    place = f"{simulator.base_url}/v1/predictions/{record.prediction.id}"
    return {**shown, "urls": {**shown["urls"], "get": place, "cancel": f"{place}/cancel"}}
