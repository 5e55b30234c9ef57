"""/delivery: the output files. They are public, as on replicate.delivery, and gone an hour after the prediction ended.

Rules: what a training made stays. A request with an Authorization header is a leak, is counted as one and answered 400,
because in production it would give the account's token to another host.
"""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Final

from aiohttp import web

from replicate_simulator.engine import SIMULATOR
from replicate_simulator.faults import OUTPUT_KINDS, Fault
from replicate_simulator.outputs import CONTENT_TYPES

_CHUNK_BYTES: Final = 256 * 1024
# A slow output comes in this many chunks.
_SLOW_CHUNKS: Final = 10
_PAGE: Final = b"<!DOCTYPE html><html><body><h1>This is not the file you are looking for</h1></body></html>"


async def get_output(request: web.Request) -> web.StreamResponse:
    """GET /delivery/...: the file, or 404 when there is none (any more)."""
    simulator = request.app[SIMULATOR]
    if "Authorization" in request.headers:
        simulator.leaks += 1
        return web.Response(status=400, text="an output is fetched without a token")
    found = simulator.find_output(request.path)
    if found is None:
        return web.Response(status=404, text="Not found")
    file, extension = await simulator.file(*found), request.path.rpartition(".")[2]
    headers = {"Content-Type": CONTENT_TYPES[extension], "Cache-Control": "public, max-age=3600"}
    fault = simulator.faults.take(OUTPUT_KINDS, found[0].prompt, found[0].model)
    if fault is None:
        return web.Response(body=file, headers=headers)
    return await _spoiled(request, file, headers, fault)


async def _spoiled(request: web.Request, file: bytes, headers: Mapping[str, str], fault: Fault) -> web.StreamResponse:
    match fault.kind:
        case "output_404":
            return web.Response(status=404, text="Not found")
        case "output_wrong_type":
            return web.Response(body=_PAGE, headers=headers)
        case "output_slow":
            return await _slow(request, file, headers, fault.params["seconds"])
        case "output_truncated":
            return await _truncated(request, file, headers)
        case _:
            return await _oversized(request, file, headers, fault.params)


async def _slow(request: web.Request, file: bytes, headers: Mapping[str, str], seconds: float) -> web.StreamResponse:
    response = await _opened(request, headers, len(file))
    chunk_bytes = len(file) // _SLOW_CHUNKS + 1
    with suppress(ConnectionResetError):  # the client has had enough
        for start in range(0, len(file), chunk_bytes):
            await asyncio.sleep(seconds / _SLOW_CHUNKS)
            await response.write(file[start : start + chunk_bytes])
    return response


async def _truncated(request: web.Request, file: bytes, headers: Mapping[str, str]) -> web.StreamResponse:
    response = await _opened(request, headers, len(file))
    response.force_close()
    await response.write(file[: len(file) // 2])
    if request.transport is not None:
        request.transport.close()
    return response


async def _oversized(
    request: web.Request, file: bytes, headers: Mapping[str, str], params: Mapping[str, Any]
) -> web.StreamResponse:
    """Sends the file with zeros behind it: `bytes` in all, with or without telling so beforehand."""
    total_bytes = int(params["bytes"])
    response = await _opened(request, headers, total_bytes if params["declare_length"] else None)
    with suppress(ConnectionResetError):  # the client has had enough
        await response.write(file[:total_bytes])
        for start in range(len(file), total_bytes, _CHUNK_BYTES):
            await response.write(bytes(min(_CHUNK_BYTES, total_bytes - start)))
    return response


async def _opened(request: web.Request, headers: Mapping[str, str], length_bytes: int | None) -> web.StreamResponse:
    response = web.StreamResponse(headers=headers)
    response.content_length = length_bytes
    await response.prepare(request)
    return response
