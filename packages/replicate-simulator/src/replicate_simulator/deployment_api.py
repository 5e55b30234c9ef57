"""/v1: deployments."""

from collections.abc import Mapping
from typing import Any, Final

from aiohttp import web

from replicate_simulator import problems
from replicate_simulator.api import json_object
from replicate_simulator.engine import SIMULATOR
from replicate_simulator.library import Deployment
from replicate_simulator.model_api import HARDWARE
from replicate_simulator.models import Input
from replicate_simulator.paging import paged
from replicate_simulator.predictions import written
from replicate_simulator.problems import InvalidField, invalid
from replicate_simulator.schemas import faults_of

_PAGE: Final = 25
_CONFIGURATION: Final[Mapping[str, Input]] = {
    "hardware": Input("string", enum=tuple(HARDWARE)),
    "min_instances": Input("integer", minimum=0, maximum=5),
    "max_instances": Input("integer", minimum=0, maximum=20),
}
_UPDATE: Final[Mapping[str, Input]] = {"version": Input("string"), **_CONFIGURATION}
_CREATE: Final[Mapping[str, Input]] = {
    name: Input(each.kind, None, each.enum, each.minimum, each.maximum, required=True)
    for name, each in {"name": Input("string"), "model": Input("string"), **_UPDATE}.items()
}


async def create(request: web.Request) -> web.Response:
    """POST /v1/deployments: 200, not 201."""
    body = await json_object(request)
    if faults := list(faults_of("", _CREATE, body)):
        raise invalid(faults)
    name = f"{request.app[SIMULATOR].settings.username}/{body['name']}"
    if name in request.app[SIMULATOR].library.deployments:
        raise invalid([InvalidField("unique", "name", "A deployment with that name already exists")])
    _check_version(request, body["model"], body["version"])
    configuration = {key: body[key] for key in _CONFIGURATION}
    deployment = request.app[SIMULATOR].library.deploy(name, body["model"], body["version"], configuration)
    return web.json_response(_shown(request, deployment))


async def update(request: web.Request) -> web.Response:
    """PATCH /v1/deployments/{owner}/{name}: the next release."""
    before, body = _deployment(request).release, await json_object(request)
    if faults := list(faults_of("", _UPDATE, body)):
        raise invalid(faults)
    version = body.pop("version", before.version)
    _check_version(request, before.model, version)
    name = _deployment(request).name
    configuration = {**before.configuration, **body}
    return web.json_response(
        _shown(request, request.app[SIMULATOR].library.deploy(name, before.model, version, configuration))
    )


async def get(request: web.Request) -> web.Response:
    """GET /v1/deployments/{owner}/{name}."""
    return web.json_response(_shown(request, _deployment(request)))


async def list_(request: web.Request) -> web.Response:
    """GET /v1/deployments."""
    deployments = list(request.app[SIMULATOR].library.deployments.values())
    return paged(request, deployments[::-1], _PAGE, lambda each: _shown(request, each))


async def delete(request: web.Request) -> web.Response:
    """DELETE /v1/deployments/{owner}/{name}: one that keeps no machine."""
    deployment = _deployment(request)
    if deployment.release.configuration["min_instances"]:
        raise problems.bad_request("Only deployments that have been offline for 15 minutes can be deleted")
    del request.app[SIMULATOR].library.deployments[deployment.name]
    return web.Response(status=204)


def _deployment(request: web.Request) -> Deployment:
    deployment = request.app[SIMULATOR].library.deployments.get("{owner}/{name}".format(**request.match_info))
    if deployment is None:
        raise problems.not_found()
    return deployment


def _check_version(request: web.Request, model: str, version: str) -> None:
    request.app[SIMULATOR].settle_trainings()
    card = request.app[SIMULATOR].library.models.get(model)
    if card is None or all(each.id != version for each in card.versions):
        raise problems.unknown_version()


def _shown(request: web.Request, deployment: Deployment) -> dict[str, Any]:
    owner, name = deployment.name.split("/")
    release = deployment.release
    return {
        "owner": owner,
        "name": name,
        "current_release": {
            "number": release.number,
            "model": release.model,
            "version": release.version,
            "created_at": written(release.created_at, digits=6),
            "created_by": request.app[SIMULATOR].settings.account,
            "configuration": dict(release.configuration),
        },
    }
