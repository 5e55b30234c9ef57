"""Input files: fetched from an address that a stranger wrote, by the client that goes to public addresses only.

Rules of this file:
1. At most three redirects; each is checked as the first address was, and asked for as it was written.
2. The whole fetch has one bound in time and one in size. Nothing is unpacked. What an answer says of its packing counts
   only where it names a packing that there is: objects in buckets are stored with all sorts of other words
   (``aws-chunked``, ``utf-8``), and are known by their bytes anyway.
3. What cannot be had is a Refusal that the user can act upon; it never says what was found at an address.

What the bytes are is looked at by the message handler, which knows pictures by their bytes and their pixels before
decoding.
"""

import asyncio
import logging
import ssl
from collections.abc import Mapping, Sequence
from urllib.parse import urljoin

import aiohttp

from shared.adapters.net.public_client import AddressRefused, PublicClient, Resolve
from shared.core.reasons import Reason, Refusal

_log = logging.getLogger("darkroom.inputs")

#: A picture to start from is a few MB; a phone's photo up to 20.
MOST_BYTES = 20 * 1024 * 1024
#: The whole fetch, redirects included: the invocation has more to do.
TOTAL_S = 20.0
_REDIRECTS = 3
_REDIRECTING = frozenset({301, 302, 303, 307, 308})
_PIECE_BYTES = 64 * 1024
#: What a ``Content-Encoding`` names where the bytes are really packed: IANA's registry of content codings, and the
#: names in use beside it. Any other word says nothing about them.
_PACKED = frozenset({
    "aes128gcm", "br", "bzip2", "compress", "dcb", "dcz", "deflate", "exi", "gzip", "lz4", "lzma", "pack200-gzip",
    "snappy", "xz", "zstd", "x-bzip2", "x-compress", "x-deflate", "x-gzip", "x-lzma", "x-xz", "x-zstd",
})  # fmt: skip


class InputFetcher:
    """ports.Inputs. ``resolve``, ``opened`` and ``tls`` are the client's."""

    def __init__(
        self,
        *,
        resolve: Resolve | None = None,
        opened: Mapping[str, int] | None = None,
        tls: ssl.SSLContext | None = None,
        total_s: float = TOTAL_S,
        most_bytes: int = MOST_BYTES,
    ) -> None:
        self._client = PublicClient(resolve=resolve, opened=opened, tls=tls)
        self._total_s = total_s
        self._most_bytes = most_bytes

    async def get(self, url: str) -> bytes | Refusal:
        """The bytes at an address, or why not."""
        try:
            async with asyncio.timeout(self._total_s):
                return await self._followed(url)
        except TimeoutError:
            return _refusal(f"it did not come within {self._total_s:g} seconds")
        except AddressRefused as refused:
            return _refusal(refused.why)
        except (aiohttp.ClientError, OSError, ValueError) as error:
            _log.info("an input could not be fetched (%s)", type(error).__name__)
            return _refusal("it could not be fetched")

    async def _followed(self, url: str) -> bytes | Refusal:
        for _ in range(_REDIRECTS + 1):
            async with self._client.request("GET", url, headers={"Accept": "image/*"}) as response:
                if response.status not in _REDIRECTING:
                    return await self._body(response)
                location = response.headers.get("Location", "")
                if not location:
                    return _refusal("it was moved nowhere")
                url = urljoin(str(response.url), location)
        return _refusal(f"it was moved more than {_REDIRECTS} times")

    async def _body(self, response: aiohttp.ClientResponse) -> bytes | Refusal:
        if response.status != 200:
            return _refusal("its host did not give it out")
        if not _PACKED.isdisjoint(_words(response.headers.getall("Content-Encoding", []))):
            return _refusal("it is packed")
        too_large = _refusal(f"it is larger than {self._most_bytes // 1_048_576} MB")
        if (response.content_length or 0) > self._most_bytes:
            return too_large
        body = bytearray()
        async for piece in response.content.iter_chunked(_PIECE_BYTES):
            body += piece
            if len(body) > self._most_bytes:
                return too_large
        return bytes(body)


def _words(headers: Sequence[str]) -> set[str]:
    """The words of a header that may stand more than once, each a list."""
    return {word.strip().lower() for header in headers for word in header.split(",")}


def _refusal(why: str) -> Refusal:
    return Refusal(Reason.INPUT_INVALID, f"image_url cannot be used: {why}.")
