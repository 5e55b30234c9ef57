"""`python -m dev.bench.stubs`: dependencies that answer at once, so that a measurement shows the cost of the caller.

    /contentsafety/...      Content Safety: reads each request and finds nothing (but see _REFUSED)
    /devstoreaccount1/...   Blob Storage for uploads: accepts containers, blobs and blocks, keeps nothing
    /_bench/counts          the number of requests of each kind, and of bytes, since the last call
    a second port           forwards all requests to --tables (Azurite), and counts them

Only for measuring. The tests against Azurite and the simulators show that Darkroom speaks these services' protocols.
"""

import argparse
import asyncio
import re
from collections import Counter
from collections.abc import Mapping
from email.utils import formatdate
from urllib.parse import urlsplit

from aiohttp import web

from dev.bench import usage
from replicate_simulator.serving import serve

_CATEGORIES = ("Hate", "SelfHarm", "Sexual", "Violence")
_SAFE, _HARMFUL = ([{"category": name, "severity": severity} for name in _CATEGORIES] for severity in (0, 6))
#: A prompt with this text is harmful.
_REFUSED = b"refuse me"
#: Larger than any measured picture, in base64.
_BODY_BYTES = 128 * 1024 * 1024
_CHUNK_BYTES = 256 * 1024

#: The first line of a request to Tables: the verb and, from the path, the table or the batch.
_REQUEST = re.compile(rb"(?:^|\r\n\r\n|\})(GET|POST|PUT|PATCH|MERGE|DELETE) /[^/ ]+/([$\w]+)\S* HTTP/1\.1\r\n")

COUNTS: web.AppKey[Counter[str]] = web.AppKey("counts", Counter)


def make_app(counts: Counter[str]) -> web.Application:
    """The application of the stubs."""
    app = web.Application(client_max_size=_BODY_BYTES)
    app[COUNTS] = counts
    app.add_routes(
        [
            web.post("/contentsafety/{what}", _safe),
            web.get("/_bench/counts", _counts),
            web.route("*", "/devstoreaccount1/{path:.*}", _blob),
        ]
    )
    return app


async def _safe(request: web.Request) -> web.Response:
    what = request.match_info["what"].partition(":")[0]
    request.app[COUNTS][f"content safety {what}"] += 1
    if what == "image":
        await _swallow(request)
    analysis = _HARMFUL if what == "text" and _REFUSED in await request.read() else _SAFE
    return web.json_response({"categoriesAnalysis": analysis, "blocklistsMatch": []})


async def _blob(request: web.Request) -> web.Response:
    counts = request.app[COUNTS]
    counts[f"blobs {request.method} {request.query.get('comp', '')}".strip()] += 1
    counts["blob bytes"] += await _swallow(request)
    headers = {"ETag": '"0x1"', "Last-Modified": formatdate(usegmt=True), "x-ms-request-id": "0", "x-ms-version": "0"}
    if request.method == "PUT":
        return web.Response(status=201, headers=headers)
    if request.method == "DELETE":
        return web.Response(status=202, headers=headers)
    listing = '<?xml version="1.0"?><EnumerationResults><Blobs/><NextMarker/></EnumerationResults>'
    return web.Response(text=listing, content_type="application/xml", headers=headers)


async def _swallow(request: web.Request) -> int:
    size_bytes = 0
    while chunk := await request.content.readany():
        size_bytes += len(chunk)
    return size_bytes


async def _counts(request: web.Request) -> web.Response:
    counts = request.app[COUNTS]
    seen = dict(counts)
    counts.clear()
    return web.json_response(seen)


async def forward(host: str, port: int, counts: Counter[str]) -> asyncio.Server:
    """Listen on loopback, forward every connection to ``host:port``, and count its requests."""

    async def passed(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        beyond_reader, beyond_writer = await asyncio.open_connection(host, port)
        await asyncio.gather(_pump(reader, beyond_writer, counts), _pump(beyond_reader, writer, None))

    return await asyncio.start_server(passed, "127.0.0.1", 0)


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, counts: Counter[str] | None) -> None:
    try:
        while chunk := await reader.read(_CHUNK_BYTES):
            if counts is not None and (found := _REQUEST.match(chunk)) is not None:
                counts[f"tables {found[1].decode()} {found[2].decode()}"] += 1
            writer.write(chunk)
            await writer.drain()
    except ConnectionError:
        pass  # either side closed the connection
    finally:
        writer.close()


async def _serve(options: argparse.Namespace) -> None:
    counts: Counter[str] = Counter()
    tables = urlsplit(options.tables)
    server = await forward(tables.hostname or "", tables.port or 0, counts)
    counted = tables._replace(netloc=f"127.0.0.1:{server.sockets[0].getsockname()[1]}").geturl()

    def ready(url: str) -> Mapping[str, str]:
        return {"ready": "stubs", "url": url, "blob_url": f"{url}/devstoreaccount1", "table_url": counted}

    await serve(make_app(counts), 0, ready, exit_with_stdin=options.exit_with_stdin)


def main() -> None:
    """Serve until SIGTERM."""
    parser = argparse.ArgumentParser(prog="python -m dev.bench.stubs", description=__doc__.partition("\n")[0])
    parser.add_argument("--tables", required=True, help="the URL of a table service")
    parser.add_argument("--core", type=int)
    parser.add_argument("--exit-with-stdin", action="store_true")
    options = parser.parse_args()
    usage.pin(options.core)
    asyncio.run(_serve(options))


if __name__ == "__main__":
    main()
