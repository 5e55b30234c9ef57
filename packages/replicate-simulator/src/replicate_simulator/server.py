"""The application: all routes, the check of the token on /v1, and the count of requests."""

import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Final

from aiohttp import web

from replicate_simulator import admin, api, delivery, deployment_api, file_api, model_api, streaming, training_api
from replicate_simulator.engine import SIMULATOR, Simulator
from replicate_simulator.problems import ProblemError, not_simulated
from replicate_simulator.serving import listening
from replicate_simulator.unspoken import refused

# The API takes inline files of up to 10 MB, which base64 makes a third longer.
_BODY_BYTES: Final = 16 * 1024 * 1024

#: Where a caller with a wrong path finds what is spoken.
_PLACES: Final = "Replicate's API is at /v1, what tests switch is at /_sim, and README.md lists both"

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def make_app(simulator: Simulator) -> web.Application:
    """Returns the application of a simulator; the simulator is closed when the application is."""
    app = web.Application(middlewares=[_guard], client_max_size=_BODY_BYTES)
    app[SIMULATOR] = simulator
    app.on_response_prepare.append(_trace)
    app.cleanup_ctx.append(_closing)
    api_routes = [
        web.post("/v1/predictions", api.create_by_version),
        web.post("/v1/models/{owner}/{name}/predictions", api.create_by_model),
        web.post("/v1/deployments/{owner}/{name}/predictions", api.create_by_deployment),
        web.get("/v1/predictions", api.list_predictions),
        web.get("/v1/predictions/{id}", api.get_prediction),
        web.post("/v1/predictions/{id}/cancel", api.cancel_prediction),
        web.get("/v1/account", api.account),
        web.get("/v1/webhooks/default/secret", api.webhook_secret),
        *_models(),
        *_deployments_and_files(),
    ]
    # The Python client 1.0 adds /v1 to its REPLICATE_BASE_URL, the others do not: one value of it does for all.
    app.add_routes([*api_routes, *(web.route(each.method, f"/v1{each.path}", each.handler) for each in api_routes)])
    app.add_routes(
        [
            web.get("/delivery/{path:.+}", delivery.get_output),
            web.get("/stream/{id}", streaming.get_stream),
            *_switches(),
        ]
    )
    return app


@asynccontextmanager
async def running(simulator: Simulator, port: int = 0) -> AsyncIterator[str]:
    """Serves a simulator on 127.0.0.1 in this process while the block runs; yields its address without /v1."""
    async with listening(make_app(simulator), port) as listener:
        simulator.base_url, simulator.listener = listener.url, listener
        yield listener.url


def _switches() -> list[web.RouteDef]:
    return [
        web.post("/_sim/faults", admin.add_fault),
        web.get("/_sim/faults", admin.list_faults),
        web.delete("/_sim/faults", admin.clear_faults),
        web.get("/_sim/stats", admin.stats),
        web.get("/_sim/predictions", admin.all_predictions),
        web.post("/_sim/run_time", admin.set_run_time),
        web.post("/_sim/clock", admin.move_clock),
        web.post("/_sim/pictures", admin.set_pictures),
        web.post("/_sim/media", admin.set_media),
        web.post("/_sim/models", admin.add_model),
        web.post("/_sim/outage", admin.begin_outage),
        web.delete("/_sim/outage", admin.end_outage),
        web.post("/_sim/webhook-secret", admin.set_webhook_secret),
        web.post("/_sim/token", admin.set_token),
        web.post("/_sim/quiet", admin.quiet),
    ]


def _models() -> list[web.RouteDef]:
    model, version = "/v1/models/{owner}/{name}", "/v1/models/{owner}/{name}/versions/{version}"
    return [
        web.get("/v1/models", model_api.list_models),
        web.post("/v1/models", model_api.create_model),
        web.route("QUERY", "/v1/models", model_api.search_models),
        web.get(model, model_api.get_model),
        web.patch(model, model_api.update_model),
        web.delete(model, model_api.delete_model),
        web.get(f"{model}/examples", model_api.list_examples),
        web.get(f"{model}/readme", model_api.get_readme),
        web.get(f"{model}/versions", model_api.list_versions),
        web.get(version, model_api.get_version),
        web.delete(version, model_api.delete_version),
        web.post(f"{version}/trainings", training_api.create),
        web.get("/v1/trainings", training_api.list_),
        web.get("/v1/trainings/{id}", training_api.get),
        web.post("/v1/trainings/{id}/cancel", training_api.cancel),
        web.get("/v1/collections", model_api.list_collections),
        web.get("/v1/collections/{slug}", model_api.get_collection),
        web.get("/v1/hardware", model_api.list_hardware),
        web.get("/v1/search", model_api.search),
    ]


def _deployments_and_files() -> list[web.RouteDef]:
    deployment = "/v1/deployments/{owner}/{name}"
    return [
        web.get("/v1/deployments", deployment_api.list_),
        web.post("/v1/deployments", deployment_api.create),
        web.get(deployment, deployment_api.get),
        web.patch(deployment, deployment_api.update),
        web.delete(deployment, deployment_api.delete),
        web.get("/v1/files", file_api.list_),
        web.post("/v1/files", file_api.create),
        web.get("/v1/files/{id}", file_api.get),
        web.delete("/v1/files/{id}", file_api.delete),
        web.get("/v1/files/{id}/download", file_api.download),
    ]


@web.middleware
async def _guard(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Counts the request, checks the token on /v1, refuses what no route takes, and turns a problem into its answer."""
    resource = request.match_info.route.resource
    if not request.path.startswith("/_sim/"):
        place = "unknown" if resource is None else resource.canonical
        request.app[SIMULATOR].requests[f"{request.method} {place}"] += 1
    try:
        if request.path.startswith("/v1/"):
            outage = request.app[SIMULATOR].outage
            if outage is not None and (answer := outage.answer(request)) is not None:
                return answer
            api.check_token(request)
        if (missing := request.match_info.http_exception) is not None:
            raise not_simulated(missing.status, refused(request, _PLACES))
        return await handler(request)
    except ProblemError as problem:
        return problem.response()


async def _trace(_request: web.Request, response: web.StreamResponse) -> None:
    """Gives each answer the id that Cloudflare gives it: the only one that Replicate's support can use."""
    response.headers["cf-ray"] = f"{secrets.token_hex(8)}-SIM"


async def _closing(app: web.Application) -> AsyncIterator[None]:
    yield
    await app[SIMULATOR].close()
