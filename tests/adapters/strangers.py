"""Untrusted servers on loopback, with TLS of a test's own authority, for the tests of fetching."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import cache

import trustme
from aiohttp import web

from shared.adapters.net.input_files import InputFetcher
from shared.adapters.net.public_client import Resolve
from shared.core.reasons import Reason, Refusal

AUTHORITY = trustme.CA()
#: The names that a test opens. The certificate covers two more, so that it is not TLS that refuses those.
HOSTS = ("pictures.example", "rebind.example", "mixed.example", "xn--mnchen-3ya.example")
CERTIFICATE = AUTHORITY.issue_cert(*HOSTS, "strange.example", "127.0.0.1")


@cache
def trusting() -> ssl.SSLContext:
    """A client's TLS that trusts the test's authority, and no other: to read the world's takes 40 ms a client."""
    return ssl.create_default_context(cadata=AUTHORITY.cert_pem.bytes().decode("ascii"))


@cache
def serving() -> ssl.SSLContext:
    """Returns the TLS context of a server."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    CERTIFICATE.configure_cert(context)
    return context


class Names:
    """A resolver. Each host has answers that are given in order, and the last one is repeated."""

    def __init__(self, **answers: Sequence[Sequence[str]]) -> None:
        self.answers = {name.replace("_", "."): list(given) for name, given in answers.items()}
        self.asked: list[str] = []

    async def __call__(self, host: str) -> Sequence[str]:
        """Return the test's answer, or 127.0.0.1 for a host that it does not mention."""
        self.asked.append(host)
        answers = self.answers.get(host, [["127.0.0.1"]])
        return answers.pop(0) if len(answers) > 1 else answers[0]


@dataclass
class Site:
    """The server of a test: its address, and the requests that it got."""

    port: int
    paths: list[str] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)

    def at(self, path: str, host: str = "pictures.example") -> str:
        """A URL on this server."""
        return f"https://{host}:{self.port}{path}"

    def fetcher(self, names: Resolve | None = None, *, total_s: float = 2, most_bytes: int = 1000) -> InputFetcher:
        """A fetcher for which this server is opened."""
        return InputFetcher(
            resolve=names or Names(),
            opened=dict.fromkeys((*HOSTS, "other.example"), self.port),
            tls=trusting(),
            total_s=total_s,
            most_bytes=most_bytes,
        )


Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@asynccontextmanager
async def site(handler: Handler) -> AsyncIterator[Site]:
    """A server that answers every path by this handler."""
    made = Site(0)

    async def answer(request: web.Request) -> web.StreamResponse:
        made.paths.append(request.path_qs)
        made.headers.append(dict(request.headers))
        return await handler(request)

    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", answer)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    server = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=serving())
    await server.start()
    made.port = runner.addresses[0][1]
    try:
        yield made
    finally:
        await runner.cleanup()


@asynccontextmanager
async def raw_site(answer: bytes, *, drip_s: float = 0) -> AsyncIterator[Site]:
    """A server that sends these bytes and closes. With ``drip_s`` it sends byte by byte, with this pause."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await reader.readuntil(b"\r\n\r\n")
            for start in range(0, len(answer), 1 if drip_s else len(answer)):
                writer.write(answer[start : start + (1 if drip_s else len(answer))])
                await writer.drain()
                await asyncio.sleep(drip_s)
        except (OSError, asyncio.IncompleteReadError):
            pass  # the fetcher has closed the connection, as it should
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=serving())
    try:
        yield Site(server.sockets[0].getsockname()[1])
    finally:
        server.close()


async def picture(request: web.Request) -> web.StreamResponse:
    """Answer with some bytes."""
    return web.Response(body=b"a picture", headers={"Set-Cookie": "a=b"})


def moved(*places: str) -> Handler:
    """A handler that redirects to these places in order, and then answers with a picture."""
    left = list(places)

    async def handler(request: web.Request) -> web.StreamResponse:
        if not left:
            return await picture(request)
        return web.Response(status=302, headers={"Location": left.pop(0), "Set-Cookie": "a=b"})

    return handler


def why(got: bytes | Refusal) -> str:
    """The sentence of a refusal."""
    assert isinstance(got, Refusal), got
    assert got.reason is Reason.INPUT_INVALID
    return got.text
