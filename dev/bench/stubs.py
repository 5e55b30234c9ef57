"""`python -m dev.bench.stubs`: dependencies that answer at once, so that a measurement is about whoever asks them.

    /contentsafety/...      Content Safety: reads what it is sent, finds nothing in it (but see _REFUSED)
    /devstoreaccount1/...   Blob Storage, as far as an upload goes: takes containers, blobs and blocks, keeps nothing
    /_bench/counts          how many requests of each kind came, since the last look, and how many bytes
    a second port           passes everything on to --tables (Azurite), and counts the requests on the way

Only for measuring: whether Darkroom speaks these services' languages is tested against Azurite and the simulators.
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
#: A prompt with this is found harmful.
_REFUSED = b"refuse me"
#: Larger than any picture that is measured, in base64.
_BODY_BYTES = 128 * 1024 * 1024
_PIECE_BYTES = 256 * 1024

#: The first line of a request to Tables: verb and, of the path, the table or the batch.
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
    while piece := await request.content.readany():
        size_bytes += len(piece)
    return size_bytes


async def _counts(request: web.Request) -> web.Response:
    counts = request.app[COUNTS]
    seen = dict(counts)
    counts.clear()
    return web.json_response(seen)


async def forward(host: str, port: int, counts: Counter[str]) -> asyncio.Server:
    """Listen on loopback, pass every connection on to ``host:port``, and count its requests."""

    async def passed(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        beyond_reader, beyond_writer = await asyncio.open_connection(host, port)
        await asyncio.gather(_pump(reader, beyond_writer, counts), _pump(beyond_reader, writer, None))

    return await asyncio.start_server(passed, "127.0.0.1", 0)


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, counts: Counter[str] | None) -> None:
    try:
        while piece := await reader.read(_PIECE_BYTES):
            if counts is not None and (found := _REQUEST.match(piece)) is not None:
                counts[f"tables {found[1].decode()} {found[2].decode()}"] += 1
            writer.write(piece)
            await writer.drain()
    except ConnectionError:
        pass  # either side hung up
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
    """Serve until told to stop."""
    parser = argparse.ArgumentParser(prog="python -m dev.bench.stubs", description=__doc__.partition("\n")[0])
    parser.add_argument("--tables", required=True, help="the URL of a table service")
    parser.add_argument("--core", type=int)
    parser.add_argument("--exit-with-stdin", action="store_true")
    options = parser.parse_args()
    usage.pin(options.core)
    asyncio.run(_serve(options))


if __name__ == "__main__":
    main()
