"""Outputs: fetched without the token, from Replicate's own hosts only, in bounded pieces.

Rules of this file:
1. An address comes from outside. Only the delivery host and its subdomains are asked, over the same scheme and port;
   redirects are not followed, and a user name in the address is refused (it would become a header). What is checked is
   what is asked: one parser, one object.
2. Gone, too large or foreign is for good as far as can be told here: OutputUnfit. A broken or slow transfer may do
   better: FileTrouble. Only a host that is not reached, or is too busy, is Unavailable as a whole.
3. A piece is what one read of the socket has brought: cutting it to a size of our own copies it once more.
"""

import asyncio
import functools
import logging
import re
import string
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from urllib.parse import quote

import aiohttp
import yarl

from shared.adapters.replicate.resilience.hosts import FileTrouble
from shared.adapters.replicate.sdk.http import REQUEST_ERRORS, Timeouts, describe
from shared.core.dependency import Dependency
from shared.core.provider.data_uris import TooLargeError, content_of
from shared.core.reasons import Reason, Refusal
from shared.ports import OutputUnfit, Unavailable

_log = logging.getLogger("darkroom.replicate")

#: The pieces of a data URI, in bytes.
CHUNK_BYTES = 64 * 1024

#: The largest piece of a transfer, in bytes: so much asyncio reads from a socket at once.
MOST_BYTES = 256 * 1024

#: Outputs are gone after an hour, so no host may ask for a longer pause.
_LONGEST_HINT_S = 600

#: What stands in an address as it is: a signature is about these very characters. A space or an umlaut is encoded.
_ADDRESS_SAFE = string.punctuation
_HOST = re.compile(r"[a-z0-9.-]+")


@asynccontextmanager
async def fetch(
    client: aiohttp.ClientSession, delivery_url: str, uri: str, most_bytes: int, timeouts: Timeouts
) -> AsyncIterator[AsyncIterator[bytes]]:
    """Stream one output, as ports.Provider.fetch says."""
    if uri.lstrip()[:5].lower() == "data:":
        async with aclosing(_pieces(_inline(uri, most_bytes))) as pieces:
            yield pieces
        return
    url = _own(uri, delivery_url)
    deadline = asyncio.get_running_loop().time() + timeouts.total_s
    response = await _open(client, url, timeouts, deadline)
    try:
        _check(response, most_bytes)
        async with aclosing(_streamed(response, most_bytes, deadline)) as pieces:
            yield pieces
    finally:
        response.close()


@functools.lru_cache(maxsize=8)
def _door(url: str) -> tuple[str, int | None, str]:
    """Scheme, port and host of an address."""
    address = yarl.URL(url)
    return address.scheme, address.port, address.raw_host or ""


def _own(uri: str, delivery_url: str) -> yarl.URL:
    """The address, if it is at Replicate's delivery host."""
    scheme, port, host = _door(delivery_url)
    if not uri.isprintable():
        raise _invalid()
    try:
        url = yarl.URL(quote(uri, safe=_ADDRESS_SAFE), encoded=True)
        asked, named = (url.raw_host or "").lower(), url.user is not None or url.password is not None
        same_door = (url.scheme, url.port) == (scheme, port)
    except ValueError:
        raise _invalid() from None
    same_house = asked == host or (asked.endswith(f".{host}") and _HOST.fullmatch(asked) is not None)
    if not same_door or not same_house or named:
        raise _invalid()
    return url


async def _open(
    client: aiohttp.ClientSession, url: yarl.URL, timeouts: Timeouts, deadline: float
) -> aiohttp.ClientResponse:
    # Not compressed: what a picture saves by it is nothing, and the size in the header is then the real one.
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
        # Outputs are public today. Should that change, it is for people to decide; the token is never sent there.
        _log.error("an output was answered %s: outputs may need a login now", status)
    if status in (429, 503):
        raise Unavailable(Dependency.REPLICATE, f"an output: answered {status}", _hint_s(response))
    if status != 200:
        raise FileTrouble(Dependency.REPLICATE, f"an output: answered {status}")
    length = response.headers.get("Content-Length", "")
    if length.isascii() and length.isdigit() and int(length[:20]) > most_bytes:
        raise _too_large(most_bytes)


async def _streamed(response: aiohttp.ClientResponse, most_bytes: int, deadline: float) -> AsyncGenerator[bytes, None]:
    """The body in pieces; each read is bounded, so that whoever uses the pieces may take his time between them."""
    received_bytes = 0
    while True:
        try:
            async with asyncio.timeout_at(deadline):
                piece, part_ended = await response.content.readchunk()
        except REQUEST_ERRORS as error:
            raise FileTrouble(Dependency.REPLICATE, f"an output: {describe(error)}") from None
        if not piece:
            if part_ended:  # of a transfer in chunks: more may come
                continue
            return
        received_bytes += len(piece)
        if received_bytes > most_bytes:
            raise _too_large(most_bytes)
        yield piece


def _hint_s(response: aiohttp.ClientResponse) -> float | None:
    """The seconds in a Retry-After, at most ten minutes; None where there are none."""
    told = response.headers.get("Retry-After", "").strip()
    return float(min(int(told), _LONGEST_HINT_S)) if told.isascii() and told.isdigit() and len(told) < 10 else None


def _inline(uri: str, most_bytes: int) -> bytes:
    """The bytes of a data URI."""
    try:
        content = content_of(uri, most_bytes)
    except TooLargeError:
        raise _too_large(most_bytes) from None
    if content is None:
        raise _invalid()
    return content


async def _pieces(content: bytes) -> AsyncGenerator[bytes, None]:
    for start in range(0, len(content), CHUNK_BYTES):
        yield content[start : start + CHUNK_BYTES]


def _invalid() -> OutputUnfit:
    return OutputUnfit(Refusal.of(Reason.OUTPUT_INVALID))


def _too_large(most_bytes: int) -> OutputUnfit:
    text = f"The result is larger than {most_bytes / 1_048_576:.4g} MiB and was not stored. Nothing was charged for it."
    return OutputUnfit(Refusal(Reason.OUTPUT_INVALID, text))
