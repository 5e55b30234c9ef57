"""The application: the three surfaces, with the token asked for on /v1 and every request counted."""

import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Final

from aiohttp import web

from dev.replicate import admin, api, delivery
from dev.replicate.engine import SIMULATOR, Simulator
from dev.replicate.problems import ProblemError

# The API takes inline files of up to 10 MB, which base64 makes a third longer.
_BODY_BYTES: Final = 16 * 1024 * 1024

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def make_app(simulator: Simulator) -> web.Application:
    """Returns the application of a simulator, which it closes at its end."""
    app = web.Application(middlewares=[_guard], client_max_size=_BODY_BYTES)
    app[SIMULATOR] = simulator
    app.on_response_prepare.append(_trace)
    app.cleanup_ctx.append(_closing)
    app.add_routes(
        [
            web.post("/v1/predictions", api.create_by_version),
            web.post("/v1/models/{owner}/{name}/predictions", api.create_by_model),
            web.post("/v1/deployments/{owner}/{name}/predictions", api.create_by_deployment),
            web.get("/v1/predictions", api.list_predictions),
            web.get("/v1/predictions/{id}", api.get_prediction),
            web.post("/v1/predictions/{id}/cancel", api.cancel_prediction),
            web.get("/v1/account", api.account),
            web.get("/v1/webhooks/default/secret", api.webhook_secret),
            web.get("/delivery/{path:.+}", delivery.get_output),
            web.post("/_sim/faults", admin.add_fault),
            web.get("/_sim/faults", admin.list_faults),
            web.delete("/_sim/faults", admin.clear_faults),
            web.get("/_sim/stats", admin.stats),
            web.get("/_sim/predictions", admin.all_predictions),
            web.post("/_sim/run_time", admin.set_run_time),
            web.post("/_sim/clock", admin.move_clock),
            web.post("/_sim/pictures", admin.set_pictures),
            web.post("/_sim/webhook-secret", admin.set_webhook_secret),
            web.post("/_sim/token", admin.set_token),
            web.post("/_sim/quiet", admin.quiet),
        ]
    )
    return app


@web.middleware
async def _guard(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Counts the request, asks for the token where one is needed, and writes problems as answers."""
    resource = request.match_info.route.resource
    if not request.path.startswith("/_sim/"):
        place = "unknown" if resource is None else resource.canonical
        request.app[SIMULATOR].requests[f"{request.method} {place}"] += 1
    try:
        if request.path.startswith("/v1/"):
            api.check_token(request)
        return await handler(request)
    except ProblemError as problem:
        return problem.response()


async def _trace(_request: web.Request, response: web.StreamResponse) -> None:
    """Gives each answer the id that Cloudflare gives it: the only one that Replicate's support can use."""
    response.headers["cf-ray"] = f"{secrets.token_hex(8)}-SIM"


async def _closing(app: web.Application) -> AsyncIterator[None]:
    yield
    await app[SIMULATOR].close()
