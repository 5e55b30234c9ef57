"""HTTP triggers on a real server (uvicorn). It treats a request as the real host does before a function sees it.

- Names of headers are lower-cased, repeated headers joined, empty ones dropped.
- The body is read only if the request has a Content-Length: a chunked request arrives empty.
- A body of more than FUNCTIONS_REQUEST_BODY_SIZE_LIMIT (100 MB by default) is 413 before any byte of it is read.
- A wrong verb is 404, like an unknown route.
- The caller's address is appended to X-Forwarded-For, as Azure's front end does.
- A function that raises answers 500 without a body.
"""

import asyncio
import contextlib
import re
import socket
from collections.abc import Awaitable, Callable, Iterator

import azure.functions as func
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from dev.host.index import Function
from dev.host.invocation import FunctionError, Invocations
from dev.host.settings import HostError, HostSettings

#: How long running requests may take at the end; the same as for the other triggers.
DRAIN_S = 10
#: Route parameters that both Azure and Starlette support; constraints such as {id:guid} are not built.
PARAMETER = re.compile(r"\{([A-Za-z]\w*)\}")


class WebServer(uvicorn.Server):
    """Serves the HTTP functions on loopback; signals are left to the host."""

    def __init__(self, functions: tuple[Function, ...], settings: HostSettings, invocations: Invocations) -> None:
        app = Starlette(
            routes=[_route(function, settings, invocations) for function in functions],
            exception_handlers={405: _not_found},
        )
        # asyncio sets TCP_NODELAY only on sockets that name their protocol; without it each answer waits 40 ms
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # port 7071 again right after a restart
        try:
            self._socket.bind(("127.0.0.1", settings.port))
        except OSError as error:
            raise HostError(f"port {settings.port} cannot be opened: {error.strerror}") from error
        self.answers = asyncio.Event()
        super().__init__(
            uvicorn.Config(
                app,
                lifespan="off",
                log_config=None,
                access_log=False,
                proxy_headers=False,  # X-Forwarded-For is for the functions to read, not for the server to trust
                server_header=False,
                timeout_graceful_shutdown=DRAIN_S,
            )
        )

    @property
    def url(self) -> str:
        """The URL of the server."""
        return f"http://127.0.0.1:{self._socket.getsockname()[1]}"

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Ignore signals: the host stops its triggers together."""
        yield

    async def serve(self, sockets: list[socket.socket] | None = None) -> None:
        """Serve until `should_exit`; `answers` is set when the server accepts requests."""
        await super().serve([self._socket, *(sockets or ())])

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Open the port, then set `answers`."""
        await super().startup(sockets)
        self.answers.set()


def _route(function: Function, settings: HostSettings, invocations: Invocations) -> Route:
    path = "/".join(
        part for part in (settings.route_prefix, str(function.trigger.get("route", function.name)).strip("/")) if part
    )
    if "{" in PARAMETER.sub("", path):
        raise HostError(f"function {function.name!r}: the route {path!r} has a parameter the local host does not know")
    methods = [str(getattr(method, "value", method)) for method in function.trigger.get("methods") or ()]
    every_method = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]
    return Route(
        f"/{path}", _endpoint(function, invocations, settings.body_limit_bytes), methods=methods or every_method
    )


def _endpoint(
    function: Function, invocations: Invocations, limit_bytes: int
) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(request: Request) -> Response:
        if int(request.headers.get("content-length", 0)) > limit_bytes:
            return Response(status_code=413)  # the rest of the body is read and thrown away
        headers = _headers(request)
        try:
            argument = await _function_request(request, headers)
            returned = await invocations.call(function, argument, headers.get("traceparent"))
            return _response(function, returned)
        except Exception:  # noqa: BLE001  # a function may raise anything, and the call has logged it
            return Response(status_code=500)

    return endpoint


async def _function_request(request: Request, headers: dict[str, str]) -> func.HttpRequest:
    return func.HttpRequest(
        request.method,
        str(request.url),
        headers=headers,
        params=dict(request.query_params),
        route_params={name: str(value) for name, value in request.path_params.items()},
        body=await request.body() if "content-length" in headers else b"",
    )


def _headers(request: Request) -> dict[str, str]:
    joined: dict[str, str] = {}
    for name, value in request.headers.items():
        if value:
            joined[name] = f"{joined[name]},{value}" if name in joined else value
    caller = f"{request.client.host}:{request.client.port}" if request.client else ""
    before = joined.get("x-forwarded-for")
    joined["x-forwarded-for"] = f"{before}, {caller}" if before else caller
    return joined


def _response(function: Function, returned: object) -> Response:
    if isinstance(returned, str):
        return Response(returned, media_type="text/plain")
    if not isinstance(returned, func.HttpResponse):
        raise FunctionError(f"function '{function.name}' returned {type(returned).__name__}, not an HttpResponse")
    headers = {str(name): str(value) for name, value in returned.headers.items()}
    if "content-type" not in {name.lower() for name in headers}:
        headers["content-type"] = f"{returned.mimetype}; charset={returned.charset}"
    return Response(returned.get_body(), status_code=returned.status_code, headers=headers)


async def _not_found(request: Request, error: Exception) -> Response:  # noqa: ARG001  # Starlette's signature
    return Response(status_code=404)
