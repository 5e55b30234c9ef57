"""For tests of errors: a service with a fixed answer, and the check that an error quotes no secret."""

import traceback
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from aiohttp import web

#: Made-up credentials, which no error may contain.
SIGNATURE, WRONG_KEY = "c2VjcmV0LXNpZ25hdHVyZQ", "d3Jvbmcta2V5"
SAS = f"sv=2024-01-01&sig={SIGNATURE}"

#: The body of every answer. A real one may quote anything.
BODY = "a body that quotes the request"


@asynccontextmanager
async def answering(status: int, headers: Mapping[str, str]) -> AsyncIterator[str]:
    """The URL of a service on loopback that gives every request the same answer."""

    async def answer(_: web.Request) -> web.Response:
        return web.Response(status=status, headers=headers, text=BODY)

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        host, port = runner.addresses[0][:2]
        yield f"http://{host}:{port}/account"
    finally:
        await runner.cleanup()


def assert_discreet(error: BaseException, *secrets: str) -> None:
    """Assert that neither the error nor its traceback contains a secret or the service's text."""
    printed = "".join(traceback.format_exception(error))
    for word in (SIGNATURE, "sig=", WRONG_KEY, "127.0.0.1", "string to sign", BODY, *secrets):
        assert word not in printed
