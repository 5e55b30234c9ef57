"""Servers that the adapters of Replicate, Service Bus and Content Safety are tested against.

``running`` starts a simulator of the local stack as a process of its own; ``Scripted`` answers HTTP as a test
says; ``raw_server`` is a bare socket for servers that misbehave below HTTP.
"""

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aiohttp import web

#: A simulator is ready within a second; a busy machine gets more.
_READY_S = 30


@asynccontextmanager
async def running(module: str, *arguments: str) -> AsyncIterator[dict[str, str]]:
    """Start ``python -m module`` and yield its ready line; it ends with its standard input."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        module,
        "--exit-with-stdin",
        *arguments,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        ready: dict[str, str] = json.loads(await asyncio.wait_for(process.stdout.readline(), _READY_S))
        yield ready
    finally:
        process.stdin.close()
        await process.wait()


Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass
class Scripted:
    """An HTTP server on loopback. It gives its ``answers`` in order, and repeats the last one.

    ``requests`` are (method, path with query, headers with lower-case names, body).
    """

    url: str = ""
    answers: list[web.Response | Answer] = field(default_factory=list)
    requests: list[tuple[str, str, dict[str, str], bytes]] = field(default_factory=list)

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        headers = {name.lower(): value for name, value in request.headers.items()}
        self.requests.append((request.method, request.path_qs, headers, await request.read()))
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, web.Response):
            body = answer.body if isinstance(answer.body, bytes) else b""
            return web.Response(status=answer.status, body=body, headers=answer.headers)
        return await answer(request)


@asynccontextmanager
async def scripted(*answers: web.Response | Answer) -> AsyncIterator[Scripted]:
    """A running ``Scripted``."""
    server = Scripted(answers=list(answers))
    app = web.Application(client_max_size=32 * 1024 * 1024)
    app.router.add_route("*", "/{path:.*}", server._handle)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        server.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        yield server
    finally:
        await runner.cleanup()


Connection = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def raw_server(connection: Connection) -> AsyncIterator[str]:
    """A TCP server that handles each connection by this function; yields its URL."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await connection(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass  # the client has gone, or the test is over
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()


async def read_request(reader: asyncio.StreamReader) -> bytes:
    """One HTTP request, head and body."""
    head = await reader.readuntil(b"\r\n\r\n")
    for line in head.lower().split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name == b"content-length":
            return head + await reader.readexactly(int(value))
    return head


async def drop_after_reading(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Read the request and close the connection."""
    await read_request(reader)


async def reset_after_reading(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Read the request and reset the connection."""
    await read_request(reader)
    writer.transport.abort()


async def never_answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Read the request and send nothing until the client closes the connection."""
    await read_request(reader)
    await reader.read()


async def answer_by_halves(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, status: bytes = b"201 Created"
) -> None:
    """Announce 1000 bytes, send 10, and close the connection."""
    await read_request(reader)
    writer.write(b"HTTP/1.1 " + status + b"\r\nContent-Length: 1000\r\n\r\n0123456789")
    await writer.drain()


async def answer_nonsense(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer with bytes that are not HTTP."""
    await read_request(reader)
    writer.write(b"220 mail.example ESMTP\r\n\r\n")
    await writer.drain()


async def closed_port() -> str:
    """A URL whose port is closed."""
    async with raw_server(drop_after_reading) as url:
        return url
