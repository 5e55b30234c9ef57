"""Fetches outputs: without the token, from Replicate's own hosts only, within bounds.

Rules of this file:
1. An address comes from outside, so ``sdk/addresses.py`` checks it. Redirects are not followed.
2. An output that is gone, too large or at another host is OutputUnfit: a repeat would not help. A transfer that is
   broken or slow is FileTrouble: a repeat may help. A host that is not reached or is too busy is Unavailable.
3. A chunk is what one read of the socket returned. Cutting it to another size would copy it once more.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager

import aiohttp
import yarl

from shared.adapters.replicate.resilience.hosts import FileTrouble
from shared.adapters.replicate.sdk.addresses import own_url
from shared.adapters.replicate.sdk.http import REQUEST_ERRORS, Timeouts, describe
from shared.core.dependency import Dependency
from shared.core.provider.data_uris import TooLargeError, content_of
from shared.core.reasons import Reason, Refusal
from shared.ports import OutputUnfit, Unavailable

_log = logging.getLogger("darkroom.replicate")

#: The size of a data URI's chunks, in bytes.
CHUNK_BYTES = 64 * 1024

#: The largest chunk of a transfer, in bytes: asyncio reads that much from a socket at once.
MOST_BYTES = 256 * 1024

#: The longest pause in seconds that a host may ask for, because outputs are deleted after an hour.
_LONGEST_HINT_S = 600


@asynccontextmanager
async def fetch(
    client: aiohttp.ClientSession, delivery_url: str, uri: str, most_bytes: int, timeouts: Timeouts
) -> AsyncIterator[AsyncIterator[bytes]]:
    """Stream one output; see ports.Provider.fetch.

    Raises:
        OutputUnfit: it is gone, larger than ``most_bytes``, or its address is not Replicate's.
        FileTrouble: the transfer is broken or slow.
        Unavailable: its host was not reached, or is too busy.
    """
    if uri.lstrip()[:5].lower() == "data:":
        async with aclosing(_cut(_inline(uri, most_bytes))) as chunks:
            yield chunks
        return
    url = own_url(uri, delivery_url)
    if url is None:
        raise _invalid()
    deadline = asyncio.get_running_loop().time() + timeouts.total_s
    response = await _open(client, url, timeouts, deadline)
    try:
        _check(response, most_bytes)
        async with aclosing(_streamed(response, most_bytes, deadline)) as chunks:
            yield chunks
    finally:
        response.close()


async def _open(
    client: aiohttp.ClientSession, url: yarl.URL, timeouts: Timeouts, deadline: float
) -> aiohttp.ClientResponse:
    # Not compressed: a picture would not get smaller, and so the size in the header is the real one.
    headers = {"Accept-Encoding": "identity"}
    try:
        async with asyncio.timeout_at(deadline):
            return await client.get(url, headers=headers, timeout=timeouts.output(), allow_redirects=False)
    except (*REQUEST_ERRORS, ValueError) as error:
        raise Unavailable(Dependency.REPLICATE, f"an output: {describe(error)}") from None


def _check(response: aiohttp.ClientResponse, most_bytes: int) -> None:
    status = response.status
    if status in (404, 410):
        raise OutputUnfit(Refusal.of(Reason.OUTPUT_EXPIRED))
    if status in (401, 403):
        # Outputs are public today. If that changes, people must decide; the token is never sent there.
        _log.error("an output was answered %s: outputs may need a login now", status)
    if status in (429, 503):
        raise Unavailable(Dependency.REPLICATE, f"an output: answered {status}", _hint_s(response))
    if status != 200:
        raise FileTrouble(Dependency.REPLICATE, f"an output: answered {status}")
    length = response.headers.get("Content-Length", "")
    if length.isascii() and length.isdigit() and int(length[:20]) > most_bytes:
        raise _too_large(most_bytes)


async def _streamed(response: aiohttp.ClientResponse, most_bytes: int, deadline: float) -> AsyncGenerator[bytes, None]:
    """The body in chunks. The deadline bounds each read, and not the time that the caller takes between two."""
    received_bytes = 0
    while True:
        try:
            async with asyncio.timeout_at(deadline):
                chunk, part_ended = await response.content.readchunk()
        except REQUEST_ERRORS as error:
            raise FileTrouble(Dependency.REPLICATE, f"an output: {describe(error)}") from None
        if not chunk:
            if part_ended:  # an HTTP chunk ended: more may come
                continue
            return
        received_bytes += len(chunk)
        if received_bytes > most_bytes:
            raise _too_large(most_bytes)
        yield chunk


def _hint_s(response: aiohttp.ClientResponse) -> float | None:
    """The seconds in a Retry-After, at most ten minutes; None if there are none."""
    value = response.headers.get("Retry-After", "").strip()
    return float(min(int(value), _LONGEST_HINT_S)) if value.isascii() and value.isdigit() and len(value) < 10 else None


def _inline(uri: str, most_bytes: int) -> bytes:
    """The bytes of a data URI. OutputUnfit if it is malformed or too large."""
    try:
        content = content_of(uri, most_bytes)
    except TooLargeError:
        raise _too_large(most_bytes) from None
    if content is None:
        raise _invalid()
    return content


async def _cut(content: bytes) -> AsyncGenerator[bytes, None]:
    for start in range(0, len(content), CHUNK_BYTES):
        yield content[start : start + CHUNK_BYTES]


def _invalid() -> OutputUnfit:
    return OutputUnfit(Refusal.of(Reason.OUTPUT_INVALID))


def _too_large(most_bytes: int) -> OutputUnfit:
    text = f"The result is larger than {most_bytes / 1_048_576:.4g} MiB and was not stored. Nothing was charged for it."
    return OutputUnfit(Refusal(Reason.OUTPUT_INVALID, text))
